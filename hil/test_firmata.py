"""The Firmata bridge against real firmware: StandardFirmata in simavr, with the truth at its pins."""

import os
import subprocess
import sys
import textwrap
import threading
import time
import tty
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from device_profiles.profile import load, slugs
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.firmata import FirmataBridge
from hil.farends.board import MODELS, Board, MissingFarEnd
from hil.farends.child import ROOT
from hil.lab import FarEnd, missing
from hil.unattended import Unattended, Values, resources, undeclared

pytestmark = [pytest.mark.hil, pytest.mark.xdist_group("simavr")]

Start = Callable[..., Board]
PATIENT = {"reply_s": 10.0, "boot_s": 60.0}
"""A simulated board on a busy computer may be ten times slower than a real one."""
WIRED: dict[str, Any] = {
    "inputs": {
        "temperature": {"pin": "a0", "kind": "analog", "scale": 100.0, "offset": -50.0},
        "light": {"pin": "a1", "kind": "analog", "scale": 20.0},
        "current": {"pin": "a2", "kind": "rms", "scale": 20.0, "floor": 0.2},
        "energised": {"of": "current", "kind": "above", "above": 1.0, "below": 0.5},
        "door": {"pin": "d2", "kind": "digital"},
    },
    "outputs": {
        "relay": {"pin": "d7", "kind": "switch"},
        "fan": {"pin": "d6", "kind": "pwm"},
        "arm": {"pin": "d9", "kind": "servo"},
    },
    **PATIENT,
}
ONE_VOLTAGE: dict[str, Any] = {"inputs": {"supply": {"pin": "a0", "kind": "analog"}}, **PATIENT}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Board] = []

    def make(model: str = "uno", name: str = "board", speed: float = 1.0) -> Board:
        try:
            started.append(Board(tmp_path, model, name, speed))
        except (MissingFarEnd, OSError, subprocess.SubprocessError) as error:
            missing("simulated Arduino", error)
        return started[-1]

    yield make
    for each in started:
        each.close()


@pytest.fixture
def board(start: Start) -> Board:
    return start()


@pytest.fixture
def bridge(board: Board) -> Iterator[FirmataBridge]:
    made = FirmataBridge(board.endpoint, WIRED)
    made.open()
    yield made
    made.close()


def test_voltages_and_levels_in_the_simulator_are_the_metrics(board: Board, bridge: FirmataBridge) -> None:
    device = Unattended(bridge)
    board.voltage(0, 0.75)
    board.voltage(1, 4.0)
    board.tell("drive D 2 1")
    values = device.until(lambda values: values["temperature"] is not None and values["door"] is True)
    values = device.until(lambda values: values["light"] is not None and abs(float(values["light"]) - 80) < 1)
    assert values["temperature"] == pytest.approx(25.0, abs=0.6)
    assert values["firmware"] == "StandardFirmata.ino"
    board.voltage(0, 1.0)
    board.tell("drive D 2 0")
    device.until(lambda values: values["door"] is False and abs(float(values["temperature"] or 0) - 50) < 1)
    assert device.faults == []


def test_board_of_the_lab_is_read(firmata: FarEnd) -> None:
    bridge = FirmataBridge(firmata.endpoint, ONE_VOLTAGE)
    device = Unattended(bridge)
    values = device.until(lambda values: values["supply"] is not None)
    assert 0 <= float(values["supply"] or 0) <= 5
    assert values["firmware"]
    bridge.close()


def test_commands_reach_the_pins_and_are_read_back(board: Board, bridge: FirmataBridge) -> None:
    assert not board.pin("D", 7).high
    bridge.execute("relay-on", {})
    assert board.pin("D", 7).high
    assert board.pin("D", 7).output
    assert bridge.poll()["relay"] is True
    bridge.execute("relay-off", {})
    assert not board.pin("D", 7).high
    assert bridge.poll()["relay"] is False


def test_servo_and_pulse_width_are_what_was_asked(board: Board, bridge: FirmataBridge) -> None:
    """In simulated time: a servo at 90 degrees gets 1.47 ms each 20 ms; a pin at a quarter is high for a quarter."""
    board.tell("watch B 1")
    board.tell("watch D 6")
    bridge.execute("arm", {"angle": 90})
    high, period = _high_share(board, "B", 1)
    assert (high, period) == pytest.approx((1472, 20000), rel=0.02)
    bridge.execute("arm", {"angle": 180})
    assert _high_share(board, "B", 1)[0] == pytest.approx(2400, rel=0.02)
    bridge.execute("fan", {"level": 25})
    high, period = _high_share(board, "D", 6)
    assert high / period == pytest.approx(0.25, abs=0.02)
    values = bridge.poll()
    assert values["arm"] == 180
    assert values["fan"] == pytest.approx(25, abs=0.5)


def _high_share(board: Board, port: str, bit: int) -> tuple[int, int]:
    """Microseconds that a pin is high, and from one rise to the next, once it does what it was last told."""
    time.sleep(0.3)
    since = board.child.mark()
    edges: list[tuple[bool, int]] = []
    deadline = time.monotonic() + 60
    while len(edges) < 8 and time.monotonic() < deadline:
        time.sleep(0.05)
        edges = board.edges(port, bit, since)
    rises = [i for i, (high, _) in enumerate(edges) if high]
    first, second = rises[-3], rises[-2]
    return edges[first + 1][1] - edges[first][1], edges[second][1] - edges[first][1]


def test_current_clamp_tells_whether_the_machine_is_energised(board: Board, bridge: FirmataBridge) -> None:
    device = Unattended(bridge, pause_s=1.0)
    board.voltage(2, 2.5)
    device.until(lambda values: values["current"] == 0.0 and values["energised"] is False)
    board.tell("sine 2 2500 500 50")
    device.until(lambda values: values["energised"] is True)
    values = device.until(lambda values: values["current"] is not None)
    assert values["current"] == pytest.approx(7.07, rel=0.1)
    board.voltage(2, 2.5)
    device.until(lambda values: values["energised"] is False)


def test_bridge_that_opens_again_changes_no_output_and_knows_every_level(board: Board, bridge: FirmataBridge) -> None:
    """The relay shares its port with the fan: a write to one must not switch the other."""
    board.tell("drive D 2 1")
    bridge.execute("relay-on", {})
    board.tell("watch D 7")
    since = board.child.mark()
    bridge.close()
    bridge.open()
    values = bridge.poll()
    assert (values["relay"], values["door"]) == (True, True)
    bridge.execute("fan", {"level": 50})
    bridge.execute("fan", {"level": 0})
    assert board.pin("D", 7).high
    assert board.edges("D", 7, since) == []


def test_two_boards_never_mix(start: Start) -> None:
    """pyfirmata2's handlers are a class attribute: uncured, the second board's bridge gets the first one's data."""
    boards = [start(name=name, speed=0.5) for name in ("one", "two")]
    bridges = [FirmataBridge(each.endpoint, WIRED) for each in boards]
    for volt, far, near in zip((1.0, 3.0), boards, bridges, strict=True):
        far.voltage(1, volt)
        near.open()
    devices = [Unattended(each) for each in bridges]
    for device, light in zip(devices, (20, 60), strict=True):
        device.until(partial(_lit, light))
    for _ in range(10):
        time.sleep(0.1)
        for device, light in zip(devices, (20, 60), strict=True):
            values = device.step()
            assert values is not None
            assert values["light"] is None or _lit(light, values)
    bridges[1].execute("relay-on", {})
    assert [far.pin("D", 7).high for far in boards] == [False, True]
    assert [near.poll()["relay"] for near in bridges] == [False, True]
    for near in bridges:
        near.close()


def _lit(light: float, values: Values) -> bool:
    return abs(float(values["light"] or 0) - light) < 1


@pytest.mark.parametrize("slug", [slug for slug in slugs() if load(slug).bridge == "firmata"])
def test_profile_declares_what_the_bridge_gives_and_every_action_is_carried_out(start: Start, slug: str) -> None:
    profile = load(slug)
    model = slug.partition("/")[2]
    board = start(model if model in MODELS else "uno")
    board.voltage(0, 2.0)
    bridge = FirmataBridge(board.endpoint, {**profile.options, **PATIENT})
    device = Unattended(bridge)
    values = device.until(lambda values: None not in values.values())
    assert undeclared(profile, values) == []
    relay = ("D", 7, "unlock", "lock")
    led = ("B", 7 if model == "mega" else 5, "led-on", "led-off")
    port, bit, on, off = relay if "unlock" in profile.actions else led
    assert set(profile.actions) == {on, off}
    bridge.execute(on, {})
    assert board.pin(port, bit).high
    bridge.execute(off, {})
    assert not board.pin(port, bit).high
    assert device.faults == []
    bridge.close()


def test_wiring_that_this_board_does_not_have_is_refused(board: Board) -> None:
    for options, reason in (
        ({"outputs": {"fan": {"pin": "d7", "kind": "pwm"}}}, "cannot do pwm"),
        ({"inputs": {"x": {"pin": "a9", "kind": "analog"}}}, "no such pin"),
        ({"outputs": {"x": {"pin": "d0", "kind": "switch"}}}, "no such pin"),
    ):
        bridge = FirmataBridge(board.endpoint, options)
        with pytest.raises(Refused, match=reason):
            bridge.open()


def test_silent_port_is_a_lost_link_and_costs_no_processor_time() -> None:
    """pyfirmata2 takes it for a board, after 5 s of spinning."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    bridge = FirmataBridge(os.ttyname(theirs), {"boot_s": 1.5})
    used = time.process_time()
    with pytest.raises(LinkLost, match="no Firmata"):
        bridge.open()
    assert time.process_time() - used < 0.5
    os.close(ours)
    os.close(theirs)


def test_bridge_survives_twenty_unplugs(board: Board) -> None:
    bridge = FirmataBridge(board.endpoint, ONE_VOLTAGE)
    device = Unattended(bridge)
    board.voltage(0, 1.0)
    device.until()
    baseline = resources()
    for _ in range(20):
        board.tell("unplug")
        device.until_fault(LinkLost)
        board.tell("plug")
        device.until()
    assert device.take_faults() == [LinkLost] * 20
    assert resources() == baseline
    bridge.close()


def test_frozen_board_is_a_lost_link_once(board: Board) -> None:
    bridge = FirmataBridge(board.endpoint, ONE_VOLTAGE | {"reply_s": 3.0, "boot_s": 3.0})
    device = Unattended(bridge)
    device.until()
    baseline = resources()
    board.tell("freeze 1")
    for _ in range(3):
        device.until_fault(LinkLost)
        device.step()
    board.tell("freeze 0")
    device.until(lambda values: values["supply"] is not None)
    assert device.take_faults() == [LinkLost]
    assert resources() == baseline
    bridge.close()


@pytest.mark.parametrize("order", ["garbage 20000", "sysex 1000000"])
def test_bytes_that_are_not_firmata_are_passed_over(board: Board, order: str) -> None:
    bridge = FirmataBridge(board.endpoint, ONE_VOLTAGE)
    device = Unattended(bridge)
    board.voltage(0, 1.0)
    device.until()
    baseline = resources()
    sender = threading.Thread(target=board.tell, args=(order,))
    sender.start()
    deadline = time.monotonic() + 20
    while sender.is_alive() and time.monotonic() < deadline:
        device.step()
    sender.join()
    values = device.until(lambda values: values["supply"] is not None)
    assert values["supply"] == pytest.approx(1.0, abs=0.02)
    assert set(device.take_faults()) <= {BadReply, LinkLost}
    assert resources() == baseline
    bridge.close()


def test_port_where_something_else_talks_is_a_bad_reply() -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    stop = threading.Event()

    def talk() -> None:
        while not stop.wait(0.02):
            os.write(ours, b"ok T:21.4 /0.0\n")

    thread = threading.Thread(target=talk)
    thread.start()
    bridge = FirmataBridge(os.ttyname(theirs), {"boot_s": 1.0})
    device = Unattended(bridge)
    device.until_fault(BadReply)
    device.step()
    assert device.take_faults() == [BadReply]
    stop.set()
    thread.join()
    os.close(ours)
    os.close(theirs)


def test_board_killed_while_it_is_told_something_is_a_lost_link(board: Board, bridge: FirmataBridge) -> None:
    device = Unattended(bridge)
    device.until()
    baseline = resources()
    board.tell("freeze 1")
    killer = threading.Timer(0.3, board.child.process.kill)
    killer.start()
    with pytest.raises(LinkLost):
        bridge.execute("relay-on", {})
    killer.join()
    board.kill()
    board.restart()
    assert device.until()["relay"] is False
    assert resources() == baseline


def test_board_that_restarts_by_itself_is_met_anew(board: Board, bridge: FirmataBridge) -> None:
    device = Unattended(bridge)
    board.voltage(0, 0.75)
    bridge.execute("relay-on", {})
    assert device.until()["relay"] is True
    board.tell("reset")
    values = device.until(lambda values: values["relay"] is False and values["temperature"] is not None)
    assert values["temperature"] == pytest.approx(25.0, abs=0.6)
    assert device.take_faults() == [LinkLost]


def test_process_with_an_open_bridge_has_loaded_nothing_heavy(board: Board) -> None:
    program = f"""
        import sys
        from firmware_bridges import bridge_for
        bridge = bridge_for("firmata", "{board.endpoint}", {{}})
        bridge.open()
        assert bridge.poll()["firmware"] == "StandardFirmata.ino"
        print([name for name in ("asyncio", "pydantic", "yaml") if name in sys.modules])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
