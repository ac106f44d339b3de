"""When machines were at work: kept from what they say, whatever comes late; a use that nobody booked is told."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import Session, select

from controller.database import make_engine, sqlite_url
from controller.ingest.tables import Batch, Ledger, StoredEvent
from controller.scheduling.verify_bookings import faults
from tests.databases import fresh
from tests.integration.office import PRINTER
from tests.integration.timekeeping import MINUTE, Lab

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", name="furnished")
def _furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("furnished") / "fabfleet.db"
    engine = fresh(file)
    Lab(engine).furnish()
    engine.dispose()
    return file


@pytest.fixture(name="lab")
def _lab(furnished: Path, tmp_path: Path) -> Iterator[Lab]:
    engine = make_engine(sqlite_url(Path(shutil.copy(furnished, tmp_path))))
    lab = Lab(engine)
    lab.turn()
    yield lab
    assert list(faults(engine, lab.clock())) == []
    engine.dispose()


def spans(lab: Lab) -> list[tuple[int, int | None]]:
    """In minutes before now."""
    return [
        (
            (each.from_ms - lab.clock()) // MINUTE,
            None if each.until_ms is None else (each.until_ms - lab.clock()) // MINUTE,
        )
        for each in lab.uses()
    ]


def test_use_is_open_while_the_machine_works_and_belongs_to_the_booking_in_which_it_began(lab: Lab) -> None:
    booked = lab.book()
    lab.turn()
    lab.later(2)
    lab.says(working=True)
    lab.turn()
    assert spans(lab) == [(0, None)]
    lab.later(3)
    lab.says(working=False)
    lab.turn()
    assert spans(lab) == [(-3, 0)]
    assert lab.uses()[0].booking_id == booked.id
    assert lab.notices() == []


def test_use_goes_on_over_a_restart_and_ends_with_what_was_said_meanwhile(lab: Lab) -> None:
    lab.book()
    lab.turn()
    lab.says(working=True)
    lab.turn()
    lab.later(4)
    lab.restart()
    lab.turn()
    assert spans(lab) == [(-4, None)]
    lab.says(working=False, ago_ms=MINUTE, late=True)
    lab.restart()
    lab.turn()
    assert spans(lab) == [(-4, -1)]


def test_machine_that_falls_silent_is_not_at_work_for_ever(lab: Lab) -> None:
    lab.book(minutes=240)
    lab.turn()
    lab.says(working=True)
    lab.turn()
    lab.later(120)
    lab.turn()
    ((begun, ended),) = spans(lab)
    assert (begun, ended is not None and ended < -60) == (-120, True)


def test_words_that_come_late_mend_what_is_kept(lab: Lab) -> None:
    lab.book(minutes=240)
    lab.turn()
    lab.later(30)
    lab.says(working=True)
    lab.turn()
    lab.later(2)
    lab.says(working=True, ago_ms=22 * MINUTE, late=True)
    lab.says(working=False, ago_ms=20 * MINUTE, late=True)
    with Session(lab.engine) as db:
        ledger = Ledger(school_id="an-phu", agent_id=1, epoch="e")
        db.add(ledger)
        db.flush()
        db.add(_batch(ledger.id or 0, lab.clock(), lab.clock() - 22 * MINUTE))
        db.commit()
    lab.turn()
    assert spans(lab) == [(-22, -20), (-2, None)]


def test_use_that_nobody_booked_is_told_to_the_technicians_once(lab: Lab) -> None:
    lab.says(working=True)
    lab.turn()
    assert lab.uses()[0].booking_id is None
    with Session(lab.engine) as db:
        (event,) = db.exec(select(StoredEvent)).all()
        assert (event.kind, event.device, event.at_ms) == ("use-without-booking", f"device-{PRINTER}", lab.clock())
        told = StoredEvent(
            school_id="an-phu", agent_id=1, device=event.device, kind="use-without-lease", at_ms=0, received_ms=0
        )
        told.at_ms = told.received_ms = lab.clock() + MINUTE
        db.add(told)
        db.commit()
    lab.later(2)
    lab.says(working=False)
    lab.turn()
    lab.restart()
    lab.turn()
    assert lab.notices() == [("use-without-booking", None)]


def test_use_that_an_agent_alone_noticed_is_told_as_well(lab: Lab) -> None:
    with Session(lab.engine) as db:
        name = f"device-{PRINTER}"
        at_ms = lab.clock()
        db.add(
            StoredEvent(
                school_id="an-phu", agent_id=1, device=name, kind="use-without-lease", at_ms=at_ms, received_ms=at_ms
            )
        )
        db.commit()
    lab.later(2)
    lab.turn()
    assert lab.notices() == [("use-without-booking", None)]


def test_use_in_a_walk_up_is_nobodys_fault(lab: Lab) -> None:
    lab.walk_up()
    lab.says(working=True)
    lab.turn()
    assert lab.uses()[0].booking_id == lab.leases()[0].booking_id
    assert lab.notices() == []


def _batch(ledger_id: int, received_ms: int, from_ms: int) -> Batch:
    return Batch(
        ledger_id=ledger_id,
        first=1,
        number=1,
        digest="d",
        received_ms=received_ms,
        produced=2,
        accepted=2,
        quarantined=0,
        rejected=0,
        given_up=0,
        row_count=2,
        checksum=0,
        from_ms=from_ms,
        to_ms=from_ms,
    )
