"""The OctoPrint bridge against a real OctoPrint with its virtual printer, which fail in every way."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from contract.model import CommandStatus, Value
from firmware_bridges import bridge_for
from firmware_bridges.base import BadReply, Bridge, LinkLost, Refused
from hil.farends.octoprint_server import KEY, PROMPT, SimulatedOctoprint
from hil.farends.spoiler import Spoiler
from hil.lab import FarEnd
from hil.polling import assert_nothing_left_behind, poll_until, resources_at_rest
from hil.test_marlin import released
from hil.watched import Watched
from tests.integration.mqtt import eventually

pytestmark = [pytest.mark.hil, pytest.mark.xdist_group("hil/test_octoprint.py")]

Write = Callable[[str, list[str]], Path]


@pytest.fixture
def bridge(octoprint: FarEnd) -> Iterator[Bridge]:
    bridge = octoprint.bridge()
    bridge.open()
    yield bridge
    bridge.close()


@pytest.fixture
def printer(octoprint: FarEnd, tmp_path: Path) -> Iterator[Watched]:
    """The printer as the agent has it."""
    device = Watched(tmp_path, octoprint.profile, octoprint.bridge)
    device.begin()
    yield device
    device.close()


@pytest.fixture
def server(octoprint: FarEnd) -> SimulatedOctoprint:
    if not isinstance(octoprint.faults, SimulatedOctoprint):
        pytest.skip("a real printer has no faults to order")
    return octoprint.faults


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a job file."""

    def job(name: str, lines: list[str]) -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    return job


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
    octoprint: FarEnd, bridge: Bridge, server: SimulatedOctoprint, write: Write
) -> None:
    for name in ("cube.gcode #11", "khối #12"):
        job = write("job", [f"G1 X{number} Y1 F9000" for number in range(50)])
        bridge.execute("print", {**released(job), "name": name})
        values = poll_until(bridge, ended)
        assert (values["job"], values["job-result"], values["progress"]) == (name, "done", 100.0)
        assert [each.name for each in (server.uploads / "fabfleet").glob("*.gcode")] == [f"{name}.gcode"]
        assert (server.uploads / "fabfleet" / f"{name}.gcode").read_bytes() == job.read_bytes()
    another = octoprint.bridge()
    another.open()
    values = another.poll()
    another.close()
    assert (values["job"], values["job-result"]) == ("khối #12", "done")


@pytest.mark.sim_only
def test_pause_holds_the_job_only_a_paused_one_is_resumed_and_stop_ends_it_cold(
    bridge: Bridge, server: SimulatedOctoprint, write: Write
) -> None:
    bridge.execute("print", released(write("cube", ["M104 S60", *moves(600)])))
    with pytest.raises(Refused, match="the printer is printing"):
        bridge.execute("print", released(write("other", moves(1))))
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
        bridge.execute("print", released(write("hot", ["G28", "M104 S400"])))
    with pytest.raises(Refused, match="0 to 250 °C"):
        bridge.execute("preheat", {"nozzle": 300.0})
    for action in ("pause", "resume", "fly"):
        with pytest.raises(Refused):
            bridge.execute(action, {})
    assert not list((server.uploads / "fabfleet").glob("hot*"))


@pytest.mark.sim_only
def test_printer_that_stops_itself_fails_the_job_and_is_no_lost_link(
    printer: Watched, server: SimulatedOctoprint, write: Write
) -> None:
    baseline = resources_at_rest()
    assert printer.print(write("cube.gcode", moves(600))).status is CommandStatus.DONE
    server.tell("!!DEBUG:trigger_fatal_error_marlin")
    values = printer.until(lambda values: values["state"] in ("disconnected", "halted") and ended(values))
    assert (values["job"], values["job-result"]) == ("cube", "failed")
    assert printer.do("preheat", nozzle=30.0, bed=30.0).status is CommandStatus.REFUSED
    server.tell("connect")
    printer.until(lambda values: values["state"] == "ready")
    assert printer.faults() == []
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_server_killed_or_frozen_is_lost_once_each_and_readings_resume(
    printer: Watched, server: SimulatedOctoprint
) -> None:
    baseline = resources_at_rest()
    server.kill()
    printer.until_lost()
    assert printer.do("preheat", nozzle=30.0, bed=30.0).status is CommandStatus.FAILED
    server.restart()
    assert printer.until_back(1)
    server.tell("freeze")
    printer.until_lost()
    time.sleep(PROMPT["reply_s"] + 1.0)  # longer than one attempt to open it
    server.tell("thaw")
    printer.until_back(2)
    assert printer.faults() == [LinkLost, LinkLost]
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_server_that_answers_nonsense_is_a_bad_reply_once_and_readings_resume(
    octoprint: FarEnd, tmp_path: Path
) -> None:
    with Spoiler(octoprint.endpoint) as way:
        spoiled = replace(octoprint, endpoint=way.endpoint)
        printer = Watched(tmp_path, octoprint.profile, spoiled.bridge)
        printer.begin()
        baseline = resources_at_rest()
        way.spoiling.set()
        printer.until_lost()
        before = way.spoiled
        eventually(lambda: way.spoiled > before, "it is asked in vain once more")
        way.spoiling.clear()
        assert printer.until_back(1)["state"] == "ready"
        assert printer.faults() == [BadReply]
        assert_nothing_left_behind(baseline)
        printer.close()


@pytest.mark.sim_only
def test_key_is_wanted_and_nobody_else_gets_to_see_it(
    octoprint: FarEnd, server: SimulatedOctoprint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = {**octoprint.profile.options, **PROMPT, "key": ""}
    for wrong in ("", "X" * 32):
        with pytest.raises(Refused, match="wants a key"):
            bridge_for("octoprint", octoprint.endpoint, {**told, "key": wrong}).open()
    key_file = tmp_path / "key"
    key_file.write_text(f"{KEY}\n")
    key_file.chmod(0o644)
    bridge = bridge_for("octoprint", octoprint.endpoint, {**told, "key_file": str(key_file)})
    with pytest.raises(Refused, match="everybody may read it"):
        bridge.open()
    key_file.chmod(0o600)
    bridge.open()
    assert bridge.poll()["state"]
    bridge.close()
    assert KEY not in caplog.text + server.log.read_text(errors="replace")
