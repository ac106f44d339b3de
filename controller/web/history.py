"""The last day of a device's metrics, for its charts."""

from sqlalchemy import Engine

from controller.fleet.roster import find_series
from controller.scope import Scope
from controller.telemetry.store import series_points
from controller.web.device_view import DAY_MS, POINTS, History, Points


def last_day(engine: Engine, scope: Scope, device_id: int, now_ms: int) -> History:
    """metric -> its points of the last 24 hours; none for a device outside the scope."""

    def read(metric: str) -> Points:
        series = find_series(engine, scope, device_id, metric)
        if series is None:
            return []
        points = series_points(engine, series.id, now_ms - DAY_MS, now_ms, POINTS)
        return [(at_ms, value) for at_ms, value in points if not isinstance(value, str)]

    return read
