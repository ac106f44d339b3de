"""What devices of a broker say of themselves, and what their states mean. Topics and payloads in, values out. No I/O.

Sources: Home Assistant documentation, MQTT: discovery messages (topics, abbreviations, device-based discovery),
availability, sensor, binary_sensor, switch; ESPHome documentation, MQTT client component; Tasmota documentation,
MQTT and Tasmota Discovery (`tasmota/discovery/<MAC>/config` and `/sensors`, SetOption19 0).
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contract.model import Value
from firmware_bridges.mqtt_template import Template, template

MOST_ENTITIES: Final = 64
"""More of one device are left out, and counted."""
MAX_PAYLOAD: Final = 65_536
_LONGEST_TEXT: Final = 128
_SHORT: Final[Mapping[str, str]] = {
    "avty": "availability", "avty_mode": "availability_mode", "avty_t": "availability_topic",
    "cmd_t": "command_topic", "cmps": "components", "dev": "device", "dev_cla": "device_class", "ids": "identifiers",
    "obj_id": "object_id", "p": "platform", "pl_avail": "payload_available", "pl_not_avail": "payload_not_available",
    "pl_off": "payload_off", "pl_on": "payload_on", "stat_off": "state_off", "stat_on": "state_on",
    "stat_t": "state_topic", "t": "topic", "uniq_id": "unique_id", "unit_of_meas": "unit_of_measurement",
    "val_tpl": "value_template",
}  # fmt: skip
"""The abbreviations of discovery messages that are used here."""
_UNITS: Final[Mapping[str, tuple[str, float]]] = {
    "°C": ("temperature", 1.0), "%": ("percent", 1.0), "W": ("power", 1.0), "kW": ("power", 1000.0),
    "Wh": ("energy", 1.0), "kWh": ("energy", 1000.0), "V": ("voltage", 1.0), "mV": ("voltage", 0.001),
    "A": ("current", 1.0), "mA": ("current", 0.001), "ppm": ("ppm", 1.0), "lx": ("light", 1.0), "dBm": ("signal", 1.0),
}  # fmt: skip
"""A device's unit -> how the metric's name begins (which fixes our unit), and the factor to that unit."""
_TASMOTA: Final[Mapping[str, tuple[str, str]]] = {
    "Power": ("power", "W"), "Total": ("energy", "kWh"), "Voltage": ("voltage", "V"), "Current": ("current", "A"),
    "Temperature": ("temperature", "°C"), "Humidity": ("humidity", "%"), "CarbonDioxide": ("co2", "ppm"),
    "Illuminance": ("light", "lx"),
}  # fmt: skip
"""A value of a Tasmota -> its name and unit; others are left out."""
_NOT_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Availability:
    """The topic on which a device says that it is there."""

    topic: str
    there: str = "online"
    gone: str = "offline"


@dataclass(frozen=True, slots=True)
class Entity:
    """One value of a device: `metric`, where it is told, and how what is told is read."""

    metric: str
    topic: str
    template: Template
    factor: float | None
    on: str = "ON"
    off: str = "OFF"
    command: str = ""
    switch: bool = False
    text: bool = False

    def read(self, payload: str) -> Value | None:
        """None for what is unknown or not told here. Raises ValueError, TypeError or OverflowError for what cannot be
        read."""
        found = self.template(payload)
        if found is None or found in ("unavailable", "unknown", "None", ""):
            return None
        if self.text:
            return "".join(letter for letter in str(found) if letter.isprintable())[:_LONGEST_TEXT]
        if self.factor is None:
            said = str(found)
            if said not in (self.on, self.off):
                raise ValueError(f"{said[:40]!r} is neither {self.on!r} nor {self.off!r}")
            return said == self.on
        number = float(found)
        if not abs(number) < 1e12:
            raise ValueError(f"{str(found)[:40]!r} is no number")
        return number * self.factor


@dataclass(frozen=True, slots=True)
class Order:
    """What is published to have a switch do something."""

    topic: str
    payload: str


class DeviceCore:
    """One device of a broker, by its identifier, its node id or its name. `names` maps `component/object` to a metric.

    It is fed every message of `topics`, which grow as the device tells of itself. `prefix` may have several levels.
    """

    def __init__(self, device: str, prefix: str = "homeassistant", names: Mapping[str, str] | None = None) -> None:
        self._device = device.casefold()
        self._prefix = prefix
        self._names = names or {}
        self._entities: dict[str, tuple[Entity, ...]] = {}
        self._availability: dict[str, tuple[Availability, ...]] = {}
        self._said: dict[str, str] = {}
        self._tasmota: Mapping[str, Any] | None = None
        self._sensors: Mapping[str, Any] = {}
        self.left_out = 0
        """Entities that cannot be read here: of another kind, or with a template that is a program."""

    @property
    def discovery(self) -> tuple[str, ...]:
        """The topics on which devices tell of themselves, as filters."""
        return (f"{self._prefix}/+/+/config", f"{self._prefix}/+/+/+/config", "tasmota/discovery/#")

    @property
    def topics(self) -> frozenset[str]:
        """Where this device speaks."""
        return frozenset(
            [each.topic for each in self._all()]
            + [each.topic for group in self._availability.values() for each in group]
        )

    @property
    def known(self) -> bool:
        """Whether the device has told of itself."""
        return bool(self._entities)

    @property
    def available(self) -> bool | None:
        """Whether the device says that it is there; None while it has said nothing. All that tell must agree."""
        said = {
            self._said[each.topic] == each.there
            for group in self._availability.values()
            for each in group
            if self._said.get(each.topic) in (each.there, each.gone)
        }
        told = {each.topic for group in self._availability.values() for each in group}
        return (not told or None) if not said else all(said)

    def receive(self, topic: str, payload: bytes) -> None:
        """Take one message, whatever it is. A discovery message that cannot be read changes nothing."""
        if len(payload) > MAX_PAYLOAD:
            return
        text = payload.decode("utf-8", "replace")
        levels = [self._prefix, *topic.removeprefix(f"{self._prefix}/").split("/")]
        ours = topic.startswith(f"{self._prefix}/")
        if ours and levels[-1] == "config" and len(levels) in (4, 5):
            self._discovered(levels, text)
        elif topic.startswith("tasmota/discovery/"):
            self._tasmota_told(topic.split("/"), text)
        elif topic in self.topics:
            self._said[topic] = text

    def values(self) -> Mapping[str, Value | None]:
        """Every metric; None while nothing was told of it, or what was told cannot be read."""
        found: dict[str, Value | None] = {}
        for entity in self._all():
            said = self._said.get(entity.topic)
            try:
                found[entity.metric] = None if said is None else entity.read(said)
            except (ValueError, TypeError, OverflowError):
                found[entity.metric] = None
        return found

    def order(self, metric: str, *, on: bool) -> Order | None:
        """How the switch of that metric is told; None if there is no such switch."""
        for entity in self._all():
            if entity.switch and entity.command and entity.metric == metric:
                return Order(entity.command, entity.on if on else entity.off)
        return None

    def switches(self) -> tuple[str, ...]:
        return tuple(each.metric for each in self._all() if each.switch and each.command)

    def _all(self) -> Iterable[Entity]:
        return (each for group in self._entities.values() for each in group)

    def _discovered(self, levels: list[str], text: str) -> None:
        key = "/".join(levels[1:-1])
        if not text:
            self._entities.pop(key, None)
            self._availability.pop(key, None)
            return
        config = _object(text)
        if config is None or not self._is_mine(levels[2:-1], config.get("device")):
            return
        if levels[1] == "device":
            parts = {
                str(name): part for name, part in _table(config.get("components")).items() if isinstance(part, dict)
            }
            shared = {name: value for name, value in config.items() if name != "components"}
            told = [(str(part.get("platform", "")), name, {**shared, **_long(part)}) for name, part in parts.items()]
        else:
            told = [(levels[1], str(config.get("object_id", levels[-2])), config)]
        found = [self._entity(*each) for each in told]
        self._keep(key, [each for each in found if each], availability(config), len(found))

    def _keep(self, key: str, entities: list[Entity], told: tuple[Availability, ...], of: int) -> None:
        room = MOST_ENTITIES - sum(len(group) for name, group in self._entities.items() if name != key)
        self.left_out += of - len(entities[: max(0, room)])
        self._entities[key] = tuple(entities[: max(0, room)])
        self._availability[key] = told

    def _is_mine(self, ids: list[str], device: Any) -> bool:
        table = _table(device)
        told = table.get("identifiers", [])
        names = [*ids, table.get("name"), *(told if isinstance(told, list) else [told])]
        return self._device in {str(name).casefold() for name in names if name}

    def _entity(self, component: str, name: str, config: Mapping[str, Any]) -> Entity | None:
        read = template(config.get("value_template"))
        base = str(config.get("~", ""))
        topic = _topic(config.get("state_topic"), base)
        if read is None or not topic or component not in ("sensor", "binary_sensor", "switch", "light"):
            return None
        unit = _UNITS.get(str(config.get("unit_of_measurement", "")))
        slug = _slug(name)
        given = self._names.get(f"{component}/{name}")
        if component == "sensor":
            text = unit is None and not config.get("unit_of_measurement") and not config.get("state_class")
            start, factor = ("text", 1.0) if text else unit or ("number", 1.0)
            return Entity(given or _named(start, slug), topic, read, factor, text=text)
        on, off = str(config.get("payload_on", "ON")), str(config.get("payload_off", "OFF"))
        if component == "binary_sensor":
            return Entity(given or _named("is", slug), topic, read, None, on, off)
        return Entity(
            given or _named("switch", slug),
            topic,
            read,
            None,
            on,
            off,
            command=_topic(config.get("command_topic"), base),
            switch=component == "switch",
        )

    def _tasmota_told(self, levels: list[str], text: str) -> None:
        config = _object(text, short=False)
        if len(levels) != 4 or config is None:
            return
        if levels[3] == "config" and self._is_mine(
            [levels[2]], {"name": config.get("dn"), "identifiers": config.get("t")}
        ):
            self._tasmota = {**config, "mac": levels[2]}
        elif levels[3] == "sensors" and (self._tasmota is None or self._tasmota["mac"] == levels[2]):
            self._sensors = {levels[2]: _table(config.get("sn"))}
        if self._tasmota is not None:
            self._keep_tasmota(self._tasmota)

    def _keep_tasmota(self, config: Mapping[str, Any]) -> None:
        name = str(config.get("t", ""))
        prefixes = config.get("tp")
        if not name or not isinstance(prefixes, list) or len(prefixes) != 3:
            return
        full = str(config.get("ft", "%prefix%/%topic%/")).replace("%topic%", name)
        command, _, tele = (_topic(full.replace("%prefix%", str(each)).rstrip("/"), "") for each in prefixes)
        if not command or not tele:
            return
        told = config.get("rl")
        relays = [number for number, kind in enumerate(told if isinstance(told, list) else [], 1) if kind == 1]
        entities = []
        for number in relays[:8]:
            key = "POWER" if len(relays) == 1 else f"POWER{number}"
            read = template(f"{{{{ value_json.{key} }}}}")
            metric = self._names.get(f"switch/{key}", _named("switch", _slug(key)))
            if read:
                entities.append(Entity(metric, f"{tele}/STATE", read, None, command=f"{command}/{key}", switch=True))
        for group, values in _table(self._sensors.get(config["mac"])).items():
            entities += self._tasmota_sensors(str(group), _table(values), f"{tele}/SENSOR")
        there = Availability(f"{tele}/LWT", str(config.get("onln", "Online")), str(config.get("ofln", "Offline")))
        self._keep("tasmota", entities, (there,), len(entities))

    def _tasmota_sensors(self, group: str, values: Mapping[str, Any], topic: str) -> Iterable[Entity]:
        for key in values:
            told = _TASMOTA.get(key)
            read = template(f"{{{{ value_json['{group}']['{key}'] }}}}")
            if told and read:
                start, factor = _UNITS[told[1]]
                metric = self._names.get(f"{group}/{key}", _named(start, _slug(f"{group} {told[0]}")))
                yield Entity(metric, topic, read, factor)


def availability(config: Mapping[str, Any]) -> tuple[Availability, ...]:
    """The topics that a discovery message names, in any of the three ways."""
    base = str(config.get("~", ""))
    many = config.get("availability")
    given = [config] if "availability_topic" in config else many if isinstance(many, list) else [many]
    found = []
    for each in given:
        table = _long(_table(each))
        topic = _topic(table.get("availability_topic", table.get("topic")), base)
        if topic:
            there, gone = table.get("payload_available", "online"), table.get("payload_not_available", "offline")
            found.append(Availability(topic, str(there), str(gone)))
    return tuple(found[:8])


def _object(text: str, *, short: bool = True) -> dict[str, Any] | None:
    """None for what is no object, or holds half of a letter: that can be no topic and no payload."""
    try:
        told = json.loads(text)
        json.dumps(told, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    if not short:
        return told
    config = _long(told)
    config["device"] = _long(_table(config.get("device")))
    return config


def _long(table: Mapping[str, Any]) -> dict[str, Any]:
    return {_SHORT.get(str(name), str(name)): value for name, value in table.items()}


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _topic(value: Any, base: str) -> str:
    """`~` at either end stands for the base. Empty for what is no topic to hear or speak on."""
    text = value if isinstance(value, str) else ""
    text = base + text[1:] if text.startswith("~") else text
    text = text[:-1] + base if text.endswith("~") else text
    return "" if any(letter in text for letter in "+#\0") or len(text) > 256 else text


def _slug(text: str) -> str:
    return _NOT_NAME.sub("-", text.casefold()).strip("-")[:40] or "value"


def _named(start: str, slug: str) -> str:
    return f"{start}-{slug}"
