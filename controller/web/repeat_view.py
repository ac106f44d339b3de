"""The sheet on which a booking is repeated: a verdict for each date, and afterwards what became of those ticked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from markupsafe import Markup

from controller.scheduling.desk import Pick, Series
from controller.scheduling.school_time import SchoolYear
from controller.scheduling.series import Outcome, Verdict
from controller.scheduling.views import BookingView
from controller.web import picks, typed
from controller.web.booking_reader import Reader
from controller.web.booking_words import (
    Look,
    Names,
    alternative_words,
    date_words,
    day_of,
    day_words,
    period_words,
    problem_words,
    taken_words,
)
from controller.web.i18n import Language
from controller.web.move_view import Found
from controller.web.my_view import things_of
from controller.web.typography import tidy

_LOOKS: Final[Mapping[Outcome, Look]] = {
    Outcome.OK: Look(lambda words: words.t("Free"), "ok", icon="circle-check"),
    Outcome.TAKEN: Look(lambda words: words.t("Taken"), "fault", icon="circle-x"),
    Outcome.NOT_ALLOWED: Look(lambda words: words.t("Not possible"), "warning", icon="ban"),
    Outcome.HOLIDAY: Look(lambda words: words.t("No school"), "offline", icon="calendar-x"),
    Outcome.OUTSIDE_TERM: Look(lambda words: words.t("No school"), "offline", icon="calendar-x"),
    Outcome.NO_SUCH_PERIOD: Look(lambda words: words.t("Other bells"), "offline", icon="calendar-x"),
}
PICK: Final = "pick-"
"""How the fields of dates begin."""


class Until(StrEnum):
    """How far it is repeated."""

    TERM = "term"
    NEXT = "next"
    ALTERNATE = "alternate"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is looked at: every week up to `last`, or every other."""

    until: Until
    last: date
    alternate: bool


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    text: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A date. `field` and `value` are of what can be ticked, empty if nothing can; `text` says what that is."""

    day: str
    mood: str
    icon: str
    verdict: str
    why: str
    field: str
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class RepeatSheet:
    """`booked` is None before anything was; then how many dates were. Without `rows` there is no date to speak of."""

    id: str
    key: str
    slot: str
    title: str
    choices: tuple[Choice, ...]
    rows: tuple[Row, ...]
    booked: str | None
    lost: bool

    @property
    def open(self) -> bool:
        """Whether there is anything to tick."""
        return any(row.field for row in self.rows)


def plan_of(booking: BookingView, asked: str, year: SchoolYear) -> Plan:
    """Up to the end of the term, unless something else is asked for or there is no term."""
    day = day_of(booking.start_ms, year.zone)
    term, following = year.term_of(day), day + timedelta(days=7)
    if term is None or asked == Until.NEXT or term.last < following:
        return Plan(Until.NEXT, following, alternate=False)
    until = Until.ALTERNATE if asked == Until.ALTERNATE else Until.TERM
    return Plan(until, term.last, alternate=until is Until.ALTERNATE)


def plan_sheet(
    booking: BookingView,
    plan: Plan,
    verdicts: Sequence[Verdict],
    found: Mapping[date, Found],
    *,
    names: Names,
    reader: Reader,
    key: str,
) -> RepeatSheet:
    """`found` is what would do instead on dates on which it cannot be had as it was."""
    rows = tuple(_row(each, found.get(each.day), names, reader) for each in verdicts)
    return _sheet(booking, reader, key, rows, choices=_choices(booking, plan, reader))


def result_sheet(
    booking: BookingView, made: Series, found: Mapping[date, Found], *, names: Names, reader: Reader, key: str
) -> RepeatSheet:
    """What was booked, and what was lost; `found` is what would do instead of that."""
    words = reader.words
    had = [
        (
            day,
            Row(
                day=str(day_words(day, words)),
                mood="ok",
                icon="circle-check",
                verdict=str(words.t("Booked")),
                why=str(
                    period_words(
                        reader.year(each.start_ms, booking.school_id).within(each.start_ms, each.end_ms), words
                    )
                ),
                field="",
                value="",
                text="",
            ),
        )
        for day, each in made.booked
    ]
    lost = [(each.day, _row(each, found.get(each.day), names, reader)) for each in made.lost]
    rows = tuple(row for _, row in sorted(had + lost, key=lambda pair: pair[0]))
    many = str(words.tn("{n} date booked", "{n} dates booked", len(had)) if had else words.t("No date was booked"))
    return _sheet(booking, reader, key, rows, booked=many, lost=bool(lost))


def picked(fields: Mapping[str, str]) -> list[Pick]:
    """The dates that were ticked, in their order. Raises WrongPick."""
    found = []
    for name, value in fields.items():
        if not name.startswith(PICK):
            continue
        day = typed.day(name.removeprefix(PICK))
        if day is None:
            raise picks.WrongPick(f"no date: {name[:40]!r}")
        span, items = picks.read(value)
        found.append(Pick(day, span, items or None))
    return sorted(found, key=lambda each: each.day)


def _sheet(
    booking: BookingView,
    reader: Reader,
    key: str,
    rows: tuple[Row, ...],
    *,
    choices: tuple[Choice, ...] = (),
    booked: str | None = None,
    lost: bool = False,
) -> RepeatSheet:
    slot = f"{things_of(booking, reader.words)}, {reader.when(booking)}"
    title = tidy(booking.title)
    return RepeatSheet(booking.id, key, slot, title, choices, rows, booked, lost)


def _choices(booking: BookingView, plan: Plan, reader: Reader) -> tuple[Choice, ...]:
    words, year = reader.words, reader.year(booking.start_ms, booking.school_id)
    day = day_of(booking.start_ms, year.zone)
    term, week = year.term_of(day), year.week_of(day)
    offered = [(Until.NEXT, words.t("Only next week"))]
    if term is not None and week is not None and term.last >= day + timedelta(days=14):
        last = date_words(term.last, words)
        weeks = sum(1 for _ in year.same_again(day))
        more = words.tn("{n} more week", "{n} more weeks", weeks)
        every = words.t("Until the end of the term, {day} ({weeks})", day=last, weeks=more)
        other = words.t("Only weeks {kind}, until {day}", kind=week.kind.value, day=last)
        offered = [(Until.TERM, every), *offered, (Until.ALTERNATE, other)]
    return tuple(Choice(value.value, str(text), value is plan.until) for value, text in offered)


def _row(verdict: Verdict, found: Found | None, names: Names, reader: Reader) -> Row:
    words = reader.words
    look = _LOOKS[verdict.outcome]
    value, text = "", str(words.t("Left out: it cannot be held that day"))
    if verdict.outcome is Outcome.OK and verdict.span_ms is not None:
        value, text = picks.written(verdict.span_ms), str(words.t("As it is"))
    elif found is not None:
        span = range(found.alternative.start_ms, found.alternative.end_ms)
        value = picks.written(span, found.items)
        text = alternative_words(found.alternative, names, reader.year(span.start), words)
    elif verdict.outcome in (Outcome.TAKEN, Outcome.NOT_ALLOWED):
        text = str(words.t("Left out: nothing like it is free around that day"))
    return Row(
        day=str(day_words(verdict.day, words)),
        mood=look.mood,
        icon=look.icon,
        verdict=str(look.say(words)),
        why=_why(verdict, names, words),
        field=f"{PICK}{verdict.day}" if value else "",
        value=value,
        text=text,
    )


def _why(verdict: Verdict, names: Names, words: Language) -> str:
    match verdict.outcome:
        case Outcome.TAKEN:
            return taken_words(verdict.taken_by, words)
        case Outcome.NOT_ALLOWED:
            return Markup(" ").join(problem_words(each, names, words) for each in verdict.problems)
        case Outcome.HOLIDAY:
            return tidy(verdict.holiday)
        case Outcome.OUTSIDE_TERM:
            return str(words.t("outside of the term"))
        case Outcome.NO_SUCH_PERIOD:
            return str(words.t("These periods are not rung that day."))
        case Outcome.OK:
            return ""
