"""Proves from the tables that no machine was ever given to two at one time, and that bookings and leases agree."""

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Engine
from sqlmodel import Session

from controller.scheduling import store
from controller.scheduling.turns import Turn, clashes
from controller.scheduling.verify_bookings import faults

SHOWN = 20
"""Most faults of a kind that are named one by one."""

Clash = tuple[Turn, Turn]


def verify(engine: Engine) -> Sequence[Clash]:
    """All pairs of leases that were not taken back, are of different holders, and have one machine at one time.

    Reads only; may run while the controller does. Raises SQLAlchemyError.
    """
    with Session(engine) as db:
        return list(clashes(store.all_turns(db)))


def lines(found: Sequence[Clash]) -> Iterator[str]:
    """The report for a terminal."""
    yield from report("leases", [_clash(*each) for each in found], "no machine is given to two at one time")


def report(subject: str, found: Sequence[str], well: str) -> Iterator[str]:
    """As every part of `fabfleet verify` says it."""
    yield from (f"NOT {each}" for each in found[:SHOWN])
    if len(found) > SHOWN:
        yield f"NOT {len(found) - SHOWN} more of these"
    yield f"{subject}: " + ("see the lines that begin with NOT" if found else well)


def main(engine: Engine, now_ms: Callable[[], int]) -> int:
    """Print the reports; 0 if all is well, else 1."""
    clashing = verify(engine)
    for line in lines(clashing):
        print(line)
    wrong = list(faults(engine, now_ms()))
    for line in report("bookings", wrong, "claims, assignments, leases and audit log agree"):
        print(line)
    return 1 if clashing or wrong else 0


def _clash(one: Turn, other: Turn) -> str:
    both_ms = min(one.until_ms, other.until_ms) - max(one.from_ms, other.from_ms)
    return f"device {one.device_id}: {one.booking} and {other.booking} have it both for {both_ms} ms"
