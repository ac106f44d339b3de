"""Report by exception: which of a device's values are worth reporting. Pure; time is passed in."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from contract.model import MAX_INTEGER, MAX_TEXT, Kind, Metric, Value
from device_profiles.profile import DeviceProfile

_MOST_SERIES = 500


@dataclass(frozen=True, slots=True)
class _Reported:
    value: Value | None
    mono_ms: int


class Deadband:
    """What was last reported of one device.

    A value is reported when it is the first, when it moved by the metric's deadband or more (any change where that is
    0), when it became unknown or known, and after the metric's heartbeat. So between two reports the true value never
    lies a deadband or more from the reported one.
    """

    def __init__(self, profile: DeviceProfile) -> None:
        self._profile = profile
        self._metrics: dict[str, Metric | None] = {}
        self._reported: dict[str, _Reported] = {}

    def changes(self, values: Mapping[str, Value | None], mono_ms: int) -> dict[str, Value | None]:
        """The values to report, each of its metric's kind. A metric that was reported and is missing now is unknown.

        Names that the profile does not declare are left out.
        """
        result: dict[str, Value | None] = {}
        for name, value in values.items():
            metric = self._metric(name)
            if metric is None:
                continue
            fitted = fit(value, metric.kind)
            if self._due(metric, self._reported.get(name), fitted, mono_ms):
                result[name] = fitted
        for name in self._reported.keys() - values.keys():
            if self._reported[name].value is not None:
                result[name] = None
        for name, fitted in result.items():
            self._reported[name] = _Reported(fitted, mono_ms)
        return result

    def lost(self, mono_ms: int) -> dict[str, Value | None]:
        """The device is out of reach: everything that was known is unknown."""
        return self.changes({}, mono_ms)

    def _metric(self, name: str) -> Metric | None:
        if name not in self._metrics:
            if len(self._metrics) >= _MOST_SERIES:
                return None
            self._metrics[name] = self._profile.metric(name)
        return self._metrics[name]

    def _due(self, metric: Metric, before: _Reported | None, value: Value | None, mono_ms: int) -> bool:
        if before is None or (value is None) is not (before.value is None):
            return True
        if mono_ms - before.mono_ms >= metric.heartbeat_s * 1000:
            return True
        number, last = _number(value), _number(before.value)
        if metric.deadband and number is not None and last is not None:
            return abs(number - last) >= metric.deadband
        return value != before.value


def _number(value: Value | None) -> float | None:
    return None if value is None or isinstance(value, str | bool) else value


def fit(value: Value | None, kind: Kind) -> Value | None:
    """The value as the wire takes it: a whole number as a float where floats are declared, None for what is not of
    the kind or cannot be sent."""
    if not kind.holds(value):
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", " ")[:MAX_TEXT]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return None
    if kind is Kind.INT:
        return value
    return float(value) if math.isfinite(value) else None
