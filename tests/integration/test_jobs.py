"""Print jobs from the file to the end, on a real database, with real child processes that read the files."""

import hashlib
import secrets
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from contract.model import CommandStatus
from controller.commands.errors import CommandError, NoSuchDevice, NotAllowed, NotNow, WrongCommand
from controller.config import JobsConfig
from controller.database import make_engine, migrate, sqlite_url
from controller.jobs.errors import JobError, NoRoom, NoSuchJob, NotInThisState, WrongFile
from controller.jobs.evidence import SETTLED_MS, SILENT_MS
from controller.jobs.files import Incoming
from controller.jobs.service import Upload
from controller.jobs.states import JobState
from controller.scheduling.tables import LeaseGrant
from controller.scope import CLUSTER, Scope
from tests.integration import postgres
from tests.integration.workshop import (
    ELSEWHERE,
    GOOD,
    HOT,
    PC,
    PRINTER,
    SECOND,
    STRANGER,
    TEACHER,
    TECHNICIAN,
    Clock,
    Workshop,
    fill,
)

pytestmark = pytest.mark.integration
S, C = JobState, CommandStatus
DIGEST = hashlib.sha256(GOOD).hexdigest()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(tmp_path: Path, clock: Clock) -> Iterator[Engine]:
    made = make_engine(sqlite_url(tmp_path / "fabfleet.db"))
    migrate(made)
    fill(made, clock())
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Workshop]:
    """A workshop on each kind of database."""
    if request.param == "sqlite":
        url = sqlite_url(tmp_path / "fabfleet.db")
    else:
        url = postgres.new_database(request.getfixturevalue("server"), f"jobs_{secrets.token_hex(4)}")
    made = make_engine(url)
    migrate(made)
    fill(made, clock())
    yield Workshop(made, tmp_path / "files", clock)
    made.dispose()


@pytest.fixture
def shop(engine: Engine, tmp_path: Path, clock: Clock) -> Workshop:
    return Workshop(engine, tmp_path / "files", clock)


def kinds(shop: Workshop, job_id: int) -> list[str]:
    return [line.kind for line in shop.view(job_id).log]


# files


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
    assert kinds(shop, job_id) == ["sent", "checked"]


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


# release


def test_release_gives_the_command_with_file_and_name_and_takes_the_machine(shop: Workshop, engine: Engine) -> None:
    job_id = shop.waiting()

    view = shop.jobs.release(TEACHER, job_id, bed_clear=True, address="10.0.0.7")

    assert view.state is S.RELEASED
    assert view.command is not None
    assert (view.command.action, view.command.by) == ("print", "Hà")
    assert dict(view.command.args) == {"digest": DIGEST, "name": f"cau-gian.gcode #{job_id}"}
    assert [(line.kind, line.by) for line in view.log][-1] == ("released", "Hà")
    assert shop.audit()[-1] == ("job-release", "u-ha", f"job {job_id}")
    with Session(engine) as db:
        lease = db.exec(select(LeaseGrant)).one()
    assert view.review is not None
    assert lease.until_ms - shop.clock() == 1000 * (round(view.review["duration_s"] * 1.3) + 900)


def test_release_wants_an_empty_bed(shop: Workshop) -> None:
    job_id = shop.waiting()

    with pytest.raises(NotInThisState) as refused:
        shop.jobs.release(TEACHER, job_id, bed_clear=False)

    assert refused.value.code == "bed"
    assert shop.view(job_id).state is S.WAITING


def test_two_who_release_at_once_give_one_command(either: Workshop) -> None:
    jobs = [either.waiting(), either.waiting()]
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def release(number: int) -> None:
        start.wait(10)
        try:
            either.jobs.release(TEACHER, jobs[number % 2], bed_clear=True)
            outcomes.append("released")
        except JobError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=release, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert outcomes.count("released") == 1
    assert set(outcomes) <= {"released", "state", "machine-busy"}
    assert len(either.commands.of_device(CLUSTER, PRINTER)) == 1
    assert sorted(either.view(each).state for each in jobs) == [S.RELEASED, S.WAITING]


def test_machine_prints_one_job_at_a_time(shop: Workshop) -> None:
    shop.printing()
    other = shop.waiting()

    with pytest.raises(NotInThisState) as refused:
        shop.jobs.release(TEACHER, other, bed_clear=True)

    assert refused.value.code == "machine-busy"
    assert shop.view(other).state is S.WAITING


def test_release_leaves_the_job_waiting_when_somebody_else_has_the_machine(shop: Workshop) -> None:
    first, second = shop.waiting(), shop.waiting()
    shop.jobs.release(TECHNICIAN, first, bed_clear=True)
    shop.answer(first, C.REFUSED, "printing")
    shop.turn(first)

    with pytest.raises(NotNow) as refused:
        shop.jobs.release(TEACHER, second, bed_clear=True)

    assert refused.value.code == "taken"
    assert shop.view(second).state is S.WAITING
    assert kinds(shop, second) == ["sent", "checked"]


def test_release_of_a_file_that_is_gone_says_so(shop: Workshop) -> None:
    job_id = shop.waiting()
    (shop.folder / DIGEST).unlink()

    with pytest.raises(NotInThisState) as refused:
        shop.jobs.release(TEACHER, job_id, bed_clear=True)

    assert refused.value.code == "file-lost"


def test_jobs_of_another_school_are_nobodys_business(shop: Workshop) -> None:
    job_id = shop.waiting()

    with pytest.raises(NoSuchJob):
        shop.jobs.release(STRANGER, job_id, bed_clear=True)
    with pytest.raises(NoSuchJob):
        shop.jobs.cancel(STRANGER, job_id)
    with pytest.raises(NoSuchJob):
        shop.jobs.hand_back(STRANGER, job_id, "")
    assert shop.jobs.find(Scope("binh-minh"), job_id) is None
    assert shop.jobs.of_device(Scope("binh-minh"), PRINTER) == []
    assert shop.jobs.open_jobs(Scope("binh-minh")) == []
    assert shop.audit() == [("job-send", "u-ha", f"job {job_id}")]


def test_job_is_handed_back_with_words(shop: Workshop) -> None:
    view = shop.jobs.hand_back(TEACHER, shop.waiting(), "Thành mỏng quá,\n sửa thành 1,2 mm")

    assert (view.state, view.detail) == (S.RETURNED, "Thành mỏng quá, sửa thành 1,2 mm")
    assert (view.log[-1].kind, view.log[-1].by) == ("returned", "Hà")
    assert shop.audit()[-1] == ("job-return", "u-ha", f"job {view.id}")


def test_open_jobs_come_first_then_the_newest(either: Workshop) -> None:
    first, second, third, fourth = (either.waiting() for _ in range(4))
    either.jobs.cancel(TEACHER, fourth)
    either.jobs.cancel(TEACHER, second)

    assert [view.id for view in either.jobs.of_device(CLUSTER, PRINTER)] == [third, first, fourth, second]
    assert [view.id for view in either.jobs.open_jobs(CLUSTER)] == [third, first]
    assert either.jobs.of_device(CLUSTER, PRINTER)[0].log == ()


# how it goes


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
    assert kinds(either, job_id) == ["sent", "checked", "released", "started", "done"]


def test_jobs_of_one_file_are_told_apart_by_the_machines_word(shop: Workshop) -> None:
    first = shop.printing()
    shop.say(printing=False, job_result="done")
    assert shop.turn(first).state is S.DONE
    second = shop.released()

    assert shop.turn(second).state is S.RELEASED, "what the machine says is of the first one"


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
    assert kinds(shop, job_id)[-3:] == ["started", "stopping", "cancelled"]
    assert [each.action for each in shop.commands.of_device(CLUSTER, PRINTER)] == ["stop", "print"]


def test_job_says_that_its_stop_came_to_nothing_and_can_be_stopped_again(shop: Workshop) -> None:
    job_id = shop.printing()
    shop.jobs.cancel(TEACHER, job_id)
    shop.answer(job_id, C.FAILED, "the printer did not confirm", stop=True)

    view = shop.turn(job_id)
    shop.turn(job_id)
    shop.jobs.cancel(TEACHER, job_id)

    assert (view.state, view.detail) == (S.PRINTING, "the printer did not confirm")
    assert kinds(shop, job_id)[-3:] == ["stopping", "not-stopped", "stopping"]


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
    assert kinds(shop, job_id) == ["sent", "checked", "released", "started", "done"]


def test_stop_that_was_under_way_at_a_restart_is_followed_to_its_end(shop: Workshop) -> None:
    job_id = shop.printing()
    shop.jobs.cancel(TEACHER, job_id)
    shop = shop.again()
    shop.say(printing=False, job_result="cancelled")

    assert shop.turn(job_id).state is S.CANCELLED


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
