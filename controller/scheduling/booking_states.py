"""The states of a booking, and what leads from one to the next. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class BookingState(StrEnum):
    """`WAITING` is a wish on the waitlist, which has nothing yet; `OFFERED` is one whose place is kept until its holder
    answers. That and `REQUESTED` and `CONFIRMED` hold their claims, and so do `CHECKED_IN` ones until they end.
    """

    WAITING = "waiting"
    OFFERED = "offered"
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
        return not self.over and self is not BookingState.WAITING

    @property
    def over(self) -> bool:
        """Whether it stays as it is for ever."""
        return not NEXT[self]


NEXT: Final[Mapping[BookingState, frozenset[BookingState]]] = {
    BookingState.WAITING: frozenset({BookingState.OFFERED, BookingState.CANCELLED, BookingState.EXPIRED}),
    BookingState.OFFERED: frozenset(
        {BookingState.CONFIRMED, BookingState.REQUESTED, BookingState.CANCELLED, BookingState.EXPIRED}
    ),
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
