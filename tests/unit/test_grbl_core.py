"""The GRBL core against the emulator in its own time, recorded conversations, and bytes that nobody expects."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.gcode import cut
from device_profiles.profile import load
from firmware_bridges.grbl_core import GrblCore
from firmware_bridges.grbl_replies import Alarm, Build, Error, Garbage, Ok, Remark, Report, Setting, Started, parse
from firmware_bridges.grbl_state import CONNECTED, TRANSITIONS, State, Trigger
from firmware_bridges.grbl_stream import HOLD, IN_FLIGHT, RESET, RESUME, Stream
from firmware_bridges.grbl_view import Event, Job
from firmware_bridges.machine_events import Confirmed, Ended, Fault, JobEnded, NotNow, Rejected
from firmware_bridges.record import Way
from hil.farends.grbl_model import RX, Machine, ideal_s
from hil.record_grbl import job as recorded_job
from tests.replay import pieces, replay, said

WAIT_S = 300.0
LINES = ["G0 X10 Y10", "M4 S500 F3000", *(f"G1 X{10 + at % 2} Y{10 + at * 0.2:g}" for at in range(400))]


class Bench:
    """A core and a machine; a host turns round in `turn_s`, and time is nobody's but theirs."""

    def __init__(self, machine: Machine | None = None, turn_s: float = 0.004) -> None:
        self.machine = machine or Machine(0.0)
        self.core = GrblCore()
        self.core.start(0)
        self.events: list[Event] = []
        self.sent = b""
        self.now = 0.0
        self._turn_s = turn_s

    def until(self, true: Callable[[], bool]) -> None:
        deadline = self.now + WAIT_S
        while not true():
            assert self.now < deadline, f"{self.core.view()}, machine {self.machine.state}"
            self.turn()

    def turn(self) -> None:
        self.now += self._turn_s
        data = self.core.to_send()
        self.sent += data
        now_ms = round(self.now * 1000)
        if heard := self.machine.receive(data, self.now):
            self.events += self.core.receive(heard, now_ms)
        self.events += self.core.tick(now_ms)

    def until_state(self, *states: State) -> None:
        self.until(lambda: self.core.state in states)

    def cut(self, lines: list[str] = LINES, done: int = 30) -> None:
        """Begin a job, and wait until some of it is done."""
        self.until_state(State.READY)
        self.core.run_job(Job("sign", iter(lines), len(lines)))
        self.until(lambda: self.core.view().done >= done)

    def heard(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_first_contact_stops_what_ran_before_without_losing_the_position() -> None:
    machine = Machine(0.0)
    machine.receive(b"M3 S900\nG1 X50 F3000\n", 0.0)
    machine.tick(0.3)
    bench = Bench(machine)
    bench.now = 0.3
    bench.until_state(State.READY)
    assert machine.laser == 0.0
    assert not machine.planner.moving
    assert bench.sent.startswith(HOLD)
    assert bench.core.view().fault == ""


def test_core_knows_the_machine_it_greeted(bench: Bench) -> None:
    bench.until_state(State.READY)
    view = bench.core.view()
    assert (view.firmware, view.settings[30], view.settings[32]) == ("GRBL 1.1h.20190830", 1000, 1)
    assert view.position == (0.0, 0.0, 0.0)


def test_job_takes_no_more_than_a_twentieth_longer_than_the_machine_s_own_planner(bench: Bench) -> None:
    turns = [f"G1 X{20 + 9 * math.sin(at / 30):.3f} Y{20 + 9 * math.cos(at / 30):.3f}" for at in range(1998)]
    lines = ["G0 X20 Y29", "M4 S500 F3600", *turns]
    bench.until_state(State.READY)
    began_s = bench.now
    bench.core.run_job(Job("sign", iter(lines), len(lines)))
    bench.until_state(State.READY)
    counts = bench.machine.counts
    assert bench.core.view().ended is Ended.DONE
    assert (counts.overruns, len(counts.lines)) == (0, 2000 + 4)
    assert counts.lines[2:-2] == [line.replace(" ", "") for line in lines]
    assert bench.core.view().most_in_flight <= IN_FLIGHT < RX
    assert (bench.now - began_s) / ideal_s(lines) < 1.05


def test_emulator_that_is_sent_all_at_once_loses_bytes_as_the_real_one_does() -> None:
    machine = Machine(0.0)
    machine.receive("\n".join(LINES).encode() + b"\n", 0.0)
    machine.tick(5.0)
    assert machine.counts.overruns > 0


def test_pause_is_done_when_the_machine_stands_and_resume_goes_on_from_there(bench: Bench) -> None:
    bench.cut()
    bench.core.pause()
    assert bench.core.state is State.PAUSING
    with pytest.raises(NotNow):
        bench.core.resume()  # GRBL drops it while it slows down
    bench.until_state(State.PAUSED)
    assert bench.machine.state == "Hold:0"
    assert bench.machine.laser == 0.0
    done = bench.core.view().done
    for _ in range(100):
        bench.turn()
    assert bench.core.view().done == done
    bench.core.resume()
    bench.until_state(State.READY)
    assert bench.core.view().ended is Ended.DONE


def test_emulator_drops_a_resume_while_it_slows_down() -> None:
    machine = Machine(0.0)
    machine.receive(b"G1 X100 F6000\n", 0.0)
    machine.tick(0.5)
    machine.receive(b"!~", 0.5)
    machine.tick(0.501)
    assert machine.state == "Hold:1"
    machine.tick(3.0)
    assert machine.state == "Hold:0"
    machine.receive(RESUME, 3.0)
    machine.tick(3.1)
    assert machine.state == "Run"


def test_open_door_pauses_and_nothing_goes_on_when_it_closes(bench: Bench) -> None:
    bench.cut()
    bench.machine.open_door(opened=True)
    bench.until_state(State.DOOR)
    bench.until(lambda: bench.core.view().door_open)
    with pytest.raises(NotNow, match="door is open"):
        bench.core.resume()
    bench.machine.open_door(opened=False)
    bench.until(lambda: not bench.core.view().door_open)
    assert (bench.core.state, bench.machine.state) == (State.DOOR, "Door:0")
    bench.core.resume()
    bench.until_state(State.READY)
    assert bench.core.view().ended is Ended.DONE


def test_stop_stands_first_so_that_the_position_is_kept(bench: Bench) -> None:
    bench.cut()
    bench.core.stop()
    bench.until_state(State.READY)
    assert bench.heard(JobEnded) == [JobEnded("sign", Ended.CANCELLED, "")]
    assert bench.heard(Fault) == []
    assert bench.core.view().in_flight == 0


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_stop_just_after_the_door_opened_waits_until_it_stands(bench: Bench, turns: int) -> None:
    """GRBL of Door:2: a reset will throw an alarm."""
    bench.cut(["M4 S500 F6000", *(f"G1 X{at % 2 * 100}" for at in range(1, 40))], done=3)
    for _ in range(200):  # well on its way
        bench.turn()
    bench.machine.open_door(opened=True)
    for _ in range(turns):
        bench.core._ask()
        bench.turn()
    assert bench.machine.state == "Door:2"
    bench.core.stop()
    bench.until(lambda: bench.core.state is not State.STOPPING)
    for _ in range(200):
        bench.turn()
    assert (bench.machine.state, bench.core.view().fault, bench.heard(Fault)) == ("Door:1", "", [])
    assert bench.core.view().ended is Ended.CANCELLED


def test_reset_while_it_moves_is_an_alarm_that_locks(bench: Bench) -> None:
    bench.cut()
    bench.machine.receive(RESET, bench.now)  # the button at the machine
    bench.until_state(State.ALARM)
    bench.until(lambda: "$" in bench.sent.decode("ascii", "replace"))
    assert bench.heard(JobEnded) == [
        JobEnded("sign", Ended.FAILED, "ALARM:3 reset while moving: the position may be lost")
    ]
    assert [event.kind for event in bench.heard(Fault) if isinstance(event, Fault)] == ["alarm"]


@pytest.mark.parametrize("code", [1, 2])
def test_alarm_that_makes_the_machine_deaf_is_told_once_and_it_is_reset_but_not_unlocked(code: int) -> None:
    bench = Bench(Machine(0.0, settings={20: 1}))
    if code == 1:
        bench.cut()
        bench.machine.hit_limit()
    else:
        bench.cut(["G0 X10 Y10", "M4 S10 F3000", "G1 X900", "G1 X10"], done=1)
    bench.until(lambda: bench.machine.counts.resets == 2 and bench.core.state is State.ALARM)
    assert bench.core.view().fault.startswith(f"ALARM:{code} ")
    assert len(bench.heard(Fault)) == len(bench.heard(JobEnded)) == 1
    with pytest.raises(NotNow):
        bench.core.run_job(Job("sign", iter(LINES), len(LINES)))
    bench.until(lambda: bench.core.state is State.ALARM)
    number = bench.core.order(("$X",))
    bench.until(lambda: Confirmed(number) in bench.events and bench.core.state is State.READY)
    assert bench.core.view().fault == ""


def test_refused_line_ends_the_job_with_its_number(bench: Bench) -> None:
    bench.cut([*LINES[:50], "G38.2 Z-1", *LINES[50:]])
    bench.until_state(State.READY)
    ended = bench.heard(JobEnded)
    why = "the machine refused command 51 (G38.2 Z-1): error:20 a command that is not known"
    assert ended == [JobEnded("sign", Ended.FAILED, why)]


def test_refused_order_is_told_and_harms_nothing(bench: Bench) -> None:
    bench.until_state(State.READY)
    number = bench.core.order(("$H",))
    bench.until(lambda: bool(bench.heard(Rejected)))
    assert bench.heard(Rejected) == [Rejected(number, "error:5 homing is not switched on")]
    assert bench.core.state is State.READY


def test_blank_memory_is_told_and_does_not_count_as_an_answer(bench: Bench) -> None:
    bench.until_state(State.READY)
    bench.machine.blank = True
    bench.machine.power_on(bench.now)
    bench.until(lambda: len(bench.heard(Fault)) == 2)
    bench.until_state(State.READY)
    assert [event.kind for event in bench.heard(Fault) if isinstance(event, Fault)] == ["settings", "restarted"]
    assert bench.core.view().settings[32] == 0


def test_job_is_over_when_its_power_fails(bench: Bench) -> None:
    bench.cut()
    bench.machine.power_on(bench.now)
    bench.until_state(State.READY)
    assert bench.heard(JobEnded) == [JobEnded("sign", Ended.FAILED, "the machine was reset")]


def test_silence_is_a_lost_machine_in_time() -> None:
    core = GrblCore()
    core.start(0)
    events = [event for at in range(0, 6000, 50) for event in core.tick(at)]
    assert core.state is State.LOST
    assert [event for event in events if isinstance(event, Fault)] == [Fault("silent", "nothing heard for 5 s")]
    with pytest.raises(NotNow):
        core.stop()


@pytest.mark.parametrize(
    "lines",
    [["G0 X1 Y1", "G4 P15", "G0 X2 Y2"], ["G1 X50 F300", "G04P1.5", "G4 P12"], ["G1 X100 F300", "G1 X101"]],
    ids=["a dwell", "behind a slow move", "none but the last"],
)
def test_job_that_dwells_is_not_taken_for_stuck(bench: Bench, lines: list[str]) -> None:
    """GRBL answers a dwell when it is over, and says Idle meanwhile."""
    assert cut.review(["G0 X0 Y0 F300", *lines], cut.limits(load("grbl/laser").options["limits"])).problems == ()
    bench.until_state(State.READY)
    bench.core.run_job(Job("dwells", iter(lines), len(lines)))
    bench.until_state(State.READY)
    assert (bench.core.view().ended, bench.heard(Fault)) == (Ended.DONE, [])


def test_lost_answer_fails_the_job_instead_of_waiting_for_ever(bench: Bench) -> None:
    bench.cut()
    bench.core._stream.send("G1 X1")
    bench.until_state(State.READY)
    assert bench.heard(JobEnded) == [JobEnded("sign", Ended.FAILED, "a line or its answer was lost on the way")]


@pytest.mark.parametrize("chunk", [1, 7, 4096])
@pytest.mark.parametrize("scene", ["done", "paused", "alarm"])
def test_core_says_what_was_recorded_however_the_answers_come(scene: str, chunk: int) -> None:
    transcript = pieces(f"grbl/{scene}")
    core = GrblCore()
    marks: dict[str, Callable[[], object]] = {
        "cut": lambda: core.run_job(recorded_job()),
        "pause": core.pause,
        "resume": core.resume,
        "stop": core.stop,
        "clear": lambda: core.order(("$X",)),
    }
    core.start(0)
    assert lines_of(replay(transcript, core, marks, chunk)) == lines_of(said(transcript, Way.TO_DEVICE))
    view = core.view()
    wanted = {"done": Ended.DONE, "paused": Ended.CANCELLED, "alarm": Ended.FAILED}[scene]
    assert (view.state, view.ended, view.job) == (State.READY, wanted, "sign")


def lines_of(data: bytes) -> bytes:
    """Without questions for the state, which go by time."""
    return data.replace(b"?", b"")


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [
                    b"ok\r\n",
                    b"error:20\r\n",
                    b"ALARM:1\r\n",
                    b"\r\nGrbl 1.1h ['$' for help]\r\n",
                    b"<Idle|MPos:0,0,0>\n",
                ]
            ),
            st.sampled_from([b"<Hold:0|MPos:1,1,0>\n", b"<Door:1|FS:0,0>\n", b"<Alarm|FS:0,0>\n", b"<Run|FS:9,9>\n"]),
        ),
        max_size=30,
    )
)
@settings(max_examples=200)
def test_no_bytes_upset_the_core_nor_make_it_send_what_nobody_ordered(chunks: list[bytes]) -> None:
    bench = Bench()
    bench.until_state(State.READY)
    bench.core.to_send()
    sent = b""
    for at, chunk in enumerate(chunks):
        bench.core.receive(chunk, round(bench.now * 1000) + 100 * at)
        bench.core.tick(round(bench.now * 1000) + 100 * at)
        sent += bench.core.to_send()
        assert 0 <= bench.core.view().in_flight <= IN_FLIGHT
    assert {line for line in sent.replace(b"?", b"").replace(RESET, b"").split(b"\n") if line} <= {b"$I", b"$$"}


@given(st.lists(st.one_of(st.integers(1, 70), st.none()), max_size=80))
def test_stream_never_has_more_under_way_than_fits(steps: list[int | None]) -> None:
    stream, waiting = Stream(), 0
    for step in steps:
        if step is None:
            waiting -= stream.answered() is not None
        elif stream.fits("x" * step):
            assert stream.send("x" * step) == b"x" * step + b"\n"
            waiting += 1
        assert stream.in_flight <= IN_FLIGHT
        assert stream.waiting is (waiting > 0)


def test_every_state_can_be_stopped_while_the_machine_is_there() -> None:
    assert all(Trigger.STOP in TRANSITIONS[state] for state in CONNECTED)
    assert all(Trigger.SILENCE in TRANSITIONS[state] for state in State if state is not State.LOST)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"ok", Ok()),
        (b"error:9", Error(9)),
        (b"ALARM:3", Alarm(3)),
        (b"Grbl 1.1h ['$' for help]", Started("1.1h")),
        (b"$30=1000", Setting(30, 1000.0)),
        (b"$110=500.000", Setting(110, 500.0)),
        (b"[VER:1.1h.20190830:Lab 2]", Build("1.1h.20190830", "Lab 2")),
        (b"[MSG:'$H'|'$X' to unlock]", Remark("[MSG:'$H'|'$X' to unlock]")),
        (b"<Idle|MPos:1.000,-2.500,0.000|FS:0,0>", Report("Idle", machine=(1.0, -2.5, 0.0), feed=0.0, speed=0.0)),
        (b"<Hold:1|WPos:0,0,0|Bf:15,128|Ln:9>", Report("Hold", 1, work=(0.0, 0.0, 0.0), room=(15.0, 128.0))),
        (b"<Door:1|F:500|Pn:DP|Ov:100,50,25|A:SF>", Report("Door", 1, feed=500.0, overrides=(100, 50, 25), pins="DP")),
        (b"<Run|MPos:1.0,2.0>", Garbage()),
        (b"<Idle|MPos:0,0,0", Garbage()),
        (b"<Idle<Idle|FS:0,0>", Garbage()),
        (b"\xff\xfe", Garbage()),
    ],
)
def test_reply_is_read_or_told_apart_as_spoiled(line: bytes, reply: object) -> None:
    assert parse(line) == reply


@given(st.binary(max_size=100))
def test_reply_of_any_bytes_is_one_of_ours(line: bytes) -> None:
    assert parse(line) is not None
