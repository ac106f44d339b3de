"""Readings of the past, for charts and for the API: one answer from rows, roll-ups and archive."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text

from contract.model import Kind
from controller.telemetry import register
from controller.telemetry.archive import Archive
from controller.telemetry.days import DAY_MS
from controller.telemetry.lines import Step, joined, of_bucket, of_reading
from controller.telemetry.rollup import Bucket
from controller.telemetry.rollups import rollups_in
from controller.telemetry.rows import Rows, rows_in
from controller.telemetry.sources import ARCHIVE_DAYS, WIDTH_MS, Kept, Source, sources, wanted
from controller.telemetry.thinning import Point, thinned, with_gaps
from controller.telemetry.tiers import FIVE_MINUTES, HOUR, Grain, Tier
from controller.telemetry.writing import keep_all
from device_profiles.profile import ProfileError, load

DEFAULT_HEARTBEAT_MS = 300_000
_GRAINS = {grain.tier: grain for grain in (FIVE_MINUTES, HOUR)}

_OWNER = text(
    "SELECT agent_id, profile_slug, metric, kind FROM series JOIN device ON device.id = device_id"
    " WHERE series.id = :series"
)
_DECLARED = text(
    "SELECT from_ms, to_ms FROM declared_gap WHERE agent_id = :agent AND to_ms >= :from AND from_ms <= :to"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A series over time; None where nothing is known. `tier` is the coarsest one that it was made of, and what is
    closer together than its `resolution_ms` cannot be told apart; 0: each reading can.
    """

    tier: Tier
    resolution_ms: int
    points: list[Point]


class Asked(NamedTuple):
    """A series between two times, both inclusive."""

    series: int
    from_ms: int
    to_ms: int


class History:
    """Answers questions about series. Whoever asks has checked that the series may be read."""

    def __init__(self, engine: Engine, archive: Archive | None = None) -> None:
        self._engine = engine
        self._archive = archive
        self._rows = rows_in(engine)
        self._rollups = rollups_in(engine)

    def line(self, series_id: int, from_ms: int, to_ms: int, points: int) -> Line:
        """At most `points` of a series between two times, both inclusive: minimum and maximum of every stretch are
        among them. Raises archive.ArchiveError, SQLAlchemyError.
        """
        with reading(self._engine) as connection:
            found = connection.execute(_OWNER, {"series": series_id}).one_or_none()
            if found is None:
                return Line(Tier.ROWS, 0, [])
            tier, kept = wanted(to_ms - from_ms, points), self._kept(connection, from_ms, to_ms)
            chosen = sources(tier, from_ms, to_ms + 1, kept, text=found.kind == Kind.TEXT)
            asked = {"agent": found.agent_id, "from": from_ms, "to": to_ms}
            declared = [(begin, end) for begin, end in connection.execute(_DECLARED, asked)]
            heartbeat_ms = _heartbeat_ms(found.profile_slug, found.metric)
            if [source.tier for source in chosen] == [Tier.ROWS]:
                all_points = with_gaps(self._readings(connection, series_id, chosen[0]), heartbeat_ms, declared)
            else:
                steps = chain.from_iterable(self._steps(connection, series_id, each, kept) for each in chosen)
                all_points = joined(steps, heartbeat_ms, declared)
        coarsest = max((source.tier for source in chosen), key=list(WIDTH_MS).index, default=Tier.ROWS)
        return Line(coarsest, WIDTH_MS[coarsest], thinned(all_points, points))

    def buckets(self, grain: Grain, series: Sequence[int], from_ms: int, until_ms: int) -> list[Bucket]:
        """What readings of several series became, from a time up to, not including, another. Raises SQLAlchemyError."""
        with reading(self._engine) as connection:
            return self._rollups.of_series(connection, grain, series, from_ms, until_ms) if series else []

    def hours(self, series_id: int, from_ms: int, to_ms: int) -> list[Bucket]:
        """The hours of a series that begin between two times, as far as they are rolled up. Raises SQLAlchemyError."""
        with reading(self._engine) as connection:
            return self._rollups.of_series(connection, HOUR, [series_id], from_ms, to_ms + 1)

    def _kept(self, connection: Connection, from_ms: int, to_ms: int) -> Kept:
        gone = register.last_dropped(connection)
        rows, fives, hours = (gone.get(tier) for tier in (Tier.ROWS, Tier.FIVE_MINUTES, Tier.HOUR))
        rows_ms = 0 if rows is None else (rows + 1) * DAY_MS
        first = max(from_ms, to_ms - ARCHIVE_DAYS * DAY_MS) // DAY_MS
        return Kept(
            rows_ms=rows_ms,
            archived=register.archived_days(connection, first, to_ms // DAY_MS)
            if self._archive is not None and from_ms < rows_ms
            else frozenset(),
            five_minutes_ms=0 if fives is None else FIVE_MINUTES.begin_ms(fives + 1),
            hours_ms=0 if hours is None else HOUR.begin_ms(hours + 1),
        )

    def _steps(self, connection: Connection, series: int, source: Source, kept: Kept) -> Iterator[Step]:
        if source.tier in _GRAINS:
            yield from self._rolled_up(connection, series, source, kept)
        elif source.tier is Tier.ARCHIVE and self._archive:
            yield from map(of_reading, self._archive.points(series, source.from_ms, source.until_ms - 1))
        else:
            yield from map(of_reading, self._readings(connection, series, source))

    def _rolled_up(self, connection: Connection, series: int, source: Source, kept: Kept) -> Iterator[Step]:
        """The newest bucket may still grow, and readings may not be rolled up yet: from there on from the rows."""
        grain = _GRAINS[source.tier]
        begin = source.from_ms // grain.width_ms * grain.width_ms
        buckets = self._rollups.of_series(connection, grain, [series], begin, source.until_ms)
        open_ms = max(buckets[-1].at_ms, source.from_ms) if buckets else source.from_ms
        if open_ms >= kept.rows_ms:
            yield from (of_bucket(each, source.from_ms, source.until_ms) for each in buckets[:-1])
            yield from map(of_reading, self._readings(connection, series, Source(Tier.ROWS, open_ms, source.until_ms)))
        else:
            yield from (of_bucket(each, source.from_ms, source.until_ms) for each in buckets)

    def _readings(self, connection: Connection, series: int, source: Source) -> list[Point]:
        asked = Asked(series, source.from_ms, source.until_ms - 1)
        return _readings(connection, self._rows, asked)


def readings(engine: Engine, asked: Sequence[Asked]) -> list[list[Point]]:
    """All that came of each, in the order of time, as far as rows are kept. Raises SQLAlchemyError."""
    with reading(engine) as connection:
        rows = rows_in(connection)
        return [_readings(connection, rows, each) for each in asked]


def _readings(connection: Connection, rows: Rows, asked: Asked) -> list[Point]:
    found: list[Point] = []
    for day in rows.days_within(connection, asked.from_ms // DAY_MS, asked.to_ms // DAY_MS):
        found += rows.of_series(connection, day, asked.series, asked.from_ms, asked.to_ms)
    return found


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for which no table of history goes away meanwhile."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            keep_all(connection)
        yield connection
        connection.rollback()


@lru_cache(maxsize=10_000)
def _heartbeat_ms(profile: str, metric: str) -> int:
    """From the profile if this controller has it, else what most have."""
    try:
        found = load(profile).metric(metric)
    except (ProfileError, OSError):
        return DEFAULT_HEARTBEAT_MS
    return round(found.heartbeat_s * 1000) if found else DEFAULT_HEARTBEAT_MS
