"""What a table would change: its rows against what is stored, and what of them cannot be. Pure.

Both sides are `Line`s. An empty cell, and a column that is not there, leave what is stored as it is; what is stored
and not in the file is kept, unless somebody drops it by its mark.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from enum import StrEnum
from typing import Final, TypeAlias

from controller.scheduling.entries import Fault as Refusal
from controller.scheduling.entries import WrongEntry
from controller.scheduling.school_time import Flaw, SchoolTimeError
from controller.timetable.cells import BadCell, Meant, Wrong
from controller.timetable.layouts import Column, Field, Layout
from controller.timetable.sheets import Row, Sheet


class Clash(StrEnum):
    """Why a row cannot be taken though each of its cells can. These names are kept."""

    TWICE = "twice"
    DISAGREES = "disagrees"
    BACKWARDS = "backwards"
    NO_SUCH_YEAR = "no-such-year"
    NO_SUCH_THING = "no-such-thing"
    NO_SUCH_CIRCUIT = "no-such-circuit"
    NO_SUCH_PERSON = "no-such-person"
    NO_SUCH_PERIOD = "no-such-period"
    AMBIGUOUS = "ambiguous"
    NO_DATES = "no-dates"
    SAME_TIME = "same-time"
    TOO_MANY = "too-many"
    ALL_REFUSED = "all-refused"


Why: TypeAlias = Wrong | Clash | Flaw | Refusal


@dataclass(frozen=True, slots=True)
class Fault:
    """Why row `row` (0: the file as a whole) is not taken. `text` is what stands in the cell of `field`.

    `least` and `most` are as in `BadCell`; `other` is the row that it clashes with, `near` what may be meant. `cause`
    is what was raised if it was a calendar or a stocktaking that would not have it.
    """

    row: int
    field: Field | None
    text: str
    why: Why
    least: int = 0
    most: int = 0
    other: int = 0
    near: str = ""
    cause: SchoolTimeError | WrongEntry | None = attribute(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing of what is stored (row 0) or of a file: `key` says which, `values` what is said of it."""

    key: str
    values: Mapping[Field, Meant]
    row: int = 0
    texts: Mapping[Field, str] = attribute(default_factory=dict)

    def __getitem__(self, name: Field) -> Meant | None:
        return self.values.get(name)

    @property
    def mark(self) -> str:
        """The key in short, fit for an address."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:12]

    def fault(self, name: Field | None, why: Why, *, other: int = 0, near: str = "") -> Fault:
        return Fault(self.row, name, self.texts.get(name, "") if name else "", why, other=other, near=near)


class Act(StrEnum):
    """What becomes of a line. These names are kept."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    SAME = "same"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Difference:
    field: Field
    old: Meant | None
    new: Meant


@dataclass(frozen=True, slots=True)
class Change:
    """`row` is 0 for what is not in the file. `line` is as it will be, or as it was if it is removed."""

    row: int
    act: Act
    line: Line
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Diff:
    """All that would become of a file; `changes` in the order of the file, then what is not in it."""

    changes: tuple[Change, ...] = ()
    faults: tuple[Fault, ...] = ()

    def count(self, act: Act) -> int:
        return sum(each.act is act for each in self.changes)

    @property
    def bad_rows(self) -> frozenset[int]:
        return frozenset(each.row for each in self.faults)

    @property
    def lines(self) -> tuple[Line, ...]:
        """All that there will be."""
        return tuple(each.line for each in self.changes if each.act is not Act.REMOVED)

    @property
    def writes(self) -> bool:
        return any(each.act in WRITING for each in self.changes)

    @property
    def digest(self) -> str:
        """Another one if it would do anything else, or says so."""
        told = [
            (each.row, each.act, each.line.key, each.differences, sorted(each.line.values.items()))
            for each in self.changes
        ]
        return hashlib.sha256(repr((told, self.faults)).encode()).hexdigest()[:32]


WRITING: Final = frozenset({Act.ADDED, Act.CHANGED, Act.REMOVED})
Key: TypeAlias = Callable[[Mapping[Field, Meant]], str]
"""What a line is known by, from what it says."""


def lines(sheet: Sheet, layout: Layout, key: Key) -> tuple[list[Line], list[Fault]]:
    """The rows that can be read, each by itself; and what of the others cannot."""
    columns = layout.located(sheet.head.cells)
    missing = [each for each in layout.columns if each.required and each not in columns.values()]
    if missing:
        return [], [Fault(0, each.field, "", Wrong.MISSING) for each in missing]
    found: list[Line] = []
    faults: list[Fault] = []
    for row in sheet.rows:
        values, wrong = _values(row, columns)
        if wrong:
            faults += wrong
        else:
            texts = {each.field: row.cells[place] for place, each in columns.items() if place < len(row.cells)}
            found.append(Line(key(values), values, row.number, texts))
    return found, faults


def _values(row: Row, columns: Mapping[int, Column]) -> tuple[dict[Field, Meant], list[Fault]]:
    values: dict[Field, Meant] = {}
    faults = []
    for place, column in columns.items():
        text = row.cells[place] if place < len(row.cells) else ""
        if not text:
            if column.required:
                faults.append(Fault(row.number, column.field, "", Wrong.MISSING))
            continue
        try:
            values[column.field] = column.parse(text)
        except BadCell as bad:
            faults.append(Fault(row.number, column.field, text, bad.wrong, bad.least, bad.most))
    return values, faults


def once(given: Sequence[Line], name: Field) -> tuple[list[Line], list[Fault]]:
    """Of lines that say the same thing is so the first; the others are at fault, by their field `name`."""
    first = {each.key: each for each in reversed(given)}
    later = [each for each in given if first[each.key] is not each]
    return [each for each in given if each not in later], [
        each.fault(name, Clash.TWICE, other=first[each.key].row) for each in later
    ]


def numbered(given: Iterable[Line]) -> list[Line]:
    """Where several may have one name: the second and later ones get a key of their own."""
    seen = Counter[str]()
    found = []
    for each in given:
        seen[each.key] += 1
        found.append(replace(each, key=f"{each.key} #{seen[each.key]}") if seen[each.key] > 1 else each)
    return found


def compare(given: Sequence[Line], stored: Sequence[Line], drop: Collection[str]) -> tuple[Change, ...]:
    """What `given` changes of `stored`; what is not in it is kept, but for what is to be dropped."""
    before = {each.key: each for each in stored}
    named = {each.key for each in given}
    beside = [
        Change(0, Act.REMOVED if each.mark in drop else Act.KEPT, each) for each in stored if each.key not in named
    ]
    return (*(_change(each, before.get(each.key)) for each in given), *beside)


def _change(line: Line, before: Line | None) -> Change:
    if before is None:
        return Change(line.row, Act.ADDED, line)
    differences = tuple(
        Difference(name, before[name], value) for name, value in line.values.items() if before[name] != value
    )
    merged = replace(line, values={**before.values, **line.values})
    return Change(line.row, Act.CHANGED if differences else Act.SAME, merged, differences)


def joined(*parts: Meant | None) -> str:
    """A key of these parts, which nobody reads."""
    return "\N{SYMBOL FOR UNIT SEPARATOR}".join("" if each is None else str(each) for each in parts)


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """By row; each once."""
    return tuple(sorted(dict.fromkeys(faults), key=lambda each: each.row))
