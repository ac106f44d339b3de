"""A school whose history a test writes itself: batches of readings with their ledger, as ingest leaves them."""

from collections.abc import Sequence

from sqlalchemy import Engine
from sqlmodel import Session

from controller.fleet.tables import Agent, Device, School, Series
from controller.ingest.tables import Batch, Installation, Ledger
from controller.telemetry import checksum
from controller.telemetry.checksum import Row
from controller.telemetry.days import DAY_MS
from controller.telemetry.rollup import Bucket
from controller.telemetry.rollups import rollups_in
from controller.telemetry.rows import rows_in
from controller.telemetry.tiers import Grain

TODAY = 20_000
NOW = TODAY * DAY_MS + DAY_MS // 3
KINDS = ("float", "int", "bool", "text")
"""Of the series 1, 2, 3 and 4."""


class Annals:
    """One agent with one device and a series of each kind."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._next = 1
        with Session(engine) as session:
            session.add(Installation())
            session.add(School(id="alpha", name="Alpha"))
            session.commit()
            session.add(Agent(id=1, school_id="alpha", name="room-1"))
            session.commit()
            session.add(
                Device(
                    id=1, school_id="alpha", agent_id=1, slug="pc", name="PC", profile_slug="x/y", profile_digest="d"
                )
            )
            session.commit()
            for number, kind in enumerate(KINDS, 1):
                session.add(Series(id=number, school_id="alpha", device_id=1, metric=kind, unit="1", kind=kind))
            session.add(Ledger(school_id="alpha", agent_id=1, epoch="00000000000000aa"))
            session.commit()

    def take(
        self, readings: Sequence[tuple[int, int, float | str | None]], received_ms: int | None = None
    ) -> list[Row]:
        """Store a batch of (series, at_ms, value); its rows."""
        batch = self._next
        self._next += 1
        rows = sorted({(series, at_ms): (series, at_ms, batch, value) for series, at_ms, value in readings}.values())
        days = sorted({row[1] // DAY_MS for row in rows})
        parts = {day: [row for row in rows if row[1] // DAY_MS == day] for day in days}
        stored = rows_in(self.engine)
        with self.engine.begin() as connection:
            for day, part in parts.items():
                stored.add(connection, day, part)
            stored.flush(connection)
        times = [row[1] for row in rows]
        with Session(self.engine) as session:
            session.add(
                Batch(
                    id=batch,
                    ledger_id=1,
                    first=batch,
                    number=batch,
                    digest="x",
                    refused="",
                    produced=len(rows),
                    accepted=len(rows),
                    quarantined=0,
                    rejected=0,
                    given_up=0,
                    received_ms=max(times) if received_ms is None else received_ms,
                    row_count=len(rows),
                    checksum=checksum.combined(checksum.of_rows(part) for part in parts.values()),
                    from_ms=min(times),
                    to_ms=max(times),
                )
            )
            ledger = session.get_one(Ledger, 1)
            ledger.floor = batch
            ledger.produced += len(rows)
            ledger.accepted += len(rows)
            session.commit()
        return rows

    def buckets(self, grain: Grain) -> list[Bucket]:
        """All that are stored, by series and time."""
        with self.engine.begin() as connection:
            return rollups_in(self.engine).of_series(connection, grain, range(1, 5), 0, 2 * NOW)

    def days(self) -> list[int]:
        with self.engine.begin() as connection:
            return rows_in(self.engine).days(connection)
