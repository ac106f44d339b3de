"""What is kept for how long, and of how many bytes. Whole days and months go at once, the oldest first.

Readings go when they are rolled up and, where there is an archive, archived; the ledger's batches go with them.
Its sums stay for good.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Connection, Engine, text

from controller.database import DUMPING
from controller.telemetry import ledger_size, register
from controller.telemetry.days import DAY_MS, Day
from controller.telemetry.rollups import rollups_in
from controller.telemetry.rows import rows_in
from controller.telemetry.tiers import FIVE_MINUTES, HOUR, Grain, Period, Tier
from controller.telemetry.writing import InUse, dropping, writing

_STEP: Final = 2_000
"""So many batches go in one transaction."""
_OLD_BATCHES = text(
    "DELETE FROM batch WHERE id IN (SELECT id FROM batch WHERE received_ms < :end AND coalesce(to_ms, 0) < :end"
    " AND id <= :rolled AND id < (SELECT max(id) FROM batch) LIMIT :most)"
)
_OLD_GAPS = text("DELETE FROM declared_gap WHERE to_ms < :end")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """What is older goes; of the rest the oldest as long as all together take more than `size` bytes."""

    days: int
    size: int


@dataclass(frozen=True, slots=True)
class Limits:
    rows: Limit
    five_minutes: Limit
    hours: Limit
    archive: Limit


def surplus(sizes: Mapping[Period, int], limit: Limit, oldest: Period, newest: Period) -> list[Period]:
    """The periods to give up, oldest first: those before `oldest`, and more until the bytes suffice. Never `newest`
    or a later one. Pure.
    """
    total = sum(sizes.values())
    going: list[Period] = []
    for period in sorted(sizes):
        if period >= newest or (period >= oldest and total <= limit.size):
            break
        going.append(period)
        total -= sizes[period]
    return going


class Retention:
    """Applies the limits to one database. `archived` tells whether a day's readings up to a batch are in the archive,
    and is None where there is none.
    """

    def __init__(self, engine: Engine, limits: Limits, archived: Callable[[Connection, Day], bool] | None) -> None:
        self._engine = engine
        self._limits = limits
        self._archived = archived
        self._rows = rows_in(engine)
        self._rollups = rollups_in(engine)

    def apply(self, now_ms: int) -> dict[Tier, int]:
        """Give up what is to go; how many periods of each tier went. Raises SQLAlchemyError."""
        gone = {Tier.ROWS: self._drop_rows(now_ms)}
        self._drop_batches(now_ms)
        for grain, limit in ((FIVE_MINUTES, self._limits.five_minutes), (HOUR, self._limits.hours)):
            gone[grain.tier] = self._drop_rollups(grain, limit, now_ms)
        longest = max(each.days for each in (self._limits.rows, self._limits.five_minutes, self._limits.hours))
        with writing(self._engine) as connection:
            connection.execute(_OLD_GAPS, {"end": (now_ms // DAY_MS - longest) * DAY_MS})
        return gone

    def _drop_rows(self, now_ms: int) -> int:
        today, limit = now_ms // DAY_MS, self._limits.rows
        with self._engine.connect() as connection:
            days = self._rows.days(connection)
        sizes = self._sizes(Tier.ROWS, days, today, self._size_of_rows)
        dropped = 0
        for day in surplus(sizes, limit, today - limit.days, today):
            if not self._drop(Tier.ROWS, day, now_ms, partial(self._drop_day, day)):
                break
            dropped += 1
        return dropped

    def _size_of_rows(self, connection: Connection, day: Day) -> int:
        return self._rows.size(connection, day) + ledger_size.of_day(connection, day)

    def _drop_day(self, day: Day, connection: Connection) -> bool:
        """Looked at in the same transaction: nobody stores a reading meanwhile."""
        if not register.is_rolled_up(connection, day):
            return False
        if self._archived is not None and not self._archived(connection, day):
            return False
        self._rows.drop(connection, day)
        return True

    def _drop_rollups(self, grain: Grain, limit: Limit, now_ms: int) -> int:
        with self._engine.connect() as connection:
            periods = self._rollups.periods(connection, grain)
        newest = grain.period(now_ms)
        sizes = self._sizes(grain.tier, periods, newest, lambda each, period: self._rollups.size(each, grain, period))
        dropped = 0
        for period in surplus(sizes, limit, grain.period(max(0, now_ms - limit.days * DAY_MS)), newest):
            dropped += self._drop(grain.tier, period, now_ms, partial(self._drop_rollup, grain, period))
        return dropped

    def _drop_rollup(self, grain: Grain, period: Period, connection: Connection) -> bool:
        self._rollups.drop(connection, grain, period)
        return True

    def _drop(self, tier: Tier, period: Period, now_ms: int, work: Callable[[Connection], bool]) -> bool:
        try:
            with dropping(self._engine) as connection:
                if not (_may_drop(connection) and work(connection)):
                    connection.rollback()
                    return False
                register.dropped(connection, tier, period, now_ms)
        except InUse:
            log.info("history: period %s of tier %s is in use; it goes later", period, tier.value)
            return False
        log.info("history: period %s of tier %s is given up", period, tier.value)
        return True

    def _drop_batches(self, now_ms: int) -> None:
        """What the ledger keeps of batches whose rows are gone. The newest one stays in any case: its id is where the
        next one's is counted from.
        """
        with self._engine.connect() as connection:
            gone = register.dropped_periods(connection, Tier.ROWS)
            there = self._rows.days(connection)
            rolled = register.cursor(connection)
        first = min(there, default=now_ms // DAY_MS)
        end = max((day + 1 for day in gone if day < first), default=0)
        count = _STEP if end else 0
        while count == _STEP:
            with writing(self._engine) as connection:
                asked = {"end": end * DAY_MS, "rolled": rolled, "most": _STEP}
                count = connection.execute(_OLD_BATCHES, asked).rowcount

    def _sizes(
        self, tier: Tier, periods: Sequence[Period], newest: Period, measure: Callable[[Connection, Period], int]
    ) -> dict[Period, int]:
        """Periods that are over are measured once."""
        with self._engine.connect() as connection:
            known = register.sizes(connection, tier)
            found = {
                period: known[period] if known.get(period) and period < newest - 1 else measure(connection, period)
                for period in periods
            }
        with writing(self._engine) as connection:
            for period, size in found.items():
                if known.get(period) != size:
                    register.measured(connection, tier, period, size)
        return found


def _may_drop(connection: Connection) -> bool:
    """A table that is being dumped cannot be dropped, and whoever tries makes all others wait for the dump's end."""
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.execute(text(f"SELECT pg_try_advisory_xact_lock({DUMPING})")).scalar_one())
