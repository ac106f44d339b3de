"""From a report's series to rows. Pure, and the hottest code of the controller: no call for each value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from contract.messages import Report
from contract.model import Kind, Value
from controller.ingest.codec import Reason
from controller.telemetry.checksum import Row

AHEAD_MS: Final = 10 * 60_000
"""A reading from further in the future is not believed."""
BEHIND_MS: Final = 400 * 86_400_000
"""Nor is one that is older."""

_NONE: type = type(None)
_TAKES: Final[dict[Kind, frozenset[type]]] = {
    Kind.BOOL: frozenset({bool, _NONE}),
    Kind.INT: frozenset({int, _NONE}),
    Kind.FLOAT: frozenset({float, int, _NONE}),
    Kind.TEXT: frozenset({str, _NONE}),
}


class About(NamedTuple):
    """What a series is of."""

    device_id: int
    metric: str
    kind: Kind


class Slot(NamedTuple):
    """Where the values of one metric of one device go, and which Python types they may have."""

    series: int
    takes: frozenset[type]
    truth: bool
    about: About


Slots: TypeAlias = Mapping[str, Mapping[str, Slot]]
"""device -> metric -> slot, as far as they were needed yet."""


def make_slot(series: int, device_id: int, metric: str, kind: Kind) -> Slot:
    return Slot(series, _TAKES[kind], kind is Kind.BOOL, About(device_id, metric, kind))


class Span(NamedTuple):
    """The times of the oldest and the newest reading."""

    from_ms: int
    to_ms: int


def plausible(received_ms: int) -> Span:
    """Which times are believed of what was received then."""
    return Span(received_ms - BEHIND_MS, received_ms + AHEAD_MS)


def straight(  # noqa: C901 - one loop, without a call in it
    report: Report, batch: int, slots: Slots, believed: Span
) -> tuple[list[Row], Span | None] | None:
    """All readings as rows and the times they span, or None if any of them needs a closer look: see `sifted`."""
    base = report.base_ms
    rows: list[Row] = []
    append = rows.append
    low = believed.to_ms - base + 1
    high = believed.from_ms - base - 1
    try:
        for device, metrics in report.series.items():
            known = slots[device]
            for metric, points in metrics.items():
                series, takes, truth, _ = known[metric]
                for dt, value in points:
                    if value.__class__ not in takes:
                        return None
                    if truth and value is not None:
                        value = +value  # type: ignore[operator]  # noqa: PLW2901 - a truth value: +True is 1
                    append((series, base + dt, batch, value))
                    if dt > high:  # noqa: PLR1730 - a comparison costs a third of a call
                        high = dt
                    if dt < low:  # noqa: PLR1730
                        low = dt
    except KeyError:
        return None
    if not rows:
        return rows, None
    span = Span(base + low, base + high)
    if span.from_ms < believed.from_ms or span.to_ms > believed.to_ms:
        return None
    return rows, span


class Aside(NamedTuple):
    """A reading that is not stored, and why."""

    reason: Reason
    device: str
    metric: str
    at_ms: int
    value: Value | None


@dataclass(slots=True)
class Sifted:
    rows: list[Row] = field(default_factory=list)
    aside: list[Aside] = field(default_factory=list)

    @property
    def span(self) -> Span | None:
        times = [row[1] for row in self.rows]
        return Span(min(times), max(times)) if times else None

    @property
    def undeclared(self) -> bool:
        return any(each.reason is Reason.UNDECLARED for each in self.aside)


def sifted(report: Report, batch: int, slot_of: Callable[[str, str], Slot | None], believed: Span) -> Sifted:
    """Each reading either as a row or put aside with its reason. `slot_of` may make a series that is new."""
    result = Sifted()
    for device, metrics in report.series.items():
        for metric, points in metrics.items():
            slot = slot_of(device, metric)
            for dt, value in points:
                at_ms = report.base_ms + dt
                reason = _fault(slot, at_ms, value, believed)
                if reason is not None or slot is None:
                    result.aside.append(Aside(reason or Reason.UNDECLARED, device, metric, at_ms, value))
                else:
                    stored = int(value) if isinstance(value, bool) else value
                    result.rows.append((slot.series, at_ms, batch, stored))
    return result


def _fault(slot: Slot | None, at_ms: int, value: Value | None, believed: Span) -> Reason | None:
    if slot is None:
        return Reason.UNDECLARED
    if value.__class__ not in slot.takes:
        return Reason.KIND
    if at_ms > believed.to_ms:
        return Reason.CLOCK_AHEAD
    return Reason.CLOCK_BEHIND if at_ms < believed.from_ms else None
