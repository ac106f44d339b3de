"""Commands as pages and jobs give them: what is taken, what is refused, and what is offered."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Update, update
from sqlmodel import Session

from contract.model import CommandStatus
from controller.commands.errors import CommandError, NoSuchDevice, NotAllowed, NotNow, WrongCommand
from controller.commands.service import EXPIRY_MS, JOB_EXPIRY_MS, MOST_UNANSWERED, Wanted
from controller.fleet.tables import Agent, Device
from controller.identity.policy import Principal
from controller.scope import CLUSTER, Scope
from tests.databases import fresh
from tests.integration.office import (
    ELSEWHERE,
    PC,
    PRINTER,
    PROJECTOR,
    STRANGER,
    TEACHER,
    TECHNICIAN,
    Clock,
    Office,
    fill,
)

pytestmark = pytest.mark.integration
S = CommandStatus


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="office")
def _office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    engine = fresh(tmp_path / "fabfleet.db")
    fill(engine, clock())
    made = Office(engine, clock)
    yield made
    made.dispatcher.stop()
    engine.dispose()


# giving


def test_command_is_queued_with_its_step_and_its_audit_line(office: Office, clock: Clock) -> None:
    view = office.commands.give(TEACHER, Wanted(PROJECTOR, "power-on"))

    assert (view.status, view.by, view.told, view.detail) == (S.QUEUED, "Hà", False, "")
    assert [(step.status, step.at_ms) for step in view.steps] == [(S.QUEUED, clock())]
    assert (view.asked_ms, view.expires_ms) == (clock(), clock() + EXPIRY_MS)
    assert office.audit() == [("command", TEACHER.id, "power-on")]


@pytest.mark.parametrize(
    ("who", "wanted", "leaf", "code"),
    [
        (TECHNICIAN, Wanted(99, "power-on"), NoSuchDevice, "no-such-device"),
        (STRANGER, Wanted(PROJECTOR, "power-on"), NoSuchDevice, "no-such-device"),
        (TEACHER, Wanted(ELSEWHERE, "power-on"), NoSuchDevice, "no-such-device"),
        (TEACHER, Wanted(PC, "restart"), NotAllowed, "not-allowed"),
        (TEACHER, Wanted(PRINTER, "preheat", {"nozzle": 1.0, "bed": 1.0}), NotAllowed, "not-allowed"),
        (TECHNICIAN, Wanted(PRINTER, "explode"), WrongCommand, "no-such-action"),
        (TECHNICIAN, Wanted(PRINTER, "preheat", {"nozzle": 1.0}), WrongCommand, "bad-arguments"),
        (TECHNICIAN, Wanted(PRINTER, "preheat", {"nozzle": 1, "bed": True}), WrongCommand, "bad-arguments"),
        (TECHNICIAN, Wanted(PRINTER, "preheat", {"nozzle": 1, "bed": float("inf")}), WrongCommand, "bad-arguments"),
        (TECHNICIAN, Wanted(PRINTER, "home", {"axis": "x"}), WrongCommand, "bad-arguments"),
        (TECHNICIAN, Wanted(PRINTER, "print", {"digest": "0", "name": "a"}), WrongCommand, "job"),
        (TECHNICIAN, Wanted(PROJECTOR, "power-on", key="k" * 65), WrongCommand, "key"),
        (TECHNICIAN, Wanted(PROJECTOR, "power-on", key="\ud800"), WrongCommand, "key"),
    ],
)
def test_command_that_cannot_be_taken_is_refused_by_its_code_and_audited(
    office: Office, who: Principal, wanted: Wanted, leaf: type[CommandError], code: str
) -> None:
    with pytest.raises(leaf) as refused:
        office.commands.give(who, wanted)

    assert refused.value.code == code
    assert office.audit() == [("command-refused", who.id, f"{wanted.action}: {code}")]
    assert office.commands.of_device(CLUSTER, wanted.device_id) == []


def test_command_to_a_revoked_agent_is_refused(office: Office) -> None:
    office.agent(revoked=True)

    for action, device in (("power-on", PROJECTOR), ("home", PRINTER)):
        with pytest.raises(NotNow) as refused:
            office.commands.give(TECHNICIAN, Wanted(device, action))
        assert refused.value.code == "revoked"


def test_commands_of_one_device_that_wait_are_bounded_and_a_stop_has_a_place(office: Office) -> None:
    office.agent(presence="offline")
    for _ in range(MOST_UNANSWERED):
        office.give("home", PRINTER)

    with pytest.raises(NotNow) as refused:
        office.give("home", PRINTER)
    assert refused.value.code == "busy"
    assert office.view(office.give("stop", PRINTER)).status is S.QUEUED
    assert office.view(office.give("power-on", PROJECTOR)).status is S.QUEUED


def test_command_with_the_same_key_is_the_same_command(office: Office) -> None:
    first = office.commands.give(TECHNICIAN, Wanted(PROJECTOR, "power-on", key="k"))
    again = office.commands.give(TECHNICIAN, Wanted(PROJECTOR, "power-on", key="k"))
    other = office.commands.give(TEACHER, Wanted(PROJECTOR, "power-on", key="k"))

    assert again == first
    assert other.id != first.id
    with pytest.raises(WrongCommand) as refused:
        office.commands.give(TECHNICIAN, Wanted(PROJECTOR, "power-off", key="k"))
    assert refused.value.code == "key"


def test_command_with_the_same_key_from_many_at_once_is_one_command(office: Office) -> None:
    together, ids = threading.Barrier(6), []

    def ask() -> None:
        together.wait()
        ids.append(office.commands.give(TECHNICIAN, Wanted(PRINTER, "home", key="k")).id)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids) == 6
    assert len(set(ids)) == 1
    assert len(office.commands.of_device(CLUSTER, PRINTER)) == 1
    assert office.audit() == [("command", TECHNICIAN.id, "home")]


def test_command_in_a_callers_transaction_comes_and_goes_with_it(office: Office) -> None:
    wanted = Wanted(PRINTER, "print", {"digest": "0", "name": "a"}, key="job-1")
    with Session(office.engine) as db:
        lost = office.commands.give_in(db, TECHNICIAN, wanted)
    with Session(office.engine) as db:
        kept = office.commands.give_in(db, TECHNICIAN, wanted)
        db.commit()

    assert office.commands.find(CLUSTER, lost) is None
    assert office.view(kept).expires_ms == office.clock() + JOB_EXPIRY_MS


def test_commands_are_read_within_the_scope(office: Office) -> None:
    mine = office.give()

    assert office.commands.find(Scope("binh-minh"), mine) is None
    assert office.commands.of_device(Scope("binh-minh"), PROJECTOR) == []
    assert [view.id for view in office.commands.of_device(Scope("an-phu"), PROJECTOR)] == [mine]


def test_commands_of_a_device_come_newest_first_and_no_more_than_asked_for(office: Office, clock: Clock) -> None:
    ids = []
    for _ in range(4):
        ids.append(office.give())
        clock.ms += 1

    assert [view.id for view in office.commands.of_device(CLUSTER, PROJECTOR, 3)] == ids[:0:-1]


# offers


def whys(office: Office, who: Principal, device: int) -> dict[str, str]:
    return {offer.action.name: offer.why for offer in office.commands.offers(who, device)}


def test_offers_say_why_an_action_cannot_be_asked_for(office: Office, clock: Clock) -> None:
    assert whys(office, TEACHER, PRINTER) == {
        "print": "job",
        "pause": "",
        "resume": "",
        "stop": "",
        "home": "not-allowed",
        "preheat": "not-allowed",
    }
    office.commands.give(TECHNICIAN, Wanted(PRINTER, "home", lease_s=60))

    assert whys(office, TEACHER, PRINTER)["pause"] == "taken"
    assert {offer.until_ms for offer in office.commands.offers(TEACHER, PRINTER) if offer.why == "taken"} == {
        clock() + 60_000
    }
    assert whys(office, TEACHER, PRINTER)["stop"] == ""
    assert whys(office, TECHNICIAN, PRINTER)["home"] == ""
    with pytest.raises(NoSuchDevice):
        office.commands.offers(STRANGER, PRINTER)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (update(Agent).values(presence="offline"), "offline"),
        (update(Device).values(bridge_state="lost"), "lost"),
        (update(Device).values(present=False), "lost"),
    ],
)
def test_offers_know_the_way_to_the_device(office: Office, changes: Update, why: str) -> None:
    with office.engine.begin() as connection:
        connection.execute(changes)
    office.live.load()

    assert set(whys(office, TECHNICIAN, PROJECTOR).values()) == {why}
