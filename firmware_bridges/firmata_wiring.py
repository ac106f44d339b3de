"""What is wired to which pin of a board, and how a pin becomes a metric. Pure; read from a device's options.

    [options.inputs.temperature]     pin = "a0", kind = "analog", scale = 100.0, offset = -50.0
    [options.inputs.current]         pin = "a2", kind = "rms", scale = 20.0, floor = 0.1
    [options.inputs.door]            pin = "d2", kind = "digital", invert = true
    [options.inputs.energised]       of = "current", kind = "above", above = 0.3, below = 0.2
    [options.outputs.relay]          pin = "d7", kind = "switch", on = "unlock", off = "lock", invert = false
    [options.outputs.fan]            pin = "d6", kind = "pwm"
    [options.outputs.arm]            pin = "d9", kind = "servo", least = 0, most = 180

`scale` and `offset` turn volt into the metric's unit. `rms` is the root mean square of what swings about its mean: a
current clamp; what lies below `floor` is noise and counts as 0. Outputs are metrics too: on or off, %, degrees.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from contract.model import Value
from firmware_bridges.base import Refused
from firmware_bridges.options import Options

SAMPLING_MS: Final = 19
"""Not a multiple of half a mains period (10 ms at 50 Hz): else every sample of a clamp would meet the same phase."""
RMS_SAMPLES: Final = 20
"""Fewer do not see every phase of the mains: at 19 ms they pass through it once in 0.38 s."""
_HALF_MAINS_MS = 10
_DIGITS = 3
_MOST = 1e6
_PIN = re.compile(r"(?P<kind>[ad])(?P<number>\d{1,2})")
_NAME = re.compile(r"[a-z0-9-]{1,63}")


class InputKind(StrEnum):
    ANALOG = "analog"
    RMS = "rms"
    DIGITAL = "digital"
    ABOVE = "above"


class OutputKind(StrEnum):
    SWITCH = "switch"
    PWM = "pwm"
    SERVO = "servo"


_Kind = TypeVar("_Kind", InputKind, OutputKind)


@dataclass(frozen=True, slots=True)
class Input:
    """A metric that is measured. `pin` counts analog channels or digital pins, as `kind` says."""

    metric: str
    kind: InputKind
    pin: int
    scale: float
    offset: float
    floor: float
    invert: bool


@dataclass(frozen=True, slots=True)
class Threshold:
    """A metric that is true from `above` on and until below `below`, of another one."""

    metric: str
    of: str
    above: float
    below: float


@dataclass(frozen=True, slots=True)
class Output:
    """Something that can be told. `on` and `off` are the names of a switch's actions."""

    metric: str
    kind: OutputKind
    pin: int
    invert: bool
    least: float
    most: float
    on: str
    off: str


@dataclass(frozen=True, slots=True)
class Wiring:
    inputs: tuple[Input, ...]
    thresholds: tuple[Threshold, ...]
    outputs: tuple[Output, ...]
    aref: float
    sampling_ms: int


@dataclass(frozen=True, slots=True)
class Setting:
    """What an action does: an output, and the number that its pin is told (0 or 1, 0 to 255, degrees)."""

    output: Output
    number: int


def wiring(options: Options) -> Wiring:
    """Take the options `inputs`, `outputs`, `aref` (volt) and `sampling_ms`. Raises ValueError, naming the entry."""
    inputs, thresholds = [], []
    for metric, table in _tables(options, "inputs"):
        kind = _choice(metric, table, InputKind)
        if kind is InputKind.ABOVE:
            thresholds.append(_threshold(metric, table))
        else:
            inputs.append(_input(metric, kind, table))
    outputs = tuple(_output(metric, table) for metric, table in _tables(options, "outputs"))
    result = Wiring(
        tuple(inputs),
        tuple(thresholds),
        outputs,
        options.number("aref", 5.0, 0.1, 5.5),
        options.whole("sampling_ms", SAMPLING_MS, 10, 1000),
    )
    _check(result)
    return result


def measured(wired: Input, samples: Sequence[float], aref: float) -> float | None:
    """The value of an analog input from its samples (0 to 1 of `aref` volt) since it was last asked; None if none."""
    if not samples:
        return None
    mean = sum(samples) / len(samples)
    if wired.kind is InputKind.ANALOG:
        return round(mean * aref * wired.scale + wired.offset, _DIGITS)
    spread = math.sqrt(sum([(sample - mean) ** 2 for sample in samples]) / len(samples))
    value = spread * aref * wired.scale
    return round(value, _DIGITS) if value >= wired.floor else 0.0


def passed(threshold: Threshold, value: Value | None, *, before: bool) -> bool | None:
    """Whether `value` is beyond the threshold, given what it was before."""
    if not isinstance(value, int | float):
        return None
    return value >= (threshold.below if before else threshold.above)


def shown(output: Output, number: int) -> Value:
    """An output's metric from what its pin was told."""
    match output.kind:
        case OutputKind.SWITCH:
            return (number != 0) is not output.invert
        case OutputKind.PWM:
            return round(number / 255 * 100, 1)
        case OutputKind.SERVO:
            return number


def setting(wired: Wiring, action: str, args: Mapping[str, Value]) -> Setting:
    """What an action asks for. Raises Refused for one that nothing is wired for, or a value out of range."""
    for output in wired.outputs:
        if output.kind is OutputKind.SWITCH and action in (output.on, output.off):
            return Setting(output, int((action == output.on) is not output.invert))
        if output.kind is OutputKind.PWM and action == output.metric:
            return Setting(output, round(_number(output, args, "level") / 100 * 255))
        if output.kind is OutputKind.SERVO and action == output.metric:
            return Setting(output, round(_number(output, args, "angle")))
    raise Refused(f"nothing is wired for {action[:40]!r}")


def _number(output: Output, args: Mapping[str, Value], name: str) -> float:
    value = args.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not output.least <= value <= output.most:
        raise Refused(f"{output.metric} wants {name} from {output.least:g} to {output.most:g}")
    return float(value)


def _tables(options: Options, key: str) -> Iterator[tuple[str, Options]]:
    for metric, table in options.table(key).items():
        if not _NAME.fullmatch(metric) or not isinstance(table, Mapping):
            raise ValueError(f"{key}.{metric}: not a metric's table")
        yield metric, Options(table, f"{key}.{metric}.")


def _choice(metric: str, table: Options, kinds: type[_Kind]) -> _Kind:
    try:
        return kinds(table.text("kind"))
    except ValueError:
        raise ValueError(f"{metric}.kind: must be one of {', '.join(kinds)}") from None


def _input(metric: str, kind: InputKind, table: Options) -> Input:
    result = Input(
        metric=metric,
        kind=kind,
        pin=_pin(metric, table, "d" if kind is InputKind.DIGITAL else "a"),
        scale=table.number("scale", 1.0, -_MOST, _MOST),
        offset=table.number("offset", 0.0, -_MOST, _MOST),
        floor=table.number("floor", 0.0, 0.0, _MOST),
        invert=table.yes("invert", default=False),
    )
    table.done()
    return result


def _threshold(metric: str, table: Options) -> Threshold:
    of, above = table.text("of"), table.number("above", math.inf, -math.inf, math.inf)
    result = Threshold(metric, of, above, table.number("below", above, -math.inf, math.inf))
    table.done()
    if not result.below <= result.above < math.inf:
        raise ValueError(f"{metric}: above is wanted, and below not beyond it")
    return result


def _output(metric: str, table: Options) -> Output:
    kind = _choice(metric, table, OutputKind)
    result = Output(
        metric=metric,
        kind=kind,
        pin=_pin(metric, table, "d"),
        invert=table.yes("invert", default=False),
        least=table.number("least", 0.0, 0.0, 180.0),
        most=table.number("most", 180.0 if kind is OutputKind.SERVO else 100.0, 0.0, 180.0),
        on=table.text("on", f"{metric}-on"),
        off=table.text("off", f"{metric}-off"),
    )
    table.done()
    return result


def _pin(metric: str, table: Options, kind: str) -> int:
    match = _PIN.fullmatch(table.text("pin"))
    if match is None or match["kind"] != kind:
        raise ValueError(f"{metric}.pin: {'an analog one, as a0' if kind == 'a' else 'a digital one, as d7'}")
    return int(match["number"])


def _check(result: Wiring) -> None:
    names = [each.metric for group in (result.inputs, result.thresholds, result.outputs) for each in group]
    digital = [each.pin for each in result.inputs if each.kind is InputKind.DIGITAL]
    for what, things in (("metric", names), ("pin", [*digital, *(each.pin for each in result.outputs)])):
        _refuse_twice(what, things)
    _refuse_twice("action", [name for each in result.outputs for name in (each.on, each.off)])
    for threshold in result.thresholds:
        if threshold.of not in {each.metric for each in result.inputs}:
            raise ValueError(f"{threshold.metric}.of: there is no input {threshold.of!r}")
    if any(each.kind is InputKind.RMS for each in result.inputs) and result.sampling_ms % _HALF_MAINS_MS == 0:
        raise ValueError(f"sampling_ms: a multiple of {_HALF_MAINS_MS} would meet the mains in the same phase always")


def _refuse_twice(what: str, things: Collection[object]) -> None:
    seen: set[object] = set()
    for each in things:
        if each in seen:
            raise ValueError(f"{what} {each!r} is given twice")
        seen.add(each)
