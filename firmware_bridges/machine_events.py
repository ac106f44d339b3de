"""What the core of a machine with jobs says of them and of its orders, whatever language it speaks. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class NotNow(Exception):
    """The machine's state does not allow it."""


class Ended(StrEnum):
    """How a job ended."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The machine has taken every line of an order."""

    order: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """The machine refused a line of an order or does not know it, or the order was dropped."""

    order: int
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Said once. `kind` is one of the core's own words."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class JobEnded:
    name: str
    ended: Ended
    text: str = ""
