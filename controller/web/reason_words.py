"""What an agent says in its own words, in the reader's language.

Agents speak English, in their log and on the wire. Every message of theirs is in the catalogue as a template with
blanks (context `agent`; tools.reasons takes them out of the sources). A text that comes is found again by its template
and said in the reader's language; what fills a blank stays as it came, unless that is a message of ours, too, or a
state that the profiles have a word for. A text without a template is the firmware's own, or of another version, and is
left to the caller.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Self

from controller.web.i18n import Language, agent_messages, language
from controller.web.typography import tidy
from device_profiles.profile import Words, load, slugs

LONGEST: Final = 500
"""More characters than any detail on the wire has (contract.model); a longer text is not looked at."""
MOST_HEADS: Final = 8
"""So many `somewhere: ` are looked for before a message."""
DEEPEST: Final = 3
"""Messages within messages."""
FEWEST_LETTERS: Final = 8
"""A template with fewer letters of its own could be said by anybody: it counts only around a message of ours."""
_PLACE = re.compile(r"\{\w+\}")
_BETWEEN: Final = ": "
_STATE: Final = "{state}"


@dataclass(frozen=True, slots=True)
class Template:
    """`msgid` taken apart: `literals` stand around the `places`, one more than there are of these."""

    msgid: str
    literals: tuple[str, ...]
    places: tuple[str, ...]

    @classmethod
    def of(cls, msgid: str) -> Self:
        return cls(msgid, tuple(_PLACE.split(msgid)), tuple(_PLACE.findall(msgid)))

    @property
    def letters(self) -> int:
        return sum(letter.isalpha() for literal in self.literals for letter in literal)

    @property
    def vague(self) -> bool:
        return bool(self.places) and self.letters < FEWEST_LETTERS

    def blanks(self, text: str) -> dict[str, str] | None:
        """What fills the places in `text`, each but the last as short as can be; None if it is not of this template.

        A text that begins with a blank has nothing before that says where: `somewhere: ` is for the caller to cut off.
        Takes time in proportion to the text: an agent may send anything.
        """
        first, *middle, last = self.literals if self.places else (*self.literals, "")
        at, end = len(first), len(text) - len(last)
        if not self.places or end < at or not text.startswith(first) or not text.endswith(last):
            return {} if text == self.msgid else None
        found: dict[str, str] = {}
        for place, literal in zip(self.places, (*middle, None), strict=True):
            until = end if literal is None else text.find(literal, at if literal else min(at + 1, end), end)
            if until < 0 or found.setdefault(place, text[at:until]) != text[at:until]:
                return None
            at = until + len(literal or "")
        return None if not first and _BETWEEN in found[self.places[0]] else found


@cache
def templates() -> tuple[Template, ...]:
    """All of the catalogue, the one with the most text of its own first."""
    found = map(Template.of, agent_messages())
    return tuple(sorted(found, key=lambda each: (-each.letters, -len("".join(each.literals)), each.msgid)))


def said(text: str, words: Language) -> str:
    """`text` of an agent in the reader's language; empty if it is none of our messages. Not yet safe in HTML."""
    return _message(text, words.code, DEEPEST) if len(text) <= LONGEST else ""


def _message(text: str, code: str, depth: int) -> str:
    """A message by itself, or behind words that say where: `somewhere: the message`."""
    parts = text.split(_BETWEEN, MOST_HEADS)
    for number in range(len(parts)):
        told = _one(_BETWEEN.join(parts[number:]), code, depth)
        if told:
            return _BETWEEN.join((*(_one(part, code, depth) or part for part in parts[:number]), told))
    return ""


@lru_cache(maxsize=16_384)
def _one(text: str, code: str, depth: int) -> str:
    """A message by itself. What is known of a text is kept: an agent says the same for hours."""
    return next(_fitting(text, language(code), depth), "") if text and depth else ""


def _fitting(text: str, words: Language, depth: int) -> Iterator[str]:
    for template in templates():
        blanks = template.blanks(text)
        if blanks is None:
            continue
        told = {place: _message(blank, words.code, depth - 1) for place, blank in blanks.items()}
        told |= {_STATE: _state(blanks[_STATE], words)} if _STATE in blanks else {}
        if not template.vague or any(told.values()):
            values = {place: told[place] or blank for place, blank in blanks.items()}
            yield _filled(words.agent(template.msgid), values)


def _state(value: str, words: Language) -> str:
    """A state of a machine as its page calls it; empty in English, where it stays the value that it is."""
    return tidy(_states()[value].vi) if words.code == "vi" and value in _states() else ""


@cache
def _states() -> Mapping[str, Words]:
    """What the profiles call the states of machines. Of two words for one state either will do."""
    metrics = (load(slug).metrics.get("state") for slug in slugs())
    return {value: label for metric in metrics if metric is not None for value, label in metric.words.items()}


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda found: values[found[0]], text)
