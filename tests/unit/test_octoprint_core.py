"""What OctoPrint says, read: the machine, the job, its end, and whatever else comes instead."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges import octoprint_core as core
from firmware_bridges.base import BadReply
from firmware_bridges.machine_events import Ended
from firmware_bridges.octoprint_core import End, Machine, Selected
from firmware_bridges.printer_view import Heat, State
from tests.unit.test_moonraker_core import JSON

READERS = (core.machine, core.selected, core.pushed, core.session, core.uploaded, core.listed)


def told(**flags: bool) -> bytes:
    heat = {"tool0": {"actual": 210.1, "target": 210, "offset": 0}, "bed": {"actual": 60.0, "target": 60.0}}
    state = {"text": "", "error": "heater", "flags": {"operational": True, **flags}}
    return json.dumps({"state": state, "temperature": heat}).encode()


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({"ready": True}, State.READY),
        ({"printing": True}, State.PRINTING),
        ({"printing": True, "pausing": True}, State.PAUSING),
        ({"paused": True, "ready": True}, State.PAUSED),
        ({"printing": True, "finishing": True}, State.FINISHING),
        ({"cancelling": True, "printing": True}, State.CANCELLING),
        ({"error": True, "closedOrError": True}, State.HALTED),
        ({"closedOrError": True}, State.DISCONNECTED),
        ({}, State.BUSY),
    ],
)
def test_state_is_the_first_flag_that_counts(flags: Mapping[str, bool], wanted: State) -> None:
    machine = core.machine(told(**flags))
    assert (machine.state, machine.nozzle, machine.bed) == (wanted, Heat(210.1, 210.0), Heat(60.0, 60.0))
    assert machine.fault == ("heater" if wanted is State.HALTED else "")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("Offline", State.DISCONNECTED),
        ("Detecting serial connection", State.STARTING),
        ("Offline after error", State.HALTED),
    ],
)
def test_without_a_machine_the_words_tell(words: str, wanted: State) -> None:
    assert core.without_machine(Selected(words=words)).state is wanted


@pytest.mark.parametrize(
    ("kind", "reason", "wanted"),
    [
        ("PrintDone", "", Ended.DONE),
        ("PrintFailed", "cancelled", Ended.CANCELLED),
        ("PrintFailed", "error", Ended.FAILED),
    ],
)
def test_push_update_tells_how_a_job_ended(kind: str, reason: str, wanted: Ended) -> None:
    payload = {"path": "fabfleet/cube.gcode", "reason": reason}
    assert core.pushed(json.dumps({"event": {"type": kind, "payload": payload}})) == End("fabfleet/cube.gcode", wanted)


def test_push_update_about_anything_else_tells_nothing() -> None:
    assert core.pushed('{"connected": {"version": "1.11.8"}}') is None
    assert core.pushed('{"event": {"type": "ZChange", "payload": {"new": 1}}}') is None


def test_end_of_another_file_is_not_that_of_this_one() -> None:
    end = End("fabfleet/a.gcode", Ended.DONE)
    this = core.view(Machine(State.READY), Selected("fabfleet/a.gcode", "a.gcode", 30.0), end, "1")
    other = core.view(Machine(State.READY), Selected("fabfleet/b.gcode", "b.gcode", 30.0), end, "1")
    assert (this.job, this.ended, this.progress) == ("a", Ended.DONE, 100.0)
    assert (other.job, other.ended, other.progress) == ("b", None, 30.0)
    assert core.view(Machine(State.DISCONNECTED), Selected(), end, "1").job == "a"


def test_file_is_asked_for_by_an_address_that_it_cannot_leave() -> None:
    assert core.file_address("fabfleet/khối #1?.gcode") == "/api/files/local/fabfleet/kh%E1%BB%91i%20%231%3F.gcode"


@given(JSON | st.binary(max_size=60))
def test_whatever_an_answer_holds_is_read_or_a_bad_reply(result: object) -> None:
    content = result if isinstance(result, bytes) else json.dumps(result).encode()
    for read in (*READERS, lambda content: core.last_end(content, "a")):
        try:
            read(content)
        except BadReply:
            continue
    assert core.refusal(content) is not None
