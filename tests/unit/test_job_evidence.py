"""What became of a job, from what its commands and its machine say."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.model import CommandStatus as C
from controller.jobs.evidence import (
    CONFIRMED_MS,
    SETTLED_MS,
    SILENT_MS,
    Case,
    Finding,
    Machine,
    Order,
    Sighting,
    judge,
    print_name,
)
from controller.jobs.states import NEXT, JobState

S = JobState
NAME = print_name("bridge.gcode", 7)
T = 1_000_000_000
RELEASED = Case(S.RELEASED, NAME, T, 3_600_000, Order(C.SENT))
PRINTING = Case(S.PRINTING, NAME, T, 3_600_000, Order(C.DONE, "", T))


def machine(
    job: str | None = NAME,
    *,
    printing: bool | None = True,
    result: str | None = "",
    at: int = T + 1_000,
    fault: str = "",
) -> Machine:
    return Machine(Sighting(job, at), Sighting(printing, at), Sighting(result, at), Sighting(fault, at))


IDLE = machine("", printing=False, at=T - 60_000)


def state(found: Finding | None) -> JobState | None:
    return found.state if found else None


# the name


def test_print_name_holds_the_jobs_number_however_long_the_file_is_called() -> None:
    assert NAME == "bridge.gcode #7"
    assert print_name("x" * 200, 123_456) == "x" * 88 + " #123456"


# released


def test_job_prints_when_the_machine_names_it_and_is_at_work() -> None:
    assert judge(RELEASED, machine(), T + 2_000) == Finding(S.PRINTING, "started", "", T + 1_000)


def test_job_prints_when_the_machine_is_through_with_it_and_the_agent_says_that_it_began() -> None:
    case = replace(RELEASED, order=Order(C.DONE, "", T + 900))

    assert state(judge(case, machine(printing=False, result="done"), T + 2_000)) is S.PRINTING


def test_job_does_not_print_by_what_the_machine_said_before_the_release() -> None:
    assert judge(RELEASED, machine(at=T - 1), T + 2_000) is None


def test_job_does_not_print_by_an_old_name_that_is_said_again_while_the_machine_rests() -> None:
    assert judge(RELEASED, machine(printing=False, result="failed"), T + 2_000) is None


def test_job_that_is_released_again_prints_once_the_machine_is_at_work_under_its_old_name() -> None:
    seen = replace(machine(), job=Sighting(NAME, T - 60_000))

    assert judge(RELEASED, seen, T + 2_000) == Finding(S.PRINTING, "started", "", T + 1_000)


@pytest.mark.parametrize("other", ["", "bridge.gcode #70", "bridge.gcode #8", None])
def test_job_does_not_print_when_the_machine_names_another(other: str | None) -> None:
    assert judge(RELEASED, machine(other), T + 2_000) is None


@pytest.mark.parametrize(("status", "detail"), [(C.REFUSED, "no-lease"), (C.EXPIRED, "")])
def test_job_waits_again_with_the_reason_when_its_command_came_to_nothing(status: C, detail: str) -> None:
    found = judge(replace(RELEASED, order=Order(status, detail, T + 500)), IDLE, T + 600)

    assert found == Finding(S.WAITING, "not-started", detail or "expired", T + 600)


def test_job_whose_command_failed_waits_only_when_the_machine_had_time_to_say_otherwise() -> None:
    case = replace(RELEASED, order=Order(C.FAILED, "not confirmed", T + 500))

    assert judge(case, IDLE, T + 500 + SETTLED_MS - 1) is None
    assert state(judge(case, machine(), T + 2_000)) is S.PRINTING
    assert state(judge(case, IDLE, T + 500 + SETTLED_MS)) is S.WAITING


def test_job_that_was_to_be_stopped_is_cancelled_when_its_command_came_to_nothing() -> None:
    case = replace(RELEASED, order=Order(C.EXPIRED, "", T + 500), stop=Order(C.SENT))

    assert state(judge(case, IDLE, T + 600)) is S.CANCELLED


@pytest.mark.parametrize("status", [C.UNKNOWN, C.DONE])
def test_job_that_nobody_saw_begin_is_unknown_once_the_machine_was_heard_again(status: C) -> None:
    case = replace(RELEASED, order=Order(status, "", T + 500))
    late = T + 500 + CONFIRMED_MS

    assert judge(case, IDLE, late) is None, "not heard since"
    assert judge(case, machine(None, printing=None), late) is None, "out of reach"
    assert judge(case, machine("", printing=False), late - 1) is None, "too early"
    assert judge(case, machine("", printing=False), late) == Finding(S.UNKNOWN, "unknown", "not-seen", late)


def test_job_stays_released_while_its_command_is_under_way() -> None:
    for status in (C.QUEUED, C.SENT, C.ACCEPTED, C.RUNNING):
        assert judge(replace(RELEASED, order=Order(status)), IDLE, T + 3_600_000) is None


# printing


@pytest.mark.parametrize(("word", "end"), [("done", S.DONE), ("cancelled", S.CANCELLED), ("failed", S.FAILED)])
def test_job_ends_as_the_machine_says(word: str, end: JobState) -> None:
    found = judge(PRINTING, machine(printing=False, result=word, at=T + 9_000), T + 9_500)

    assert found == Finding(end, end.value, "", T + 9_000)


def test_job_that_failed_says_what_the_machine_says() -> None:
    found = judge(PRINTING, machine(printing=False, result="failed", fault="Thermal Runaway"), T + 9_500)

    assert found is not None
    assert found.detail == "Thermal Runaway"


def test_job_does_not_end_by_the_result_of_the_one_before() -> None:
    seen = replace(machine(), result=Sighting("done", T - 60_000))

    assert judge(PRINTING, seen, T + 9_500) is None


def test_job_that_ends_like_the_one_before_ends_when_the_machine_rests() -> None:
    seen = replace(machine(printing=False, at=T + 9_000), result=Sighting("done", T - 60_000))

    assert judge(PRINTING, seen, T + 9_500) == Finding(S.DONE, "done", "", T)


@pytest.mark.parametrize("other", ["", "display.gcode"])
def test_job_that_the_machine_has_lost_fails_when_that_has_stood_a_while(other: str) -> None:
    seen = machine(other, printing=False, at=T + 60_000)

    assert judge(PRINTING, seen, T + 60_000 + SETTLED_MS - 1) is None
    assert judge(PRINTING, seen, T + 60_000 + SETTLED_MS) == Finding(S.FAILED, "failed", "lost", T + 60_000)


def test_job_that_the_machine_has_lost_when_it_could_be_through_is_unknown() -> None:
    seen = machine("", printing=False, at=T + 2_000_000)

    assert judge(PRINTING, seen, T + 2_100_000) == Finding(S.UNKNOWN, "unknown", "lost", T + 2_000_000)


def test_job_that_the_machine_lost_after_a_stop_is_cancelled() -> None:
    case = replace(PRINTING, stop=Order(C.DONE, "", T + 50_000))

    assert state(judge(case, machine("", printing=False, at=T + 60_000), T + 100_000)) is S.CANCELLED


def test_job_goes_on_while_the_machine_is_out_of_reach_and_is_unknown_after_a_day() -> None:
    gone = machine(None, printing=None, result=None, at=T + 60_000)

    assert judge(PRINTING, gone, T + 60_000 + SILENT_MS - 1) is None
    assert judge(PRINTING, gone, T + 60_000 + SILENT_MS) == Finding(
        S.UNKNOWN, "unknown", "silent", T + 60_000 + SILENT_MS
    )


def test_job_goes_on_for_days_while_the_machine_says_so() -> None:
    assert judge(PRINTING, machine(at=T + 3 * SILENT_MS), T + 3 * SILENT_MS + 1_000) is None


@pytest.mark.parametrize("status", [C.REFUSED, C.FAILED, C.EXPIRED, C.UNKNOWN])
def test_job_says_that_its_stop_came_to_nothing_and_goes_on(status: C) -> None:
    found = judge(replace(PRINTING, stop=Order(status, "", T + 40_000)), machine(), T + 41_000)

    assert found == Finding(S.PRINTING, "not-stopped", status.value, T + 41_000)


@pytest.mark.parametrize("status", [C.SENT, C.DONE])
def test_job_waits_for_the_machines_word_after_a_stop(status: C) -> None:
    assert judge(replace(PRINTING, stop=Order(status, "", T if status.final else None)), machine(), T + 41_000) is None


# whatever comes


times = st.integers(-100_000, 200_000).map(lambda delta: T + delta)
texts = st.sampled_from([NAME, "", "other", None, "done", "failed", "cancelled"])
flags = st.sampled_from([True, False, None])
sightings = st.none() | st.builds(Sighting, texts, times)
machines = st.builds(Machine, sightings, st.none() | st.builds(Sighting, flags, times), sightings, sightings)
orders = st.sampled_from(list(C)).flatmap(
    lambda each: times.map(lambda at: Order(each, "", at if each.final else None))
)
cases = st.builds(
    Case,
    st.sampled_from([S.RELEASED, S.PRINTING]),
    st.just(NAME),
    times,
    st.integers(0, 10**8),
    orders,
    st.none() | orders,
)


@given(cases, machines, times)
def test_judge_finds_only_what_the_state_machine_allows(case: Case, seen: Machine, now_ms: int) -> None:
    found = judge(case, seen, now_ms)

    if found is not None and found.state is not case.state:
        assert found.state in NEXT[case.state]


@given(cases, machines)
def test_judge_lets_no_job_hang_whose_command_has_ended(case: Case, seen: Machine) -> None:
    """Only a machine that says that it is at work on it keeps it open."""
    if case.state is S.RELEASED and not case.order.status.final:
        return
    late = max(T + 200_000, case.since_ms) + SILENT_MS

    found = judge(case, seen, late)

    assert found is not None
