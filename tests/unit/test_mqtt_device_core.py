"""What a broker's devices may say of themselves: whatever it is, it is read, or changes nothing."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridges.mqtt_device_core import MOST_AVAILABILITY, MOST_ENTITIES, DeviceCore
from firmware_bridges.mqtt_entity import Order
from firmware_bridges.mqtt_template import template

NAME = "air-206"
KEYS = (
    *("dev", "ids", "name", "stat_t", "val_tpl", "unit_of_meas", "avty", "avty_t", "cmd_t", "pl_on", "cmps", "p", "~"),
    *("t", "tp", "ft", "rl", "sn", "dn", "onln", "ENERGY", "Power", "availability", "components", "value_template"),
)
TEXTS = (
    *(NAME, "sensor", "switch", "°C", "a/state", "~/state", "{{ value_json.a }}", "{{ value_json[0]['b'] | float }}"),
    *("1" * 400, "nan", "1e999", "\ud800", "ON", "tele", "%prefix%/%topic%/", "a/+"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.sampled_from(TEXTS) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)
CHANGES = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3)
MINE = {"dev": {"ids": NAME}, "stat_t": "a/state", "avty_t": "a/status", "cmd_t": "a/command"}
TASMOTA = {"t": NAME, "tp": ["cmnd", "stat", "tele"], "rl": [1]}


def told(change: Mapping[str, object], base: Mapping[str, object]) -> bytes:
    """A discovery message, with some of it changed."""
    return json.dumps({**base, **change}).encode()


DISCOVERED = st.tuples(st.sampled_from(["sensor", "switch", "device", "light"]), CHANGES).map(
    lambda each: (f"homeassistant/{each[0]}/{NAME}/config", told(each[1], MINE))
)
BY_TASMOTA = CHANGES.map(lambda each: ("tasmota/discovery/AABB/config", told(each, TASMOTA)))
SENSORS = JSON.map(lambda each: ("tasmota/discovery/AABB/sensors", told({"sn": each}, {})))
SAID_BY_TASMOTA = (("tele", "STATE"), ("tele", "SENSOR"), ("stat", "RESULT"), ("stat", "POWER"), ("stat", "STATUS10"))
SAID = st.tuples(
    st.sampled_from(
        ["a/state", "a/status", *(f"{each}/{NAME}/{key}" for each, key in SAID_BY_TASMOTA)],
    ),
    JSON.map(lambda each: json.dumps(each).encode()) | st.binary(),
)
ANYTHING = st.tuples(st.text(), st.binary())
MESSAGES = st.lists(DISCOVERED | BY_TASMOTA | SENSORS | SAID | ANYTHING, max_size=8)


@settings(max_examples=400)
@given(messages=MESSAGES)
def test_whatever_a_broker_tells_is_read_or_changes_nothing(messages: list[tuple[str, bytes]]) -> None:
    core = DeviceCore(NAME)
    for topic, payload in messages:
        core.receive(topic, payload)
        assert all(value is None or isinstance(value, bool | float | str) for value in core.values().values())
        assert core.available in (None, True, False)
        assert len(core.values()) <= MOST_ENTITIES
        assert core.left_out >= 0
        for said in (*core.topics, *(order_text(core, metric) for metric in core.switches())):
            assert said.encode(), "it can be said to a broker"


def order_text(core: DeviceCore, metric: str) -> str:
    order = core.order(metric, on=True)
    assert order is not None
    return order.topic + order.payload


@pytest.mark.parametrize(
    "wrong",
    [{"rl": 5}, {"ft": "\ud800"}, {"tp": ["\ud800", "stat", "tele"]}, {"ft": "+/#"}, {"ft": ""}],
    ids=["relays that are no list", "half a letter", "half a letter in a prefix", "a filter", "nowhere"],
)
def test_tasmota_that_tells_nonsense_of_itself_changes_nothing(wrong: Mapping[str, object]) -> None:
    core = DeviceCore(NAME)
    core.receive("tasmota/discovery/AABB/config", told(wrong, TASMOTA))
    assert (core.switches(), core.values()) == ((), {})
    core.receive("tasmota/discovery/AABB/config", told({}, TASMOTA))
    assert core.switches() == ("switch-power",)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e999", '"nan"', "NaN"], ids=["long", "infinite", "text", "none"])
def test_number_beyond_all_measure_is_unknown(number: str) -> None:
    core = DeviceCore(NAME)
    core.receive(
        f"homeassistant/sensor/{NAME}/config", told({"unit_of_meas": "W", "val_tpl": "{{ value_json }}"}, MINE)
    )
    core.receive("a/state", number.encode())
    assert list(core.values().values()) == [None]


@given(
    text=st.text()
    | st.lists(st.sampled_from(["{{ value", "_json", ".a", "['b']", "[0]", " | float", " }}"])).map("".join),
    payload=st.text(),
)
def test_template_picks_or_is_a_program(text: str, payload: str) -> None:
    read = template(text)
    if read is not None:
        try:
            found = read(payload)
        except ValueError:
            return
        assert not isinstance(found, dict | list)


def announce(core: DeviceCore, place: str, about: Mapping[str, object]) -> None:
    """A discovery message of the device."""
    core.receive(f"homeassistant/{place}/config", json.dumps({"dev": {"ids": NAME}, **about}).encode())


def tasmota(core: DeviceCore) -> None:
    """It tells of itself: a relay, and a meter."""
    core.receive("tasmota/discovery/AABB/config", told({}, TASMOTA))
    core.receive("tasmota/discovery/AABB/sensors", told({"sn": {"ENERGY": {"Power": 1, "Today": 2}}}, {}))


def test_tasmota_is_asked_and_its_answers_are_its_states() -> None:
    core = DeviceCore(NAME)
    tasmota(core)
    assert core.questions == (Order(f"cmnd/{NAME}/STATE"), Order(f"cmnd/{NAME}/STATUS", "10"))
    assert core.values() == {"switch-power": None, "power-energy-power": None}
    core.receive(f"stat/{NAME}/RESULT", b'{"Time": "2026-11-23T09:00:00", "POWER": "ON"}')
    core.receive(f"stat/{NAME}/STATUS10", b'{"StatusSNS": {"ENERGY": {"Power": 61}}}')
    assert core.values() == {"switch-power": True, "power-energy-power": 61.0}
    core.receive(f"stat/{NAME}/RESULT", b'{"TelePeriod": 60}')
    assert core.values()["switch-power"] is True, "an answer to something else says nothing of it"
    core.receive(f"stat/{NAME}/POWER", b"OFF")
    tasmota(core)
    assert core.values() == {"switch-power": False, "power-energy-power": 61.0}, "it told of itself once more"
    core.receive(f"tele/{NAME}/SENSOR", b'{"Time": "2026-11-23T09:00:00"}')
    assert core.values()["power-energy-power"] is None, "its meter tells nothing any more"


@pytest.mark.parametrize(
    ("full", "topic"),
    [("%prefix%/%topic%/", f"cmnd/{NAME}/POWER"), ("lab/%id%/%hostname%/%prefix%/", "lab/C00001/plug/cmnd/POWER")],
)
def test_tasmota_is_told_where_its_full_topic_says(full: str, topic: str) -> None:
    core = DeviceCore(NAME)
    core.receive("tasmota/discovery/AABBCCC00001/config", told({"ft": full, "hn": "plug"}, TASMOTA))
    assert core.order("switch-power", on=True) == Order(topic, "ON")


def test_sensors_of_another_tasmota_are_not_those_of_the_device() -> None:
    core = DeviceCore(NAME)
    tasmota(core)
    core.receive("tasmota/discovery/CCDD/sensors", told({"sn": {"AM2301": {"Temperature": 20}}}, {}))
    core.receive("tasmota/discovery/CCDD/config", told({"t": "other", "dn": NAME}, TASMOTA))
    assert sorted(core.values()) == ["power-energy-power", "switch-power"]
    assert not [each for each in core.topics if "CCDD" in each or "other" in each]
    core.receive("tasmota/discovery/AABB/config", b"")
    assert not core.known


def test_values_that_cannot_be_read_are_counted_and_no_two_hide_each_other() -> None:
    """Whatever comes first, each is called the same."""
    about = {
        f"sensor/{NAME}/hot": {"stat_t": "a/hot", "val_tpl": "{{ 1 if value_json.x else 0 }}"},
        f"switch/{NAME}/lamp": {"stat_t": "a/switch", "cmd_t": "a/switch/set"},
        f"light/{NAME}/lamp": {"stat_t": "a/light", "cmd_t": "a/light/set"},
        f"sensor/{NAME}/Cong_suat": {"stat_t": "a/1", "unit_of_meas": "W"},
        f"sensor/{NAME}/cong-suat": {"stat_t": "a/2", "unit_of_meas": "W"},
        f"button/{NAME}/restart": {"cmd_t": "a/restart"},
    }
    for places in (list(about), list(about)[::-1]):
        core = DeviceCore(NAME)
        for place in [*places, places[0]]:
            announce(core, place, about[place])
        for topic, state in (("a/switch", b"OFF"), ("a/light", b"ON"), ("a/1", b"1"), ("a/2", b"2")):
            core.receive(topic, state)
        assert core.values() == {
            "switch-lamp": False,
            "switch-lamp-2": True,
            "power-cong-suat": 1.0,
            "power-cong-suat-2": 2.0,
        }
        assert (core.order("switch-lamp", on=True), core.switches()) == (Order("a/switch/set", "ON"), ("switch-lamp",))
        assert core.left_out == 2


def test_device_that_tells_nothing_readable_is_known_and_says_how_much_is_left_out() -> None:
    core = DeviceCore(NAME)
    announce(core, f"sensor/{NAME}/hot", {"stat_t": "a/hot", "val_tpl": "{{ 1 if value_json.x else 0 }}"})
    assert (core.known, dict(core.values()), core.left_out) == (True, {}, 1)


def test_whoever_speaks_on_the_broker_makes_the_device_no_larger_than_its_bounds() -> None:
    core = DeviceCore(NAME)
    for number in range(2_000):
        there = [{"t": f"av/{number}/{each}"} for each in range(8)]
        announce(core, f"sensor/x{number}/v", {"stat_t": f"a/{number}", "avty": there})
        core.receive(f"a/{number}", b"x" * 20_000)
    assert len(core.values()) == MOST_ENTITIES
    assert len(core.topics) == MOST_ENTITIES + MOST_AVAILABILITY
    assert MOST_ENTITIES <= core.left_out <= 2_000
    core.receive("av/1000/5", b"offline")
    assert core.available is None
    assert set(core.values().values()) == {None}, "a state is not that long"


def test_switch_has_obeyed_when_the_device_has_said_so_since() -> None:
    core = DeviceCore(NAME)
    lamp = {"stat_t": "a/switch", "cmd_t": "a/switch/set", "dev": {"ids": NAME, "sw": "esphome v2026.9.1"}}
    announce(core, f"switch/{NAME}/lamp", lamp)
    core.receive("a/switch", b"OFF")
    assert core.begin() == (Order(f"esphome/ping/{NAME}"),)
    core.receive("a/switch", b"OFF", kept=True)
    core.receive(f"esphome/discover/{NAME}", b"{}", kept=True)
    assert not core.obeyed("switch-lamp", on=False), "that may have been said long ago"
    core.receive(f"esphome/discover/{NAME}", b"{}")
    assert core.obeyed("switch-lamp", on=False), "it hears, and it was off already"
    assert not core.obeyed("switch-lamp", on=True)
    core.begin()
    core.receive("a/switch", b"ON")
    assert core.obeyed("switch-lamp", on=True)
