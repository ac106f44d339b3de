"""Readings of the past, for charts and for the API."""

from functools import lru_cache

from sqlalchemy import Connection, Engine, text

from controller.telemetry.days import DAY_MS
from controller.telemetry.rows import rows_in
from controller.telemetry.thinning import Point, thinned, with_gaps
from device_profiles.profile import ProfileError, load

DEFAULT_HEARTBEAT_MS = 300_000

_OWNER = text(
    "SELECT agent_id, profile_slug, metric FROM series JOIN device ON device.id = device_id WHERE series.id = :series"
)
_DECLARED = text(
    "SELECT from_ms, to_ms FROM declared_gap WHERE agent_id = :agent AND to_ms >= :from AND from_ms <= :to"
)


def series_points(engine: Engine, series_id: int, from_ms: int, to_ms: int, points: int) -> list[Point]:
    """At most `points` of a series between two times, both inclusive; None where nothing is known.

    Minimum and maximum of every stretch are among them. Whoever asks has checked that the series may be read.
    """
    with engine.connect() as connection:
        found = connection.execute(_OWNER, {"series": series_id}).one_or_none()
        if found is None:
            return []
        agent_id, profile, metric = found
        readings = _readings(connection, series_id, from_ms, to_ms)
        asked = {"agent": agent_id, "from": from_ms, "to": to_ms}
        declared = [(begin, end) for begin, end in connection.execute(_DECLARED, asked)]
    return thinned(with_gaps(readings, _heartbeat_ms(profile, metric), declared), points)


def readings(engine: Engine, series_id: int, from_ms: int, to_ms: int) -> list[Point]:
    """All that came of a series between two times, both inclusive, in the order of time."""
    with engine.connect() as connection:
        return _readings(connection, series_id, from_ms, to_ms)


def _readings(connection: Connection, series_id: int, from_ms: int, to_ms: int) -> list[Point]:
    readings: list[Point] = []
    rows = rows_in(connection)
    for day in rows.days(connection):
        if from_ms // DAY_MS <= day <= to_ms // DAY_MS:
            readings += rows.of_series(connection, day, series_id, from_ms, to_ms)
    return readings


@lru_cache(maxsize=10_000)
def _heartbeat_ms(profile: str, metric: str) -> int:
    """From the profile if this controller has it, else what most have."""
    try:
        found = load(profile).metric(metric)
    except (ProfileError, OSError):
        return DEFAULT_HEARTBEAT_MS
    return round(found.heartbeat_s * 1000) if found else DEFAULT_HEARTBEAT_MS
