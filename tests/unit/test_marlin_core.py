"""The Marlin core, without a printer: recorded conversations, and what firmware and lines do wrong."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridges.machine_events import Confirmed, Ended, Fault, JobEnded, NotNow, Rejected
from firmware_bridges.marlin_core import MarlinCore
from firmware_bridges.marlin_lines import KEPT, Lines, OutOfStep, encode
from firmware_bridges.marlin_state import JOB_STATES, TRANSITIONS, State, Trigger
from firmware_bridges.marlin_view import Event, Job, Settings
from firmware_bridges.record import Way
from tests.replay import pieces, replay, said

IDENTITY = b"FIRMWARE_NAME:Marlin 2.1.2 MACHINE_TYPE:Ender-3\nCap:AUTOREPORT_TEMP:1\nCap:EMERGENCY_PARSER:1\nok\n"


DEFAULTS = Settings()


def ready_core(settings: Settings = DEFAULTS) -> MarlinCore:
    """A core that has greeted its printer; all it asked is answered. The time is 0."""
    core = MarlinCore(settings)
    core.start(0)
    core.receive(b"ok\n" + IDENTITY + b"ok\nok T:21.0 /0.0 B:21.0 /0.0\n", 0)
    core.to_send()
    assert core.state is State.READY
    return core


def job(count: int, name: str = "cube") -> Job:
    return Job(name, iter([f"G1 X{number}" for number in range(count)]), count)


def commands(data: bytes) -> list[str]:
    """What numbered lines say, without number and checksum."""
    return [line.partition(b" ")[2].rpartition(b"*")[0].decode() for line in data.splitlines() if line[:1] == b"N"]


def run(core: MarlinCore, rounds: int = 1000, now_ms: int = 0) -> tuple[list[str], list[Event]]:
    """Answer ok to whatever it sends, until it sends nothing."""
    said_, events = commands(core.to_send()), []
    for _ in range(rounds):
        events += core.receive(b"ok\n", now_ms)
        sent = commands(core.to_send())
        if not sent:
            break
        said_ += sent
    return said_, events


@pytest.mark.parametrize("chunk", [1, 7, 4096])
@pytest.mark.parametrize("scene", ["printed", "cancelled", "runaway"])
def test_core_says_what_was_recorded_however_the_answers_come(scene: str, chunk: int) -> None:
    transcript = pieces(f"marlin/{scene}")
    core = MarlinCore()
    marks: dict[str, Callable[[], object]] = {
        "print": lambda: core.print_job(Job("moves", iter(f"G1 X{n} Y10 F9000" for n in range(60)), 60)),
        "pause": core.pause,
        "resume": core.resume,
        "cancel": core.cancel,
    }
    core.start(0)
    assert replay(transcript, core, marks, chunk) == said(transcript, Way.TO_DEVICE)
    view = core.view()
    assert (view.state, view.ended, view.job) == (
        State.READY,
        {"printed": Ended.DONE, "cancelled": Ended.CANCELLED, "runaway": Ended.FAILED}[scene],
        "moves",
    )
    assert view.resends == (5 if scene == "printed" else 0)
    assert view.firmware is not None
    assert view.firmware.name == "Virtual Marlin 1.0"


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"ok\n", b"Resend: 3\n", b"start\n"]))))
@settings(max_examples=200)
def test_no_bytes_upset_the_core_nor_make_it_send_what_nobody_ordered(chunks: list[bytes]) -> None:
    core = ready_core()
    core.print_job(job(5))
    sent = core.to_send()
    for now_ms, chunk in enumerate(chunks):
        core.receive(chunk, now_ms * 100)
        core.tick(now_ms * 100)
        sent += core.to_send()
    allowed = {"M105", "M110 N0", "M115", "M155 S2", "M400", *core._settings.cancel, *(f"G1 X{n}" for n in range(5))}
    assert set(commands(sent)) <= allowed


def test_every_state_can_be_left_and_is_reached() -> None:
    reached = {state for row in TRANSITIONS.values() for state in row.values()}
    assert reached == set(State)
    assert {state for state, row in TRANSITIONS.items() if not row} == {State.LOST}
    assert all(TRANSITIONS[state][Trigger.HALT] is State.HALTED for state in JOB_STATES)


def test_job_is_sent_in_order_and_done_when_the_machine_has_come_to_rest() -> None:
    core = ready_core()
    order = core.print_job(job(3))
    sent, events = run(core)
    assert sent == ["M105", "G1 X0", "G1 X1", "G1 X2", "M400"]
    assert Confirmed(order) in events
    assert JobEnded("cube", Ended.DONE) in events
    assert core.state is State.READY


def test_job_begins_once_the_printer_answers_and_not_only_when_its_first_command_is_through() -> None:
    core = ready_core()
    order = core.print_job(Job("hot", iter(["M190 S60", "G28"]), 2))
    assert commands(core.to_send()) == ["M105"]
    assert Confirmed(order) not in core.tick(1_000)
    assert Confirmed(order) in core.receive(b"ok T:21.0 /0.0 B:21.0 /0.0\n", 1_500)
    assert commands(core.to_send()) == ["M190 S60"]


def test_job_whose_file_ends_early_has_failed_and_the_printer_is_cooled() -> None:
    core = ready_core()
    core.print_job(Job("cut", iter(["G1 X1"]), 2))
    sent, events = run(core)
    assert sent == ["M105", "G1 X1", "M104 S0", "M140 S0", "M107", "M84"]
    assert JobEnded("cut", Ended.FAILED) in events


def test_paused_job_sends_nothing_more_until_it_is_resumed() -> None:
    core = ready_core()
    core.print_job(job(4))
    core.receive(b"ok\nok\n", 0)
    pause = core.pause()
    sent, events = run(core)
    assert sent == ["M105", "G1 X0", "G1 X1", "M400"]
    assert Confirmed(pause) in events
    assert core.state is State.PAUSED
    core.resume()
    assert run(core)[0] == ["G1 X2", "G1 X3", "M400"]


def test_pause_that_is_resumed_before_the_machine_stands_is_dropped() -> None:
    core = ready_core()
    core.print_job(job(2))
    pause = core.pause()
    core.resume()
    assert any(isinstance(event, Rejected) and event.order == pause for event in core.receive(b"", 0))
    assert "M400" not in run(core, 2)[0]


def test_stop_breaks_off_a_wait_for_heat_and_switches_off() -> None:
    core = ready_core()
    core.print_job(Job("hot", iter(["M109 S200", "G28"]), 2))
    core.receive(b"ok\n", 0)
    core.to_send()
    core.cancel()
    assert core.to_send() == b"M108\n"
    sent, events = run(core)
    assert sent == ["M104 S0", "M140 S0", "M107", "M84"]
    assert JobEnded("hot", Ended.CANCELLED) in events


def test_pause_at_the_display_pauses_and_cancel_there_cancels() -> None:
    core = ready_core()
    core.print_job(job(9))
    states = []
    for action in (b"paused", b"cancel", b"resume"):
        core.receive(b"//action:%s\n" % action, 0)
        states.append(core.state)
    assert states == [State.PAUSING, State.CANCELLING, State.CANCELLING]


def test_what_does_not_fit_the_state_is_refused() -> None:
    core = ready_core()
    for act in (core.pause, core.resume, core.cancel):
        with pytest.raises(NotNow):
            act()
    core.print_job(job(2))
    with pytest.raises(NotNow):
        core.print_job(job(2))


def test_thermal_runaway_is_one_fault_of_its_class_and_nothing_is_sent_after_it() -> None:
    core = ready_core()
    core.print_job(job(9))
    events = core.receive(
        b"Error:Thermal Runaway, system stopped! Heater_ID: bed\nError:Printer halted. kill() called!\n", 0
    )
    assert [event.kind for event in events if isinstance(event, Fault)] == ["thermal"]
    assert core.to_send() == b""
    core.receive(b"ok\n", 0)
    core.tick(10**6)
    assert core.to_send() == b""
    with pytest.raises(NotNow):
        core.order(("G28",))


def test_restart_in_mid_job_fails_the_job_and_greets_anew() -> None:
    core = ready_core()
    core.print_job(job(9))
    core.to_send()
    events = core.receive(b"start\n", 0)
    assert [event.kind for event in events if isinstance(event, Fault)] == ["restarted"]
    assert any(isinstance(event, JobEnded) and event.ended is Ended.FAILED for event in events)
    assert b"N0 M110 N0" in core.to_send()
    core.receive(b"ok\n" + IDENTITY, 0)
    assert core.state is State.READY


def test_lost_ok_is_cured_by_sending_the_line_again() -> None:
    core = ready_core()
    core.print_job(job(3))
    core.receive(b"ok\n", 0)
    core.to_send()
    core.receive(b"T:21 /0\n", 7_000)
    core.tick(8_000)
    assert commands(core.to_send()) == ["G1 X0"]
    core.receive(b"Error:Line Number is not Last Line Number+1, Last Line: 5\nResend: 6\nok\n", 8_010)
    core.tick(8_400)
    assert commands(core.to_send()) == ["G1 X1"]


def test_printer_that_never_says_ok_is_lost_after_three_tries() -> None:
    core = ready_core()
    core.print_job(job(3))
    events: list[Event] = []
    for second in range(60):
        events += core.receive(b"T:21 /0 B:21 /0\n", second * 1000)
        events += core.tick(second * 1000)
    assert [event.kind for event in events if isinstance(event, Fault)] == ["silent"]
    assert core.state is State.LOST
    assert commands(core.to_send()) == []


def test_slow_command_is_waited_for_as_long_as_the_printer_shows_life() -> None:
    core = ready_core()
    core.print_job(Job("hot", iter(["M109 S200", "G1 X1"]), 2))
    core.receive(b"ok\n", 0)
    core.to_send()
    for second in range(100):
        core.receive(b"T:%d E:0 W:?\n" % second, second * 1000)
        core.tick(second * 1000)
    assert core.to_send() == b""
    core.receive(b"ok\n", 100_000)
    assert commands(core.to_send())[-1] == "G1 X1"


def test_busy_printer_is_not_asked_again() -> None:
    core = ready_core()
    core.print_job(job(2))
    core.to_send()
    for second in range(60):
        core.receive(b"echo:busy: processing\n", second * 1000)
        core.tick(second * 1000)
    assert core.to_send() == b""
    assert core.state is State.PRINTING


def test_silence_is_one_fault() -> None:
    core = ready_core(Settings(silence_ms=5_000))
    events = [event for second in range(30) for event in core.tick(second * 1000)]
    assert [event.kind for event in events if isinstance(event, Fault)] == ["silent"]


def test_temperatures_are_asked_for_where_they_do_not_come_of_themselves() -> None:
    core = MarlinCore()
    core.start(0)
    core.receive(b"ok\nFIRMWARE_NAME:Marlin 1.0\nok\n", 0)
    core.to_send()
    core.receive(b"ok T:20 /0\n", 0)
    core.tick(2_000)
    assert commands(core.to_send()) == ["M105"]


def test_checksum_is_the_exclusive_or_of_the_line() -> None:
    assert encode(0, "M110 N0") == b"N0 M110 N0*125\n"
    assert encode(3, "T0") == b"N3 T0*57\n"


@given(st.data())
def test_line_asked_for_again_is_sent_again_and_nothing_is_left_out(data: st.DataObject) -> None:
    """A printer that refuses lines at random, and takes only the next one, gets every line once."""
    lines, taken, wanted = Lines(), [], 1
    for number in range(1, 21):
        out = lines.send(f"G{number}", 0)
        while out:
            refuse = data.draw(st.booleans()) and lines.resends < 9
            if refuse:
                lines.asked_again(wanted)
                lines.ok(0)
            else:
                taken.append(out)
                wanted += 1
                lines.ok(0)
            out = lines.replay(0)
    assert taken == [encode(number, f"G{number}") for number in range(1, 21)]
    assert lines.idle(0)


def test_printer_that_counts_anew_behind_our_back_is_greeted_alone_and_in_step_again() -> None:
    """Marlin reads ahead: a second greeting that it carries out late takes its count back by the lines read since."""
    core = ready_core()
    core.order(("G28",))
    for _ in range(4):
        core.to_send()
        core.receive(b"Error:Line Number is not Last Line Number+1, Last Line: 0\nResend: 1\nok\n", 0)
    assert commands(core.to_send()) == ["M110 N0"]
    core.receive(b"ok\n" + IDENTITY, 0)
    assert core.state is State.READY


def test_line_that_nobody_has_any_more_is_out_of_step() -> None:
    lines = Lines()
    for number in range(KEPT + 5):
        lines.send(f"G{number}", 0)
        lines.ok(0)
    for number in (1, 5, KEPT + 7):
        with pytest.raises(OutOfStep):
            lines.asked_again(number)
