"""The MicroPython bridge against real firmware, on a micro:bit that QEMU simulates."""

import hashlib
import os
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.model import Value
from device_profiles.profile import load as load_profile
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.micropython import MicroPythonBridge
from hil.farends.microbit import PATIENT, Microbit, MissingFarEnd
from hil.lab import FarEnd, missing
from hil.polling import assert_nothing_left_behind, poll_until, resources_at_rest
from hil.watched import Watched

pytestmark = pytest.mark.hil


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Microbit]:
    try:
        running = Microbit(tmp_path)
    except (MissingFarEnd, OSError) as error:
        missing("micro:bit", error)
    yield running
    running.close()


@pytest.fixture
def bridge(kit: Microbit) -> Iterator[MicroPythonBridge]:
    made = MicroPythonBridge(kit.endpoint, {**load_profile("bbc/microbit").options, **PATIENT})
    made.open()
    yield made
    made.close()


def program(folder: Path, text: str) -> dict[str, Value]:
    """As the agent gives it to the bridge."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = folder / f"{digest}.py"
    path.write_bytes(text.encode())
    return {"path": str(path), "digest": digest, "name": "program"}


def test_board_of_the_lab_is_read(micropython: FarEnd) -> None:
    bridge = micropython.bridge()
    bridge.open()
    values = bridge.poll()
    assert values["board"]
    assert values["running"] is False
    bridge.close()


@pytest.mark.sim_only
def test_board_tells_what_it_is_and_passes_its_self_test(bridge: MicroPythonBridge) -> None:
    values = bridge.poll()
    assert (values["board"], values["firmware"], values["platform"]) == (
        "micro:bit with nRF51822",
        "1.0.1",
        "microbit",
    )
    assert isinstance(values["memory-free"], int)
    assert 1_000 < values["memory-free"] < 16_384
    bridge.execute("self-test", {})
    values = bridge.poll()
    assert values["self-test"] == "ok"
    assert (values["check-display"], values["check-clock"]) == (True, True)


@pytest.mark.sim_only
def test_program_runs_to_its_end_to_its_error_and_until_it_is_stopped(
    bridge: MicroPythonBridge, tmp_path: Path
) -> None:
    bridge.execute("run", program(tmp_path, "for number in range(500):\r\n    print(number)\r\n"))
    assert poll_until(bridge, lambda values: not values["running"])["job-result"] == "done"
    bridge.execute("run", program(tmp_path, "# " + "x" * 4000 + "\n1/0\n"))
    values = poll_until(bridge, lambda values: not values["running"])
    assert (values["job-result"], values["job-error"]) == ("failed", "ZeroDivisionError: division by zero")
    bridge.execute("run", program(tmp_path, "while True:\n    print('x' * 60)\n"))
    values = bridge.poll()
    assert (values["running"], values["job"], values["job-result"]) == (True, "program", "running")
    for action in ("run", "self-test"):
        with pytest.raises(Refused, match="stop it first"):
            bridge.execute(action, {})
    bridge.execute("stop", {})
    bridge.execute("stop", {})
    assert bridge.poll()["job-result"] == "stopped"


@pytest.mark.sim_only
def test_reset_ends_the_program_and_the_board_takes_the_next_one(bridge: MicroPythonBridge, tmp_path: Path) -> None:
    """As the button on its back does: the board greets whoever listens, and its raw REPL is gone."""
    bridge.execute("run", program(tmp_path, "import microbit\nprint('on')\nmicrobit.reset()\n"))
    values = poll_until(bridge, lambda values: not values["running"])
    assert (values["job-result"], values["job-error"]) == ("failed", "the board was restarted")
    bridge.execute("run", program(tmp_path, "print(1)"))
    assert poll_until(bridge, lambda values: not values["running"])["job-result"] == "done"
    bridge.execute("run", program(tmp_path, "import microbit\nmicrobit.reset()\n"))
    bridge.execute("stop", {})
    assert poll_until(bridge, lambda values: not values["running"])["job-result"] == "stopped"


@pytest.mark.sim_only
def test_program_is_stopped_when_nobody_watches_it_any_more(bridge: MicroPythonBridge, tmp_path: Path) -> None:
    bridge.execute("run", program(tmp_path, "while True:\n    pass\n"))
    bridge.close()
    bridge.open()
    assert bridge.poll()["running"] is False


@pytest.mark.sim_only
def test_program_that_is_not_the_uploaded_one_is_refused(bridge: MicroPythonBridge, tmp_path: Path) -> None:
    good = program(tmp_path, "print(1)")
    for wrong, why in (
        ({**good, "digest": "0" * 64}, "not the one"),
        ({**good, "path": str(tmp_path / "none.py")}, "No such file"),
        (program(tmp_path, "x" * 70_000), "longer"),
        (program(tmp_path, "print('\x04')"), "control characters"),
        ({}, "Is a directory|cannot be read|not the one"),
    ):
        with pytest.raises(Refused, match=why):
            bridge.execute("run", wrong)
    assert bridge.poll()["running"] is False


@pytest.mark.sim_only
def test_agent_survives_eight_unplugs(kit: Microbit, tmp_path: Path) -> None:
    bridge = MicroPythonBridge(kit.endpoint, PATIENT)
    device = Watched(tmp_path, load_profile("bbc/microbit"), lambda: bridge)
    device.begin()
    baseline = resources_at_rest()
    for times in range(1, 9):
        kit.kill()
        device.until_lost()
        kit.restart()
        assert device.until_back(times)["board"] == "micro:bit with nRF51822"
    assert device.faults() == [LinkLost] * 8
    assert_nothing_left_behind(baseline)
    device.close()


@pytest.mark.sim_only
def test_serial_port_with_something_else_behind_it_is_told_as_such() -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    stop = threading.Event()

    def chatter() -> None:
        while not stop.wait(0.05):
            os.write(ours, b"T:20.1 /0.0\n")

    thread = threading.Thread(target=chatter)
    thread.start()
    bridge = MicroPythonBridge(os.ttyname(theirs), {"reply_s": 0.5})
    with pytest.raises(BadReply, match="not as a MicroPython board"):
        bridge.open()
    bridge.close()
    stop.set()
    thread.join()
    os.close(ours)
    os.close(theirs)
