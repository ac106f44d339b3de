"""Report by exception: which of a device's values are worth reporting. Pure; time is passed in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from contract.model import MAX_INTEGER, MAX_TEXT, Kind, Metric, Value
from device_profiles.profile import DeviceProfile

_MOST_SERIES: Final = 500
_JOB: Final = frozenset({"job", "printing", "cutting", "job-result"})
"""Told together: a short job may end like the one before, and only its name is then another."""


class Told(NamedTuple):
    """What a device's values are to be reported as of `at_ms`."""

    at_ms: int
    values: Mapping[str, Value | None]


@dataclass(slots=True)
class _Series:
    """What was reported last, and what was read and not reported since.

    `least` and `most` are the slopes, per millisecond, of the lines from there that pass by every reading since within
    the deadband.
    """

    value: Value | None
    mono_ms: int
    unreported: float | None = None
    least: float = -math.inf
    most: float = math.inf

    def keep_back(self, value: Value | None, mono_ms: int, deadband: float) -> None:
        number, origin = _number(value), _number(self.value)
        if number is None or origin is None or mono_ms <= self.mono_ms:
            return
        self.unreported = number
        self.least = max(self.least, (number - origin - deadband) / (mono_ms - self.mono_ms))
        self.most = min(self.most, (number - origin + deadband) / (mono_ms - self.mono_ms))

    def line_misses(self, value: Value | None, mono_ms: int) -> bool:
        """Whether a straight line to `value` passes too far from a reading, or there is none to draw."""
        number, origin = _number(value), _number(self.value)
        if number is None or origin is None:
            return True
        return not self.least <= (number - origin) / max(1, mono_ms - self.mono_ms) <= self.most


class Deadband:
    """What was last reported of one device.

    A value is reported when it is the first, when it moved by the metric's deadband or more (any change where that is
    0), when it became unknown or known, and after the metric's heartbeat. So between two reports the true value never
    lies a deadband or more from the reported one.

    The last reading of a number before that is reported as well, at its own time, where a straight line past it would
    miss a reading by more than the deadband, or would end too soon: a step stays a step.
    """

    def __init__(self, profile: DeviceProfile) -> None:
        self._profile = profile
        self._metrics: dict[str, Metric | None] = {}
        self._reported: dict[str, _Series] = {}
        self._last_ms = 0

    def changes(self, values: Mapping[str, Value | None], mono_ms: int, at_ms: int) -> Sequence[Told]:
        """What to report of values read at `at_ms`, each of its metric's kind, in the order of time.

        A metric that was reported and is missing now is unknown. Names that the profile does not declare are left out.
        """
        fitted = self._fitted(values)
        due = {name: value for name, value in fitted.items() if self._due(name, value, mono_ms)}
        if due.keys() & _JOB:
            due |= {name: value for name, value in fitted.items() if name in _JOB}
        before = self._before(due, mono_ms)
        for name, value in fitted.items():
            if name in due:
                self._reported[name] = _Series(value, mono_ms)
            elif metric := self._metric(name):
                self._reported[name].keep_back(value, mono_ms, metric.deadband)
        told = [Told(self._last_ms, before), Told(at_ms, due)]
        self._last_ms = at_ms
        return [each for each in told if each.values]

    def lost(self, mono_ms: int, at_ms: int) -> Sequence[Told]:
        """The device is out of reach: everything that was known is unknown."""
        return self.changes({}, mono_ms, at_ms)

    def _fitted(self, values: Mapping[str, Value | None]) -> dict[str, Value | None]:
        """Of every metric that is declared; None for one that was known and is missing."""
        found = ((name, self._metric(name), value) for name, value in values.items())
        fitted = {name: fit(value, metric.kind) for name, metric, value in found if metric}
        missing = self._reported.keys() - values.keys()
        return fitted | {name: None for name in missing if self._reported[name].value is not None}

    def _before(self, due: Mapping[str, Value | None], mono_ms: int) -> dict[str, Value | None]:
        """The last readings that were not reported, of the series that would be drawn wrongly without them."""
        return {
            name: series.unreported
            for name, value in due.items()
            if (series := self._reported.get(name)) and series.unreported is not None
            if series.line_misses(value, mono_ms)
        }

    def _metric(self, name: str) -> Metric | None:
        if name not in self._metrics:
            if len(self._metrics) >= _MOST_SERIES:
                return None
            self._metrics[name] = self._profile.metric(name)
        return self._metrics[name]

    def _due(self, name: str, value: Value | None, mono_ms: int) -> bool:
        metric, before = self._metric(name), self._reported.get(name)
        if metric is None or before is None or (value is None) is not (before.value is None):
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
