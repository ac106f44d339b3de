"""What somebody meets who reads a machine's label: whose turn it is, and what they may do about it. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from controller.scheduling.booking_states import BookingState
from controller.scheduling.policy import MAINTENANCE

OPENS_MS: Final = 10 * 60_000
"""So long before it begins a booking can be checked in."""
PUNCTUAL_MS: Final = 5 * 60_000
"""Until so long after it began nobody is late."""


class Moment(StrEnum):
    """The names of the states of the page."""

    READY = "ready"
    EARLY = "early"
    LATE = "late"
    SOMEBODY_ELSES = "somebody-elses"
    YOURS = "yours"
    IN_USE = "in-use"
    UNCONFIRMED = "unconfirmed"
    MAINTENANCE = "maintenance"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Use:
    """A booking that holds the machine: `held_ms` is with setting up and cleaning. `mine` is also who took it over."""

    id: str
    state: BookingState
    kind: str
    span_ms: range
    held_ms: range
    mine: bool = False

    @property
    def opens_ms(self) -> int:
        """From when on it can be checked in."""
        return self.span_ms.start - OPENS_MS

    def open_at(self, now_ms: int) -> bool:
        return self.opens_ms <= now_ms < self.span_ms.stop


_Case: TypeAlias = Callable[[Use, int], bool]
_MOMENTS: Final[Sequence[tuple[_Case, Moment]]] = (
    (lambda use, _: use.kind == MAINTENANCE, Moment.MAINTENANCE),
    (lambda use, _: use.state in (BookingState.OFFERED, BookingState.REQUESTED), Moment.UNCONFIRMED),
    (lambda use, _: use.state is BookingState.CHECKED_IN and use.mine, Moment.YOURS),
    (lambda use, _: use.state is BookingState.CHECKED_IN, Moment.IN_USE),
    (lambda use, _: not use.mine, Moment.SOMEBODY_ELSES),
    (lambda use, now_ms: now_ms < use.opens_ms, Moment.EARLY),
    (lambda use, now_ms: now_ms >= use.span_ms.start + PUNCTUAL_MS, Moment.LATE),
    (lambda _, __: True, Moment.READY),
)
"""The first that is so counts."""

_CHOICE: Final[Sequence[_Case]] = (
    lambda use, now_ms: use.mine and use.open_at(now_ms),
    lambda use, now_ms: now_ms in use.held_ms,
    lambda use, now_ms: use.mine and use.span_ms.start > now_ms,
    lambda use, now_ms: use.open_at(now_ms),
)
"""Which of several bookings somebody at the machine is concerned with: those of the first line that there is one of."""


def moment(use: Use | None, now_ms: int) -> Moment:
    """What somebody meets whom `use` concerns; None is a machine that nobody has."""
    if use is None:
        return Moment.FREE
    return next(found for case, found in _MOMENTS if case(use, now_ms))


def at_hand(uses: Iterable[Use], now_ms: int) -> Use | None:
    """The booking that concerns whoever stands at the machine now; of several the one that begins first."""
    ordered = sorted(uses, key=lambda use: use.span_ms.start)
    return next((use for case in _CHOICE for use in ordered if case(use, now_ms)), None)


def free_until(uses: Iterable[Use], now_ms: int) -> int | None:
    """Until when nobody has the machine: now if somebody has it, None if nobody is known to come."""
    ahead = [use.held_ms for use in uses if use.held_ms.stop > now_ms]
    return max(now_ms, min(held.start for held in ahead)) if ahead else None
