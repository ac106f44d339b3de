"""A device that is not there: for the demonstration and for load tests. Deterministic, and cheap by the thousand.

Its time is the number of polls; its chance is its seed. Options:

    busy = "printing"                 the metric that says the machine works
    fault_every = 5000                polls, on average, until the device is lost; 0 or absent: never
    fault_polls = 3                   attempts that fail then
    [simulate.nozzle-temperature]     a walk by `step` within `range`, or within `busy` while the machine works;
    range = [24.0, 30.0]              from one to the other it goes `pace` steps a poll
    busy = [208.0, 212.0]
    step = 0.5
    pace = 10
    [simulate.printing]               true for the share `duty` of each `period` polls
    period = 240
    duty = 0.4
    [simulate.state]                  the first text while idle, the second while the machine works
    text = ["idle", "printing"]
    [simulate.network]                one of several, another one every `every` polls on average
    choices = ["a", "b"]
    every = 500
    [simulate.print-time]             grows by `count` a poll while the machine works, from a start below `from`
    count = 0.002
    from = 900
    [simulate.progress]               from 0 to 100 over each working time
    progress = 100
    [effects.pause]                   what an action does: `metric` reads `value` (or the action's argument `argument`)
    metric = "printing"               from `after` polls on, for `hold` polls
    value = false
    after = 2
    hold = 60
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from contract.model import Value
from firmware_bridges.base import LinkLost, Refused
from firmware_bridges.options import Options

_MULTIPLIER: Final = 6_364_136_223_846_793_005  # Knuth's MMIX generator
_INCREMENT: Final = 1_442_695_040_888_963_407
_MASK: Final = 2**64 - 1
_MOST_STEPS: Final = 20_000


@dataclass(frozen=True, slots=True)
class _Walk:
    """Places are indices of `values`. `shift` picks this walk's own bits of a poll's chance."""

    name: str
    values: tuple[Value, ...]
    idle: tuple[int, int]
    busy: tuple[int, int]
    pace: int
    shift: int


@dataclass(frozen=True, slots=True)
class _Wave:
    name: str
    period: int
    duty: float


@dataclass(frozen=True, slots=True)
class _Choice:
    name: str
    choices: tuple[Value, ...]
    every: int


@dataclass(frozen=True, slots=True)
class _Count:
    name: str
    step: float
    start: float


@dataclass(frozen=True, slots=True)
class _Effect:
    metric: str
    value: Value
    argument: str
    after: int
    hold: int


@dataclass(frozen=True, slots=True)
class _Told:
    """The options, hashable; tables as JSON."""

    busy: str
    fault_every: int
    fault_polls: int
    simulate: str
    effects: str


@dataclass(frozen=True, slots=True)
class _Plan:
    """One model's behaviour, shared by all its devices."""

    busy: str
    walks: tuple[_Walk, ...]
    waves: tuple[_Wave, ...]
    texts: tuple[tuple[str, Value, Value], ...]
    choices: tuple[_Choice, ...]
    counts: tuple[_Count, ...]
    progress: tuple[tuple[str, float], ...]
    effects: Mapping[str, _Effect]
    fault_every: int
    fault_polls: int


@dataclass(slots=True)
class _Forced:
    """An action's effect on one metric, between two polls."""

    from_poll: int
    until_poll: int
    value: Value


class SimulatedBridge:
    """Bridge `simulated`. The endpoint is `sim:SEED`, SEED being any text; the same seed behaves the same."""

    __slots__ = (
        "_at",
        "_chance",
        "_counts",
        "_fault_left",
        "_forced",
        "_open",
        "_phases",
        "_picked",
        "_plan",
        "_polls",
    )

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        """Raises ValueError for another endpoint, or for options that make no plan."""
        scheme, colon, seed = endpoint.partition(":")
        if scheme != "sim" or not colon:
            raise ValueError(f"{endpoint!r}: the endpoint of a simulated device is sim:SEED")
        given = Options(options)
        told = _Told(
            busy=given.text("busy"),
            fault_every=given.whole("fault_every", 0, 0, 1_000_000_000),
            fault_polls=given.whole("fault_polls", 3, 0, 1_000_000),
            simulate=json.dumps(given.table("simulate"), sort_keys=True),
            effects=json.dumps(given.table("effects"), sort_keys=True),
        )
        given.done()
        self._plan = plan = _plan(told)
        self._chance = int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=8).digest(), "big")
        self._polls = 0
        self._open = False
        self._fault_left = 0
        self._forced: dict[str, _Forced] = {}
        self._at = [walk.idle[0] + self._below(walk.idle[1] - walk.idle[0] + 1) for walk in plan.walks]
        self._phases = [self._phase(wave) for wave in plan.waves]
        self._picked = [choice.choices[self._below(len(choice.choices))] for choice in plan.choices]
        self._counts = [count.start * self._below(1000) / 1000 for count in plan.counts]

    def open(self) -> None:
        if self._fault_left:
            self._fault_left -= 1
            raise LinkLost("simulated: not plugged in")
        self._open = True

    def poll(self) -> Mapping[str, Value | None]:
        """Every metric of the plan, one step of its time later. Raises LinkLost when its seldom fault comes."""
        if not self._open:
            raise LinkLost("not open")
        plan = self._plan
        chance = self._chance = (self._chance * _MULTIPLIER + _INCREMENT) & _MASK
        self._polls += 1
        if plan.fault_every and (self._fault_left or (chance >> 33) % plan.fault_every == 0):
            self._fault_left = self._fault_left - 1 if self._fault_left else plan.fault_polls
            raise LinkLost("simulated: unplugged")
        values: dict[str, Value | None] = {}
        done = 0.0
        for wave, (phase, period, on_polls) in zip(plan.waves, self._phases, strict=True):
            place = (self._polls + phase) % period
            values[wave.name] = place < on_polls
            if wave.name == plan.busy:
                done = place / on_polls
        forced = self._in_force() if self._forced else None
        if forced:
            values.update(forced)
        busy = values.get(plan.busy) is True
        self._walk(values, chance, busy)
        if plan.texts or plan.choices or plan.counts or plan.progress:
            self._rest(values, chance, busy, done)
        if forced:
            values.update(forced)
        return values

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        """Take an action; its effect shows a few polls later. Raises Refused for one the plan does not know."""
        effect = self._plan.effects.get(action)
        if effect is None:
            raise Refused(f"no such action: {action}")
        value = args.get(effect.argument) if effect.argument else effect.value
        if value is None:
            raise Refused(f"{action}: the argument {effect.argument} is missing")
        start = self._polls + effect.after
        self._forced[effect.metric] = _Forced(start, start + effect.hold, value)

    def close(self) -> None:
        self._open = False

    def _walk(self, values: dict[str, Value | None], chance: int, busy: bool) -> None:
        at = self._at
        for slot, walk in enumerate(self._plan.walks):
            low, high = walk.busy if busy else walk.idle
            place = at[slot] + (chance >> walk.shift) % 3 - 1
            if place < low:
                place = min(place + walk.pace, low)
            elif place > high:
                place = max(place - walk.pace, high)
            at[slot] = place
            values[walk.name] = walk.values[place]

    def _rest(self, values: dict[str, Value | None], chance: int, busy: bool, done: float) -> None:
        plan = self._plan
        for name, idle, working in plan.texts:
            values[name] = working if busy else idle
        for slot, choice in enumerate(plan.choices):
            if (chance >> 17 + slot) % choice.every == 0:
                self._picked[slot] = choice.choices[(chance >> 40) % len(choice.choices)]
            values[choice.name] = self._picked[slot]
        for slot, count in enumerate(plan.counts):
            if busy:
                self._counts[slot] += count.step
            values[count.name] = round(self._counts[slot], 3)
        for name, whole in plan.progress:
            values[name] = round(whole * min(done, 1.0), 1) if busy else 0.0

    def _in_force(self) -> dict[str, Value]:
        ended = [metric for metric, each in self._forced.items() if self._polls >= each.until_poll]
        for metric in ended:
            del self._forced[metric]
        return {metric: each.value for metric, each in self._forced.items() if self._polls >= each.from_poll}

    def _below(self, limit: int) -> int:
        self._chance = (self._chance * _MULTIPLIER + _INCREMENT) & _MASK
        return (self._chance >> 33) % limit

    def _phase(self, wave: _Wave) -> tuple[int, int, int]:
        """(phase, period, polls that it is on): no two devices of a model keep the same time."""
        period = max(2, wave.period * (80 + self._below(41)) // 100)
        return self._below(period), period, max(1, round(period * wave.duty))


@lru_cache(maxsize=64)
def _plan(told: _Told) -> _Plan:
    """Raises ValueError, naming the metric."""
    simulate: dict[str, dict[str, Any]] = json.loads(told.simulate)
    kinds: dict[str, list[Any]] = {key: [] for key in _KEYS}
    effects: dict[str, dict[str, Any]] = json.loads(told.effects)
    for what, tables in (("simulate", simulate), ("effects", effects)):
        for name in tables:
            Options(tables, f"{what}.").table(name)
    for name, how in simulate.items():
        kind = next((key for key in _KEYS if key in how), None)
        if kind is None:
            raise ValueError(f"simulate.{name}: must have one of {', '.join(_KEYS)}")
        try:
            kinds[kind].append(_MAKERS[kind](name, how, len(kinds[kind])))
        except (KeyError, TypeError, ZeroDivisionError, IndexError) as error:
            raise ValueError(f"simulate.{name}: {error!r}") from None
    busy = told.busy
    if busy and busy not in {wave.name for wave in kinds["period"]}:
        raise ValueError(f"busy: {busy!r} is no metric with a period")
    return _Plan(
        busy=busy,
        walks=tuple(kinds["range"]),
        waves=tuple(kinds["period"]),
        texts=tuple(kinds["text"]),
        choices=tuple(kinds["choices"]),
        counts=tuple(kinds["count"]),
        progress=tuple(kinds["progress"]),
        effects={name: _effect(name, how, simulate) for name, how in effects.items()},
        fault_every=told.fault_every,
        fault_polls=told.fault_polls,
    )


def _walk(name: str, how: Mapping[str, Any], slot: int) -> _Walk:
    step = how["step"]
    busy = how.get("busy", how["range"])
    low, high = min(how["range"][0], busy[0]), max(how["range"][1], busy[1])
    steps = round((high - low) / step)
    if not 0 <= steps <= _MOST_STEPS:
        raise ValueError(f"simulate.{name}: {steps} steps are more than there can be")
    exact = all(type(number) is int for number in (low, high, step))

    def places(limits: list[float]) -> tuple[int, int]:
        return round((limits[0] - low) / step), round((limits[1] - low) / step)

    return _Walk(
        name=name,
        values=tuple(low + at * step if exact else round(low + at * step, 4) for at in range(steps + 1)),
        idle=places(how["range"]),
        busy=places(busy),
        pace=how.get("pace", 4),
        shift=20 + 3 * slot % 40,
    )


def _effect(name: str, how: Mapping[str, Any], simulate: Mapping[str, Any]) -> _Effect:
    if how.get("metric") not in simulate or ("value" in how) == ("argument" in how):
        raise ValueError(f"effects.{name}: a metric of this device, and either a value or an argument")
    return _Effect(
        how["metric"], how.get("value", ""), how.get("argument", ""), how.get("after", 1), how.get("hold", 60)
    )


_MAKERS: Final[Mapping[str, Callable[[str, Mapping[str, Any], int], Any]]] = {
    "range": _walk,
    "period": lambda name, how, _: _Wave(name, how["period"], how["duty"]),
    "text": lambda name, how, _: (name, how["text"][0], how["text"][-1]),
    "choices": lambda name, how, _: _Choice(name, tuple(how["choices"]), how.get("every", 1000)),
    "count": lambda name, how, _: _Count(name, how["count"], how.get("from", 0)),
    "progress": lambda name, how, _: (name, how["progress"]),
}
_KEYS: Final = tuple(_MAKERS)
