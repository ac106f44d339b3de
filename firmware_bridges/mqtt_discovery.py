"""Home Assistant's discovery messages: what one of them says of a device. Topics and payloads in, values out. Pure.

Sources: Home Assistant documentation, MQTT: discovery messages (topics, abbreviations, device-based discovery),
availability, sensor, binary_sensor, switch; ESPHome documentation, MQTT client component: device discovery (a ping by
name is answered), and its switch, which tells a state only when it changes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from firmware_bridges.mqtt_entity import (
    UNITS,
    Availability,
    Entity,
    Order,
    Ping,
    Source,
    Told,
    named,
    parsed,
    table,
    topic_of,
)
from firmware_bridges.mqtt_template import template

_SHORT: Final[Mapping[str, str]] = {
    "avty": "availability", "avty_mode": "availability_mode", "avty_t": "availability_topic",
    "cmd_t": "command_topic", "cmps": "components", "dev": "device", "dev_cla": "device_class", "ids": "identifiers",
    "obj_id": "object_id", "p": "platform", "pl_avail": "payload_available", "pl_not_avail": "payload_not_available",
    "pl_off": "payload_off", "pl_on": "payload_on", "stat_off": "state_off", "stat_on": "state_on",
    "stat_t": "state_topic", "sw": "sw_version", "t": "topic", "uniq_id": "unique_id",
    "unit_of_meas": "unit_of_measurement", "val_tpl": "value_template",
}  # fmt: skip
"""The abbreviations of discovery messages that are used here."""
_MOST_AVAILABILITY: Final = 8


def read(levels: Sequence[str], text: str, device: str, names: Mapping[str, str]) -> Told | None:
    """What a message at `<prefix>/<component>[/<node>]/<object>/config` says; None if it is not of `device` (in lower
    case). `levels` are those between prefix and end; `names` maps `component/object` to a metric."""
    config = _config(text)
    if config is None or not _is_of(device, levels[1:], config["device"]):
        return None
    if levels[0] == "device":
        parts = {str(name): part for name, part in table(config.get("components")).items() if isinstance(part, dict)}
        shared = {name: value for name, value in config.items() if name != "components"}
        told = [(str(part.get("platform", "")), name, {**shared, **_long(part)}) for name, part in parts.items()]
    else:
        told = [(levels[0], str(config.get("object_id", levels[-1])), config)]
    key = "/".join(levels)
    found = [_entity((key, name), component, name, part, names) for component, name, part in told]
    entities = tuple(each for each in found if each)
    return Told(entities, _availability(config), len(found) - len(entities), ping=_ping(levels, config["device"]))


def _ping(levels: Sequence[str], told: Mapping[str, Any]) -> Ping | None:
    """None for what is no ESPHome, or does not tell its name."""
    if len(levels) != 3 or "esphome" not in str(told.get("sw_version", "")).casefold():
        return None
    return Ping(Order(f"esphome/ping/{levels[1]}"), f"esphome/discover/{levels[1]}")


def _entity(
    ident: tuple[str, str], component: str, name: str, config: Mapping[str, Any], names: Mapping[str, str]
) -> Entity | None:
    """None for what cannot be read here: of another kind, or with a template that is a program."""
    pick = template(config.get("value_template"))
    base = str(config.get("~", ""))
    topic = topic_of(config.get("state_topic"), base)
    if pick is None or not topic or component not in ("sensor", "binary_sensor", "switch", "light"):
        return None
    sources = (Source(topic, pick),)
    unit = UNITS.get(str(config.get("unit_of_measurement", "")))
    given = names.get(f"{component}/{name}")
    if component == "sensor":
        text = unit is None and not config.get("unit_of_measurement") and not config.get("state_class")
        start, factor = ("text", 1.0) if text else unit or ("number", 1.0)
        return Entity(ident, given or named(start, name), sources, factor, text=text)
    on, off = str(config.get("payload_on", "ON")), str(config.get("payload_off", "OFF"))
    if component == "binary_sensor":
        return Entity(ident, given or named("is", name), sources, None, on, off)
    command = topic_of(config.get("command_topic"), base)
    switch = component == "switch" and bool(command)
    return Entity(ident, given or named("switch", name), sources, None, on, off, command, switch)


def _availability(config: Mapping[str, Any]) -> tuple[Availability, ...]:
    """The topics that a discovery message names, in any of the three ways."""
    base = str(config.get("~", ""))
    many = config.get("availability")
    given = [config] if "availability_topic" in config else many if isinstance(many, list) else [many]
    found = []
    for each in given[:_MOST_AVAILABILITY]:
        told = _long(table(each))
        topic = topic_of(told.get("availability_topic", told.get("topic")), base)
        if topic:
            there, gone = told.get("payload_available", "online"), told.get("payload_not_available", "offline")
            found.append(Availability(topic, str(there), str(gone)))
    return tuple(found)


def _is_of(device: str, ids: Sequence[str], told: Mapping[str, Any]) -> bool:
    known = told.get("identifiers", [])
    names = [*ids, told.get("name"), *(known if isinstance(known, list) else [known])]
    return device in {str(name).casefold() for name in names if name}


def _config(text: str) -> dict[str, Any] | None:
    told = parsed(text)
    if told is None:
        return None
    config = _long(told)
    config["device"] = _long(table(config.get("device")))
    return config


def _long(told: Mapping[str, Any]) -> dict[str, Any]:
    return {_SHORT.get(str(name), str(name)): value for name, value in told.items()}
