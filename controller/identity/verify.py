"""Proves from the tables that the audit log is as it was sealed."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine

from controller.identity.sealer import newest, parts, seal_of, unsealed
from controller.identity.seals import damages, grouped

_NOTED: Final = re.compile(r"(\d{1,9}):([0-9a-f]{64})")
SHOWN: Final = 20
"""So many faults are named one by one."""


class Noted(NamedTuple):
    """A seal that somebody wrote down: it proves that nothing up to its segment was made anew or cut off."""

    number: int
    seal: str


def noted(text: str) -> Noted:
    """From `NUMBER:HASH`. Raises ValueError."""
    found = _NOTED.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a segment's number, a colon and its seal of 64 hexadecimal digits")
    return Noted(int(found[1]), found[2])


def faults(connection: Connection, known: Noted | None = None) -> Iterator[str]:
    """What is wrong with the log, a line each. Reads only; may run while the controller does."""
    yield from grouped(damages(parts(connection)))
    if known is None:
        return
    now = seal_of(connection, known.number)
    if now is None:
        yield f"segment {known.number}, whose seal was noted, was removed"
    elif now != known.seal:
        yield f"segment {known.number} has another seal than was noted: the log was written anew"


def main(engine: Engine, known: Noted | None = None) -> int:
    """Print the report; 0 if all is well, else 1."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        found = list(faults(connection, known))
        last, waiting = newest(connection), unsealed(connection)
        connection.rollback()
    for line in found[:SHOWN]:
        print(f"NOT audit log: {line}")
    if len(found) > SHOWN:
        print(f"NOT audit log: {len(found) - SHOWN} more of these")
    told = "see the lines that begin with NOT" if found else "as it was sealed"
    seal = f"; last seal {last.number}:{last.seal}" if last is not None else ""
    print(f"audit log: {told}; {waiting} lines not sealed yet{seal}")
    return 1 if found else 0
