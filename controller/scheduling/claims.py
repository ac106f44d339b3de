"""Claims and loads: the rows by which the database itself refuses a double booking. The caller commits.

Everything here is done in the order of the keys and after `lock`, so that two transactions that want the same things
wait for each other and never deadlock.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import Connection, Table, TextClause, bindparam, delete, select, text, update
from sqlalchemy.exc import IntegrityError

from controller.scheduling.several import by_dialect
from controller.scheduling.tables import Claim, Load, Resource

_CLAIM: Table = Claim.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_LOAD: Table = Load.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]

_LOCK = by_dialect(
    lambda is_one: select(_RESOURCE.c.id).where(is_one(_RESOURCE.c.id)).order_by(_RESOURCE.c.id).with_for_update()
)


class _Addition(NamedTuple):
    """The same rows: given one by one to SQLite, which is in this process, and in one message to PostgreSQL."""

    one_by_one: TextClause
    together: TextClause


_CLAIMS: Final = _Addition(
    text("INSERT INTO claim (resource_id, tick, booking_id) VALUES (:resource_id, :tick, :booking_id)"),
    text(
        "INSERT INTO claim (resource_id, tick, booking_id)"
        " SELECT * FROM unnest(CAST(:resource_id AS integer[]), CAST(:tick AS integer[]), CAST(:booking_id AS text[]))"
    ),
)
_LOADS: Final = _Addition(
    text(
        "INSERT INTO load (resource_id, tick, used, capacity) VALUES (:resource_id, :tick, :used, :capacity)"
        " ON CONFLICT (resource_id, tick) DO UPDATE SET used = load.used + excluded.used, capacity = excluded.capacity"
    ),
    text(
        "INSERT INTO load (resource_id, tick, used, capacity)"
        " SELECT * FROM unnest(CAST(:resource_id AS integer[]), CAST(:tick AS integer[]), CAST(:used AS integer[]),"
        " CAST(:capacity AS integer[]))"
        " ON CONFLICT (resource_id, tick) DO UPDATE SET used = load.used + excluded.used, capacity = excluded.capacity"
    ),
)
_TAKE_OFF = (
    update(_LOAD)
    .where(_LOAD.c.resource_id == bindparam("resource"), _LOAD.c.tick == bindparam("at"))
    .values(used=_LOAD.c.used - bindparam("less"))
)


class Occupied(Exception):
    """Somebody has it already: roll back, look again, choose something else."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One resource over some ticks. `count` is 0 for a unit, which is had whole, else how much of a pool or circuit."""

    resource_id: int
    ticks: range
    count: int = 0


def begin(connection: Connection) -> None:
    """Begin a transaction that will write. On SQLite it has the database to itself from here on."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def others_write_meanwhile(connection: Connection) -> bool:
    """Whether other transactions may write while this one does. SQLite has no locks of rows, and needs none."""
    return connection.dialect.name != "sqlite"


def lock(connection: Connection, resource_ids: Collection[int]) -> None:
    """Until the transaction ends nobody else changes what these resources are booked for."""
    if others_write_meanwhile(connection):
        connection.execute(_LOCK[connection.dialect.name], {"ids": list(resource_ids)}).all()


def hold(connection: Connection, booking_id: str, holds: Iterable[Hold], capacity: Mapping[int, int]) -> None:
    """Take them all. Raises Occupied, and then the transaction can only be rolled back."""
    claimed: list[tuple[int, int]] = []
    drawn = Counter[tuple[int, int]]()
    for each in holds:
        keys = [(each.resource_id, tick) for tick in each.ticks]
        if each.count:
            drawn.update(dict.fromkeys(keys, each.count))
        else:
            claimed += keys
    claims = [{"resource_id": each, "tick": tick, "booking_id": booking_id} for each, tick in sorted(claimed)]
    loads = [
        {"resource_id": each, "tick": tick, "used": drawn[each, tick], "capacity": capacity[each]}
        for each, tick in sorted(drawn)
    ]
    try:
        _add(connection, _CLAIMS, claims)
        _add(connection, _LOADS, loads)
    except IntegrityError as error:
        raise Occupied(str(error.orig)) from None


def _add(connection: Connection, addition: _Addition, rows: Sequence[Mapping[str, object]]) -> None:
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.execute(addition.one_by_one, rows)
    else:
        connection.execute(addition.together, {name: [row[name] for row in rows] for name in rows[0]})


def let_go(connection: Connection, booking_id: str, holds: Sequence[Hold]) -> None:
    """Give them back. What of them the booking does not have stays as it is."""
    for each in sorted(holds, key=lambda each: each.resource_id):
        if each.count:
            less = [{"resource": each.resource_id, "at": tick, "less": each.count} for tick in each.ticks]
            connection.execute(_TAKE_OFF, less)
            connection.execute(
                delete(_LOAD).where(
                    _LOAD.c.resource_id == each.resource_id,
                    _LOAD.c.tick >= each.ticks.start,
                    _LOAD.c.tick < each.ticks.stop,
                    _LOAD.c.used == 0,
                )
            )
        else:
            connection.execute(
                delete(_CLAIM).where(
                    _CLAIM.c.resource_id == each.resource_id,
                    _CLAIM.c.tick >= each.ticks.start,
                    _CLAIM.c.tick < each.ticks.stop,
                    _CLAIM.c.booking_id == booking_id,
                )
            )
