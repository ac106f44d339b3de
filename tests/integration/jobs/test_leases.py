"""Who has a machine while it is at work on a job, and from when on somebody else may."""

import pytest
from sqlmodel import Session, select

from contract.messages import LeaseBook
from contract.model import CommandStatus
from controller.commands.errors import NotNow
from controller.commands.service import LEASE_S, Wanted
from controller.identity.policy import Principal
from controller.identity.store import audit_lines
from controller.jobs.states import JobState
from controller.scheduling.tables import LeaseGrant
from tests.integration.workshop import PRINTER, TEACHER, TECHNICIAN, Workshop

pytestmark = pytest.mark.integration
S, C = JobState, CommandStatus


def may_use(shop: Workshop, who: Principal) -> bool:
    """Whether a guarded command of theirs is taken."""
    try:
        shop.commands.give(who, Wanted(PRINTER, "pause"))
    except NotNow:
        return False
    return True


def book(shop: Workshop) -> LeaseBook:
    """What the printer's agent is sent at once."""
    ((_, sent),) = shop.leases.books_to_send()
    return sent


def holders(sent: LeaseBook) -> list[str]:
    return [lease.holder for lease in sent.leases]


def test_machine_is_its_jobs_until_the_job_ends_and_anybodys_at_once_after_it(either: Workshop) -> None:
    job_id, other = either.printing(), either.waiting()
    before = book(either)
    assert not may_use(either, TECHNICIAN)

    either.say(printing=False, job_result="done")
    assert either.turn(job_id).state is S.DONE

    after = book(either)
    assert (holders(before), holders(after)) == ([TEACHER.id], [])
    assert after.number > before.number
    either.jobs.release(TECHNICIAN, other, bed_clear=True)
    assert holders(book(either)) == [TECHNICIAN.id]
    with Session(either.engine) as db:
        (ended,) = [line for line in audit_lines(db) if line.action == "lease-end"]
    assert ended.subject == before.leases[0].booking
    assert ended.actor == ""


@pytest.mark.parametrize("result", ["cancelled", "failed"])
def test_machine_is_free_however_its_job_ended(shop: Workshop, result: str) -> None:
    job_id = shop.printing()

    shop.say(printing=False, job_result=result)
    assert shop.turn(job_id).state.final

    assert may_use(shop, TECHNICIAN)


def test_machine_is_free_when_a_release_came_to_nothing(shop: Workshop) -> None:
    job_id = shop.released()
    assert not may_use(shop, TECHNICIAN)

    shop.answer(job_id, C.REFUSED, "printing")
    assert shop.turn(job_id).state is S.WAITING

    assert may_use(shop, TECHNICIAN)


def test_lease_outlives_the_job_while_another_command_of_its_holder_waits_for_it(shop: Workshop) -> None:
    job_id = shop.printing()
    assert may_use(shop, TEACHER)

    shop.say(printing=False, job_result="done")
    assert shop.turn(job_id).state is S.DONE

    assert holders(book(shop)) == [TEACHER.id]
    assert not may_use(shop, TECHNICIAN)


def test_lease_of_a_booking_outlives_the_job_that_was_printed_in_it(shop: Workshop) -> None:
    hour_ms = 3_600_000
    booked = LeaseGrant(
        school_id="an-phu",
        agent_id=1,
        device_id=PRINTER,
        holder=TEACHER.id,
        booking="b-17",
        from_ms=shop.clock() - hour_ms,
        until_ms=shop.clock() + hour_ms,
        hazard=1,
        book_number=1,
    )
    with Session(shop.engine) as db:
        db.add(booked)
        db.commit()
    job_id = shop.printing()

    shop.say(printing=False, job_result="done")
    assert shop.turn(job_id).state is S.DONE

    with Session(shop.engine) as db:
        (kept,) = db.exec(select(LeaseGrant)).all()
    assert (kept.booking, kept.revoked_ms) == ("b-17", None)
    assert not may_use(shop, TECHNICIAN)


def test_machine_is_free_some_minutes_after_a_command_by_itself(shop: Workshop) -> None:
    assert may_use(shop, TEACHER)
    shop.later(LEASE_S - 1)
    assert not may_use(shop, TECHNICIAN)

    shop.later(1)

    assert may_use(shop, TECHNICIAN)
