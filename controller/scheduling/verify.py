"""Proves from the tables that no machine was ever given to two at one time."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Engine
from sqlmodel import Session

from controller.scheduling import store
from controller.scheduling.turns import Turn, clashes

SHOWN = 20
"""Most clashes that are named one by one."""

Clash = tuple[Turn, Turn]


def verify(engine: Engine) -> Sequence[Clash]:
    """All pairs of leases that were not taken back, are of different holders, and have one machine at one time.

    Reads only; may run while the controller does. Raises SQLAlchemyError.
    """
    with Session(engine) as db:
        return list(clashes(store.all_turns(db)))


def lines(found: Sequence[Clash]) -> Iterator[str]:
    """The report for a terminal."""
    for one, other in found[:SHOWN]:
        both_ms = min(one.until_ms, other.until_ms) - max(one.from_ms, other.from_ms)
        yield f"NOT device {one.device_id}: {one.booking} and {other.booking} have it both for {both_ms} ms"
    if len(found) > SHOWN:
        yield f"NOT {len(found) - SHOWN} more of these"
    yield "leases: " + ("see the lines that begin with NOT" if found else "no machine is given to two at one time")


def main(engine: Engine) -> int:
    """Print the report; 0 if all is well, else 1."""
    found = verify(engine)
    for line in lines(found):
        print(line)
    return 1 if found else 0
