"""What Home Assistant is told of a device: topics and messages. Pure.

Source: Home Assistant documentation, MQTT: discovery messages, sensor, binary_sensor, availability, expire_after;
Sensor entity: which unit and state class go with which device class.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from contract.model import Kind, Quality, Value
from contract.units import symbol
from controller.alerts.rules import DeviceState
from controller.broker.access import OUTWARD
from controller.fleet.live import Sheet
from device_profiles.profile import DeviceProfile, MetricProfile, Words

HEARTBEAT_S: Final = 60
"""At least so often each device's values are told again."""
EXPIRE_S: Final = 200
"""After so long without a word Home Assistant knows nothing any more: the controller is gone."""
STATE: Final = "fleet_state"
"""The object id of the device's own state. No metric has a name with such a letter."""
CONFIGS: Final = f"{OUTWARD}/+/+/+/+/config"
AVAILABLE: Final = f"{OUTWARD}/+/+/available"
"""Filters of what is retained for long, of every school."""
STATE_LABEL: Final = Words("State", "Trạng thái")


@dataclass(frozen=True, slots=True)
class _Measure:
    """A unit of ours in Home Assistant's terms; empty is none. `of` are device classes by how the metric's name begins.

    The unit itself is the one that our pages print.
    """

    device_class: str = ""
    state_class: str = "measurement"
    of: tuple[tuple[str, str], ...] = ()


_PLAIN: Final = _Measure()
_MEASURES: Final[Mapping[str, _Measure]] = {
    "%": _Measure(of=(("humidity", "humidity"), ("battery", "battery"))),
    "[ppm]": _Measure(of=(("co2", "carbon_dioxide"),)),
    "Cel": _Measure("temperature"),
    "V": _Measure("voltage"),
    "mV": _Measure("voltage"),
    "A": _Measure("current"),
    "mA": _Measure("current"),
    "W": _Measure("power"),
    "W.h": _Measure("energy", "total_increasing"),
    "kW.h": _Measure("energy", "total_increasing"),
    "Hz": _Measure("frequency"),
    "MHz": _Measure("frequency"),
    "ms": _Measure("duration"),
    "s": _Measure("duration"),
    "min": _Measure("duration"),
    "h": _Measure("duration"),
    "d": _Measure("duration"),
    "By": _Measure("data_size"),
    "kBy": _Measure("data_size"),
    "MBy": _Measure("data_size"),
    "GBy": _Measure("data_size"),
    "Mbit/s": _Measure("data_rate"),
    "dB{mW}": _Measure("signal_strength"),
    "lx": _Measure("illuminance"),
    "g": _Measure("weight"),
    "kg": _Measure("weight"),
    "mm": _Measure("distance"),
    "m": _Measure("distance"),
    "mm/s": _Measure("speed"),
}
"""By our unit. What is not here has no device class."""


@dataclass(frozen=True, slots=True)
class Part:
    """A metric that is told. `options` are all that a text may say; a text without them is not told: it is free."""

    metric: str
    label: str
    unit: str
    kind: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Appliance:
    """A device as it is told of; `model_id` is its profile's slug."""

    school: str
    agent: str
    slug: str
    name: str
    room: str
    manufacturer: str
    model: str
    model_id: str
    state_label: str
    parts: tuple[Part, ...]

    @property
    def node(self) -> str:
        """No name has the letter between the two, so no other device has this one."""
        return f"{self.agent}_{self.slug}"

    @property
    def identifier(self) -> str:
        return f"fabfleet_{self.school}_{self.node}"

    @property
    def base(self) -> str:
        return f"{prefix(self.school)}/{self.node}"

    @property
    def available_topic(self) -> str:
        return f"{self.base}/available"

    @property
    def state_topic(self) -> str:
        return state_beside(self.available_topic)


def prefix(school: str) -> str:
    """What Home Assistant is given as its discovery prefix: everything of a school lies below it."""
    return f"{OUTWARD}/{school}"


def state_beside(available_topic: str) -> str:
    """Where the values are told of the device that says there whether it is there."""
    return available_topic.removesuffix("/available") + "/state"


def appliance(sheet: Sheet, language: str) -> Appliance:
    """`language` is "vi" or "en": that of every name."""
    view, profile = sheet.view, sheet.profile
    vendor = view.profile_slug.partition("/")[0]
    told = (_part(each.metric, each.unit, each.kind, profile, language) for each in sheet.values)
    return Appliance(
        school=view.school_id,
        agent=view.agent,
        slug=view.slug,
        name=view.name,
        room=view.room,
        manufacturer=vendor.replace("-", " ").title(),
        model=profile.name if profile is not None else view.profile_slug,
        model_id=view.profile_slug,
        state_label=_said(STATE_LABEL, language),
        parts=tuple(each for each in told if each is not None),
    )


@lru_cache(maxsize=8_192)
def configs(of: Appliance) -> Mapping[str, bytes]:
    """The discovery messages of a device by topic, one for each metric and one for its state."""
    state = {"name": of.state_label, "device_class": "enum", "options": [each.value for each in DeviceState]}
    found = {_topic(of, "sensor", STATE): _message(of, STATE, state)}
    for part in of.parts:
        component = "binary_sensor" if part.kind == Kind.BOOL else "sensor"
        found[_topic(of, component, part.metric)] = _message(of, part.metric, {"name": part.label, **_sensor(part)})
    return found


def available(state: DeviceState) -> bytes:
    return b"offline" if state is DeviceState.OFFLINE else b"online"


def values(of: Appliance, sheet: Sheet) -> bytes:
    """Everything that the device tells, as one JSON object. What is not good any more is null: it is not known."""
    good = {each.metric: each.value for each in sheet.values if each.quality is Quality.GOOD}
    told = {part.metric: _value(part, good.get(part.metric)) for part in of.parts}
    return _json({STATE: sheet.view.state.value, **told})


def _part(metric: str, unit: str, kind: str, profile: DeviceProfile | None, language: str) -> Part | None:
    known = _known(metric, profile)
    label = metric if known is None else _said(known.label, language)
    if known is not None and "*" in known.metric.name:
        label = f"{label} ({metric})"
    options = tuple(known.words) if known is not None else ()
    if kind == Kind.TEXT and not options:
        return None
    return Part(metric, label, unit, kind, options)


def _known(metric: str, profile: DeviceProfile | None) -> MetricProfile | None:
    if profile is None:
        return None
    found = profile.metric(metric)
    return profile.metrics[found.name] if found is not None else None


def _said(words: Words, language: str) -> str:
    return words.vi if language == "vi" else words.en


def _sensor(part: Part) -> Mapping[str, Any]:
    if part.kind == Kind.BOOL:
        return {}
    if part.kind == Kind.TEXT:
        return {"device_class": "enum", "options": list(part.options)}
    measure = _MEASURES.get(part.unit, _PLAIN)
    classes = [name for start, name in measure.of if part.metric.startswith(start)]
    told = {
        "device_class": classes[0] if classes else measure.device_class,
        "unit_of_measurement": symbol(part.unit),
        "state_class": measure.state_class,
    }
    return {name: value for name, value in told.items() if value}


def _value(part: Part, value: Value | None) -> Value | None:
    """Truth values as Home Assistant says them; of a text only what it was told to expect."""
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    return None if part.options and value not in part.options else value


def _topic(of: Appliance, component: str, name: str) -> str:
    return f"{prefix(of.school)}/{component}/{of.node}/{name}/config"


def _message(of: Appliance, name: str, more: Mapping[str, Any]) -> bytes:
    device = {
        "identifiers": [of.identifier],
        "name": of.name,
        "manufacturer": of.manufacturer,
        "model": of.model,
        "model_id": of.model_id,
        "suggested_area": of.room,
    }
    return _json(
        {
            **more,
            "unique_id": f"{of.identifier}_{name}",
            "state_topic": of.state_topic,
            "value_template": f"{{{{ value_json['{name}'] }}}}",
            "availability_topic": of.available_topic,
            "expire_after": EXPIRE_S,
            "device": {key: value for key, value in device.items() if value},
            "origin": {"name": "Fabfleet"},
        }
    )


def _json(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
