"""What time does to one booking: when it runs out, counts as come or as a no-show, and is over. Pure."""

from dataclasses import dataclass
from typing import Final

from controller.scheduling.booking_states import BookingState

ASKING: Final = frozenset({BookingState.WAITING, BookingState.OFFERED, BookingState.REQUESTED})
"""What waits for something up to `hold_until_ms`: a place, its holder's answer, somebody's word."""
UNHEARD_MS: Final = 24 * 3_600_000
"""So long after its end a booking is settled though a machine of it is still out of contact."""


@dataclass(frozen=True, slots=True)
class Case:
    """A booking that holds what it has. `over_ms`: when cleaning up ends. `no_show_ms` is None if nobody has to come.

    `used`: one of its machines was put to work in it. `unheard`: one of them is out of contact, so nobody can know.
    """

    booking_id: str
    state: BookingState
    over_ms: int
    no_show_ms: int | None = None
    hold_until_ms: int | None = None
    used: bool = False
    unheard: bool = False


def fate(case: Case, now_ms: int) -> BookingState | None:
    """What it comes to be now, None if it stays as it is."""
    over = now_ms >= case.over_ms
    if case.state in ASKING:
        ran_out = case.hold_until_ms is not None and now_ms >= case.hold_until_ms
        return BookingState.EXPIRED if ran_out else None
    if case.state is BookingState.CHECKED_IN or case.used or case.no_show_ms is None:
        if over:
            return BookingState.DONE
        return BookingState.CHECKED_IN if case.used and case.state is BookingState.CONFIRMED else None
    if now_ms < case.no_show_ms:
        return None
    if not case.unheard:
        return BookingState.NO_SHOW
    return BookingState.DONE if now_ms >= case.over_ms + UNHEARD_MS else None


def edge_ms(case: Case, now_ms: int) -> int | None:
    """When to look at it again, if nothing happens before."""
    times = (case.hold_until_ms, case.no_show_ms, case.over_ms)
    return min((each for each in times if each is not None and each > now_ms), default=None)
