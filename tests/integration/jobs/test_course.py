"""A print job from its release to its end, by what its machine and its agent say."""

import pytest

from contract.model import CommandStatus, Value
from controller.jobs.errors import NotInThisState, WrongFile
from controller.jobs.evidence import SETTLED_MS, SILENT_MS
from controller.jobs.states import JobState
from controller.jobs.work import Work
from controller.scope import CLUSTER
from tests.integration.workshop import (
    KIT,
    PRINTER,
    TEACHER,
    Workshop,
)

pytestmark = pytest.mark.integration
S, C = JobState, CommandStatus


def test_job_follows_its_machine_from_the_start_to_the_end(either: Workshop) -> None:
    job_id = either.released()
    assert either.turn(job_id).state is S.RELEASED

    either.answer(job_id, C.DONE)
    either.say(job=either.name(job_id), printing=True, job_result="", progress=0.0)
    begun = either.turn(job_id)
    either.say(progress=34.5)
    either.live.tick()
    half = either.view(job_id)
    either.say(progress=100.0, printing=False, job_result="done")
    ended = either.turn(job_id)

    assert (begun.state, begun.started_ms) == (S.PRINTING, ended.started_ms)
    assert half.progress == 34.5
    assert (ended.state, ended.ended_ms, ended.progress) == (S.DONE, either.clock(), 100.0)
    assert either.kinds(job_id) == ["sent", "checked", "released", "started", "done"]


def test_cut_job_follows_a_machine_that_says_that_it_cuts(shop: Workshop) -> None:
    job_id = shop.released()
    shop.answer(job_id, C.DONE)
    shop.say(job=shop.name(job_id), cutting=True, job_result="", progress=0.0)
    assert shop.turn(job_id).state is S.PRINTING
    shop.say(progress=40.0, cutting=False, job_result="cancelled")
    assert shop.turn(job_id).state is S.CANCELLED


def test_program_is_read_released_to_its_kit_run_and_stopped_or_ends_with_its_error(shop: Workshop) -> None:
    wrong = shop.send(b"while True\n    pass\n", "robot.py", KIT)
    shop.read()
    assert (shop.view(wrong).state, shop.view(wrong).detail) == (S.REFUSED, "line 1: expected ':'")
    courses: tuple[tuple[dict[str, Value], tuple[JobState, str]], ...] = (
        ({"running": False, "job_result": "done"}, (S.DONE, "")),
        ({"running": False, "job_result": "stopped"}, (S.CANCELLED, "")),
        ({"running": False, "job_result": "failed", "job_error": "OSError: 5"}, (S.FAILED, "OSError: 5")),
    )
    for said, ended in courses:
        job_id = shop.send(b"while True:\n    pass\n", "robot.py", KIT)
        shop.read()
        released = shop.jobs.release(TEACHER, job_id, bed_clear=True)
        assert released.command is not None
        assert (released.command.action, released.work) == ("run", Work.RUN)
        shop.answer(job_id, C.DONE)
        shop.say(KIT, job=shop.name(job_id), running=True, job_result="running")
        assert shop.turn(job_id).state is S.PRINTING
        shop.say(KIT, **said)
        assert (shop.turn(job_id).state, shop.view(job_id).detail) == ended


def test_file_for_another_work_is_not_taken(shop: Workshop) -> None:
    for name, content, device in (("a.gcode", b"G28\n", KIT), ("a.py", b"pass\n", PRINTER)):
        with pytest.raises(WrongFile) as refused:
            shop.send(content, name, device)
        assert refused.value.code == "type"
    with pytest.raises(WrongFile, match="65 kB") as refused:
        shop.send(b"#" * 70_000, "a.py", KIT)
    assert refused.value.code == "size"


def test_jobs_of_one_file_are_told_apart_by_the_machines_word(shop: Workshop) -> None:
    first = shop.printing()
    shop.say(printing=False, job_result="done")
    assert shop.turn(first).state is S.DONE
    second = shop.released()

    assert shop.turn(second).state is S.RELEASED, "what the machine says is of the first one"


def test_job_that_ended_like_the_one_before_while_nobody_looked_is_done(shop: Workshop) -> None:
    first = shop.printing()
    shop.say(printing=False, job_result="done")
    assert shop.turn(first).state is S.DONE
    second = shop.released()
    shop.answer(second, C.DONE)

    shop.say(job=shop.name(second), printing=False, job_result="done")

    assert shop.turn(second).state is S.PRINTING
    assert shop.turn(second).state is S.DONE
    assert shop.kinds(second)[-2:] == ["started", "done"]


@pytest.mark.parametrize(
    ("status", "detail", "told"), [(C.REFUSED, "no-lease", "no-lease"), (C.EXPIRED, "", "expired")]
)
def test_job_whose_command_came_to_nothing_can_be_released_again(
    shop: Workshop, status: CommandStatus, detail: str, told: str
) -> None:
    job_id = shop.released()
    shop.answer(job_id, status, detail)

    view = shop.turn(job_id)

    assert (view.state, view.detail, view.log[-1].kind) == (S.WAITING, told, "not-started")
    again = shop.jobs.release(TEACHER, job_id, bed_clear=True)
    assert (again.state, again.detail) == (S.RELEASED, "")
    assert len(shop.commands.of_device(CLUSTER, PRINTER)) == 2


def test_job_that_failed_in_mid_print_says_why(shop: Workshop) -> None:
    job_id = shop.printing()
    shop.say(printing=False, job_result="failed", fault="Thermal Runaway, system stopped!")

    view = shop.turn(job_id)

    assert (view.state, view.detail) == (S.FAILED, "Thermal Runaway, system stopped!")


def test_job_that_its_machine_has_lost_fails_in_time(shop: Workshop) -> None:
    job_id = shop.printing()
    shop.say(job="", printing=False, job_result="", progress=None)
    assert shop.turn(job_id).state is S.PRINTING

    shop.later(SETTLED_MS / 1000)

    assert (shop.turn(job_id).state, shop.view(job_id).detail) == (S.FAILED, "lost")


def test_job_whose_machine_is_never_heard_again_is_unknown_after_a_day(shop: Workshop) -> None:
    job_id = shop.printing()
    shop.later(SILENT_MS / 1000 - 1)
    assert shop.turn(job_id).state is S.PRINTING

    shop.later(1)

    assert (shop.turn(job_id).state, shop.view(job_id).detail) == (S.UNKNOWN, "silent")


# cancelling


def test_job_that_waits_is_cancelled_at_once(shop: Workshop) -> None:
    job_id = shop.waiting()

    view = shop.jobs.cancel(TEACHER, job_id)

    assert (view.state, view.log[-1].kind, view.log[-1].by) == (S.CANCELLED, "cancelled", "Hà")
    with pytest.raises(NotInThisState):
        shop.jobs.cancel(TEACHER, job_id)


def test_job_that_prints_is_cancelled_when_the_machine_says_so(shop: Workshop) -> None:
    job_id = shop.printing()

    asked = shop.jobs.cancel(TEACHER, job_id)
    shop.jobs.cancel(TEACHER, job_id)
    shop.answer(job_id, C.DONE, stop=True)
    waits = shop.turn(job_id)
    shop.say(printing=False, job_result="cancelled")
    ended = shop.turn(job_id)

    assert (asked.state, waits.state, ended.state) == (S.PRINTING, S.PRINTING, S.CANCELLED)
    assert shop.kinds(job_id)[-3:] == ["started", "stopping", "cancelled"]
    assert [each.action for each in shop.commands.of_device(CLUSTER, PRINTER)] == ["stop", "print"]


def test_job_says_that_its_stop_came_to_nothing_and_can_be_stopped_again(shop: Workshop) -> None:
    job_id = shop.printing()
    shop.jobs.cancel(TEACHER, job_id)
    shop.answer(job_id, C.FAILED, "the printer did not confirm", stop=True)

    view = shop.turn(job_id)
    shop.turn(job_id)
    shop.jobs.cancel(TEACHER, job_id)

    assert (view.state, view.detail) == (S.PRINTING, "the printer did not confirm")
    assert shop.kinds(job_id)[-3:] == ["stopping", "not-stopped", "stopping"]


def test_job_that_was_released_and_is_cancelled_before_the_machine_began_ends_cancelled(shop: Workshop) -> None:
    job_id = shop.released()

    shop.jobs.cancel(TEACHER, job_id)
    shop.answer(job_id, C.EXPIRED)

    assert shop.turn(job_id).state is S.CANCELLED


# after a restart


def test_job_goes_on_after_a_restart_in_every_state(shop: Workshop) -> None:
    job_id = shop.send()
    shop = shop.again()
    shop.read()
    shop = shop.again()
    shop.jobs.release(TEACHER, job_id, bed_clear=True)
    shop = shop.again()
    assert shop.turn(job_id).state is S.RELEASED
    shop.answer(job_id, C.DONE)
    shop.say(job=shop.name(job_id), printing=True, job_result="")
    shop = shop.again()
    assert shop.turn(job_id).state is S.PRINTING
    shop = shop.again()
    shop.say(printing=False, job_result="done")
    shop = shop.again()

    assert shop.turn(job_id).state is S.DONE
    assert shop.kinds(job_id) == ["sent", "checked", "released", "started", "done"]


def test_stop_that_was_under_way_at_a_restart_is_followed_to_its_end(shop: Workshop) -> None:
    job_id = shop.printing()
    shop.jobs.cancel(TEACHER, job_id)
    shop = shop.again()
    shop.say(printing=False, job_result="cancelled")

    assert shop.turn(job_id).state is S.CANCELLED
