"""The OctoPrint bridge against a real OctoPrint with its virtual printer, which fail in every way."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from contract.model import CommandStatus, Value
from firmware_bridges import bridge_for
from firmware_bridges.base import Bridge, LinkLost, Refused
from hil.farends.octoprint_server import KEY, PROMPT, SimulatedOctoprint
from hil.jobs import Write, released
from hil.lab import FarEnd
from hil.polling import assert_nothing_left_behind, poll_until, resources_at_rest
from hil.watched import Watched, assert_nonsense_is_a_bad_reply_once

pytestmark = [pytest.mark.hil, pytest.mark.xdist_group("hil/test_octoprint.py")]


@pytest.fixture
def far(octoprint: FarEnd) -> FarEnd:
    return octoprint


@pytest.fixture
def server(far: FarEnd) -> SimulatedOctoprint:
    if not isinstance(far.faults, SimulatedOctoprint):
        pytest.skip("a real printer has no faults to order")
    return far.faults


def moves(count: int) -> list[str]:
    """Each takes about a twentieth of a second."""
    return [line for number in range(count) for line in (f"G1 X{number % 100} Y1 F9000", "G4 P50")]


def ended(values: Mapping[str, Value | None]) -> bool:
    return values["printing"] is False


def test_printer_says_who_and_how_it_is(bridge: Bridge) -> None:
    values = poll_until(bridge, lambda values: isinstance(values["nozzle-temperature"], float))
    assert values["firmware"]
    assert values["state"] == "ready"


@pytest.mark.sim_only
def test_preheating_is_what_the_printer_gets_and_stop_takes_it_back(bridge: Bridge, server: SimulatedOctoprint) -> None:
    bridge.execute("preheat", {"nozzle": 60.0, "bed": 40.0})
    assert (server.state()["nozzle_target"], server.state()["bed_target"]) == (60.0, 40.0)
    bridge.execute("stop", {})
    assert bridge.poll()["nozzle-target"] == server.state()["nozzle_target"] == server.state()["bed_target"] == 0.0


@pytest.mark.sim_only
def test_job_is_uploaded_printed_and_remembered_and_the_one_before_removed(
    far: FarEnd, bridge: Bridge, server: SimulatedOctoprint, write: Write
) -> None:
    for name in ("cube.gcode #11", "khối #12"):
        job = write([f"G1 X{number} Y1 F9000" for number in range(50)], "job")
        bridge.execute("print", {**released(job), "name": name})
        values = poll_until(bridge, ended)
        assert (values["job"], values["job-result"], values["progress"]) == (name, "done", 100.0)
        assert [each.name for each in (server.uploads / "fabfleet").glob("*.gcode")] == [f"{name}.gcode"]
        assert (server.uploads / "fabfleet" / f"{name}.gcode").read_bytes() == job.read_bytes()
    another = far.bridge()
    another.open()
    values = another.poll()
    another.close()
    assert (values["job"], values["job-result"]) == ("khối #12", "done")


@pytest.mark.sim_only
def test_pause_holds_the_job_only_a_paused_one_is_resumed_and_stop_ends_it_cold(
    bridge: Bridge, server: SimulatedOctoprint, write: Write
) -> None:
    bridge.execute("print", released(write(["M104 S60", *moves(600)])))
    with pytest.raises(Refused, match="the printer is printing"):
        bridge.execute("print", released(write(moves(1), "other")))
    with pytest.raises(Refused, match="the printer is printing"):
        bridge.execute("resume", {})
    bridge.execute("pause", {})
    stands_at = bridge.poll()["progress"]
    time.sleep(1.0)
    values = bridge.poll()
    assert (values["state"], values["printing"], values["progress"]) == ("paused", True, stands_at)
    bridge.execute("resume", {})
    assert bridge.poll()["state"] == "printing"
    bridge.execute("stop", {})
    values = poll_until(bridge, lambda values: values["job-result"] != "")
    assert (values["state"], values["job-result"], values["nozzle-target"]) == ("ready", "cancelled", 0.0)
    assert server.state()["nozzle_target"] == 0.0


@pytest.mark.sim_only
def test_what_asks_for_too_much_is_refused_before_the_printer_hears_of_it(
    bridge: Bridge, server: SimulatedOctoprint, write: Write
) -> None:
    with pytest.raises(Refused, match="line 2: M104 asks for 400 °C"):
        bridge.execute("print", released(write(["G28", "M104 S400"], "hot")))
    with pytest.raises(Refused, match="0 to 250 °C"):
        bridge.execute("preheat", {"nozzle": 300.0})
    for action in ("pause", "resume", "fly"):
        with pytest.raises(Refused):
            bridge.execute(action, {})
    assert not list((server.uploads / "fabfleet").glob("hot*"))


@pytest.mark.sim_only
def test_printer_that_stops_itself_fails_the_job_and_is_no_lost_link(
    device: Watched, server: SimulatedOctoprint, write: Write
) -> None:
    baseline = resources_at_rest()
    assert device.print(write(moves(600))).status is CommandStatus.DONE
    server.tell("!!DEBUG:trigger_fatal_error_marlin")
    values = device.until(lambda values: values["state"] in ("disconnected", "halted") and ended(values))
    assert (values["job"], values["job-result"]) == ("cube", "failed")
    assert device.do("preheat", nozzle=30.0, bed=30.0).status is CommandStatus.REFUSED
    server.tell("connect")
    device.until(lambda values: values["state"] == "ready")
    assert device.faults() == []
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_server_killed_or_frozen_is_lost_once_each_and_readings_resume(
    device: Watched, server: SimulatedOctoprint
) -> None:
    baseline = resources_at_rest()
    server.kill()
    device.until_lost()
    assert device.do("preheat", nozzle=30.0, bed=30.0).status is CommandStatus.FAILED
    server.restart()
    assert device.until_back(1)
    server.tell("freeze")
    device.until_lost()
    time.sleep(PROMPT["reply_s"] + 1.0)  # longer than one attempt to open it
    server.tell("thaw")
    device.until_back(2)
    assert device.faults() == [LinkLost, LinkLost]
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_server_that_answers_nonsense_is_a_bad_reply_once_and_readings_resume(far: FarEnd, tmp_path: Path) -> None:
    assert_nonsense_is_a_bad_reply_once(far, tmp_path)


@pytest.mark.sim_only
def test_key_is_wanted_and_nobody_else_gets_to_see_it(
    far: FarEnd, server: SimulatedOctoprint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = {**far.profile.options, **PROMPT, "key": ""}
    for wrong in ("", "X" * 32):
        with pytest.raises(Refused, match="wants a key"):
            bridge_for("octoprint", far.endpoint, {**told, "key": wrong}).open()
    key_file = tmp_path / "key"
    key_file.write_text(f"{KEY}\n")
    key_file.chmod(0o644)
    bridge = bridge_for("octoprint", far.endpoint, {**told, "key_file": str(key_file)})
    with pytest.raises(Refused, match="everybody may read it"):
        bridge.open()
    key_file.chmod(0o600)
    bridge.open()
    assert bridge.poll()["state"]
    bridge.close()
    assert KEY not in caplog.text + server.log.read_text(errors="replace")
