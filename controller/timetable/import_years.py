"""Calendars and bell schedules in a table: which lines a school year is, and which year lines are. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, time

from controller.scheduling.school_time import (
    Bells,
    Flaw,
    Half,
    Holiday,
    MakeUpDay,
    Period,
    SchoolTimeError,
    Term,
    Week,
)
from controller.timetable.cells import Meant, Weekdays, What, Wrong
from controller.timetable.importing import (
    Act,
    Change,
    Clash,
    Diff,
    Fault,
    Line,
    compare,
    in_order,
    joined,
    lines,
    numbered,
    once,
)
from controller.timetable.layouts import BELLS, CALENDAR, Field, Kind
from controller.timetable.plan import NamedBells, YearPlan
from controller.timetable.sheets import Sheet


@dataclass(frozen=True, slots=True)
class YearsDiff:
    """`plans` are the years as they are to be, those alone that change."""

    diff: Diff
    plans: tuple[YearPlan, ...]


def diff_years(
    kind: Kind, sheet: Sheet, school_id: str, stored: Mapping[str, YearPlan], drop: Collection[str]
) -> YearsDiff:
    """Of a CALENDAR or BELLS; `stored` are the school's years by name. Years that the file does not name stay."""
    given, faults = _given(kind, sheet)
    if kind is Kind.BELLS:
        unknown = [each for each in given if each[Field.YEAR] not in stored]
        faults += [each.fault(Field.YEAR, Clash.NO_SUCH_YEAR) for each in unknown]
        given = [each for each in given if each not in unknown]
    changes: list[Change] = []
    plans: list[YearPlan] = []
    for name in dict.fromkeys(_text(each[Field.YEAR]) for each in given):
        its = [each for each in given if each[Field.YEAR] == name]
        before = stored.get(name, YearPlan(school_id, name))
        diff, plan = _year(kind, its, before, drop)
        changes += diff.changes
        faults += diff.faults
        if diff.writes:
            plans.append(plan)
    return YearsDiff(Diff(tuple(changes), in_order(faults)), tuple(plans))


def _given(kind: Kind, sheet: Sheet) -> tuple[list[Line], list[Fault]]:
    if kind is Kind.BELLS:
        found, faults = lines(sheet, BELLS, _bell_key)
        found, twice = once(found, Field.NUMBER)
        agreed, disagreeing = _agreed(found)
        return agreed, [*faults, *twice, *disagreeing]
    found, faults = lines(sheet, CALENDAR, _calendar_key)
    whole, incomplete = _complete(found)
    holidays = numbered(each for each in whole if each[Field.WHAT] is What.HOLIDAY)
    others, twice = once([each for each in whole if each[Field.WHAT] is not What.HOLIDAY], Field.NAME)
    return sorted([*holidays, *others], key=lambda each: each.row), [*faults, *incomplete, *twice]


def _year(kind: Kind, given: Sequence[Line], before: YearPlan, drop: Collection[str]) -> tuple[Diff, YearPlan]:
    """What one year becomes. Lines that would make it what cannot be are left out, and said to be at fault."""
    stored = list(_bell_lines(before) if kind is Kind.BELLS else _calendar_lines(before))
    left, faults = list(given), list[Fault]()
    build = _with_bells if kind is Kind.BELLS else _with_calendar
    while True:
        changes = compare(left, stored, drop)
        after = [each.line for each in changes if each.act is not Act.REMOVED]
        try:
            return Diff(changes, tuple(faults)), build(before, after)
        except SchoolTimeError as error:
            blamed = [each for each in left if _blamed(each, error)] or left
            if not blamed:
                return Diff(compare((), stored, ()), (*faults, Fault(0, None, "", error.flaw, cause=error))), before
            faults += [replace(each.fault(_FIELDS.get(error.flaw), error.flaw), cause=error) for each in blamed]
            left = [each for each in left if each not in blamed]


_FIELDS: Mapping[Flaw, Field] = {
    Flaw.PERIOD_BACKWARDS: Field.ENDS,
    Flaw.PERIODS_OVERLAP: Field.BEGINS,
    Flaw.BELLS_BACKWARDS: Field.LAST,
    Flaw.BELLS_TIED: Field.FIRST,
    Flaw.TERM_BACKWARDS: Field.LAST,
    Flaw.HOLIDAY_BACKWARDS: Field.LAST,
    Flaw.TERMS_OVERLAP: Field.FIRST,
    Flaw.NAME: Field.NAME,
}


def _blamed(line: Line, error: SchoolTimeError) -> bool:
    """Whether the flaw is of what the line says."""
    name = line[Field.SCHEDULE] or line[Field.NAME]
    if error.names and name not in error.names:
        return False
    place = (line[Field.HALF], line[Field.NUMBER])
    return bool(error.names or error.periods) and (not error.periods or place in error.periods)


# calendars


def _calendar_key(values: Mapping[Field, Meant]) -> str:
    what = values.get(Field.WHAT)
    known_by = Field.FIRST if what is What.MAKE_UP else Field.NAME
    return joined(values.get(Field.YEAR), what, values.get(known_by))


def _complete(found: Iterable[Line]) -> tuple[list[Line], list[Fault]]:
    """What each entry needs beyond the columns that all need. A day off is one day if it does not say otherwise."""
    whole: list[Line] = []
    faults: list[Fault] = []
    for line in found:
        needed = {What.TERM: (Field.NAME, Field.LAST), What.HOLIDAY: (Field.NAME,), What.MAKE_UP: (Field.AS_WEEKDAY,)}
        lacking = [each for each in needed[What(_text(line[Field.WHAT]))] if line[each] is None]
        faults += [line.fault(each, Wrong.MISSING) for each in lacking]
        if not lacking:
            whole.append(_tailored(line))
    return whole, faults


def _tailored(line: Line) -> Line:
    """With what an entry of its kind has, and no more."""
    used = [Field.YEAR, Field.WHAT, Field.FIRST]
    what = line[Field.WHAT]
    used += [Field.AS_WEEKDAY] if what is What.MAKE_UP else [Field.NAME, Field.LAST]
    used += [Field.WEEK] if what is What.TERM else []
    values = {name: value for name, value in line.values.items() if name in used}
    if what is What.HOLIDAY:
        values.setdefault(Field.LAST, values[Field.FIRST])
    return replace(line, values=values)


def _calendar_lines(plan: YearPlan) -> Iterator[Line]:
    def line(what: What, first: date, more: Mapping[Field, Meant]) -> Line:
        values: dict[Field, Meant] = {Field.YEAR: plan.name, Field.WHAT: what, Field.FIRST: first, **more}
        return Line(_calendar_key(values), values)

    for term in plan.terms:
        yield line(
            What.TERM,
            term.first,
            {Field.NAME: term.name, Field.LAST: term.last, Field.WEEK: term.opens_with},
        )
    yield from numbered(
        line(What.HOLIDAY, each.first, {Field.NAME: each.name, Field.LAST: each.last}) for each in plan.holidays
    )
    for made in plan.make_up:
        yield line(What.MAKE_UP, made.day, {Field.AS_WEEKDAY: made.as_weekday})


def _with_calendar(plan: YearPlan, after: Iterable[Line]) -> YearPlan:
    """Raises SchoolTimeError."""
    terms, holidays, make_up = [], [], []
    for line in after:
        what, first, name = line[Field.WHAT], _date(line[Field.FIRST]), _text(line[Field.NAME])
        if what is What.TERM:
            terms.append(Term(name, first, _date(line[Field.LAST]), Week(_text(line[Field.WEEK]) or Week.A)))
        elif what is What.HOLIDAY:
            holidays.append(Holiday(name, first, _date(line[Field.LAST])))
        else:
            make_up.append(MakeUpDay(first, _number(line[Field.AS_WEEKDAY])))
    return replace(plan, terms=tuple(terms), holidays=tuple(holidays), make_up=tuple(make_up))


# bells


def _bell_key(values: Mapping[Field, Meant]) -> str:
    return joined(*(values.get(each) for each in (Field.YEAR, Field.SCHEDULE, Field.HALF, Field.NUMBER)))


_OF_SCHEDULE = (Field.WEEKDAYS, Field.FIRST, Field.LAST)


def _agreed(given: Iterable[Line]) -> tuple[list[Line], list[Fault]]:
    """Lines of one schedule say the same of its days: those count that the first one says."""
    first: dict[tuple[Meant | None, ...], Line] = {}
    agreed, faults = [], []
    for line in given:
        lead = first.setdefault((line[Field.YEAR], line[Field.SCHEDULE]), line)
        other = next((each for each in _OF_SCHEDULE if line[each] != lead[each]), None)
        if other is None:
            agreed.append(line)
        else:
            faults.append(line.fault(other, Clash.DISAGREES, other=lead.row))
    return agreed, faults


def _bell_lines(plan: YearPlan) -> Iterator[Line]:
    for named in plan.bells:
        for period in named.bells.periods:
            values: dict[Field, Meant] = {
                Field.YEAR: plan.name,
                Field.SCHEDULE: named.name,
                Field.WEEKDAYS: Weekdays(tuple(sorted(named.bells.weekdays))),
                Field.FIRST: named.bells.first,
                Field.LAST: named.bells.last,
                Field.HALF: period.half,
                Field.NUMBER: period.number,
                Field.BEGINS: period.begins,
                Field.ENDS: period.ends,
            }
            yield Line(_bell_key(values), values)


def _with_bells(plan: YearPlan, after: Iterable[Line]) -> YearPlan:
    """Schedules without any periods stay as they are. Raises SchoolTimeError."""
    of_name: dict[str, list[Line]] = defaultdict(list)
    for line in after:
        of_name[_text(line[Field.SCHEDULE])].append(line)
    silent = tuple(each for each in plan.bells if not each.bells.periods and each.name not in of_name)
    return replace(plan, bells=silent + tuple(_schedule(name, its) for name, its in of_name.items()))


def _schedule(name: str, its: Sequence[Line]) -> NamedBells:
    """Raises SchoolTimeError, which names the schedule."""
    try:
        return NamedBells(name, _bells(its))
    except SchoolTimeError as error:
        raise SchoolTimeError(str(error), error.flaw, names=(name,), periods=error.periods) from None


def _bells(its: Sequence[Line]) -> Bells:
    """What the file says of its days counts for the periods too that it does not name. Raises SchoolTimeError."""
    lead = max(its, key=lambda each: bool(each.row))
    days = lead[Field.WEEKDAYS]
    periods = tuple(
        Period(
            _time(each[Field.BEGINS]),
            _time(each[Field.ENDS]),
            Half(_text(each[Field.HALF])),
            _number(each[Field.NUMBER]),
        )
        for each in its
    )
    weekdays = frozenset(days.days if isinstance(days, Weekdays) else ())
    return Bells(weekdays, _date(lead[Field.FIRST]), _date(lead[Field.LAST]), tuple(sorted(periods)))


def _text(value: Meant | None) -> str:
    return str(value) if value is not None else ""


def _number(value: Meant | None) -> int:
    return value if isinstance(value, int) else 0


def _date(value: Meant | None) -> date:
    return value if isinstance(value, date) else date.min


def _time(value: Meant | None) -> time:
    return value if isinstance(value, time) else time()
