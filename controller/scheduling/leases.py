"""Leases out: who holds a machine now, and the signed book that tells its agent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session

from contract.messages import LeaseBook
from contract.topics import Address


class LeaseError(Exception):
    """There is no lease for what is wanted."""


class Taken(LeaseError):
    """Somebody else holds the machine until `until_ms`: wait, or take another one."""

    def __init__(self, until_ms: int) -> None:
        super().__init__("somebody else holds this machine now")
        self.until_ms = until_ms


@dataclass(frozen=True, slots=True)
class WalkUp:
    """A use that begins now, without a booking made beforehand."""

    device_id: int
    holder: str
    until_ms: int


class LeaseDesk:
    """Grants leases and composes the agents' books. Safe to use from any thread."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ms = now_ms

    def walk_up(self, db: Session, wanted: WalkUp) -> int:
        """Let `holder` use the device from now until `until_ms`; the number of the book that says so.

        In the caller's transaction, which commits. If the holder has the machine already, the lease is made longer if
        need be and never shorter. Raises Taken.
        """
        raise NotImplementedError

    def books_to_send(self) -> Sequence[tuple[Address, LeaseBook]]:
        """The newest book, signed, of every agent that is online and does not say that it holds it.

        Each again after a while, until the agent says so.
        """
        raise NotImplementedError
