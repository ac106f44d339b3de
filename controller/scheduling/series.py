"""A booking that comes again every week, or every other: what becomes of it on each date. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from controller.scheduling.alternatives import Alternative
from controller.scheduling.policy import Problem
from controller.scheduling.school_time import SchoolYear, instant

_WEEK: Final = timedelta(days=7)


class Outcome(StrEnum):
    OK = "ok"
    TAKEN = "taken"
    HOLIDAY = "holiday"
    OUTSIDE_TERM = "outside-term"
    NO_SUCH_PERIOD = "no-such-period"
    """Other bells ring that day, or none."""
    NOT_ALLOWED = "not-allowed"


@dataclass(frozen=True, slots=True)
class Occupant:
    """Who has something: a school, and to that school alone which class or club of it. Never a person."""

    school_id: str
    school: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one date. `span_ms` is None where the calendar has no such time, `holiday` names what is then.

    `taken_by` names who has what was wished by name.
    """

    day: date
    outcome: Outcome
    span_ms: range | None = None
    holiday: str = ""
    problems: tuple[Problem, ...] = ()
    taken_by: tuple[Occupant, ...] = ()
    alternatives: tuple[Alternative, ...] = ()


def dates(year: SchoolYear, span_ms: range, until: date, *, alternate: bool = False) -> Iterator[Verdict]:
    """The date of `span_ms` and the same weekday in every week up to `until`, as the calendar has them.

    OK are those of `SchoolYear.same_again` with the same periods, whenever their bells ring; what is no run of whole
    periods keeps its wall-clock time. `alternate`: teaching weeks of the other kind are not asked for, and left out.
    """
    first = datetime.fromtimestamp(span_ms.start / 1000, year.zone).date()
    term, week = year.term_of(first), year.week_of(first)
    day = first
    while day <= until:
        found = year.week_of(day)
        if not (alternate and found and week and found.kind is not week.kind and year.term_of(day) is term):
            yield _on(day, year, span_ms, in_term=term is not None and year.term_of(day) is term)
        day += _WEEK


def _on(day: date, year: SchoolYear, span_ms: range, *, in_term: bool) -> Verdict:
    holiday = year.holiday_of(day)
    if holiday is not None:
        return Verdict(day, Outcome.HOLIDAY, holiday=holiday.name)
    if not in_term:
        return Verdict(day, Outcome.OUTSIDE_TERM)
    span = _same_time(day, year, span_ms)
    return Verdict(day, Outcome.NO_SUCH_PERIOD if span is None else Outcome.OK, span)


def _same_time(day: date, year: SchoolYear, span_ms: range) -> range | None:
    slots = year.within(span_ms.start, span_ms.stop)
    if not slots or (slots[0].start_ms, slots[-1].end_ms) != (span_ms.start, span_ms.stop):
        clock = datetime.fromtimestamp(span_ms.start / 1000, year.zone).time()
        start_ms = instant(day, clock, year.zone)
        return range(start_ms, start_ms + len(span_ms))
    first, last = (year.slot(day, slot.period.half, slot.period.number) for slot in (slots[0], slots[-1]))
    if first is None or last is None or first.start_ms >= last.end_ms:
        return None
    return range(first.start_ms, last.end_ms)
