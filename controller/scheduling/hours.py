"""How long machines were booked, taken and at work: summed up by school and machine. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from controller.scheduling.booking_states import BookingState

Key: TypeAlias = tuple[str, int]
"""The school that uses, and the machine (its device's id)."""
_COUNTED = frozenset({BookingState.CONFIRMED, BookingState.CHECKED_IN, BookingState.DONE, BookingState.NO_SHOW})


@dataclass(frozen=True, slots=True)
class BookedTime:
    """A booking of one machine. `beforehand`: it was booked before it began. Times as in `tables.Booking`."""

    school_id: str
    device_id: int
    state: BookingState
    start_ms: int
    end_ms: int
    checked_in_ms: int | None = None
    ended_ms: int | None = None
    beforehand: bool = True


@dataclass(frozen=True, slots=True)
class WorkTime:
    """A time in which a machine was at work, for the school in whose booking it began, else its own."""

    school_id: str
    device_id: int
    from_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Hours:
    """Times in ms. `present` is from check-in until it was given back; `energised` None where nothing measures it."""

    booked: int = 0
    present: int = 0
    working: int = 0
    no_shows: int = 0
    energised: int | None = None

    def __add__(self, other: "Hours") -> "Hours":
        return Hours(
            self.booked + other.booked,
            self.present + other.present,
            self.working + other.working,
            self.no_shows + other.no_shows,
            _added(self.energised, other.energised),
        )


def tally(
    bookings: Iterable[BookedTime],
    works: Iterable[WorkTime],
    span_ms: range,
    now_ms: int,
    powered: Iterable[WorkTime] = (),
) -> Mapping[Key, Hours]:
    """What of each falls into `span_ms`. What goes on is counted up to now; what is booked is counted whole.

    `powered` are the times in which a machine had power, one of no length at least for each that is measured.
    """
    found: defaultdict[Key, Hours] = defaultdict(Hours)
    for each in bookings:
        if each.state in _COUNTED:
            found[each.school_id, each.device_id] += _of_booking(each, span_ms, now_ms)
    for work in works:
        until_ms = now_ms if work.until_ms is None else work.until_ms
        found[work.school_id, work.device_id] += Hours(working=_within(work.from_ms, until_ms, span_ms))
    for power in powered:
        until_ms = now_ms if power.until_ms is None else power.until_ms
        found[power.school_id, power.device_id] += Hours(energised=_within(power.from_ms, until_ms, span_ms))
    return found


def user_of(device_id: int, at_ms: int, bookings: Iterable[BookedTime], owner: str) -> str:
    """The school in whose booking of a machine a moment lies, else the machine's own."""
    for each in bookings:
        if each.device_id == device_id and each.state in _COUNTED and each.start_ms <= at_ms < each.end_ms:
            return each.school_id
    return owner


def _added(left: int | None, right: int | None) -> int | None:
    return left if right is None else right if left is None else left + right


def _of_booking(each: BookedTime, span_ms: range, now_ms: int) -> Hours:
    present = 0
    if each.checked_in_ms is not None:
        over_ms = each.end_ms if each.ended_ms is None else min(each.end_ms, each.ended_ms)
        present = _within(each.checked_in_ms, min(over_ms, now_ms), span_ms)
    booked = _within(each.start_ms, each.end_ms, span_ms) if each.beforehand else 0
    missed = each.state is BookingState.NO_SHOW and each.start_ms in span_ms
    return Hours(booked, present, no_shows=int(missed))


def _within(from_ms: int, until_ms: int, span_ms: range) -> int:
    return max(0, min(until_ms, span_ms.stop) - max(from_ms, span_ms.start))
