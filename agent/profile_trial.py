"""Holds a profile against a device: is every value that it tells declared, and every declared one told?"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.findings import Finding, Verdict, good, same
from contract.model import Value, pattern_for
from contract.units import symbol
from device_profiles.profile import DeviceProfile, Words
from firmware_bridges import bridge_for
from firmware_bridges.base import Bridge, BridgeError, Refused

PATIENCE_S: Final = 20.0
"""How long a device may take to tell everything; at least three polls."""
_BREATH_S: Final = 0.2
_LAST: Final = ("pause", "stop", "power-off", "lock", "switch-off")
"""What ends what others have begun; of these the later ones come last."""


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds. `pause` and `clock` are those of the `time` module."""

    most_s: float = PATIENCE_S
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep


def trial(
    profile: DeviceProfile,
    endpoint: str,
    options: Mapping[str, Any],
    *,
    commands: bool = False,
    patience: Patience | None = None,
) -> Iterator[Finding]:
    """Read every metric once; with `commands` give every action that needs no argument. The device is let go of."""
    what = Words("contact", "liên lạc")
    try:
        bridge = bridge_for(profile.bridge, endpoint, {**profile.options, **options})
    except ValueError as error:
        yield Finding("endpoint-wrong", Verdict.BAD, what, same(str(error)))
        return
    try:
        bridge.open()
        values = _values(bridge, profile, patience or Patience())
        yield good("contact", what, same(endpoint))
        yield from _told(profile, values)
        yield from _carried_out(bridge, profile) if commands else ()
    except BridgeError as error:
        yield Finding("no-contact", Verdict.BAD, what, same(f"{type(error).__name__}: {error}"))
    finally:
        bridge.close()


def _values(bridge: Bridge, profile: DeviceProfile, patience: Patience) -> Mapping[str, Value | None]:
    """What it has told, once it has told everything or has had its time. Raises BridgeError."""
    until_s = patience.clock() + max(patience.most_s, 3 * profile.poll_s)
    values = dict(bridge.poll())
    while patience.clock() < until_s and not _complete(profile, values):
        patience.pause(min(profile.poll_s, _BREATH_S))
        values |= bridge.poll()
    return values


def _complete(profile: DeviceProfile, values: Mapping[str, Value | None]) -> bool:
    return all(values.get(name) is not None for name in profile.metrics if "*" not in name)


def _told(profile: DeviceProfile, values: Mapping[str, Value | None]) -> Iterator[Finding]:
    for name, value in sorted(values.items()):
        metric = profile.metric(name)
        if metric is None:
            seen = Words("told, but the profile does not declare it", "máy báo, nhưng hồ sơ chưa khai")
            yield Finding("undeclared", Verdict.BAD, same(name), seen)
        elif not metric.kind.holds(value):
            seen = Words(f"{value!r} is no {metric.kind}", f"{value!r} chưa phải {metric.kind}")
            yield Finding("wrong-kind", Verdict.BAD, same(name), seen)
        elif value is None:
            seen = Words("asked for, and not known", "đã hỏi, máy chưa biết")
            yield Finding("unknown", Verdict.DOUBTFUL, same(name), seen)
        else:
            yield good("told", same(name), same(f"{value} {symbol(metric.unit)}".rstrip()))
    heard = {pattern_for(name, profile.metrics) for name in values}
    for name in profile.metrics:
        if name not in heard:
            seen = Words("declared, but not told", "hồ sơ có khai, nhưng máy chưa báo")
            yield Finding("untold", Verdict.DOUBTFUL, same(name), seen)


def _carried_out(bridge: Bridge, profile: DeviceProfile) -> Iterator[Finding]:
    """What ends something comes last. What takes an argument or a file is left to `fabfleet-agent do`."""
    for name in sorted(profile.actions, key=lambda name: _LAST.index(name) if name in _LAST else -1):
        what = Words(f"action {name}", f"lệnh {name}")
        if profile.actions[name].args:
            seen = Words("not tried: it takes arguments", "chưa thử: lệnh cần tham số")
            yield Finding("not-tried", Verdict.DOUBTFUL, what, seen)
            continue
        try:
            bridge.execute(name, {})
        except Refused as error:
            yield Finding("refused", Verdict.DOUBTFUL, what, same(str(error)))
        except BridgeError as error:
            yield Finding("not-done", Verdict.BAD, what, same(f"{type(error).__name__}: {error}"))
        else:
            yield good("done", what, Words("the device confirmed it", "thiết bị đã xác nhận"))
