"""Readings of the past, for charts and for the API."""

import sqlite3
from functools import lru_cache

from sqlalchemy import Engine

from controller.telemetry.days import DAY_MS, existing_days, table_of
from controller.telemetry.raw import raw_cursor
from controller.telemetry.thinning import Point, thinned, with_gaps
from device_profiles.profile import ProfileError, load

DEFAULT_HEARTBEAT_MS = 300_000


def series_points(engine: Engine, series_id: int, from_ms: int, to_ms: int, points: int) -> list[Point]:
    """At most `points` of a series between two times, both inclusive; None where nothing is known.

    Minimum and maximum of every stretch are among them. Whoever asks has checked that the series may be read.
    """
    with engine.connect() as connection:
        cursor = raw_cursor(connection)
        found = cursor.execute(
            "SELECT agent_id, profile_slug, metric FROM series JOIN device ON device.id = device_id"
            " WHERE series.id = ?",
            (series_id,),
        ).fetchone()
        if found is None:
            return []
        agent_id, profile, metric = found
        readings = _readings(cursor, series_id, from_ms, to_ms)
        declared = cursor.execute(
            "SELECT from_ms, to_ms FROM declared_gap WHERE agent_id = ? AND to_ms >= ? AND from_ms <= ?",
            (agent_id, from_ms, to_ms),
        ).fetchall()
    return thinned(with_gaps(readings, _heartbeat_ms(profile, metric), declared), points)


def readings(engine: Engine, series_id: int, from_ms: int, to_ms: int) -> list[Point]:
    """All that came of a series between two times, both inclusive, in the order of time."""
    with engine.connect() as connection:
        return _readings(raw_cursor(connection), series_id, from_ms, to_ms)


def _readings(cursor: sqlite3.Cursor, series_id: int, from_ms: int, to_ms: int) -> list[Point]:
    readings: list[Point] = []
    for day in existing_days(cursor):
        if from_ms // DAY_MS <= day <= to_ms // DAY_MS:
            readings += cursor.execute(
                f"SELECT at_ms, value FROM {table_of(day)} WHERE series = ? AND at_ms BETWEEN ? AND ? ORDER BY at_ms",  # noqa: S608
                (series_id, from_ms, to_ms),
            ).fetchall()
    return readings


@lru_cache(maxsize=10_000)
def _heartbeat_ms(profile: str, metric: str) -> int:
    """From the profile if this controller has it, else what most have."""
    try:
        found = load(profile).metric(metric)
    except (ProfileError, OSError):
        return DEFAULT_HEARTBEAT_MS
    return round(found.heartbeat_s * 1000) if found else DEFAULT_HEARTBEAT_MS
