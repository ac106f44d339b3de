"""What people decide about a print job, on a real database: release, hand back, cancel."""

import threading

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from controller.commands.errors import NotNow
from controller.commands.service import Wanted
from controller.jobs.errors import JobError, NoSuchJob, NotInThisState
from controller.jobs.states import JobState
from controller.scheduling.tables import LeaseGrant
from controller.scope import CLUSTER, Scope
from tests.integration.workshop import (
    DIGEST,
    PRINTER,
    STRANGER,
    TEACHER,
    TECHNICIAN,
    Workshop,
)

pytestmark = pytest.mark.integration
S = JobState


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
    job_id = shop.waiting()
    shop.commands.give(TECHNICIAN, Wanted(PRINTER, "home"))

    with pytest.raises(NotNow) as refused:
        shop.jobs.release(TEACHER, job_id, bed_clear=True)

    assert refused.value.code == "taken"
    assert shop.view(job_id).state is S.WAITING
    assert shop.kinds(job_id) == ["sent", "checked"]


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
