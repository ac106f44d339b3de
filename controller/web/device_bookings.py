"""The card of a machine's bookings today: when, whose, and for technicians where the right to use it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from controller.identity.policy import Permission, may
from controller.scheduling.booked import WALK_UP_KIND, LeaseState
from controller.scheduling.booking_states import BookingState
from controller.scheduling.policy import MAINTENANCE
from controller.scheduling.school_time import SchoolYear
from controller.scheduling.views import BookingView
from controller.web.booking_words import (
    capital,
    clock,
    clock_words,
    day_of,
    day_words,
    period_words,
    state_word,
)
from controller.web.i18n import Language
from controller.web.typography import tidy
from controller.web.visit import Visit

_DAY_MS: Final = 86_400_000
_LEASES: Final[Mapping[LeaseState, Callable[[Language], Markup]]] = {
    LeaseState.GRANTED: lambda words: words.t("On its way to the machine"),
    LeaseState.ACKNOWLEDGED: lambda words: words.t("The machine has it"),
    LeaseState.REVOKED_PENDING: lambda words: words.t("Taken back; the machine has not confirmed it yet"),
    LeaseState.REVOKED: lambda words: words.t("Taken back"),
    LeaseState.EXPIRED: lambda words: words.t("Run out"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One booking. `when` are the reader's periods, empty where it touches none; `mood` is its colour.

    `lease` says where the right to use the machine is, empty for whom that does not concern.
    """

    when: str
    times: str
    title: str
    school: str
    state: str
    mood: str
    lease: str


@dataclass(frozen=True, slots=True)
class Today:
    day: str
    entries: tuple[Entry, ...]


def today(visit: Visit) -> Today | None:
    """None for a device that cannot be booked, or by whom it may not be seen."""
    office = visit.services.office
    thing = next((each for each in office.things(visit.who) if each.device_id == visit.device_id), None)
    if thing is None:
        return None
    day = office.today()
    year = office.year(visit.who.school_id or thing.school_id, day)
    now_ms = visit.services.now_ms()
    found = [
        each
        for each in office.of_things(visit.who, [thing.id], range(now_ms - _DAY_MS, now_ms + _DAY_MS))
        if day in (day_of(each.start_ms, office.zone), day_of(each.end_ms - 1, office.zone))
    ]
    leases = _leases(visit, found) if may(visit.who, Permission.MANAGE_BOOKINGS) else {}
    entries = tuple(entry(each, leases.get(each.id), year, visit.language) for each in found)
    return Today(str(day_words(day, visit.language)), entries)


def _leases(visit: Visit, found: Sequence[BookingView]) -> Mapping[str, LeaseState]:
    """Of the bookings that have, or had, a lease for this device."""
    states = {each.id: visit.services.leases.lease_states(each.id) for each in found}
    return {booking_id: state[visit.device_id] for booking_id, state in states.items() if visit.device_id in state}


def entry(booking: BookingView, lease: LeaseState | None, year: SchoolYear, words: Language) -> Entry:
    """`lease` is None for whom it does not concern."""
    slots = year.within(booking.start_ms, booking.end_ms)
    return Entry(
        when=str(capital(period_words(slots, words))) if slots else "",
        times=clock_words(booking.span_ms, year.zone),
        title=_title(booking, words),
        school=tidy(booking.school),
        state=_state(booking, year, words),
        mood=_mood(booking),
        lease=str(_LEASES[lease](words)) if lease is not None else "",
    )


def _title(booking: BookingView, words: Language) -> str:
    if booking.kind == MAINTENANCE:
        return str(words.t("Maintenance"))
    if booking.kind == WALK_UP_KIND:
        return str(words.t("Used without a booking beforehand"))
    return tidy(booking.title) or str(words.t("Booked"))


def _state(booking: BookingView, year: SchoolYear, words: Language) -> str:
    parts = [tidy(booking.holder)] if booking.holder else []
    if booking.state is BookingState.CHECKED_IN and booking.checked_in_ms is not None:
        parts.append(str(words.t("checked in at {time}", time=clock(booking.checked_in_ms, year.zone))))
    else:
        parts.append(str(state_word(booking.state, words)))
    return " · ".join(parts)


def _mood(booking: BookingView) -> str:
    if booking.kind == MAINTENANCE:
        return "maintenance"
    if booking.state is BookingState.CHECKED_IN:
        return "in-use"
    return "ok" if booking.state.holds else "offline"
