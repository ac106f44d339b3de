"""What a broker's devices may say of themselves: whatever it is, it is read, or changes nothing."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridges.mqtt_device_core import MOST_ENTITIES, DeviceCore
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
SAID = st.tuples(
    st.sampled_from(["a/state", "a/status", f"tele/{NAME}/STATE", f"tele/{NAME}/SENSOR"]),
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
