"""Files of print jobs: taken, read by real child processes, kept as long as they are needed, given to their agent."""

import threading
from dataclasses import replace

import pytest

from contract.model import CommandStatus
from controller.commands.errors import CommandError, NoSuchDevice, NotAllowed, WrongCommand
from controller.config import JobsConfig
from controller.jobs.errors import NoRoom, NotInThisState, WrongFile
from controller.jobs.files import Incoming
from controller.jobs.service import Upload
from controller.jobs.states import JobState
from controller.scope import CLUSTER
from tests.integration.workshop import (
    DIGEST,
    ELSEWHERE,
    GOOD,
    HOT,
    PC,
    PRINTER,
    SECOND,
    STRANGER,
    TEACHER,
    Workshop,
)

pytestmark = pytest.mark.integration
S, C = JobState, CommandStatus


def test_file_is_stored_logged_and_audited_before_it_is_read(shop: Workshop) -> None:
    view = shop.view(shop.send())

    assert (view.state, view.file_name, view.group, view.by) == (S.CHECKING, "cau-gian.gcode", "Nhóm 3", "Hà")
    assert (view.size, view.review, view.progress) == (len(GOOD), None, None)
    assert [(line.kind, line.by) for line in view.log] == [("sent", "Hà")]
    assert shop.audit() == [("job-send", "u-ha", "job 1")]
    assert shop.files() == [DIGEST]


def test_file_that_the_machine_may_print_waits_for_a_teacher(shop: Workshop) -> None:
    job_id = shop.send()

    shop.read()

    view = shop.view(job_id)
    assert view.state is S.WAITING
    assert view.review is not None
    assert view.review["hottest_nozzle_c"] == 200.0
    assert view.review["duration_s"] > 600
    preview = view.preview
    assert preview is not None
    assert preview["strokes"], "it is drawn"
    assert shop.kinds(job_id) == ["sent", "checked"]


def test_file_that_asks_for_too_much_is_refused_with_the_line(shop: Workshop) -> None:
    job_id = shop.send(HOT)

    shop.read()

    view = shop.view(job_id)
    assert view.state is S.REFUSED
    assert view.detail.startswith("line 3: ")
    assert "320" in view.detail
    assert view.review is not None
    assert view.review["problems"][0]["code"] == "too-hot"
    with pytest.raises(NotInThisState):
        shop.jobs.release(TEACHER, job_id, bed_clear=True)


def test_file_without_commands_is_refused(shop: Workshop) -> None:
    job_id = shop.send(b"; nothing\n")

    shop.read()

    assert (shop.view(job_id).state, shop.view(job_id).detail) == (S.REFUSED, "no-commands")


def test_file_that_was_not_read_before_a_restart_is_read_after_it(shop: Workshop) -> None:
    job_id = shop.send()

    again = shop.again()
    again.read()

    assert again.view(job_id).state is S.WAITING


def test_file_that_is_gone_is_refused_and_not_asked_for_again(shop: Workshop) -> None:
    job_id = shop.send()
    (shop.folder / DIGEST).unlink()

    shop.read()

    assert (shop.view(job_id).state, shop.view(job_id).detail) == (S.REFUSED, "file-lost")


def test_job_that_is_cancelled_while_its_file_is_read_stays_so(shop: Workshop) -> None:
    job_id = shop.send()
    shop.jobs.cancel(TEACHER, job_id)

    shop.read()

    assert shop.view(job_id).state is S.CANCELLED


def test_files_of_other_digest_than_told_are_refused_and_leave_nothing(shop: Workshop) -> None:
    with shop.jobs.incoming(TEACHER, PRINTER) as incoming:
        incoming.write(GOOD)
        with pytest.raises(WrongFile) as refused:
            shop.jobs.take(TEACHER, _upload(incoming, "0" * 64))

    assert refused.value.code == "digest"
    assert (shop.files(), shop.jobs.open_jobs(CLUSTER)) == ([], [])


def test_same_file_lies_there_once_and_counts_once(either: Workshop) -> None:
    small = Workshop(either.engine, either.folder, either.clock, replace(JobsConfig(), school_quota_mb=1))
    big = GOOD + b"; filling\n" * 60_000
    small.send(big)
    small.send(big, device=SECOND)

    assert len(small.files()) == 1
    with pytest.raises(NoRoom) as refused:
        small.send(big + b"; another\n")
    assert refused.value.code == "quota"
    assert len(small.files()) == 1
    small.send(big, device=ELSEWHERE, who=STRANGER)  # the other school has room of its own


def test_job_that_ended_makes_way_for_a_new_one_and_no_open_one_does(either: Workshop) -> None:
    small = Workshop(either.engine, either.folder, either.clock, replace(JobsConfig(), school_quota_mb=1))
    files = [GOOD + f"; {number}\n".encode() * 110_000 for number in range(4)]
    first, second = small.send(files[0]), small.send(files[1], device=SECOND)
    with pytest.raises(NoRoom):
        small.send(files[2])
    small.jobs.cancel(TEACHER, first)
    either.clock.ms += 1
    third = small.send(files[2])
    assert {each.id for each in small.jobs.open_jobs(CLUSTER)} == {second, third}
    assert small.jobs.find(CLUSTER, first) is None
    assert len(small.files()) == 2, "its file is gone at once"
    with pytest.raises(NoRoom):
        small.send(files[3])
    with pytest.raises(NoRoom):
        small.send(files[3] * 3)
    assert {each.id for each in small.jobs.open_jobs(CLUSTER)} == {second, third}


def test_nothing_is_taken_when_the_disk_is_nearly_full(shop: Workshop) -> None:
    shop.disk.free = 499_000_000

    with pytest.raises(NoRoom) as refused:
        shop.send()

    assert refused.value.code == "disk"
    assert shop.files() == []


@pytest.mark.parametrize(("device", "error"), [(PC, WrongCommand), (ELSEWHERE, NoSuchDevice), (99, NoSuchDevice)])
def test_file_is_taken_for_machines_of_the_school_that_print(
    shop: Workshop, device: int, error: type[CommandError]
) -> None:
    with pytest.raises(error):
        shop.send(device=device)

    assert shop.files() == []


def _upload(incoming: Incoming, digest: str) -> Upload:
    return Upload(PRINTER, incoming, "a.gcode", digest=digest)


# what is kept


def test_ended_jobs_and_their_files_go_after_their_time_and_no_others(either: Workshop) -> None:
    old, same_file, other = either.waiting(), either.waiting(), either.waiting(GOOD + b"; other\n")
    either.jobs.cancel(TEACHER, old)
    either.jobs.cancel(TEACHER, other)
    either.later(61 * 86_400)

    either.jobs._watcher.sweep()

    assert either.jobs.find(CLUSTER, old) is None
    assert either.jobs.find(CLUSTER, other) is None
    assert either.view(same_file).state is S.WAITING
    assert either.files() == [DIGEST]
    either.jobs.release(TEACHER, same_file, bed_clear=True)


def test_file_that_no_job_has_is_removed(shop: Workshop) -> None:
    job_id = shop.send()
    (shop.folder / ("0" * 64)).write_bytes(b"left by a crash before its job was stored")

    shop.jobs._watcher.sweep()

    assert shop.files() == [DIGEST]
    assert shop.view(job_id)


def test_no_file_is_lost_while_jobs_come_and_go(shop: Workshop) -> None:
    """The same content is sent while the last job that had it is being put away."""
    sent: list[int] = []
    done = threading.Event()

    def sweep() -> None:
        while not done.is_set():
            shop.jobs._watcher.sweep()

    thread = threading.Thread(target=sweep)
    thread.start()
    try:
        for _ in range(40):
            job_id = shop.send()
            assert shop.files() == [DIGEST]
            shop.jobs.cancel(TEACHER, job_id)
            shop.later(61 * 86_400)
        sent.append(shop.send())
    finally:
        done.set()
        thread.join(30)

    assert shop.files() == [DIGEST]
    assert shop.view(sent[0]).state is S.CHECKING


# for agents


def test_agent_gets_the_file_of_a_job_that_was_released_for_it_and_no_other(shop: Workshop) -> None:
    job_id = shop.waiting()
    assert shop.jobs.file_for_agent(1, DIGEST) is None, "not released"

    shop.jobs.release(TEACHER, job_id, bed_clear=True)

    assert shop.jobs.file_for_agent(1, DIGEST) == shop.folder / DIGEST
    assert shop.jobs.file_for_agent(2, DIGEST) is None, "another's"
    assert shop.jobs.file_for_agent(1, "0" * 64) is None
    shop.answer(job_id, C.REFUSED)
    shop.turn(job_id)
    assert shop.jobs.file_for_agent(1, DIGEST) is None, "not any more"


def test_nobody_without_the_permission_sends_anything(shop: Workshop) -> None:
    nobody = replace(TEACHER, school_id=None)

    with pytest.raises((NoSuchDevice, NotAllowed)):
        shop.send(who=nobody)
