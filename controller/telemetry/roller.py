"""Rolls readings up: every bucket that new batches touch is made anew from all of its rows.

So a batch that is rolled up twice changes nothing, late ones are like others, and a crash costs nothing: the cursor
over the ledger's batches moves with the last results. One at a time does this: see `keeper`.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

from controller.telemetry import register
from controller.telemetry.days import DAY_MS, Day
from controller.telemetry.rollup import Bucket, Stretch, hours, touched, whole_hours
from controller.telemetry.rollups import rollups_in
from controller.telemetry.rows import rows_in
from controller.telemetry.tiers import FIVE_MINUTES, HOUR, Grain, Tier
from controller.telemetry.writing import writing

BATCHES: Final = 20_000
"""Of one pass."""
SERIES: Final = 100
"""So many of an agent's series are read at a time."""
BUCKETS: Final = 3_000
"""So many are written in one transaction: on SQLite nobody else writes meanwhile."""

_BATCHES = text(
    "SELECT batch.id, ledger.agent_id, batch.from_ms, batch.to_ms FROM batch JOIN ledger ON ledger.id = ledger_id"
    " WHERE batch.id > :after ORDER BY batch.id LIMIT :most"
)
_SERIES = text(
    "SELECT series.id FROM series JOIN device ON device.id = device_id"
    " WHERE agent_id = :agent AND series.kind <> 'text' ORDER BY series.id"
)


@dataclass(frozen=True, slots=True)
class Rolled:
    """What a pass did. `more`: there are batches that it left."""

    batches: int
    buckets: int
    more: bool


class Roller:
    """Made for one database; `roll` may be called again and again, never twice at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rows = rows_in(engine)
        self._rollups = rollups_in(engine)

    def roll(self, most: int = BATCHES) -> Rolled:
        """Take the next batches of the ledger. Raises SQLAlchemyError."""
        with self._engine.connect() as connection:
            after = register.cursor(connection)
            batches = connection.execute(_BATCHES, {"after": after, "most": most}).all()
            there = set(self._rows.days(connection))
            frozen = {
                grain: register.dropped_periods(connection, tier).keys()
                for grain, tier in ((FIVE_MINUTES, Tier.ROWS), (HOUR, Tier.FIVE_MINUTES))
            }
        if not batches:
            return Rolled(0, 0, more=False)
        spans: dict[int, list[tuple[int, int]]] = {}
        highest: dict[Day, int] = {}
        for batch, agent, from_ms, to_ms in batches:
            if from_ms is not None:
                spans.setdefault(agent, []).append((from_ms, to_ms))
                highest.update((day, batch) for day in touched([(from_ms, to_ms)]) if day in there)
        drafts = _Drafts(self._engine, frozen)
        for agent in sorted(spans):
            self._agent(agent, {day: found for day, found in touched(spans[agent]).items() if day in there}, drafts)
        drafts.finish(batches[-1].id, highest)
        return Rolled(len(batches), drafts.count, more=len(batches) == most)

    def _agent(self, agent: int, days: Mapping[Day, Sequence[Stretch]], drafts: "_Drafts") -> None:
        with self._engine.connect() as connection:
            series = [found for (found,) in connection.execute(_SERIES, {"agent": agent})]
        for day, stretches in days.items():
            for at in range(0, len(series), SERIES):
                self._day(day, stretches, series[at : at + SERIES], drafts)

    def _day(self, day: Day, stretches: Sequence[Stretch], series: Sequence[int], drafts: "_Drafts") -> None:
        """Five minutes from the rows, then hours from all five minutes that they touch."""
        with self._engine.connect() as connection:
            fresh = [
                bucket for stretch in stretches for bucket in self._rows.buckets(connection, day, series, *stretch)
            ]
            around: dict[tuple[int, int], Bucket] = {}
            for stretch in stretches:
                found = self._rollups.of_series(connection, FIVE_MINUTES, series, *whole_hours(stretch))
                around.update(((each.series, each.at_ms), each) for each in found)
        for each in fresh:
            if drafts.replaces(FIVE_MINUTES, day) or (each.series, each.at_ms) not in around:
                around[each.series, each.at_ms] = each
        drafts.add(FIVE_MINUTES, fresh)
        drafts.add(HOUR, list(hours(around[key] for key in sorted(around))))


class _Drafts:
    """What a pass has to write, in transactions of a few thousand buckets; the cursor moves in the last of them.

    `frozen` has, by grain, the days from which not all is there any more that a bucket was made of: what it is stays.
    """

    def __init__(self, engine: Engine, frozen: Mapping[Grain, AbstractSet[Day]]) -> None:
        self._engine = engine
        self._rollups = rollups_in(engine)
        self._frozen = frozen
        self._waiting: list[tuple[Grain, bool, Sequence[Bucket]]] = []
        self._waits = 0
        self.count = 0

    def replaces(self, grain: Grain, day: Day) -> bool:
        """Whether a bucket of that day replaces the one there is."""
        return day not in self._frozen[grain]

    def add(self, grain: Grain, buckets: Sequence[Bucket]) -> None:
        """Buckets of one day."""
        for at in range(0, len(buckets), BUCKETS):
            part = buckets[at : at + BUCKETS]
            if self._waits + len(part) > BUCKETS:
                with writing(self._engine) as connection:
                    self._flush(connection)
            self._waiting.append((grain, self.replaces(grain, part[0].at_ms // DAY_MS), part))
            self._waits += len(part)

    def finish(self, batch: int, highest: Mapping[Day, int]) -> None:
        with writing(self._engine) as connection:
            self._flush(connection)
            register.advance(connection, batch, highest)

    def _flush(self, connection: Connection) -> None:
        for grain, replace, buckets in self._waiting:
            self._rollups.put(connection, grain, buckets, replace=replace)
        self.count += self._waits
        self._waiting, self._waits = [], 0
