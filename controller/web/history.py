"""A device's metrics over a span of time, for its charts."""

from dataclasses import dataclass
from typing import Final

from controller.fleet.roster import find_series
from controller.scope import Scope
from controller.services import Services
from controller.telemetry.rollup import Bucket
from controller.telemetry.thinning import Point
from controller.web.chart_span import Span

POINTS: Final = 480
"""Of one line of a chart: one every three minutes of a day."""


@dataclass(frozen=True, slots=True)
class Past:
    """Reads the metrics of one device; nothing of a device outside the scope."""

    services: Services
    scope: Scope
    device_id: int
    span: Span
    now_ms: int

    def points(self, metric: str) -> list[Point]:
        """None where nothing is known."""
        series = find_series(self.services.engine, self.scope, self.device_id, metric)
        if series is None:
            return []
        line = self.services.history.line(series.id, self.now_ms - self.span.length_ms, self.now_ms, POINTS)
        return line.points

    def hours(self, metric: str) -> list[Bucket]:
        series = find_series(self.services.engine, self.scope, self.device_id, metric)
        if series is None:
            return []
        return self.services.history.hours(series.id, self.now_ms - self.span.length_ms, self.now_ms)
