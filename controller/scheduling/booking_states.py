"""The states of a booking, and what leads from one to the next. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class BookingState(StrEnum):
    """`REQUESTED` and `CONFIRMED` hold their claims, and so do `CHECKED_IN` ones until they end."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    CHECKED_IN = "checked-in"
    DONE = "done"
    NO_SHOW = "no-show"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    EXPIRED = "expired"

    @property
    def holds(self) -> bool:
        """Whether the booking's resources are taken by it."""
        return bool(NEXT[self])


NEXT: Final[Mapping[BookingState, frozenset[BookingState]]] = {
    BookingState.REQUESTED: frozenset(
        {BookingState.CONFIRMED, BookingState.REFUSED, BookingState.CANCELLED, BookingState.EXPIRED}
    ),
    BookingState.CONFIRMED: frozenset(
        {BookingState.CHECKED_IN, BookingState.DONE, BookingState.NO_SHOW, BookingState.CANCELLED}
    ),
    BookingState.CHECKED_IN: frozenset({BookingState.DONE}),
    **dict.fromkeys(
        (
            BookingState.DONE,
            BookingState.NO_SHOW,
            BookingState.CANCELLED,
            BookingState.REFUSED,
            BookingState.EXPIRED,
        ),
        frozenset[BookingState](),
    ),
}
