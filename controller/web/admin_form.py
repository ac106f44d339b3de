"""Forms of the planning pages: fields with what stands in them and what is wrong with it, and reading them back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import Final

from controller.web import typed
from controller.web.i18n import Language

LARGEST: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """As HTML has it: `kind` is `text`, `password`, `number`, `date`, `time`, `select` or `checkbox`, which is on if
    `value` is.
    """

    name: str
    label: str
    value: str = ""
    kind: str = "text"
    hint: str = ""
    problem: str = ""
    options: tuple[Option, ...] = ()
    most: int = 64
    required: bool = False


@dataclass(slots=True)
class Filled:
    """A form that was sent in. What cannot be read is in `problems`, in words, by the name of its field."""

    given: Mapping[str, str]
    words: Language
    problems: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return self.given.get(name, "").strip()

    def has(self, name: str) -> bool:
        return bool(self.text(name))

    def whole(self, name: str, empty: int = 0) -> int:
        text = self.text(name)
        if not text:
            return empty
        found = typed.whole(text)
        if found is None:
            self.problems[name] = self.words.t("Write a whole number.")
            return empty
        return found

    def maybe(self, name: str) -> int | None:
        """A number, or None if the field is empty."""
        return self.whole(name) if self.has(name) else None

    def day(self, name: str) -> date:
        found = typed.day(self.text(name))
        if found is None:
            self.problems[name] = self.words.t("Write a date.")
        return found or date.min

    def clock(self, name: str) -> time:
        try:
            return time.fromisoformat(self.text(name))
        except ValueError:
            self.problems[name] = self.words.t("Write a time.")
            return time.min
