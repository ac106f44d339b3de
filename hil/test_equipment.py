"""Displays, projectors and plugs against equipment that is a process of its own; and the display against a foreign
client of Samsung's protocol."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.model import CommandStatus
from device_profiles.profile import DeviceProfile, load
from firmware_bridges import bridge_for
from firmware_bridges.base import BadReply, Bridge, BridgeError, LinkLost, Refused
from hil.farends.child import ROOT
from hil.farends.fetch import python_packages
from hil.farends.pins import MDC_CLIENT, PYTHON_SAMSUNG_MDC
from hil.farends.simulated_equipment import PROMPT, SimulatedEquipment
from hil.farends.splitter import Splitter
from hil.farends.terminal import pseudo_terminal
from hil.lab import missing
from hil.polling import assert_nothing_left_behind, poll_until, resources_at_rest
from hil.record_equipment import EQUIPMENT, arguments, ordered
from hil.watched import Watched
from tests.integration.mqtt import eventually
from tests.vocabulary import undeclared, untold

pytestmark = [pytest.mark.hil, pytest.mark.sim_only]

Start = Callable[[str], SimulatedEquipment]
ONE_OF_EACH = ("viewsonic/ifp", "samsung/qb", "shelly/plus-plug-s")


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[SimulatedEquipment] = []

    def make(slug: str) -> SimulatedEquipment:
        started.append(SimulatedEquipment(EQUIPMENT[slug]))
        return started[-1]

    yield make
    for each in started:
        each.close()


def bridge_to(profile: DeviceProfile, endpoint: str, **options: object) -> Bridge:
    return bridge_for(profile.bridge, endpoint, {**profile.options, **PROMPT, **options})


@pytest.mark.parametrize("slug", EQUIPMENT)
def test_profile_tells_what_it_declares_and_carries_out_what_it_offers(slug: str, start: Start) -> None:
    profile, equipment = load(slug), start(slug)
    bridge = bridge_to(profile, equipment.endpoint)
    bridge.open()
    steps = ordered(profile)
    bridge.execute(steps[0], {})
    values = bridge.poll()
    assert (undeclared(profile, values), untold(profile, values)) == ([], [])
    assert None not in values.values()
    for action in steps:
        bridge.execute(action, arguments(profile, action))
    assert bridge.poll()["on"] is False
    with pytest.raises(Refused):
        bridge.execute("fly", {})
    bridge.close()


@pytest.mark.parametrize("slug", ONE_OF_EACH)
def test_equipment_that_says_yes_and_does_nothing_is_a_bad_reply(slug: str, start: Start) -> None:
    profile, equipment = load(slug), start(slug)
    confirm = {} if profile.bridge == "smart_plug" else {"confirm_s": 0.3}
    bridge = bridge_to(profile, equipment.endpoint, **confirm)
    bridge.open()
    on = bridge.poll()["on"]
    equipment.tell("stuck 1")
    with pytest.raises(BadReply, match="said yes"):
        bridge.execute(ordered(profile)[-1 if on else 0], {})
    equipment.tell("stuck 0")
    assert bridge.poll()["on"] is on
    bridge.close()


@pytest.mark.parametrize("slug", ["viewsonic/ifp", "samsung/qb"])
def test_display_in_standby_refuses_what_it_cannot_do(slug: str, start: Start) -> None:
    bridge = bridge_to(load(slug), start(slug).endpoint)
    bridge.open()
    for action, args, reason in (
        ("set-volume", {"percent": 30}, "now"),
        ("set-volume", {"percent": 101}, "from 0 to 100"),
        ("input", {"input": "antenna"}, "no input"),
        ("mute", {}, "true"),
    ):
        with pytest.raises(Refused, match=reason):
            bridge.execute(action, args)
    assert bridge.poll()["power"] == "off"
    bridge.close()


@pytest.mark.parametrize(("slug", "kind"), [("smart/board-mx", "smart"), ("optoma/projector", "optoma")])
def test_command_set_is_the_profiles_alone(slug: str, kind: str, start: Start) -> None:
    """Nothing in the bridge knows a maker: what its own remote control does is seen by the patterns of the profile."""
    equipment = start(slug)
    bridge = bridge_to(load(slug), equipment.endpoint)
    bridge.open()
    equipment.tell({"smart": "put powerstate updateon", "optoma": "put power 1"}[kind])
    assert bridge.poll()["power"] == {"smart": "updating", "optoma": "on"}[kind]
    bridge.close()


@pytest.mark.parametrize("slug", ONE_OF_EACH)
def test_agent_survives_unplugs(slug: str, start: Start, tmp_path: Path) -> None:
    profile, equipment = load(slug), start(slug)
    device = Watched(tmp_path, profile, lambda: bridge_to(profile, equipment.endpoint))
    device.begin()
    device.until(lambda values: values.get("on") is not None)
    baseline = resources_at_rest()
    for times in range(1, 4):
        equipment.kill()
        device.until_lost()
        equipment.restart()
        device.until_back(times)
    assert device.faults() == [LinkLost] * 3
    assert_nothing_left_behind(baseline)
    device.close()


@pytest.mark.parametrize(
    ("slug", "fault", "kind"),
    [
        *((slug, "frozen", LinkLost) for slug in ONE_OF_EACH),
        *((slug, "garbage", BadReply) for slug in ONE_OF_EACH),
        ("viewsonic/ifp", "huge", BadReply),
        ("shelly/plus-plug-s", "cut", LinkLost),
    ],
)
def test_agent_survives_equipment_that_answers_wrongly(
    slug: str, fault: str, kind: type[BridgeError], start: Start, tmp_path: Path
) -> None:
    """`huge` is an answer of a megabyte."""
    profile, equipment = load(slug), start(slug)
    device = Watched(tmp_path, profile, lambda: bridge_to(profile, equipment.endpoint, reply_s=0.4))
    device.begin()
    device.until(lambda values: values.get("on") is not None)
    baseline = resources_at_rest()
    equipment.tell(f"fault {fault}")
    device.until_lost()
    time.sleep(0.7)  # longer than one attempt to open it
    equipment.tell("fault none")
    device.until_back(1)
    assert device.faults() == [kind]
    assert_nothing_left_behind(baseline)
    device.close()


@pytest.mark.parametrize("slug", ["shelly/plus-plug-s", "tasmota/plug"])
def test_plug_that_somebody_locks_is_refused_once(slug: str, start: Start, tmp_path: Path) -> None:
    profile, plug = load(slug), start(slug)
    device = Watched(tmp_path, profile, lambda: bridge_to(profile, plug.endpoint))
    device.begin()
    baseline = resources_at_rest()
    plug.tell("put password geheim")
    device.until_lost()
    asked = len(plug.heard())
    eventually(lambda: len(plug.heard()) > asked, "it is asked in vain once more")
    plug.tell("put password -")
    assert device.until_back(1)["on"] is True
    assert device.faults() == [Refused]
    assert_nothing_left_behind(baseline)
    device.close()


def test_connection_that_was_dropped_meanwhile_is_no_fault(start: Start, tmp_path: Path) -> None:
    profile, equipment = load("viewsonic/ifp"), start("viewsonic/ifp")
    bridge = bridge_to(profile, equipment.endpoint)
    bridge.open()
    for _ in range(3):
        equipment.tell("drop")
        assert bridge.poll()["power"] == "off"
    bridge.close()


def test_equipment_killed_while_it_is_told_fails_that_command(start: Start, tmp_path: Path) -> None:
    profile, equipment = load("samsung/qb"), start("samsung/qb")
    device = Watched(tmp_path, profile, lambda: bridge_to(profile, equipment.endpoint))
    device.begin()
    equipment.tell("fault frozen")
    command = device.order("set-volume", percent=30)
    time.sleep(0.3)
    equipment.kill()
    assert device.outcome(command).status is CommandStatus.FAILED
    equipment.restart()
    device.until_back(1)
    device.close()


@pytest.mark.parametrize("slug", [*ONE_OF_EACH, "epson/escvp21"])
def test_bridge_reads_on_when_every_byte_of_a_reply_comes_by_itself(slug: str, start: Start) -> None:
    profile, equipment = load(slug), start(slug)
    with Splitter(equipment.endpoint.replace("http", "tcp")) as way:
        scheme = "http" if profile.bridge == "smart_plug" else "tcp"
        bridge = bridge_to(profile, way.endpoint.replace("tcp", scheme), reply_s=10)
        bridge.open()
        whole = bridge.poll()
        way.cutting.set()
        assert bridge.poll() == whole
        bridge.close()


@pytest.mark.parametrize("slug", ["viewsonic/ifp", "samsung/qb"])
def test_display_is_read_at_a_serial_port(slug: str, start: Start) -> None:
    with pseudo_terminal(start(slug).endpoint) as port:
        bridge = bridge_to(load(slug), port, reply_s=10)
        bridge.open()
        assert bridge.poll()["power"] == "off"
        bridge.close()


@pytest.mark.parametrize("slug", ["tasmota/plug", "shelly/plus-plug-s"])
def test_plug_says_whether_its_machine_has_power_and_works(slug: str, start: Start) -> None:
    profile, equipment = load(slug), start(slug)
    bridge = bridge_to(profile, equipment.endpoint, hold_s=0)
    bridge.open()
    told = []
    for watts in ("0.2", "1.2", "0.7", "19.0", "20.5", "16.0", "14.0", "0.4"):
        equipment.tell(f"put watts {watts}")
        values = bridge.poll()
        told.append((values["energised"], values["working"]))
    assert told == [
        (False, False), (True, False), (True, False), (True, False),
        (True, True), (True, True), (True, False), (False, False),
    ]  # fmt: skip
    bridge.close()


@pytest.mark.parametrize("slug", ["tasmota/plug", "shelly/plus-plug-s"])
def test_plug_with_a_password_is_read_with_it_and_refused_without(slug: str, start: Start) -> None:
    profile, equipment = load(slug), start(slug)
    equipment.tell("put password geheim")
    equipment.tell("put chunked 1")
    for password in ("", "wrong"):
        bridge = bridge_to(profile, equipment.endpoint, password=password)
        with pytest.raises(Refused, match="password"):
            bridge.open()
        bridge.close()
    bridge = bridge_to(profile, equipment.endpoint, password="geheim")
    bridge.open()
    assert poll_until(bridge)["on"] is True
    assert not any(b"geheim" in said for said in equipment.heard()) or slug == "tasmota/plug"
    bridge.close()


def test_foreign_client_and_own_display_understand_each_other(start: Start) -> None:
    try:
        packages = python_packages(MDC_CLIENT)
    except subprocess.SubprocessError as error:
        missing(str(PYTHON_SAMSUNG_MDC), error)
    display = start("samsung/qb")
    program = """
        import asyncio, sys
        from samsung_mdc import MDC
        from samsung_mdc.exceptions import NAKError
        async def main():
            async with MDC(f"127.0.0.1:{sys.argv[1]}") as mdc:
                assert (await mdc.power(1))[0].name == "OFF"
                try:
                    await mdc.volume(1, (40,))
                except NAKError:
                    pass
                else:
                    raise AssertionError("a volume was set in standby")
                await mdc.power(1, ("ON",))
                await mdc.input_source(1, ("HDMI2",))
                await mdc.volume(1, (40,))
                await mdc.mute(1, ("ON",))
                power, volume, mute, source, *_ = await mdc.status(1)
                assert (power.name, volume, mute.name, source.name) == ("ON", 40, "ON", "HDMI2")
                assert (await mdc.error_status(1))[4] == 41
                assert (await mdc.serial_number(1), await mdc.model_name(1)) == (("0H0H0H0H000001",), ("QB65C",))
                print("agreed")
        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(display.port)],
        env=os.environ | {"PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("agreed\n", 0), done.stderr
    truth = display.state()
    assert (truth["power"], truth["volume"], truth["input"], truth["muted"]) == ("1", "40", "35", "1")


@pytest.mark.parametrize("slug", ONE_OF_EACH)
def test_process_with_an_open_bridge_has_loaded_nothing_heavy(slug: str, start: Start) -> None:
    program = """
        import sys
        from device_profiles.profile import load
        from firmware_bridges import bridge_for
        profile = load(sys.argv[1])
        bridge = bridge_for(profile.bridge, sys.argv[2], profile.options)
        bridge.open()
        assert bridge.poll()
        bridge.close()
        print([name for name in ("asyncio", "pydantic", "yaml", "ssl", "http.client") if name in sys.modules])
    """
    command = [sys.executable, "-c", textwrap.dedent(program), slug, start(slug).endpoint]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
