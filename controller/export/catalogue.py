"""The tables of an export: each with its columns, their units and meanings, and where its rows come from.

No names of people, no logins, no titles that people wrote: schools, rooms and devices by their ids, people by a
pseudonym of that one export.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from sqlalchemy import Connection, text

from controller.telemetry.rollups import rollups_in
from controller.telemetry.tiers import FIVE_MINUTES, HOUR, Grain

_SLICE: Final = 200
"""Series that are read at a time."""
_PSEUDONYM: Final = 16

Cell: TypeAlias = int | float | str | bool | None


@dataclass(frozen=True, slots=True)
class Asked:
    """One export: a span of time up to, not including, its end, and the key of its pseudonyms, which nobody keeps."""

    connection: Connection
    from_ms: int
    until_ms: int
    key: bytes

    def pseudonym(self, person: str) -> str:
        return hmac.new(self.key, person.encode(), hashlib.sha256).hexdigest()[:_PSEUDONYM]


@dataclass(frozen=True, slots=True)
class Column:
    """`type` is DuckDB's; `unit` is empty where there is none."""

    name: str
    type: str
    unit: str
    meaning: str


Rows: TypeAlias = Callable[[Asked], Iterator[Sequence[Cell]]]


@dataclass(frozen=True, slots=True)
class ExportTable:
    name: str
    meaning: str
    columns: tuple[Column, ...]
    rows: Rows


def _selected(sql: str, person: int | None = None) -> Rows:
    """The rows of a query; column `person` becomes a pseudonym."""

    def rows(asked: Asked) -> Iterator[Sequence[Cell]]:
        found = asked.connection.execute(text(sql), {"from": asked.from_ms, "until": asked.until_ms})
        for row in found:
            cells: list[Cell] = list(row)
            if person is not None:
                cells[person] = asked.pseudonym(str(cells[person]))
            yield cells

    return rows


def _rolled_up(grain: Grain) -> Rows:
    def rows(asked: Asked) -> Iterator[Sequence[Cell]]:
        rollups = rollups_in(asked.connection)
        numeric = text("SELECT id FROM series WHERE kind <> 'text' ORDER BY id")
        series = [found for (found,) in asked.connection.execute(numeric)]
        for period in rollups.periods(asked.connection, grain):
            begin, end = max(asked.from_ms, grain.begin_ms(period)), min(asked.until_ms, grain.end_ms(period))
            for at in range(0, len(series), _SLICE) if begin < end else ():
                for bucket in rollups.of_series(asked.connection, grain, series[at : at + _SLICE], begin, end):
                    yield bucket[:6]

    return rows


_ROLLUP: Final = (
    Column("series_id", "INTEGER", "", "series.id"),
    Column("at_ms", "BIGINT", "ms since 1970-01-01T00:00Z", "begin of the stretch"),
    Column("readings", "INTEGER", "1", "how many readings had a value; 0: the device was asked and did not know"),
    Column("low", "DOUBLE", "series.unit", "lowest value; a truth value is 0 or 1"),
    Column("mean", "DOUBLE", "series.unit", "mean of the readings, each counting the same however long it stood"),
    Column("high", "DOUBLE", "series.unit", "highest value"),
)
_SCHOOL: Final = Column("school_id", "VARCHAR", "", "short name of the school, as in topics")
_BOOKING: Final = Column("booking_id", "VARCHAR", "", "booking.id")
_MS: Final = "ms since 1970-01-01T00:00Z"

TABLES: Final = (
    ExportTable(
        "room",
        "The rooms of the schools.",
        (Column("id", "INTEGER", "", "the room"), _SCHOOL),
        _selected("SELECT id, school_id FROM room ORDER BY id"),
    ),
    ExportTable(
        "device",
        "What is looked after.",
        (
            Column("id", "INTEGER", "", "the device"),
            _SCHOOL,
            Column("room_id", "INTEGER", "", "room.id; none if nobody said where it is"),
            Column("profile", "VARCHAR", "", "vendor and model, as in device_profiles"),
        ),
        _selected(
            "SELECT device.id, device.school_id, coalesce(device.room_id, agent.room_id), profile_slug FROM device"
            " JOIN agent ON agent.id = agent_id ORDER BY device.id"
        ),
    ),
    ExportTable(
        "series",
        "One metric of one device.",
        (
            Column("id", "INTEGER", "", "the series"),
            _SCHOOL,
            Column("device_id", "INTEGER", "", "device.id"),
            Column("metric", "VARCHAR", "", "name of the metric in the device's profile"),
            Column("unit", "VARCHAR", "", "UCUM code of its values; 1: a number without unit"),
            Column("kind", "VARCHAR", "", "bool, int or float; text series have no roll-ups"),
        ),
        _selected("SELECT id, school_id, device_id, metric, unit, kind FROM series WHERE kind <> 'text' ORDER BY id"),
    ),
    ExportTable("rollup_5min", "Readings by stretches of five minutes.", _ROLLUP, _rolled_up(FIVE_MINUTES)),
    ExportTable("rollup_1h", "Readings by hours.", _ROLLUP, _rolled_up(HOUR)),
    ExportTable(
        "resource",
        "What can be booked.",
        (
            Column("id", "INTEGER", "", "the thing"),
            _SCHOOL,
            Column("room_id", "INTEGER", "", "room.id"),
            Column("device_id", "INTEGER", "", "device.id; none for what has no agent"),
            Column("kind", "VARCHAR", "", "unit, pool or circuit"),
            Column("class_name", "VARCHAR", "", 'what "any printer" means'),
            Column("capacity", "INTEGER", "1 or W", "of a pool in things, of a circuit in watts"),
            Column("shared", "BOOLEAN", "", "whether other schools may book it"),
        ),
        _selected(
            "SELECT id, school_id, room_id, device_id, kind, class_name, capacity, shared FROM resource ORDER BY id"
        ),
    ),
    ExportTable(
        "booking",
        "Bookings that overlap the span.",
        (
            Column("id", "VARCHAR", "", "the booking"),
            _SCHOOL,
            Column("holder", "VARCHAR", "", "pseudonym of whose use it is, the same within this export only"),
            Column("kind", "VARCHAR", "", "lesson, club, maintenance and so on"),
            Column("state", "VARCHAR", "", "what became of it"),
            Column("head_count", "INTEGER", "1", "how many pupils"),
            Column("start_ms", "BIGINT", _MS, "begin"),
            Column("end_ms", "BIGINT", _MS, "end"),
            Column("checked_in_ms", "BIGINT", _MS, "when somebody took the machine; none if nobody did"),
            Column("ended_ms", "BIGINT", _MS, "when it came to its end"),
        ),
        _selected(
            "SELECT id, school_id, holder, kind, state, head_count, start_ms, end_ms, checked_in_ms, ended_ms"
            " FROM booking WHERE start_ms < :until AND end_ms > :from ORDER BY start_ms, id",
            person=2,
        ),
    ),
    ExportTable(
        "assignment",
        "Which things those bookings had.",
        (
            _BOOKING,
            Column("resource_id", "INTEGER", "", "resource.id"),
            Column("quantity", "INTEGER", "1", "how many of a pool; 0 for a unit"),
            Column("from_ms", "BIGINT", _MS, "begin of set-up"),
            Column("until_ms", "BIGINT", _MS, "end of clean-up"),
        ),
        _selected(
            "SELECT booking_id, resource_id, quantity, from_ms, until_ms FROM assignment JOIN booking"
            " ON booking.id = booking_id WHERE start_ms < :until AND end_ms > :from ORDER BY booking_id, resource_id"
        ),
    ),
    ExportTable(
        "use",
        "Times in which machines were at work, by their own telemetry.",
        (
            _SCHOOL,
            Column("device_id", "INTEGER", "", "device.id"),
            Column("from_ms", "BIGINT", _MS, "begin"),
            Column("until_ms", "BIGINT", _MS, "end; none: it is at work"),
            Column("booking_id", "VARCHAR", "", "booking.id in which it began; none: nobody had booked"),
        ),
        _selected(
            "SELECT school_id, device_id, from_ms, until_ms, booking_id FROM use_span"
            " WHERE from_ms < :until AND coalesce(until_ms, :until) > :from ORDER BY from_ms, device_id"
        ),
    ),
)
