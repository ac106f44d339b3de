"""What bookings, the rules for them and what else would do say to a reader, in the glossary's words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Final, TypeAlias

from babel.dates import format_date
from markupsafe import Markup

from controller.scheduling.alternatives import Alternative, Kind
from controller.scheduling.booking_states import BookingState
from controller.scheduling.policy import Code, Problem
from controller.scheduling.school_time import Half, SchoolYear, Slot
from controller.scheduling.series import Occupant
from controller.scheduling.stock import Item
from controller.web.i18n import Language, number
from controller.web.typography import NBSP, tidy

Say: TypeAlias = Callable[[Language], Markup]
Names: TypeAlias = Mapping[int, str]
"""Of units and pools, by id."""


@dataclass(frozen=True, slots=True)
class Look:
    """`mood` is the state of ui.html's badges whose colour it has."""

    say: Say
    mood: str
    icon: str


STATES: Final[Mapping[BookingState, Look]] = {
    BookingState.WAITING: Look(lambda words: words.t("On the waitlist"), "warning", icon="hourglass"),
    BookingState.OFFERED: Look(lambda words: words.t("Kept for an offer"), "in-use", icon="hourglass"),
    BookingState.REQUESTED: Look(lambda words: words.t("Waiting for approval"), "warning", icon="hourglass"),
    BookingState.CONFIRMED: Look(lambda words: words.t("Confirmed"), "ok", icon="circle-check"),
    BookingState.CHECKED_IN: Look(lambda words: words.t("Checked in"), "in-use", icon="player-play"),
    BookingState.DONE: Look(lambda words: words.t("Done"), "ok", icon="check"),
    BookingState.NO_SHOW: Look(lambda words: words.t("No-show"), "offline", icon="circle-x"),
    BookingState.CANCELLED: Look(lambda words: words.t("Cancelled"), "offline", icon="x"),
    BookingState.REFUSED: Look(lambda words: words.t("Sent back"), "warning", icon="arrow-back-up"),
    BookingState.EXPIRED: Look(lambda words: words.t("Expired"), "offline", icon="hourglass"),
}

WEEKDAYS: Final[Sequence[Say]] = (
    lambda words: words.t("Monday"),
    lambda words: words.t("Tuesday"),
    lambda words: words.t("Wednesday"),
    lambda words: words.t("Thursday"),
    lambda words: words.t("Friday"),
    lambda words: words.t("Saturday"),
    lambda words: words.t("Sunday"),
)
SHORT_WEEKDAYS: Final[Sequence[Say]] = (
    lambda words: words.t("Mon"),
    lambda words: words.t("Tue"),
    lambda words: words.t("Wed"),
    lambda words: words.t("Thu"),
    lambda words: words.t("Fri"),
    lambda words: words.t("Sat"),
    lambda words: words.t("Sun"),
)
"""For the heads of narrow columns."""
_AND, _TO = Markup("{}, {}"), Markup("{}\N{NO-BREAK SPACE}– {}")


def state_word(state: BookingState, words: Language) -> Markup:
    return STATES[state].say(words)


_CLASSES: Final[Mapping[str, Say]] = {
    "printer-3d": lambda words: words.t("3D printer"),
    "laser": lambda words: words.t("laser cutter"),
    "cnc": lambda words: words.t("CNC machine"),
    "projector": lambda words: words.t("projector"),
    "room": lambda words: words.t("room"),
}


def class_words(class_name: str, words: Language) -> str:
    """What "any of five" is said of; a class that is not known here keeps its own name."""
    return _CLASSES[class_name](words) if class_name in _CLASSES else class_name


def item_words(item: Item, names: Names, words: Language) -> str:
    """What is wanted: "Máy in 3D B", "12 × bộ kit", "bất kỳ máy in 3D"."""
    if item.resource_id is not None:
        name = tidy(names.get(item.resource_id, "")) or str(words.t("This machine"))
        return f"{item.count} × {name}" if item.count > 1 else name
    name = class_words(item.class_name, words)
    return words.t("any {kind}", kind=name) if item.count == 1 else f"{item.count} × {name}"


# time


def when_words(span_ms: range, year: SchoolYear, words: Language) -> Markup:
    """A time (ms) in the reader's own periods, and by the clock: "tiết 3–4 (09:15–10:50), Thứ Tư 25/11".

    Without periods where it touches none: "18:00–19:30, Thứ Tư 25/11".
    """
    begins, ends = span_ms.start, span_ms.stop
    first, last = (day_of(at, year.zone) for at in (begins, ends - 1))
    day, times = _day_in(year, first, words), clock_words(span_ms, year.zone)
    if first != last:
        until = _AND.format(clock(ends, year.zone), _day_in(year, last, words))
        return _TO.format(_AND.format(clock(begins, year.zone), day), until)
    slots = year.within(begins, ends)
    if not slots:
        return _AND.format(times, day)
    return Markup("{} ({}), {}").format(period_words(slots, words), times, day)


def period_words(slots: Sequence[Slot], words: Language) -> Markup:
    """Of one period and more in a row: "tiết 3–4", "tiết 1–2 chiều"."""
    first, last = slots[0].period, slots[-1].period
    if first.half is not last.half:
        return _TO.format(period_words(slots[:1], words), period_words(slots[-1:], words))
    if first.half is Half.AFTERNOON:
        if first == last:
            return words.t("afternoon period {n}", n=first.number)
        return words.t("afternoon periods {first}–{last}", first=first.number, last=last.number)
    if first == last:
        return words.t("period {n}", n=first.number)
    return words.t("periods {first}–{last}", first=first.number, last=last.number)


def moment_words(at_ms: int, year: SchoolYear, words: Language) -> Markup:
    """A time that comes: "10:05, Thứ Tư 25/11"."""
    return _AND.format(clock(at_ms, year.zone), _day_in(year, day_of(at_ms, year.zone), words))


def clock_words(span_ms: range, zone: tzinfo) -> str:
    """09:15–10:50"""
    return f"{clock(span_ms.start, zone)}–{clock(span_ms.stop, zone)}"


def day_words(day: date, words: Language, *, year: bool = False) -> Markup:
    """Weekday and date: "Thứ Tư 25/11"; with the `year` on paper, and where it is not this school year's."""
    return Markup("{}{}{}").format(WEEKDAYS[day.weekday()](words), NBSP, date_words(day, words, year=year))


def date_words(day: date, words: Language, *, year: bool = False) -> str:
    """25/11"""
    pattern = ("d MMM", "d MMM yyyy") if words.code == "en" else ("dd/MM", "dd/MM/yyyy")
    return format_date(day, format=pattern[year], locale=words.code)


def capital(text: Markup) -> Markup:
    """With a capital first letter, as a sentence begins."""
    return text[:1].upper() + text[1:]


def day_of(at_ms: int, zone: tzinfo) -> date:
    return datetime.fromtimestamp(at_ms / 1000, zone).date()


def _day_in(year: SchoolYear, day: date, words: Language) -> Markup:
    outside = bool(year.terms) and not (
        min(term.first for term in year.terms) <= day <= max(term.last for term in year.terms)
    )
    return day_words(day, words, year=outside)


def clock(at_ms: int, zone: tzinfo) -> str:
    """09:15"""
    return f"{datetime.fromtimestamp(at_ms / 1000, zone):%H:%M}"


# why not, and what else


@dataclass(frozen=True, slots=True)
class _Case:
    """A problem with its numbers as words."""

    thing: str
    name: str
    limit: int
    found: str


_Tell: TypeAlias = Callable[[Language, _Case], Markup]

_PROBLEMS: Final[Mapping[Code, _Tell]] = {
    Code.OTHER_SCHOOL: lambda words, _: words.t("You can book for your own school only."),
    Code.NOT_FOR_OTHERS: lambda words, _: words.t(
        "You can book for yourself only; a coordinator or technician books for others."
    ),
    Code.NOT_FOR_MAINTENANCE: lambda words, _: words.t("Only technicians and coordinators book maintenance."),
    Code.NOT_SHARED: lambda words, case: words.t("{thing} is for its own school only.", thing=case.thing),
    Code.IN_THE_PAST: lambda words, _: words.t("This time has begun already, or is over."),
    Code.NO_CERTIFICATE: lambda words, case: words.t(
        "{thing} needs the certificate “{name}”: yours, or that of a supervisor.", thing=case.thing, name=case.name
    ),
    Code.CERTIFICATE_RUNS_OUT: lambda words, case: words.t(
        "{thing} needs the certificate “{name}”, which runs out before then.", thing=case.thing, name=case.name
    ),
    Code.NO_SUPERVISOR: lambda words, case: words.t(
        "{thing} needs somebody certified beside it: name a supervisor.", thing=case.thing
    ),
    Code.CLOSED: lambda words, case: words.t("{thing} is not open then.", thing=case.thing),
    Code.SHORT_NOTICE: lambda words, case: words.tn(
        "It must be booked at least {n} school day ahead.",
        "It must be booked at least {n} school days ahead.",
        case.limit,
    ),
    Code.TOO_FAR_AHEAD: lambda words, case: words.tn(
        "It can be booked at most {n} day ahead; until then it is {found}.",
        "It can be booked at most {n} days ahead; until then it is {found}.",
        case.limit,
        found=case.found,
    ),
    Code.TOO_SHORT: lambda words, case: words.tn(
        "A booking lasts at least {n} minute; this one has {found}.",
        "A booking lasts at least {n} minutes; this one has {found}.",
        case.limit,
        found=case.found,
    ),
    Code.TOO_LONG: lambda words, case: words.tn(
        "A booking lasts at most {n} minute; this one has {found}.",
        "A booking lasts at most {n} minutes; this one has {found}.",
        case.limit,
        found=case.found,
    ),
    Code.QUOTA_PERSON: lambda words, case: words.t(
        "With this it would be {found} periods in that week; one person may have {limit}.",
        found=case.found,
        limit=case.limit,
    ),
    Code.QUOTA_SCHOOL: lambda words, case: words.t(
        "With this your school would have {found} periods in that week; it may have {limit}.",
        found=case.found,
        limit=case.limit,
    ),
    Code.TOO_MANY_PUPILS: lambda words, case: words.t(
        "{found} pupils at {thing} need more supervisors: with those named it is {limit} at most.",
        found=case.found,
        limit=case.limit,
        thing=case.thing,
    ),
    Code.TOO_MANY_WISHES: lambda words, case: words.tn(
        "{n} wish is on the waitlist already; leave it first.",
        "{n} wishes are on the waitlist already; leave one of them first.",
        case.limit,
    ),
    Code.FAULT: lambda words, case: words.t("{thing} has a fault now, and the time is near.", thing=case.thing),
    Code.OFFLINE: lambda words, case: words.t("{thing} is offline now, and the time is near.", thing=case.thing),
    Code.UNDER_MAINTENANCE: lambda words, case: words.t(
        "{thing} is under maintenance now, and the time is near.", thing=case.thing
    ),
    Code.RESTING: lambda words, case: words.t(
        "{thing}: some came back late and are being charged and cleaned. {limit} are ready then, {found} are wanted.",
        thing=case.thing,
        limit=case.limit,
        found=case.found,
    ),
}


def problem_words(problem: Problem, names: Names, words: Language) -> Markup:
    """What speaks against a booking, as one sentence with the numbers in it."""
    thing = names.get(problem.resource or 0) or str(words.t("This machine"))
    found = number(problem.found or 0, words.code)
    return _PROBLEMS[problem.code](words, _Case(thing, problem.name, problem.limit or 0, found))


def alternative_words(alternative: Alternative, names: Names, year: SchoolYear, words: Language) -> Markup:
    """What would do instead: what stays as it was wished is said first, what is other is named."""
    units = [unit.id for group in alternative.choice.units for unit in group]
    things = ", ".join(names[each] for each in units if each in names)
    when = when_words(range(alternative.start_ms, alternative.end_ms), year, words)
    match alternative.kind:
        case Kind.OTHER_UNIT:
            return words.t("Same time, on {things}", things=things)
        case Kind.OTHER_PERIOD:
            return words.t("Same day: {when}", when=when)
        case Kind.OTHER_DAY:
            return words.t("Another day: {when}", when=when)
        case Kind.OTHER_UNIT_AND_TIME:
            return words.t("{things}: {when}", things=things, when=when)


def taken_words(occupants: Iterable[Occupant], words: Language) -> Markup:
    """Who has it, as far as may be told: "Tiết này vừa có người đặt: THCS Cánh Buồm (8A1)."""
    told = [f"{each.school} ({each.title})" if each.title else each.school for each in occupants]
    if not told:
        return words.t("This time is booked already.")
    return words.t("This time is booked already: {who}.", who=", ".join(told))
