"""What Home Assistant is told of devices: against its published rules, and read back by our own reader of the same."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from contract.model import Kind, Quality, Value
from controller.alerts.rules import DeviceState
from controller.fleet.live import Sheet
from controller.fleet.picture import DeviceView, ValueView
from controller.home_assistant.discovery import (
    CONFIGS,
    EXPIRE_S,
    HEARTBEAT_S,
    Appliance,
    appliance,
    available,
    configs,
    prefix,
    values,
)
from controller.home_assistant.pace import LEAST_MS, Pace
from controller.home_assistant.shelf import Shelf
from device_profiles.profile import DeviceProfile, load, slugs
from firmware_bridges.mqtt_device_core import DeviceCore

SCHOOL = "an-phu"
UNITS: Mapping[str, frozenset[str]] = {
    "battery": frozenset({"%"}),
    "carbon_dioxide": frozenset({"ppm"}),
    "current": frozenset({"A", "mA"}),
    "data_rate": frozenset({"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "B/s", "kB/s", "MB/s", "GB/s"}),
    "data_size": frozenset({"bit", "kbit", "Mbit", "Gbit", "B", "kB", "MB", "GB", "TB"}),
    "distance": frozenset({"km", "m", "cm", "mm", "mi", "nmi", "yd", "in"}),
    "duration": frozenset({"d", "h", "min", "s", "ms"}),
    "energy": frozenset({"J", "kJ", "MJ", "GJ", "Wh", "kWh", "MWh", "GWh"}),
    "frequency": frozenset({"Hz", "kHz", "MHz", "GHz"}),
    "humidity": frozenset({"%"}),
    "illuminance": frozenset({"lx"}),
    "power": frozenset({"mW", "W", "kW", "MW"}),
    "signal_strength": frozenset({"dB", "dBm"}),
    "speed": frozenset({"ft/s", "in/d", "in/h", "in/s", "km/h", "kn", "m/s", "mph", "mm/d", "mm/s"}),
    "temperature": frozenset({"°C", "°F", "K"}),
    "voltage": frozenset({"V", "mV", "kV"}),
    "weight": frozenset({"kg", "g", "mg", "oz", "lb", "st"}),
}
"""Home Assistant documentation, Sensor entity: the units of the device classes that we use."""
TOTALS = frozenset({"energy"})
"""Likewise: those that take no `measurement`. All others here take it."""
ALLOWED = frozenset(
    {
        "name", "unique_id", "state_topic", "value_template", "availability_topic", "expire_after", "device", "origin",
        "device_class", "unit_of_measurement", "state_class", "options",
    }
)  # fmt: skip
"""Home Assistant documentation, MQTT sensor and binary sensor: the keys that we use. Another would void a message."""
DEVICE = frozenset({"identifiers", "name", "manufacturer", "model", "model_id", "suggested_area"})


def view(slug: str = "printer", **more: Any) -> DeviceView:
    found = DeviceView(
        id=7, slug=slug, name="Máy in 3D B", school_id=SCHOOL, school="THCS An Phú", room_id=1, room="P.201 STEM",
        agent_id=3, agent="pc-1", profile_slug="demo/printer-3d", state=DeviceState.OK, since_ms=0, reasons=(),
        heard_ms=1, metric="", unit="1", value=None,
    )  # fmt: skip
    return replace(found, **more)


def value(metric: str, unit: str, kind: Kind, now: Value | None, quality: Quality = Quality.GOOD) -> ValueView:
    return ValueView(metric, None, unit, kind, chart=False, at_ms=1, value=now, quality=quality)


def sheet(*told: ValueView, profile: DeviceProfile | None = None, **more: Any) -> Sheet:
    return Sheet(view(**more), present=True, profile=profile, values=told)


def of_profile(slug: str, language: str = "vi") -> Appliance:
    """A device that tells everything its profile knows; one of each pattern."""
    profile = load(slug)
    told = [
        value(name.replace("*", "1"), each.metric.unit, each.metric.kind, None)
        for name, each in profile.metrics.items()
    ]
    return appliance(sheet(*told, profile=profile, profile_slug=slug), language)


def messages(of: Appliance) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((topic, json.loads(payload)) for topic, payload in configs(of).items())


@pytest.mark.parametrize("slug", list(slugs()))
@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_profile_makes_messages_that_home_assistant_takes(slug: str, language: str) -> None:
    device = of_profile(slug, language)
    seen = set()
    for topic, told in messages(device):
        component, node, name, last = topic.removeprefix(f"{prefix(SCHOOL)}/").split("/")
        assert (component in ("sensor", "binary_sensor"), node, last) == (True, "pc-1_printer", "config")
        assert all(letter.isalnum() or letter in "_-" for letter in node + name)
        assert told.keys() <= ALLOWED, topic
        assert told["device"].keys() <= DEVICE
        assert told["name"]
        assert told["unique_id"] not in seen
        seen.add(told["unique_id"])
        assert_sensor_is_right(component, told)


def assert_sensor_is_right(component: str, told: dict[str, Any]) -> None:
    of, state = told.get("device_class"), told.get("state_class")
    if component == "binary_sensor":
        assert not told.keys() & {"unit_of_measurement", "state_class", "options"}
    elif of == "enum":
        assert told["options"]
        assert len(set(told["options"])) == len(told["options"])
        assert not told.keys() & {"unit_of_measurement", "state_class"}
    else:
        assert state == ("total_increasing" if of in TOTALS else "measurement")
        assert of is None or told["unit_of_measurement"] in UNITS[of], told
        assert "options" not in told


def test_a_metric_is_told_with_class_unit_room_and_where_its_values_are() -> None:
    told = dict(messages(of_profile("demo/printer-3d", "en")))
    of_nozzle = told["fabfleet/an-phu/sensor/pc-1_printer/nozzle-temperature/config"]
    assert (of_nozzle["device_class"], of_nozzle["unit_of_measurement"]) == ("temperature", "°C")
    assert of_nozzle["state_topic"] == "fabfleet/an-phu/pc-1_printer/state"
    assert of_nozzle["availability_topic"] == "fabfleet/an-phu/pc-1_printer/available"
    assert of_nozzle["value_template"] == "{{ value_json['nozzle-temperature'] }}"
    assert of_nozzle["device"]["suggested_area"] == "P.201 STEM"
    assert of_nozzle["device"]["identifiers"] == ["fabfleet_an-phu_pc-1_printer"]
    assert of_nozzle["expire_after"] > 3 * HEARTBEAT_S == 180
    assert of_nozzle["expire_after"] == EXPIRE_S


def test_names_are_in_the_language_that_was_chosen() -> None:
    names = {
        language: {told["name"] for _, told in messages(of_profile("demo/printer-3d", language))}
        for language in ("vi", "en")
    }
    assert "Trạng thái" in names["vi"]
    assert "State" in names["en"]
    assert names["vi"] != names["en"]


def test_a_free_text_is_not_told_and_one_of_known_words_is() -> None:
    profile = load("demo/printer-3d")
    worded = next(name for name, each in profile.metrics.items() if each.words)
    told = sheet(
        value("job", "1", Kind.TEXT, "bai-tap-cua-Nam.gcode"),
        value(worded, "1", Kind.TEXT, "something else"),
        profile=profile,
    )
    device = appliance(told, "vi")
    assert [part.metric for part in device.parts] == [worded]
    assert b"Nam" not in values(device, told)
    assert json.loads(values(device, told))[worded] is None


def test_what_is_not_good_any_more_is_not_told_as_if_it_were() -> None:
    told = sheet(
        value("temperature", "Cel", Kind.FLOAT, 26.5),
        value("humidity", "%", Kind.FLOAT, 60.0, Quality.STALE),
        value("door", "1", Kind.BOOL, False),
    )
    found = json.loads(values(appliance(told, "vi"), told))
    assert found == {"fleet_state": "ok", "temperature": 26.5, "humidity": None, "door": "OFF"}


@pytest.mark.parametrize(
    ("state", "said"), [(DeviceState.OFFLINE, b"offline"), (DeviceState.FAULT, b"online"), (DeviceState.OK, b"online")]
)
def test_a_device_out_of_reach_is_unavailable(state: DeviceState, said: bytes) -> None:
    assert available(state) == said


def test_two_devices_never_share_a_topic() -> None:
    one = appliance(sheet(agent="a-b", slug="c"), "vi")
    other = appliance(sheet(agent="a", slug="b-c"), "vi")
    assert one.base != other.base
    assert not configs(one).keys() & configs(other).keys()


def test_our_own_reader_of_discovery_reads_every_value_back() -> None:
    """Full circle: a foreign reader of the same messages, written before them."""
    told = sheet(
        value("temperature", "Cel", Kind.FLOAT, 26.5),
        value("humidity", "%", Kind.FLOAT, 61.0),
        value("door", "1", Kind.BOOL, True),
        value("energy", "kW.h", Kind.FLOAT, 1.5),
        value("prints", "1", Kind.INT, 12),
        value("co2", "[ppm]", Kind.INT, None),
    )
    device = appliance(told, "en")
    core = DeviceCore(device.identifier, prefix(SCHOOL))
    for topic, payload in configs(device).items():
        core.receive(topic, payload)
    core.receive(device.available_topic, available(told.view.state))
    core.receive(device.state_topic, values(device, told))
    assert core.available is True
    assert core.left_out == 0
    assert core.values() == {
        "temperature-temperature": 26.5,
        "percent-humidity": 61.0,
        "is-door": True,
        "energy-energy": 1500.0,
        "number-prints": 12.0,
        "ppm-co2": None,
        "text-fleet-state": "ok",
    }
    for topic in configs(device):
        core.receive(topic, b"")
    assert not core.known


# what lies at the broker


def test_shelf_says_only_what_is_new_and_takes_back_what_is_too_much() -> None:
    shelf = Shelf()
    old = prefix(SCHOOL) + "/sensor/pc-1_gone/x/config"
    shelf.heard(old, b"{}")
    shelf.heard("fabfleet/an-phu/pc-1_gone/available", b"online")
    wanted = {"fabfleet/an-phu/sensor/pc-1_here/x/config": b"{1}"}
    assert list(shelf.changes(wanted)) == [
        ("fabfleet/an-phu/pc-1_gone/available", b""),
        ("fabfleet/an-phu/pc-1_gone/state", b""),
        (old, b""),
        *wanted.items(),
    ]
    assert list(shelf.changes(wanted)) == []
    topic = next(iter(wanted))
    assert list(shelf.changes({topic: b"{2}"})) == [(topic, b"{2}")]
    shelf.forget()
    assert list(shelf.changes({topic: b"{2}"})) == [(topic, b"{2}")]


def test_shelf_believes_the_broker_and_not_itself() -> None:
    shelf = Shelf()
    wanted = {"fabfleet/an-phu/a_b/available": b"online"}
    assert list(shelf.changes(wanted))
    shelf.heard("fabfleet/an-phu/a_b/available", b"")
    assert list(shelf.changes(wanted)) == list(wanted.items())


def test_pace_tells_changes_together_and_the_same_now_and_then() -> None:
    pace = Pace()
    assert pace.due("t", b"1", 0)
    assert not pace.due("t", b"2", LEAST_MS - 1)
    assert pace.due("t", b"3", LEAST_MS)
    assert not pace.due("t", b"3", LEAST_MS + 1000 * HEARTBEAT_S - 1)
    assert pace.due("t", b"3", LEAST_MS + 1000 * HEARTBEAT_S)
    assert pace.due("t", b"3", 0), "a clock that was set back stops nothing"
    pace.keep(())
    assert pace.due("t", b"3", 1)


def test_the_filter_of_what_is_retained_covers_every_message() -> None:
    levels = [len(topic.split("/")) for topic in configs(of_profile("demo/printer-3d"))]
    assert set(levels) == {len(CONFIGS.split("/"))}
