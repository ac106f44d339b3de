"""`fabfleet verify` names what cannot have been, whoever put it into the tables."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from contract.model import CommandStatus
from controller.cli import main
from controller.commands import verify as verify_commands
from controller.commands.tables import CommandStep, StoredCommand
from controller.config import ControllerConfig
from controller.database import make_engine
from controller.identity.tables import AuditLine
from controller.ingest.tables import StoredEvent
from controller.scheduling.booking_states import BookingState
from controller.scheduling.school_time import TICK_MS
from controller.scheduling.tables import Assignment, Booking, Claim, LeaseGrant, Load
from controller.scheduling.verify_bookings import faults
from tests.databases import fresh
from tests.integration.office import PRINTER, PROJECTOR
from tests.integration.timekeeping import (
    CIRCUIT,
    HA,
    KY,
    MINUTE,
    PRINTER_THING,
    PROJECTOR_THING,
    ROOM_THING,
    Lab,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", name="history")
def _history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A database in which a walk-up is over, a booking is checked in, and one was moved and cancelled; and its time."""
    file = tmp_path_factory.mktemp("history") / "fabfleet.db"
    engine = fresh(file)
    lab = Lab(engine)
    lab.furnish()
    lab.walk_up(KY, 5)
    lab.later(5)
    now = lab.book()
    moved = lab.book((PROJECTOR_THING, ROOM_THING), begins=60)
    lab.turn()
    lab.bookings.advance(now.id, BookingState.CHECKED_IN, by=HA)
    lab.bookings.move(moved.id, moved.start_ms + 10 * MINUTE, moved.end_ms + 10 * MINUTE, by=HA)
    lab.turn()
    lab.bookings.end(moved.id, BookingState.CANCELLED, by=HA)
    lab.turn()
    engine.dispose()
    return file, lab.clock() + 5 * MINUTE


@pytest.fixture(name="lab")
def _lab(history: tuple[Path, int], tmp_path: Path) -> Iterator[Lab]:
    config = ControllerConfig(state=tmp_path)
    config.folder.mkdir(parents=True)
    shutil.copy(history[0], config.folder / "fabfleet.db")
    engine = make_engine(config.database)
    lab = Lab(engine)
    lab.clock.ms = history[1]
    yield lab
    engine.dispose()


def found(lab: Lab) -> list[str]:
    return [*faults(lab.engine, lab.clock()), *verify_commands.faults(lab.engine)]


def test_verify_finds_nothing_where_all_went_as_it_should(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert found(lab) == []
    assert main(["verify", "--state", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "bookings: claims, assignments, leases and audit log agree" in printed
    assert "commands: none that is guarded was begun outside a lease" in printed


def _double(db: Session, lab: Lab) -> None:
    start_ms = lab.clock() // TICK_MS * TICK_MS
    span = {"from_ms": start_ms, "until_ms": start_ms + TICK_MS}
    db.add(Assignment(booking_id=str(db.exec(select(Booking.id)).first()), resource_id=CIRCUIT, **span))
    db.add(Assignment(booking_id=str(db.exec(select(Booking.id)).all()[-1]), resource_id=CIRCUIT, **span))


def _claim_lost(db: Session, _lab: Lab) -> None:
    last = db.execute(delete(Claim).where(col(Claim.resource_id) == PRINTER_THING).where(col(Claim.tick) % 2 == 0))
    assert last is not None


def _claim_orphaned(db: Session, _lab: Lab) -> None:
    db.add(Claim(resource_id=ROOM_THING, tick=1, booking_id="nobody"))


def _overloaded(db: Session, _lab: Lab) -> None:
    db.execute(update(Load).where(col(Load.resource_id) == CIRCUIT).values(used=351))


def _lease_alone(db: Session, lab: Lab) -> None:
    db.add(_grant(lab, PROJECTOR, "b-1-1", KY))


def _state_by_hand(db: Session, _lab: Lab) -> None:
    db.execute(update(Booking).where(col(Booking.state) == "cancelled").values(state="done"))


def _lease_by_hand(db: Session, lab: Lab) -> None:
    db.execute(update(LeaseGrant).where(col(LeaseGrant.holder) == HA).values(until_ms=lab.clock() + 1))


def _log_lost(db: Session, _lab: Lab) -> None:
    db.execute(delete(AuditLine).where(col(AuditLine.action) == "booking-make"))


def _command_outside(db: Session, lab: Lab) -> None:
    _command(db, lab, at_ms=lab.clock() - 60 * MINUTE)


def _at_the_machine_outside(db: Session, lab: Lab) -> None:
    _local(db, lab.clock() - 60 * MINUTE, "lan: pause: done ")


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (_double, f"resource {CIRCUIT} is assigned to"),
        (_claim_lost, f"has resource {PRINTER_THING} for 10 ticks and claims"),
        (_claim_orphaned, f"resource {ROOM_THING} is claimed for nobody, which has it not"),
        (_overloaded, f"resource {CIRCUIT} is loaded with 351"),
        (_lease_alone, "lease b-1-1 of device 2 has no booking that wants it"),
        (_state_by_hand, "is done, by the audit log cancelled"),
        (_lease_by_hand, "of device 1 is not what the audit log says"),
        (_log_lost, "is not in the audit log"),
        (_command_outside, "command c-1 (pause) of device 1 began outside a lease"),
        (_at_the_machine_outside, "pause at the machine, device 1 at"),
    ],
)
def test_verify_names_what_was_planted(lab: Lab, plant: Callable[[Session, Lab], None], named: str) -> None:
    with Session(lab.engine) as db:
        plant(db, lab)
        db.commit()
    wrong = found(lab)
    assert any(named in each for each in wrong), wrong


def test_commands_within_leases_and_those_that_need_none_are_right(lab: Lab) -> None:
    with Session(lab.engine) as db:
        _command(db, lab, at_ms=lab.clock())
        _local(db, lab.clock() + 20 * MINUTE, "lan: pause: done ")
        _local(db, 0, "lan: pause: refused no-lease")
        _local(db, 0, "lan: stop: done ")
        db.commit()
    assert found(lab) == []


def test_command_that_was_given_after_its_lease_was_taken_back_is_named(lab: Lab) -> None:
    with Session(lab.engine) as db:
        db.execute(update(LeaseGrant).where(col(LeaseGrant.holder) == HA).values(revoked_ms=lab.clock() - 2 * MINUTE))
        _command(db, lab, at_ms=lab.clock())
        db.commit()
    assert any("command c-1 (pause)" in each for each in found(lab))


def _grant(lab: Lab, device_id: int, name: str, holder: str) -> LeaseGrant:
    return LeaseGrant(
        school_id="an-phu",
        agent_id=1,
        device_id=device_id,
        holder=holder,
        booking=name,
        from_ms=lab.clock() - MINUTE,
        until_ms=lab.clock() + MINUTE,
        book_number=1,
    )


def _command(db: Session, lab: Lab, at_ms: int) -> None:
    given = StoredCommand(
        id="c-1",
        school_id="an-phu",
        agent_id=1,
        device_id=PRINTER,
        action="pause",
        by_id=HA,
        asked_ms=at_ms,
        expires_ms=lab.clock(),
        status=CommandStatus.DONE,
        status_ms=at_ms,
        told=True,
        needs_book=1,
    )
    db.add(given)
    db.flush()
    db.add(CommandStep(command_id="c-1", status=CommandStatus.ACCEPTED, at_ms=at_ms, received_ms=at_ms))


def _local(db: Session, at_ms: int, detail: str) -> None:
    db.add(
        StoredEvent(
            school_id="an-phu",
            agent_id=1,
            device=f"device-{PRINTER}",
            kind="local-command",
            at_ms=at_ms,
            received_ms=at_ms,
            detail=detail,
        )
    )
