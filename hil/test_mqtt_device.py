"""Devices of a real broker: how they tell of themselves, are read, switched, lost and found again."""

import hashlib
import json
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_profiles.profile import load
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.mqtt_device import MqttDeviceBridge
from hil.farends.broker_device import Broker, EspHome, Node, Tasmota
from hil.farends.child import ROOT
from hil.farends.splitter import Splitter
from hil.polling import assert_nothing_left_behind, poll_until, resources_at_rest
from hil.watched import Watched
from tests.integration.far_ends import certificate
from tests.vocabulary import undeclared, untold

pytestmark = [pytest.mark.hil, pytest.mark.sim_only]

PROMPT = {"connect_s": 5.0, "discover_s": 2.0, "confirm_s": 10.0}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def air(broker: Broker) -> Iterator[Node]:
    made = EspHome(broker)
    yield made
    made.close()


@pytest.fixture
def plug(broker: Broker) -> Iterator[Node]:
    made = Tasmota(broker)
    yield made
    made.close()


def bridge_to(broker: Broker, device: str, **options: object) -> MqttDeviceBridge:
    return MqttDeviceBridge(f"mqtt://127.0.0.1:{broker.port}/{device}", {**PROMPT, **options})


def test_esphome_device_is_read_and_switched_as_it_tells_of_itself(broker: Broker, air: EspHome) -> None:
    profile = load("mqtt/device")
    bridge = bridge_to(broker, "air-206")
    bridge.open()
    values = poll_until(bridge, lambda values: None not in values.values())
    assert values == {
        "ppm-co2": 612.0,
        "temperature-temperature": 26.4,
        "percent-humidity": 71.0,
        "switch-lamp": False,
        "is-door": True,
        "entities": 5,
        "left-out": 0,
    }
    assert undeclared(profile, values) == []
    bridge.execute("switch-on", {"switch": "lamp"})
    assert bridge.poll()["switch-lamp"] is True
    air.say("air-206/sensor/co2/state", "nan")
    assert poll_until(bridge, lambda values: values["ppm-co2"] is None)["percent-humidity"] == 71.0
    with pytest.raises(Refused, match="no switch"):
        bridge.execute("switch-on", {"switch": "door"})
    bridge.execute("switch-on", {"switch": "lamp"})  # nothing changes: it says nothing of the lamp, but that it hears
    air.obeys = False
    bridge._confirm_s = 0.3
    for action in ("switch-off", "switch-on"):
        with pytest.raises(BadReply, match="was told"):
            bridge.execute(action, {})
    air.say("air-206/status", "offline")
    with pytest.raises(LinkLost, match="gone"):
        poll_until(bridge, lambda _: False)
    with pytest.raises(LinkLost, match="gone"):
        bridge.execute("switch-on", {})
    bridge.close()


@pytest.mark.parametrize("slug", ["mqtt/device", "esphome/air-sensor"])
def test_profile_tells_what_it_declares_of_a_device_of_its_kind(slug: str, broker: Broker, air: EspHome) -> None:
    """Any device (by patterns: what of them it has is its own), or one whose values the profile names."""
    profile = load(slug)
    bridge = bridge_to(broker, "air-206", **profile.options)
    bridge.open()
    values = poll_until(bridge, lambda values: None not in values.values())
    assert [name for name in untold(profile, values) if "*" not in name] == []
    if slug == "mqtt/device":
        assert undeclared(profile, values) == []
    else:
        assert (values["co2"], values["temperature"], values["humidity"]) == (612.0, 26.4, 71.0)
    for action in sorted(profile.actions, reverse=True):
        bridge.execute(action, {"switch": "lamp"})
        assert bridge.poll()["switch-lamp"] is (action == "switch-on")
    with pytest.raises(Refused):
        bridge.execute("fly", {})
    bridge.close()


@pytest.mark.parametrize("name", ["tasmota_0001", "AABBCC000001", "Laser plug"])
def test_tasmota_device_is_read_and_switched_by_any_of_its_names(broker: Broker, plug: Tasmota, name: str) -> None:
    bridge = bridge_to(broker, name.replace(" ", "%20"))
    bridge.open()
    values = poll_until(bridge, lambda values: None not in values.values())
    assert (values["switch-power"], values["power-energy-power"], values["energy-energy-energy"]) == (
        True,
        61.0,
        1500.0,
    )
    assert values["left-out"] == 1, "of what its meter tells, apparent power"
    assert undeclared(load("mqtt/device"), values) == []
    bridge.execute("switch-off", {})
    assert (plug.power, bridge.poll()["switch-power"]) == ("OFF", False)
    bridge.execute("switch-off", {})
    plug.obeys = False
    plug.answer(f"stat/{plug.name}/POWER", "ON")  # behind all that it said before
    poll_until(bridge, lambda values: values["switch-power"] is True)
    plug.answer(f"stat/{plug.name}/POWER", "OFF")
    poll_until(bridge, lambda values: values["switch-power"] is False)
    bridge._confirm_s = 0.3
    with pytest.raises(BadReply, match="was told"):
        bridge.execute("switch-off", {})
    plug.power = "ON"
    plug.report()
    assert poll_until(bridge, lambda values: values["switch-power"] is True)["power-energy-power"] == 61.0
    bridge.close()


def test_tasmota_is_heard_among_others_whose_sensors_came_first(broker: Broker, plug: Tasmota) -> None:
    other = Tasmota(broker, "tasmota_0002", mac="AABBCC000002")
    bridge = bridge_to(broker, "tasmota_0001")
    bridge.open()
    other.say("tasmota/discovery/AABBCC000002/sensors", {"sn": {}})
    bridge.execute("switch-off", {})
    assert poll_until(bridge, lambda values: None not in values.values())["power-energy-power"] == 61.0
    assert (plug.power, other.power) == ("OFF", "ON")
    bridge.close()
    other.close()


def test_device_that_nobody_knows_is_a_lost_link(broker: Broker, air: EspHome) -> None:
    bridge = bridge_to(broker, "air-999", discover_s=0.5)
    with pytest.raises(LinkLost, match="air-999"):
        bridge.open()
    bridge.close()


def test_broker_that_does_not_let_us_in_is_a_refusal(tmp_path: Path) -> None:
    broker = Broker(tmp_path, password="geheim")
    try:
        bridge = bridge_to(broker, "air-206", user="lab", password="wrong")
        with pytest.raises(Refused, match="broker"):
            bridge.open()
        bridge.close()
    finally:
        broker.kill()


def test_broker_is_reached_by_tls_and_only_if_its_certificate_is_the_one_that_is_meant(tmp_path: Path) -> None:
    own, key = certificate(tmp_path)
    pinned = hashlib.sha256(ssl.PEM_cert_to_DER_cert(own.read_text("ascii"))).hexdigest()
    broker = Broker(tmp_path, tls=(own, key))
    plug = Tasmota(broker)
    try:
        at = f"mqtts://127.0.0.1:{broker.tls_port}/tasmota_0001"
        for wrong, why in (
            ({}, "not trusted .*ca_file or fingerprint"),
            ({"fingerprint": "0" * 64}, f"not the server that was meant.*{pinned}"),
        ):
            stranger = MqttDeviceBridge(at, {**PROMPT, **wrong})
            with pytest.raises(LinkLost, match=why):
                stranger.open()
            stranger.close()
        for trusted in ({"ca_file": str(own)}, {"fingerprint": pinned.upper()}):
            bridge = MqttDeviceBridge(at, {**PROMPT, **trusted})
            bridge.open()
            poll_until(bridge, lambda values: None not in values.values())
            bridge.execute("switch-off", {})
            bridge.close()
        assert plug.power == "OFF"
    finally:
        plug.close()
        broker.kill()


def test_agent_survives_a_device_that_vanishes_and_a_broker_that_is_killed(
    broker: Broker, air: EspHome, tmp_path: Path
) -> None:
    profile = load("mqtt/device")
    device = Watched(tmp_path, profile, lambda: bridge_to(broker, "air-206", discover_s=3.0))
    device.begin()
    device.until(lambda values: values.get("ppm-co2") == 612)
    baseline = resources_at_rest()
    air.say("air-206/status", "offline")
    device.until_lost()
    air.say("air-206/status", "online")
    device.until_back(1)
    broker.kill()
    device.until_lost()
    broker.start()
    assert device.until_back(2)["entities"] == 5
    assert device.faults() == [LinkLost] * 2
    assert_nothing_left_behind(baseline)
    device.close()


def test_device_whose_power_is_cut_is_lost_by_its_will(broker: Broker) -> None:
    air = EspHome(broker, "air-305")
    bridge = bridge_to(broker, "air-305")
    bridge.open()
    assert bridge.poll()["entities"] == 5
    air.vanish()
    with pytest.raises(LinkLost, match="gone"):
        poll_until(bridge, lambda _: False, timeout_s=20)
    bridge.close()


def test_bridge_reads_on_when_every_byte_from_the_broker_comes_by_itself(broker: Broker, air: EspHome) -> None:
    with Splitter(f"tcp://127.0.0.1:{broker.port}") as way:
        way.cutting.set()
        bridge = MqttDeviceBridge(f"{way.endpoint.replace('tcp', 'mqtt')}/air-206", {**PROMPT, "discover_s": 20.0})
        bridge.open()
        assert poll_until(bridge, lambda values: values.get("ppm-co2") is not None)["temperature-temperature"] == 26.4
        bridge.close()


def loaded_with_an_open_bridge(endpoint: str, **options: object) -> str:
    """Of the modules that are heavy, in an agent that has loaded its client before, without TLS."""
    program = """
        import json, sys
        from agent.light_paho import import_paho
        import_paho(tls=False)
        from firmware_bridges import bridge_for
        bridge = bridge_for("mqtt_device", sys.argv[1], json.loads(sys.argv[2]))
        bridge.open()
        assert bridge.poll()
        bridge.close()
        print([name for name in ("asyncio", "pydantic", "yaml", "ssl") if name in sys.modules])
    """
    command = [sys.executable, "-c", textwrap.dedent(program), endpoint, json.dumps({**PROMPT, **options})]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return done.stdout + done.stderr


def test_process_with_an_open_bridge_has_loaded_nothing_heavy(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    broker = Broker(tmp_path, tls=tls)
    air = EspHome(broker)
    try:
        assert loaded_with_an_open_bridge(f"mqtt://127.0.0.1:{broker.port}/air-206") == "[]\n"
        secured = f"mqtts://127.0.0.1:{broker.tls_port}/air-206"
        assert loaded_with_an_open_bridge(secured, ca_file=str(tls[0])) == "['ssl']\n"
    finally:
        air.close()
        broker.kill()
