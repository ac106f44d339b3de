"""The PrusaLink bridge against a server that keeps to PrusaLink's specification, and against one that does not."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given

from contract.model import CommandStatus, Value
from device_profiles.profile import load
from firmware_bridges import prusalink_core as core
from firmware_bridges.base import BadReply, BridgeError, LinkLost, Refused
from firmware_bridges.prusalink import PrusalinkBridge
from hil.farends.prusalink_server import KEY, PASSWORD, PrusalinkServer
from hil.polling import assert_nothing_left_behind, poll_until, resources_at_rest
from hil.watched import Watched
from tests.integration.mqtt import eventually
from tests.unit.test_moonraker_core import JSON

OPTIONS = {**load("prusa/mk4").options, "connect_s": 2.0, "reply_s": 2.0, "confirm_s": 20.0}


@pytest.fixture
def printer() -> Iterator[PrusalinkServer]:
    made = PrusalinkServer()
    yield made
    made.close()


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Value]:
    path = tmp_path / "cube.gcode"
    path.write_text("G28\nG1 X10 Y10 F3000\n")
    return {"path": str(path), "digest": hashlib.sha256(path.read_bytes()).hexdigest(), "name": "khối #12"}


def opened(printer: PrusalinkServer, **told: str) -> PrusalinkBridge:
    bridge = PrusalinkBridge(printer.endpoint, {**OPTIONS, **(told or {"key": KEY})})
    bridge.open()
    return bridge


def test_job_is_uploaded_printed_and_remembered(printer: PrusalinkServer, job: dict[str, Value]) -> None:
    bridge = opened(printer)
    assert bridge.poll()["state"] == "ready"
    bridge.execute("print", job)
    values = bridge.poll()
    assert (values["state"], values["printing"], values["job"], values["nozzle-target"]) == (
        "printing",
        True,
        "khối #12",
        215.0,
    )
    assert printer.model.content == Path(str(job["path"])).read_bytes()
    values = poll_until(bridge, lambda values: values["printing"] is False)
    assert (values["job"], values["job-result"], values["progress"]) == ("khối #12", "done", 100.0)
    printer.model.state = "IDLE"
    assert bridge.poll()["job-result"] == "done", "the printer itself has forgotten it"


def test_stick_never_fills_up_with_jobs_and_keeps_what_is_not_ours(
    printer: PrusalinkServer, job: dict[str, Value]
) -> None:
    printer.model.stored, printer.model.most = {"benchy.gcode": "BENCHY~1.GCO"}, 2
    bridge = opened(printer)
    for name in ("cube", "khối #12", "khối #12", "vase"):
        printer.model.job_s = 600.0
        bridge.execute("print", {**job, "name": name})
        assert sorted(printer.model.stored) == ["benchy.gcode", f"fabfleet/{name}.gcode"]
        assert bridge.poll()["job"] == name
        bridge.execute("stop", {})
    assert printer.model.folders == {"", "fabfleet"}


def test_pause_resume_and_stop_are_what_the_printer_says(printer: PrusalinkServer, job: dict[str, Value]) -> None:
    printer.model.job_s = 600.0
    bridge = opened(printer)
    for action in ("pause", "resume", "stop", "fly"):
        with pytest.raises(Refused):
            bridge.execute(action, {})
    bridge.execute("print", job)
    with pytest.raises(Refused, match="the printer is printing"):
        bridge.execute("print", job)
    bridge.execute("pause", {})
    assert printer.model.state == "PAUSED"
    bridge.execute("resume", {})
    assert printer.model.state == "PRINTING"
    bridge.execute("stop", {})
    values = bridge.poll()
    assert (values["state"], values["job-result"]) == ("ready", "cancelled")


def test_printer_that_wants_somebody_or_stopped_itself_says_so(printer: PrusalinkServer, job: dict[str, Value]) -> None:
    printer.model.job_s = 600.0
    bridge = opened(printer)
    bridge.execute("print", job)
    printer.model.state = "ATTENTION"
    values = bridge.poll()
    assert (values["waits-for-user"], values["printing"]) == (True, True)
    printer.model.state = "ERROR"
    values = bridge.poll()
    assert (values["state"], values["fault"], values["job-result"]) == ("halted", "THERMAL RUNAWAY", "failed")


def test_job_that_asks_for_too_much_never_reaches_the_printer(printer: PrusalinkServer, tmp_path: Path) -> None:
    path = tmp_path / "hot.gcode"
    path.write_text("M104 S400\n")
    bridge = opened(printer)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(Refused, match="line 1: M104 asks for 400 °C"):
        bridge.execute("print", {"path": str(path), "digest": digest, "name": "hot"})
    assert not [line for line in printer.heard if line.startswith("PUT")]


def test_password_goes_by_digest_and_a_worn_out_nonce_is_replaced(
    printer: PrusalinkServer, job: dict[str, Value]
) -> None:
    bridge = opened(printer, password=PASSWORD)
    assert bridge.poll()["state"] == "ready"
    before = len(printer.heard)
    bridge.poll()
    assert len(printer.heard) - before == 2, "the challenge is asked for once"
    printer.nonce = "another"
    bridge.execute("print", job)
    assert bridge.poll()["printing"] is True


@pytest.mark.parametrize("told", [{"key": "wrong"}, {"password": "wrong"}, {"user": "nobody"}])
def test_whoever_has_no_right_key_is_refused(printer: PrusalinkServer, told: dict[str, str]) -> None:
    with pytest.raises(Refused, match="wants a key or a password") as refused:
        opened(printer, **told)
    assert "wrong" not in str(refused.value)
    assert not [line for line in printer.heard if KEY in line or PASSWORD in line]


@pytest.mark.parametrize(
    ("fault", "wanted"), [("silent", LinkLost), ("garbage", BadReply), ("huge", BadReply), ("error", BadReply)]
)
def test_each_fault_is_told_as_what_it_is(printer: PrusalinkServer, fault: str, wanted: type[BridgeError]) -> None:
    bridge = opened(printer)
    printer.model.fault = fault
    with pytest.raises(wanted):
        bridge.poll()
    printer.model.fault = "none"
    assert bridge.poll()["state"] == "ready"


def test_agent_loses_it_once_and_finds_it_again_with_its_job(
    printer: PrusalinkServer, job: dict[str, Value], tmp_path: Path
) -> None:
    printer.model.job_s = 600.0
    told = {**OPTIONS, "key": KEY}
    device = Watched(tmp_path / "agent", load("prusa/mk4"), lambda: PrusalinkBridge(printer.endpoint, told))
    try:
        device.begin()
        baseline = resources_at_rest()
        assert device.print(Path(str(job["path"]))).status is CommandStatus.DONE
        printer.close()
        device.until_lost()
        printer.begin()
        values = device.until_back(1)
        assert (values["job"], values["printing"]) == ("cube", True)
        assert device.faults() == [LinkLost]
        assert_nothing_left_behind(baseline)
    finally:
        device.close()


@pytest.mark.parametrize(
    ("fault", "wanted"), [("silent", LinkLost), ("garbage", BadReply), ("huge", BadReply), ("locked", Refused)]
)
def test_agent_survives_a_server_that_answers_wrongly(
    printer: PrusalinkServer, fault: str, wanted: type[BridgeError], tmp_path: Path
) -> None:
    """`locked`: its key is another one."""
    told = {**OPTIONS, "key": KEY, "reply_s": 0.4}
    device = Watched(tmp_path, load("prusa/mk4"), lambda: PrusalinkBridge(printer.endpoint, told))
    try:
        device.begin()
        baseline = resources_at_rest()
        printer.model.fault = fault
        device.until_lost()
        asked = len(printer.heard)
        eventually(lambda: len(printer.heard) > asked, "it is asked in vain once more")
        printer.model.fault = "none"
        assert device.until_back(1)["state"] == "ready"
        assert device.faults() == [wanted]
        assert_nothing_left_behind(baseline)
    finally:
        device.close()


@given(JSON)
def test_whatever_an_answer_holds_is_read_or_a_bad_reply(result: object) -> None:
    content = json.dumps(result).encode()
    for read in (core.status, core.job, core.firmware, core.refusal):
        try:
            read(content)
        except BadReply:
            continue
