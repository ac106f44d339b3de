"""What the pages of school time show: years with their parts, the teaching weeks, and which bells ring on a day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from markupsafe import Markup

from controller.scheduling.school_time import Half, SchoolYear, TeachingWeek
from controller.timetable.editing import StoredYear
from controller.timetable.plan import MOST_NAME, NamedBells, YearPlan
from controller.web.admin_form import Field, Option
from controller.web.admin_words import period_field, place_words
from controller.web.booking_words import SHORT_WEEKDAYS, WEEKDAYS, date_words, day_words
from controller.web.i18n import Language

MOST_PERIODS: Final = 6
"""In one half of the day; a school that has more keeps them."""
NEW: Final = "new"
"""In an address: a part that is not there yet."""


class Part(StrEnum):
    """Of a year, as it stands in addresses."""

    TERMS = "terms"
    BELLS = "bells"
    HOLIDAYS = "holidays"
    MAKE_UP = "make-up"


@dataclass(frozen=True, slots=True)
class YearEntry:
    id: int
    name: str
    dates: str
    terms: int


@dataclass(frozen=True, slots=True)
class Row:
    """One term, holiday, day or bell schedule: `cells` after its name."""

    href: str
    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    part: Part
    title: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    add: str
    none: str


@dataclass(frozen=True, slots=True)
class WeekEntry:
    number: int
    kind: str
    dates: str
    note: str


@dataclass(frozen=True, slots=True)
class DayEntry:
    """What rings on a day; without `periods` there are no lessons, and `why` says so."""

    day: str
    title: Markup
    why: str
    periods: tuple[tuple[Markup, str], ...]


def year_entries(years: Sequence[StoredYear], words: Language) -> tuple[YearEntry, ...]:
    return tuple(YearEntry(each.id, each.plan.name, _range(each.plan, words), len(each.plan.terms)) for each in years)


def tables(year: StoredYear, words: Language) -> tuple[Table, ...]:
    plan, to = year.plan, f"/admin/time/{year.id}"
    first, last = words.t("First day"), words.t("Last day")
    return (
        Table(
            Part.TERMS,
            words.t("Terms"),
            (words.t("Name"), first, last, words.t("Opens with")),
            tuple(
                Row(
                    f"{to}/terms/{at}",
                    each.name,
                    (*_days(each.first, each.last, words), week_word(each.opens_with, words)),
                )
                for at, each in enumerate(plan.terms)
            ),
            words.t("Add a term"),
            words.t("No term yet: nothing is taught."),
        ),
        Table(
            Part.BELLS,
            words.t("Bell schedules"),
            (words.t("Name"), words.t("Weekdays"), first, last, words.t("Periods")),
            tuple(Row(f"{to}/bells/{at}", each.name, _bells(each, words)) for at, each in enumerate(plan.bells)),
            words.t("Add a bell schedule"),
            words.t("No bells yet: nothing is taught."),
        ),
        Table(
            Part.HOLIDAYS,
            words.t("Holidays"),
            (words.t("Name"), first, last),
            tuple(
                Row(f"{to}/holidays/{at}", each.name, _days(each.first, each.last, words))
                for at, each in enumerate(plan.holidays)
            ),
            words.t("Add a holiday"),
            words.t("No holiday yet."),
        ),
        Table(
            Part.MAKE_UP,
            words.t("Make-up days"),
            (words.t("Day"), words.t("Taught as")),
            tuple(
                Row(
                    f"{to}/make-up/{at}",
                    day_words(each.day, words, year=True),
                    (WEEKDAYS[each.as_weekday](words),),
                )
                for at, each in enumerate(plan.make_up)
            ),
            words.t("Add a make-up day"),
            words.t("No make-up day yet."),
        ),
    )


def weeks(year: SchoolYear, words: Language) -> tuple[WeekEntry, ...]:
    """All teaching weeks, with the holidays in them."""
    return tuple(_week(each, year, words) for each in _teaching_weeks(year))


def day_entry(year: SchoolYear, day: date, words: Language) -> DayEntry:
    holiday, slots = year.holiday_of(day), year.slots(day)
    why: str
    if year.term_of(day) is None:
        why = words.t("The day is in no term.")
    elif holiday is not None:
        why = words.t("Holiday: {name}.", name=holiday.name)
    else:
        why = "" if slots else words.t("No bells ring on this weekday.")
    rung = tuple(
        (place_words(each.period.place, words), f"{each.period.begins:%H:%M}–{each.period.ends:%H:%M}")
        for each in slots
    )
    return DayEntry(day.isoformat(), day_words(day, words, year=True), why, rung)


def week_word(kind: str, words: Language) -> str:
    return words.t("week A") if kind == "A" else words.t("week B")


# forms


def part_title(part: Part, words: Language) -> str:
    return {
        Part.TERMS: words.t("Term"),
        Part.BELLS: words.t("Bell schedule"),
        Part.HOLIDAYS: words.t("Holiday"),
        Part.MAKE_UP: words.t("Make-up day"),
    }[part]


def count(plan: YearPlan, part: Part) -> int:
    """How many of its parts a year has."""
    parts = {Part.TERMS: plan.terms, Part.BELLS: plan.bells, Part.HOLIDAYS: plan.holidays, Part.MAKE_UP: plan.make_up}
    return len(parts[part])


def part_values(plan: YearPlan, part: Part, at: int) -> Mapping[str, str]:
    """What stands in the form of one of a year's parts."""
    if part is Part.MAKE_UP:
        made = plan.make_up[at]
        return {"day": made.day.isoformat(), "as_weekday": str(made.as_weekday)}
    if part is Part.BELLS:
        return _bell_values(plan.bells[at])
    if part is Part.TERMS:
        term = plan.terms[at]
        dates = {"first": term.first.isoformat(), "last": term.last.isoformat()}
        return {"name": term.name, **dates, "opens_with": term.opens_with}
    free = plan.holidays[at]
    return {"name": free.name, "first": free.first.isoformat(), "last": free.last.isoformat()}


def part_fields(
    part: Part, values: Mapping[str, str], problems: Mapping[str, str], words: Language
) -> tuple[Field, ...]:
    """The fields of one of a year's parts, without the periods of bells."""

    def one(name: str, label: Markup, kind: str, *options: Option) -> Field:
        return Field(
            name, label, values.get(name, ""), kind, problem=problems.get(name, ""), options=options,
            most=MOST_NAME, required=True,
        )  # fmt: skip

    if part is Part.MAKE_UP:
        weekdays = (Option(str(at), say(words)) for at, say in enumerate(WEEKDAYS))
        return (one("day", words.t("Day"), "date"), one("as_weekday", words.t("Taught as"), "select", *weekdays))
    fields = (
        one("name", words.t("Name"), "text"),
        one("first", words.t("First day"), "date"),
        one("last", words.t("Last day"), "date"),
    )
    if part is Part.TERMS:
        kinds = (Option(kind, week_word(kind, words)) for kind in ("A", "B"))
        return (*fields, one("opens_with", words.t("Opens with"), "select", *kinds))
    return fields


def weekday_fields(values: Mapping[str, str], words: Language) -> tuple[Field, ...]:
    return tuple(
        Field(f"weekday-{at}", say(words), values.get(f"weekday-{at}", ""), "checkbox")
        for at, say in enumerate(WEEKDAYS)
    )


@dataclass(frozen=True, slots=True)
class PeriodFields:
    """The fields `<name>-begins` and `<name>-ends`."""

    name: str
    label: Markup
    begins: str
    ends: str
    problem: str


def period_fields(values: Mapping[str, str], problems: Mapping[str, str], words: Language) -> tuple[PeriodFields, ...]:
    return tuple(
        PeriodFields(
            name,
            place_words((half, at), words),
            values.get(f"{name}-begins", ""),
            values.get(f"{name}-ends", ""),
            problems.get(name, "") or problems.get(f"{name}-begins", "") or problems.get(f"{name}-ends", ""),
        )
        for half in Half
        for at in range(1, most_periods(values, half) + 1)
        for name in (period_field((half, at)),)
    )


def most_periods(values: Mapping[str, str], half: Half) -> int:
    """How many periods the form of bells has for a half of the day."""
    prefix, suffix = f"{half}-", "-begins"
    found = (name.removeprefix(prefix).removesuffix(suffix) for name in values if name.startswith(prefix))
    return max([MOST_PERIODS, *(int(each) for each in found if each.isascii() and each.isdigit() and int(each) < 20)])


def _bell_values(named: NamedBells) -> Mapping[str, str]:
    bells = named.bells
    values = {"name": named.name, "first": bells.first.isoformat(), "last": bells.last.isoformat()}
    values |= {f"weekday-{each}": "on" for each in bells.weekdays}
    for each in bells.periods:
        name = period_field(each.place)
        values |= {f"{name}-begins": f"{each.begins:%H:%M}", f"{name}-ends": f"{each.ends:%H:%M}"}
    return values


def _bells(named: NamedBells, words: Language) -> tuple[str, ...]:
    bells = named.bells
    weekdays = ", ".join(str(SHORT_WEEKDAYS[each](words)) for each in sorted(bells.weekdays))
    return (weekdays, *_days(bells.first, bells.last, words), str(len(bells.periods)))


def _days(first: date, last: date, words: Language) -> tuple[str, str]:
    return date_words(first, words, year=True), date_words(last, words, year=True)


def _range(plan: YearPlan, words: Language) -> str:
    if not plan.terms:
        return ""
    first, last = plan.terms[0].first, max(each.last for each in plan.terms)
    return " – ".join(_days(first, last, words))


def _teaching_weeks(year: SchoolYear) -> Sequence[TeachingWeek]:
    found = []
    for term in sorted(year.terms, key=lambda each: each.first):
        monday = term.first - timedelta(days=term.first.weekday())
        while monday <= term.last:
            week = year.week_of(monday)
            if week is not None and week not in found:
                found.append(week)
            monday += timedelta(days=7)
    return found


def _week(week: TeachingWeek, year: SchoolYear, words: Language) -> WeekEntry:
    days = [week.monday + timedelta(days=each) for each in range(7)]
    free = dict.fromkeys(found.name for each in days if (found := year.holiday_of(each)) is not None)
    dates = f"{date_words(days[0], words)} – {date_words(days[-1], words)}"
    return WeekEntry(week.number, week_word(week.kind, words), dates, ", ".join(free))
