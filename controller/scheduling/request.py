"""What somebody wants to book, and what goes with a change of a booking. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import Connection

from controller.scheduling.booking_errors import NothingOfThatKind
from controller.scheduling.policy import Thing
from controller.scheduling.school_time import TICK_MS
from controller.scheduling.stock import Item

Allowed: TypeAlias = Callable[[Thing], bool]
"""Whether a unit may be chosen. It is asked within the transaction, and should not take long."""
Then: TypeAlias = Callable[[Connection], None]
"""What is written beside a change, in its transaction."""


def anything(_thing: Thing) -> bool:
    return True


def nothing(_connection: Connection) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants to book. Instants are whole five minutes. `key` is the asker's own: again is the same.

    `hold_until_ms` makes it a request that somebody has to confirm by then. `supervisors` are the opaque ids of who is
    named to stand by. `overruled` tells the audit log what spoke against it, and why it is made all the same.
    """

    school_id: str
    holder: str
    by_id: str
    items: tuple[Item, ...]
    start_ms: int
    end_ms: int
    kind: str = "lesson"
    title: str = ""
    purpose: str = ""
    head_count: int = 0
    series_id: str | None = None
    hold_until_ms: int | None = None
    key: str | None = None
    overruled: str = ""
    supervisors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.start_ms < self.end_ms or self.start_ms % TICK_MS or self.end_ms % TICK_MS:
            raise NothingOfThatKind("a booking lasts from one full five minutes to another")
        if not self.items or any(item.count < 1 for item in self.items):
            raise NothingOfThatKind("a booking is for at least one thing")

    @property
    def span_ms(self) -> range:
        return range(self.start_ms, self.end_ms)
