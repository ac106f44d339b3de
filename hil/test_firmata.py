"""The Firmata bridge against real firmware: StandardFirmata in simavr, with the truth at its pins."""

import os
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contract.model import CommandStatus
from device_profiles.profile import parse
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.firmata import BAUD, FirmataBridge
from hil.farends.board import PATIENT, Board, MissingFarEnd
from hil.farends.splitter import Splitter
from hil.lab import FarEnd, missing
from hil.polling import Values, assert_nothing_left_behind, poll_until, resources_at_rest
from hil.watched import Watched

pytestmark = [pytest.mark.hil, pytest.mark.xdist_group("simavr")]

Start = Callable[..., Board]
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
BENCH = parse(
    "lab/board",
    """
name = "Board on the bench"
label = { en = "Board", vi = "Bo mạch" }
family = "kit"
bridge = "firmata"
enforces = "none"
source = "this test"
metrics.supply = { label = { en = "Supply", vi = "Nguồn" }, unit = "V", kind = "float", deadband = 0.02 }
metrics.relay = { label = { en = "Relay", vi = "Rơ-le" }, unit = "1", kind = "bool" }
actions.relay-on = { label = { en = "On", vi = "Bật" } }
[options.inputs]
supply = { pin = "a0", kind = "analog" }
[options.outputs]
relay = { pin = "d7", kind = "switch" }
""",
)


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


Attend = Callable[..., Watched]


@pytest.fixture
def attend(tmp_path: Path) -> Iterator[Attend]:
    """Give a board to the agent: `attend(endpoint, more options)`."""
    started: list[Watched] = []

    def attended(endpoint: str, **options: float) -> Watched:
        bridge = FirmataBridge(endpoint, {**BENCH.options, **PATIENT, **options})
        started.append(Watched(tmp_path, BENCH, lambda: bridge))
        return started[-1]

    yield attended
    for each in started:
        each.close()


def test_voltages_and_levels_in_the_simulator_are_the_metrics(board: Board, bridge: FirmataBridge) -> None:
    board.voltage(0, 0.75)
    board.voltage(1, 4.0)
    board.tell("drive D 2 1")
    values = poll_until(  # not all inputs are sampled for the same poll, and the first sample may be of before
        bridge,
        lambda values: (
            values["door"] is True
            and abs(float(values["light"] or 0) - 80) < 1
            and abs(float(values["temperature"] or 0) - 25) < 0.6
        ),
    )
    assert values["firmware"] == "StandardFirmata.ino"
    board.voltage(0, 1.0)
    board.tell("drive D 2 0")
    poll_until(bridge, lambda values: values["door"] is False and abs(float(values["temperature"] or 0) - 50) < 1)


def test_input_keeps_its_value_between_two_samples_for_as_long_as_a_board_may_take_to_answer(board: Board) -> None:
    """After each command the agent polls at once."""
    ahead_s = 0.0
    options = {"inputs": {"supply": {"pin": "a0", "kind": "analog"}}, "sampling_ms": 1000, **PATIENT}
    bridge = FirmataBridge(board.endpoint, options, clock=lambda: time.monotonic() + ahead_s)
    board.voltage(0, 1.0)
    bridge.open()
    poll_until(bridge, _supplied)
    for _ in range(5):
        assert _supplied(bridge.poll())
    ahead_s += PATIENT["reply_s"] + 1.0
    assert bridge.poll()["supply"] is None
    bridge.close()


def test_board_of_the_lab_is_read_and_told(firmata: FarEnd) -> None:
    bridge = firmata.bridge()
    bridge.open()
    values = poll_until(bridge, lambda values: None not in values.values())
    assert values["firmware"]
    assert all(0 <= float(value or 0) <= 5 for name, value in values.items() if name.startswith("analog-"))
    bridge.execute("led-on", {})
    assert bridge.poll()["led"] is True
    bridge.execute("led-off", {})
    assert bridge.poll()["led"] is False
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
    wait = partial(poll_until, bridge, pause_s=1.0)
    board.voltage(2, 2.5)
    wait(lambda values: values["current"] == 0.0 and values["energised"] is False)
    board.tell("sine 2 2500 500 50")
    wait(lambda values: values["energised"] is True)
    # What is read first may have begun before the current did.
    wait(lambda values: values["current"] == pytest.approx(7.07, rel=0.1))
    for _ in range(3):
        time.sleep(1.0)
        assert wait(lambda values: values["current"] is not None)["current"] == pytest.approx(7.07, rel=0.1)
    board.voltage(2, 2.5)
    wait(lambda values: values["energised"] is False)


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
    for near, light in zip(bridges, (20, 60), strict=True):
        poll_until(near, partial(_lit, light))
    for _ in range(10):
        time.sleep(0.1)
        for near, light in zip(bridges, (20, 60), strict=True):
            values = near.poll()
            assert values["light"] is None or _lit(light, values)
    bridges[1].execute("relay-on", {})
    assert [far.pin("D", 7).high for far in boards] == [False, True]
    assert [near.poll()["relay"] for near in bridges] == [False, True]
    for near in bridges:
        near.close()


def _lit(light: float, values: Values) -> bool:
    return abs(float(values["light"] or 0) - light) < 1


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


def test_agent_survives_twenty_unplugs(board: Board, attend: Attend) -> None:
    device = attend(board.endpoint)
    board.voltage(0, 1.0)
    device.until(_supplied)
    baseline = resources_at_rest()
    for times in range(1, 21):
        board.tell("unplug")
        device.until_lost()
        board.tell("plug")
        device.until_back(times)
    assert device.faults() == [LinkLost] * 20
    assert_nothing_left_behind(baseline)


def test_frozen_board_is_reported_lost_once_and_readings_resume(board: Board, attend: Attend) -> None:
    device = attend(board.endpoint, reply_s=3.0, boot_s=3.0)
    board.voltage(0, 1.0)
    device.until(_supplied)
    baseline = resources_at_rest()
    board.tell("freeze 1")
    device.until_lost()
    time.sleep(4.0)  # longer than one attempt to open it
    board.tell("freeze 0")
    device.until_back(1)
    device.until(_supplied)
    assert device.faults() == [LinkLost]
    assert_nothing_left_behind(baseline)


@pytest.mark.parametrize("order", ["garbage 20000", "sysex 1000000"])
def test_bytes_that_are_not_firmata_are_passed_over(board: Board, attend: Attend, order: str) -> None:
    """`sysex` is one message of a megabyte."""
    device = attend(board.endpoint, reply_s=3.0)
    board.voltage(0, 1.0)
    device.until(_supplied)
    baseline = resources_at_rest()
    board.tell(order)
    board.voltage(0, 3.0)
    assert device.until(lambda values: values["supply"] == pytest.approx(3.0, abs=0.05))
    assert set(device.faults()) <= {BadReply, LinkLost}
    assert len(device.faults()) <= 1
    assert_nothing_left_behind(baseline)


def test_agent_reads_on_when_every_byte_of_a_reply_comes_by_itself(board: Board, attend: Attend) -> None:
    with Splitter(board.endpoint, BAUD) as way:
        device = attend(way.endpoint)
        board.voltage(0, 1.0)
        device.until(_supplied)
        baseline = resources_at_rest()
        way.cutting.set()
        board.voltage(0, 3.0)
        device.until(lambda values: values["supply"] == pytest.approx(3.0, abs=0.05))
        assert device.do("relay-on").status is CommandStatus.DONE
        assert device.faults() == []
        assert_nothing_left_behind(baseline)


def _supplied(values: Values) -> bool:
    return values["supply"] == pytest.approx(1.0, abs=0.05)


def test_port_where_something_else_talks_is_a_bad_reply_once(attend: Attend) -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    stop = threading.Event()

    def talk() -> None:
        while not stop.wait(0.02):
            os.write(ours, b"ok T:21.4 /0.0\n")

    thread = threading.Thread(target=talk)
    thread.start()
    device = attend(os.ttyname(theirs), boot_s=1.0)
    device.until_lost()
    time.sleep(2.5)  # longer than one more attempt to open it
    assert device.faults() == [BadReply]
    stop.set()
    thread.join()
    os.close(ours)
    os.close(theirs)


def test_board_killed_while_it_is_told_something_fails_that_command(board: Board, attend: Attend) -> None:
    device = attend(board.endpoint)
    device.until(lambda values: values["relay"] is False)
    baseline = resources_at_rest()
    board.tell("freeze 1")
    command = device.order("relay-on")
    board.kill()
    assert device.outcome(command).status is CommandStatus.FAILED
    board.restart()
    assert device.until_back(1)["relay"] is False
    assert device.faults() == [LinkLost]
    assert_nothing_left_behind(baseline)


def test_board_that_restarts_by_itself_is_met_anew(board: Board, attend: Attend) -> None:
    device = attend(board.endpoint)
    board.voltage(0, 1.0)
    assert device.do("relay-on").status is CommandStatus.DONE
    device.until(lambda values: values["relay"] is True and _supplied(values))
    board.tell("reset")
    assert device.until_back(1)["relay"] is False
    device.until(_supplied)
    assert device.faults() == [LinkLost]
