"""The Moonraker bridge against real Klipper host code and a real Moonraker, which fail in every way."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from contract.model import CommandStatus, Value
from firmware_bridges import bridge_for
from firmware_bridges.base import Bridge, LinkLost, Refused
from hil.farends.klipper_printer import PROMPT, SimulatedKlipper
from hil.jobs import Write, released
from hil.lab import FarEnd, Faults, Truth
from hil.polling import assert_nothing_left_behind, poll_until, resources_at_rest
from hil.watched import Watched, assert_nonsense_is_a_bad_reply_once

pytestmark = [pytest.mark.hil, pytest.mark.xdist_group("hil/test_moonraker.py")]


@pytest.fixture
def far(moonraker: FarEnd) -> FarEnd:
    return moonraker


@pytest.fixture
def klipper(far: FarEnd) -> SimulatedKlipper:
    if not isinstance(far.faults, SimulatedKlipper):
        pytest.skip("a real printer has no faults to order")
    return far.faults


def moves(seconds: int) -> list[str]:
    """So long that they take about so many seconds."""
    return ["G28", *(f"G1 X{50 * (number % 2)} Y0 F3000" for number in range(seconds))]


def ended(values: Mapping[str, Value | None]) -> bool:
    return values["printing"] is False


def under_way(values: Mapping[str, Value | None]) -> bool:
    return values["printing"] is True


def test_printer_says_who_and_how_it_is(bridge: Bridge) -> None:
    values = poll_until(bridge, lambda values: values["state"] == "ready")
    assert values["firmware"]
    assert isinstance(values["nozzle-temperature"], float)


@pytest.mark.motion
def test_printer_finds_its_start_position(bridge: Bridge) -> None:
    bridge.execute("home", {})
    assert bridge.poll()["state"] == "ready"


@pytest.mark.sim_only
def test_preheating_is_what_the_heaters_get_and_stop_takes_it_back(bridge: Bridge, truth: Truth) -> None:
    bridge.execute("preheat", {"nozzle": 60.0, "bed": 40.0})
    values = poll_until(bridge, lambda values: _at_least(values["nozzle-temperature"], 55.0))
    assert (values["nozzle-target"], values["bed-target"]) == (60.0, 40.0)
    assert truth.state()["nozzle"] > 50.0
    bridge.execute("stop", {})
    assert bridge.poll()["nozzle-target"] == 0.0
    assert truth.state()["nozzle_power"] == truth.state()["bed_power"] == 0.0


@pytest.mark.sim_only
def test_job_is_uploaded_printed_and_remembered_and_the_one_before_removed(
    bridge: Bridge, klipper: SimulatedKlipper, write: Write
) -> None:
    for name in ("cube.gcode #11", "khối #12"):
        job = write(moves(1), "job")
        bridge.execute("print", {**released(job), "name": name})
        values = poll_until(bridge, ended)
        assert (values["job"], values["job-result"], values["progress"]) == (name, "done", 100.0)
        assert [each.name for each in (klipper.uploads / "fabfleet").glob("*.gcode")] == [f"{name}.gcode"]
        assert (klipper.uploads / "fabfleet" / f"{name}.gcode").read_bytes() == job.read_bytes()
    assert _at_least(values["print-time"], 0.0)


@pytest.mark.sim_only
def test_pause_holds_the_job_resume_goes_on_and_stop_ends_it_cold(bridge: Bridge, truth: Truth, write: Write) -> None:
    bridge.execute("print", released(write(["M104 S60", *moves(60)])))
    with pytest.raises(Refused, match="the printer is printing"):
        bridge.execute("print", released(write(moves(1), "other")))
    with pytest.raises(Refused, match="not paused"):
        bridge.execute("resume", {})
    bridge.execute("pause", {})
    stands_at = bridge.poll()["progress"]
    time.sleep(1.0)
    values = bridge.poll()
    assert (values["state"], values["printing"], values["progress"]) == ("paused", True, stands_at)
    bridge.execute("resume", {})
    assert bridge.poll()["state"] == "printing"
    bridge.execute("stop", {})
    values = bridge.poll()
    assert (values["state"], values["job-result"], values["nozzle-target"]) == ("ready", "cancelled", 0.0)
    assert truth.state()["nozzle_power"] == 0.0


@pytest.mark.sim_only
def test_what_asks_for_too_much_is_refused_before_the_printer_hears_of_it(
    bridge: Bridge, klipper: SimulatedKlipper, write: Write
) -> None:
    with pytest.raises(Refused, match="line 2: M104 asks for 400 °C"):
        bridge.execute("print", released(write(["G28", "M104 S400"], "hot")))
    with pytest.raises(Refused, match="not the file that was released"):
        bridge.execute("print", {**released(write(moves(1), "other")), "digest": "0" * 64})
    with pytest.raises(Refused, match="0 to 250 °C"):
        bridge.execute("preheat", {"nozzle": 300.0})
    for action in ("pause", "resume", "fly"):
        with pytest.raises(Refused):
            bridge.execute(action, {})
    assert not list((klipper.uploads / "fabfleet").glob("hot*"))


@pytest.mark.sim_only
def test_emergency_stop_fails_the_job_and_a_restart_brings_the_printer_back(bridge: Bridge, write: Write) -> None:
    bridge.execute("print", released(write(moves(60))))
    bridge.execute("emergency-stop", {})
    values = bridge.poll()
    assert (values["state"], values["printing"], values["job-result"]) == ("halted", False, "failed")
    assert values["fault"] == "Shutdown due to webhooks request"
    with pytest.raises(Refused, match="halted"):
        bridge.execute("home", {})
    bridge.execute("restart", {})
    values = bridge.poll()
    assert (values["state"], values["fault"], values["job"], values["job-result"]) == ("ready", "", "cube", "failed")


@pytest.mark.sim_only
def test_broken_sensor_halts_the_printer_and_says_why(bridge: Bridge, faults: Faults) -> None:
    faults.tell("sensor bed break")
    values = poll_until(bridge, lambda values: values["state"] == "halted")
    assert values["fault"] == "MCU 'mcu' shutdown: ADC out of range"
    faults.tell("sensor bed mend")
    bridge.execute("restart", {})
    assert bridge.poll()["state"] == "ready"


@pytest.mark.sim_only
def test_klipper_that_ended_is_told_as_such_and_is_no_lost_link(device: Watched, faults: Faults) -> None:
    baseline = resources_at_rest()
    faults.tell("host kill")
    device.until(lambda values: values["state"] == "disconnected" and values["nozzle-temperature"] is None)
    refused = device.do("home")
    assert (refused.status, refused.detail) == (CommandStatus.REFUSED, "the printer is disconnected")
    faults.tell("host start")
    device.until(lambda values: values["state"] == "ready")
    assert device.faults() == []
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_server_killed_in_mid_job_is_found_again_and_the_job_went_on(
    device: Watched, faults: Faults, write: Write
) -> None:
    baseline = resources_at_rest()
    assert device.print(write(moves(12))).status is CommandStatus.DONE
    device.until(under_way)
    faults.kill()
    device.until_lost()
    assert device.do("home").status is CommandStatus.FAILED
    faults.restart()
    device.until_back(1)
    values = device.until(ended)
    assert (values["job"], values["job-result"]) == ("cube", "done")
    assert device.faults() == [LinkLost]
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_frozen_server_is_reported_lost_once_and_readings_resume(device: Watched, faults: Faults) -> None:
    baseline = resources_at_rest()
    faults.tell("freeze")
    device.until_lost()
    time.sleep(PROMPT["reply_s"] + 1.0)  # longer than one attempt to open it
    assert device.faults() == [LinkLost]
    faults.tell("thaw")
    device.until_back(1)
    assert device.faults() == [LinkLost]
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_server_that_answers_nonsense_is_a_bad_reply_once_and_readings_resume(far: FarEnd, tmp_path: Path) -> None:
    assert_nonsense_is_a_bad_reply_once(far, tmp_path)


@pytest.mark.sim_only
def test_locked_server_wants_its_key_which_nobody_else_gets_to_see(
    far: FarEnd, tmp_path: Path, caplog: pytest.LogCaptureFixture, write: Write
) -> None:
    caplog.set_level(logging.DEBUG)
    server = SimulatedKlipper(tmp_path / "locked", locked=True)
    told = {**far.profile.options, **PROMPT}
    try:
        for wrong in ({}, {"key": "0123456789abcdef" * 2}):
            with pytest.raises(Refused, match="wants a key") as refused:
                bridge_for("moonraker", server.endpoint, {**told, **wrong}).open()
            assert "0123456789abcdef" not in str(refused.value)
        bridge = bridge_for("moonraker", server.endpoint, {**told, "key_file": str(server.key_file)})
        server.key_file.chmod(0o644)
        with pytest.raises(Refused, match="everybody may read it"):
            bridge.open()
        server.key_file.chmod(0o600)
        bridge.open()
        bridge.execute("print", released(write(moves(1))))
        assert poll_until(bridge, ended)["job-result"] == "done"
        bridge.close()
    finally:
        server.close()
    key = server.key_file.read_text()
    assert key not in caplog.text
    assert all(key not in log.read_text(errors="replace") for log in (tmp_path / "locked" / "logs").glob("moonraker*"))


def _at_least(value: Value | None, least: float) -> bool:
    return isinstance(value, float) and value >= least
