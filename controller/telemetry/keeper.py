"""Looks after history: rolls readings up each minute, and each hour archives what is over and gives up what is old."""

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from controller.config import MB, HistoryConfig
from controller.telemetry import register
from controller.telemetry.archive import Archive
from controller.telemetry.child import ArchiveError
from controller.telemetry.retention import Limit, Limits, Retention
from controller.telemetry.roller import Roller
from controller.telemetry.sqlite_tables import sweep
from controller.telemetry.strays import Strays, note
from controller.telemetry.tiers import Tier
from controller.telemetry.writing import alone, writing

ROLL_S: Final = 60.0
HOUSEKEEPING_S: Final = 3_600.0
FIRST_S: Final = 300.0
"""After a start, for the first time: a laptop may be on for less than an hour."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class HistoryStats:
    """Since the start of the process, but for `size`: bytes of each tier when they were last looked at."""

    batches: int = 0
    buckets: int = 0
    roll_seconds: float = 0.0
    parts: int = 0
    taken_in: int = 0
    failures: int = 0
    dropped: dict[Tier, int] = field(default_factory=lambda: dict.fromkeys(Tier, 0))
    size: dict[Tier, int] = field(default_factory=dict)


def limits_of(config: HistoryConfig) -> Limits:
    return Limits(
        rows=Limit(config.rows_days, config.rows_mb * MB),
        five_minutes=Limit(config.five_minutes_days, config.five_minutes_mb * MB),
        hours=Limit(config.hours_days, config.hours_mb * MB),
        archive=Limit(config.archive_days, config.archive_mb * MB),
    )


class Keeper:
    """One thread. Every turn goes by the tables alone, so it may be missed, cut short or done twice."""

    def __init__(self, engine: Engine, config: HistoryConfig, folder: Path, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._folder = folder
        self._now_ms = now_ms
        self._limits = limits_of(config)
        self.archive = Archive(engine, folder, config.seal_hours)
        self._strays = Strays(engine, folder)
        self._archives = config.archive
        self._roller = Roller(engine)
        self._retention = Retention(engine, self._limits, self.archive.has_all if config.archive else None)
        self._turn = threading.Lock()
        self._stopping = False
        self.stats = HistoryStats()
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )

    def start(self) -> None:
        """Before readings come in: see `strays.note`. Raises SQLAlchemyError."""
        note(self._engine, self._folder, self._now_ms())
        self._scheduler.add_job(self._try, "interval", [self.roll], seconds=ROLL_S, next_run_time=datetime.now(UTC))
        soon = datetime.now(UTC) + timedelta(seconds=FIRST_S)
        self._scheduler.add_job(self._try, "interval", [self.keep_house], seconds=HOUSEKEEPING_S, next_run_time=soon)
        self._scheduler.start()

    def stop(self) -> None:
        self._stopping = True
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def roll(self) -> None:
        """Roll up all that came. Raises SQLAlchemyError."""
        with self._turn, alone(self._engine) as ours:
            more = ours
            while more and not self._stopping:
                began = perf_counter()
                rolled = self._roller.roll()
                self.stats.batches += rolled.batches
                self.stats.buckets += rolled.buckets
                self.stats.roll_seconds += perf_counter() - began
                more = rolled.more

    def keep_house(self) -> None:
        """Archive and give up what is due. Raises ArchiveError, SQLAlchemyError."""
        with self._turn, alone(self._engine) as ours:
            if not ours:
                return
            with ExitStack() as stack:  # each of it is done, whatever becomes of the others
                stack.callback(self._give_up)
                stack.callback(self._take_in)
                if self._archives:
                    self.stats.parts += self.archive.seal(self._now_ms())

    def _take_in(self) -> None:
        self.stats.taken_in += self._strays.take_in(self._now_ms())

    def _give_up(self) -> None:
        gone = self._retention.apply(self._now_ms())
        gone[Tier.ARCHIVE] = self.archive.drop(self._limits.archive, self._now_ms()) if self._archives else 0
        for tier, count in gone.items():
            self.stats.dropped[tier] += count
        more = self._engine.dialect.name == "sqlite"
        while more and not self._stopping:
            with writing(self._engine) as connection:
                more = sweep(connection)
        with self._engine.connect() as connection:
            self.stats.size = {tier: sum(register.sizes(connection, tier).values()) for tier in Tier}
            self.stats.size[Tier.ARCHIVE] = sum(part.size for part in register.parts(connection))

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (SQLAlchemyError, ArchiveError) as error:
            self.stats.failures += 1
            _log.warning("history cannot be looked after now: %s: %s", type(error).__name__, error)
        except Exception:  # noqa: BLE001 - outermost loop: the clock goes on
            self.stats.failures += 1
            _log.exception("history is looked after again later, after an error")
