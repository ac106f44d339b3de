"""What the doctor says of each thing it looked at, in both languages."""

from dataclasses import dataclass
from enum import StrEnum

from device_profiles.profile import Words

NOTHING = Words("", "")


class Verdict(StrEnum):
    GOOD = "ok"
    DOUBTFUL = "warning"
    BAD = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, what was seen, and how to mend it (nothing to say when all is well).

    `code` is stable: a script can rely on it.
    """

    code: str
    verdict: Verdict
    what: Words
    seen: Words
    cure: Words = NOTHING


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a thing, before it is said which thing that is."""

    code: str
    seen: Words
    cure: Words
    verdict: Verdict = Verdict.BAD

    def of(self, what: Words) -> Finding:
        return Finding(self.code, self.verdict, what, self.seen, self.cure)


def good(code: str, what: Words, seen: Words) -> Finding:
    return Finding(code, Verdict.GOOD, what, seen)


def same(text: str) -> Words:
    """A name, an address, an error's own words: the same in both languages."""
    return Words(text, text)
