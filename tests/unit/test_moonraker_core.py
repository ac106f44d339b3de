"""What Moonraker says, read: answers, notices, states of the printer, and whatever else comes instead."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges import moonraker_core as core
from firmware_bridges.base import BadReply
from firmware_bridges.machine_events import Ended
from firmware_bridges.moonraker_core import Klippy, LastJob, Print, Printer
from firmware_bridges.printer_view import Heat, State, file_name, job_name

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["status", "print_stats", "jobs", "job_totals", "result", "id", "error", "state", "filename"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
TOLD = {
    "status": {
        "webhooks": {"state": "ready", "state_message": "Printer is ready"},
        "print_stats": {"state": "printing", "filename": "fabfleet/cube #12.gcode", "message": ""},
        "virtual_sdcard": {"progress": 0.5},
        "extruder": {"temperature": 209.97, "target": 210.0},
        "heater_bed": {"temperature": 60.0, "target": 60.0},
    }
}


def test_request_is_json_rpc_with_its_number() -> None:
    asked = json.loads(core.request(7, "printer.print.start", {"filename": "a.gcode"}))
    assert asked == {"jsonrpc": "2.0", "method": "printer.print.start", "id": 7, "params": {"filename": "a.gcode"}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"jsonrpc": "2.0", "result": "ok", "id": 3}', core.Result(3, "ok")),
        (
            '{"jsonrpc": "2.0", "method": "notify_proc_stat_update", "params": [{}]}',
            core.Notice("notify_proc_stat_update"),
        ),
        (
            '{"jsonrpc": "2.0", "error": {"code": 401, "message": "Unauthorized"}, "id": 4}',
            core.Trouble(4, 401, "Unauthorized"),
        ),
    ],
)
def test_message_is_an_answer_a_trouble_or_a_notice(text: str, wanted: core.Message) -> None:
    assert core.read(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"id": 1}', '{"id": "x", "result": 1}', "[" * 100_000, "\xff"]
)
def test_what_is_no_message_is_a_bad_reply(text: str) -> None:
    with pytest.raises(BadReply):
        core.read(text)


def test_printer_is_read_from_its_objects() -> None:
    told = core.printer(TOLD)
    assert told == Printer(
        "", Heat(209.97, 210.0), Heat(60.0, 60.0), Print("printing", "fabfleet/cube #12.gcode", "", 0.5)
    )
    view = core.view(Klippy.READY, told, LastJob("fabfleet/other.gcode", "completed"), "0.11")
    assert (view.state, view.job, view.progress, view.ended) == (State.PRINTING, "cube #12", 50.0, None)


@pytest.mark.parametrize(
    ("klippy", "told", "last", "wanted"),
    [
        (Klippy.READY, Print("standby"), LastJob(), (State.READY, None)),
        (Klippy.READY, Print("standby"), LastJob("a", "klippy_shutdown"), (State.READY, Ended.FAILED)),
        (Klippy.READY, Print("paused", "a"), LastJob("a", "in_progress"), (State.PAUSED, None)),
        (Klippy.READY, Print("complete", "a"), LastJob("a", "in_progress"), (State.READY, Ended.DONE)),
        (Klippy.READY, Print("cancelled", "a"), LastJob("a", "cancelled"), (State.READY, Ended.CANCELLED)),
        (Klippy.READY, Print("error", "a"), LastJob("a", "error"), (State.READY, Ended.FAILED)),
        (Klippy.SHUTDOWN, Print("printing", "a"), LastJob("a", "in_progress"), (State.HALTED, Ended.FAILED)),
        (Klippy.STARTUP, Print(), LastJob("a", "completed"), (State.STARTING, Ended.DONE)),
        (Klippy.DISCONNECTED, Print(), LastJob("a", "in_progress"), (State.DISCONNECTED, None)),
    ],
)
def test_state_and_end_of_a_job_are_klippers_own_word(
    klippy: Klippy, told: Print, last: LastJob, wanted: tuple[State, Ended | None]
) -> None:
    view = core.view(klippy, Printer(print=told), last, "")
    assert (view.state, view.ended) == wanted


@given(st.text())
def test_whatever_text_comes_is_a_message_or_a_bad_reply(text: str) -> None:
    with contextlib.suppress(BadReply):
        core.read(text)


@given(JSON)
def test_whatever_an_answer_holds_is_read_or_a_bad_reply(result: object) -> None:
    for read in (core.server, core.printer, core.last_job, core.totals):
        try:
            read(result)
        except BadReply:
            continue


@given(st.text(max_size=200))
def test_file_is_called_as_its_job_and_leads_nowhere_else(name: str) -> None:
    file = file_name(name)
    assert "/" not in file
    assert "\\" not in file
    assert not file.startswith(".")
    assert file.endswith(".gcode")
    assert file_name(job_name(file)) == file


def test_name_that_the_controller_gives_comes_back_as_it_was() -> None:
    assert job_name(f"fabfleet/{file_name('khối lập phương.gcode #12')}") == "khối lập phương.gcode #12"
