"""A timetable in a table: who teaches which class at which machine, and on which dates that is. Pure.

Whether it can be had then is not asked here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from typing import Final

from controller.folding import fold
from controller.scheduling.school_time import SchoolYear
from controller.timetable.cells import Lesson, Meant
from controller.timetable.importing import Clash, Fault, Line, in_order, joined, lines
from controller.timetable.layouts import LESSONS, Field
from controller.timetable.sheets import Sheet

MOST_DATES: Final = 1_000
"""In one file. Each is asked for, and booked, by itself."""
_LONGEST: Final = 366


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    login: str
    name: str


@dataclass(frozen=True, slots=True)
class Bookable:
    """A unit or pool that the school may book. `own`: it is the school's; `supervised`: an adult has to stand by."""

    id: int
    name: str
    code: str
    pool: bool
    own: bool
    supervised: bool = False


@dataclass(frozen=True, slots=True)
class Course:
    """One row: a class at a thing, at each of these times (ms). `free` are dates that fall out, by holiday."""

    line: Line
    holder: str
    thing: Bookable
    spans: tuple[range, ...]
    free: tuple[tuple[date, str], ...] = ()

    @property
    def title(self) -> str:
        return str(self.line[Field.TITLE])

    @property
    def purpose(self) -> str:
        return str(self.line[Field.PURPOSE] or "")

    @property
    def head_count(self) -> int:
        found = self.line[Field.HEAD_COUNT]
        return found if isinstance(found, int) else 0


@dataclass(frozen=True, slots=True)
class School:
    """What a timetable is read against. `years` is by day."""

    people: Sequence[Person]
    things: Sequence[Bookable]
    years: Sequence[SchoolYear]

    def year(self, day: date) -> SchoolYear | None:
        return next((each for each in self.years if each.term_of(day) is not None), None)


def courses(sheet: Sheet, school: School) -> tuple[list[Course], tuple[Fault, ...]]:
    """Those rows that say what can be; of rows that want one machine at one time the first."""
    found, faults = lines(sheet, LESSONS, _key)
    read: list[Course] = []
    dates = 0
    for line in found:
        course = _course(line, school)
        if isinstance(course, Fault):
            faults.append(course)
            continue
        rival = next((each for each in read if _meet(each, course)), None)
        dates += len(course.spans)
        if rival is not None:
            faults.append(line.fault(Field.THING, Clash.SAME_TIME, other=rival.line.row))
        elif dates > MOST_DATES:
            faults.append(line.fault(None, Clash.TOO_MANY))
        else:
            read.append(course)
    return read, in_order(faults)


def _key(values: Mapping[Field, Meant]) -> str:
    return joined(*(values.get(each.field) for each in LESSONS.columns))


def _course(line: Line, school: School) -> Course | Fault:
    person = _person(line, school.people)
    if isinstance(person, Fault):
        return person
    thing = _thing(line, school.things)
    if isinstance(thing, Fault):
        return thing
    first, last = line[Field.FIRST], line[Field.LAST]
    if isinstance(first, date) and isinstance(last, date) and not first <= last <= first + timedelta(days=_LONGEST):
        return line.fault(Field.LAST, Clash.BACKWARDS)
    spans: list[range] = []
    free: list[tuple[date, str]] = []
    days = 0
    for day, year in _days(line, school):
        days += 1
        holiday = year.holiday_of(day)
        span = _span(year, day, line[Field.PERIODS])
        if holiday is not None:
            free.append((day, holiday.name))
        elif span is not None:
            spans.append(span)
    if not days:
        return line.fault(Field.FIRST, Clash.NO_DATES)
    if not spans and not free:
        return line.fault(Field.PERIODS, Clash.NO_SUCH_PERIOD)
    return Course(line, person.id, thing, tuple(spans), tuple(free))


def _person(line: Line, people: Sequence[Person]) -> Person | Fault:
    """By login, else by the whole name if one person has it."""
    wanted = fold(str(line[Field.TEACHER]))
    named = [each for each in people if fold(each.login) == wanted] or [
        each for each in people if fold(each.name) == wanted
    ]
    if len(named) == 1:
        return named[0]
    near = get_close_matches(wanted, [each.login for each in people], 1)
    return line.fault(Field.TEACHER, Clash.AMBIGUOUS if named else Clash.NO_SUCH_PERSON, near="".join(near))


def _thing(line: Line, things: Sequence[Bookable]) -> Bookable | Fault:
    """By the code on its label, else by its name: the school's own before those of others."""
    given = str(line[Field.THING])
    wanted = fold(given)
    for group in (
        [each for each in things if each.code == given.upper()],
        [each for each in things if each.own and fold(each.name) == wanted],
        [each for each in things if fold(each.name) == wanted],
    ):
        if len(group) == 1:
            return group[0]
        if group:
            return line.fault(Field.THING, Clash.AMBIGUOUS)
    near = get_close_matches(given, [each.name for each in things], 1)
    return line.fault(Field.THING, Clash.NO_SUCH_THING, near="".join(near))


def _days(line: Line, school: School) -> Iterator[tuple[date, SchoolYear]]:
    """The first day alone; or to the last every day of its weekday, or of one that is taught as such."""
    first, last = line[Field.FIRST], line[Field.LAST]
    assert isinstance(first, date)  # noqa: S101 - the column is required
    until = last if isinstance(last, date) else first
    weekday = line[Field.WEEKDAY]
    wanted = weekday if isinstance(weekday, int) else first.weekday() if isinstance(last, date) else None
    day = first
    while day <= until:
        year = school.year(day)
        if year is not None and wanted in (None, _taught_as(year, day)) and _in_week(year, day, line[Field.WEEK]):
            yield day, year
        day += timedelta(days=1)


def _taught_as(year: SchoolYear, day: date) -> int:
    return next((each.as_weekday for each in year.make_up if each.day == day), day.weekday())


def _in_week(year: SchoolYear, day: date, wanted: Meant | None) -> bool:
    if wanted is None:
        return True
    found = year.week_of(day)
    return found is not None and found.kind == wanted


def _span(year: SchoolYear, day: date, periods: Meant | None) -> range | None:
    if not isinstance(periods, Lesson):
        return None
    first, last = (year.slot(day, periods.half, number) for number in (periods.first, periods.last))
    return range(first.start_ms, last.end_ms) if first and last else None


def _meet(one: Course, other: Course) -> bool:
    """Whether both want one unit at one time."""
    if one.thing.id != other.thing.id or one.thing.pool:
        return False
    return any(a.start < b.stop and b.start < a.stop for a in one.spans for b in other.spans)
