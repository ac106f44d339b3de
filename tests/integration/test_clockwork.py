"""What becomes of bookings as time passes: requests run out, no-shows are freed, what is used counts as come."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, col, select

from controller.database import make_engine, sqlite_url
from controller.fleet.live import LiveFleet
from controller.fleet.tables import Device
from controller.main import wall_ms
from controller.scheduling.booking_states import BookingState
from controller.scheduling.clockwork import Clockwork
from controller.scheduling.fates import UNHEARD_MS
from controller.scheduling.leases import WalkUp
from controller.scheduling.office import Office
from controller.scheduling.policy import MAINTENANCE
from controller.scheduling.school_time import TICK_MS
from controller.scheduling.tables import BookingLimits, Resource
from controller.scheduling.verify_bookings import faults
from tests.databases import fresh
from tests.integration.mqtt import eventually
from tests.integration.office import TEACHER, TECHNICIAN
from tests.integration.timekeeping import HA, MINUTE, PRINTER_THING, ROOM_THING, Lab

pytestmark = pytest.mark.integration
S = BookingState


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
    yield lab
    assert list(faults(engine, lab.clock())) == []
    engine.dispose()


def test_request_that_nobody_answers_runs_out_and_its_holder_is_told(lab: Lab) -> None:
    request = lab.book(begins=120, hold_until_ms=lab.clock() + 60 * MINUTE)
    assert lab.turn() == lab.clock() + 60 * MINUTE
    lab.later(60)
    lab.turn()
    assert lab.state(request) is S.EXPIRED
    assert lab.notices() == [("booking-expired", HA)]


def test_booking_that_nobody_comes_to_is_a_no_show_and_frees_its_machine(lab: Lab) -> None:
    booked = lab.book()
    assert lab.turn() == lab.clock() + 15 * MINUTE
    lab.later(14)
    lab.turn()
    assert lab.state(booked) is S.CONFIRMED
    lab.later(1)
    lab.turn()
    assert lab.state(booked) is S.NO_SHOW
    assert lab.leases() == []
    assert lab.notices() == [("no-show", HA)]
    assert lab.book(begins=5).resources == ((PRINTER_THING, 0),)


def test_school_of_the_machines_says_how_long_they_wait_for_somebody(lab: Lab) -> None:
    with Session(lab.engine) as db:
        db.add(BookingLimits(school_id="an-phu", no_show_min=30))
        db.commit()
    booked = lab.book()
    lab.later(29)
    lab.turn()
    assert lab.state(booked) is S.CONFIRMED
    lab.later(1)
    lab.turn()
    assert lab.state(booked) is S.NO_SHOW


def test_machine_at_work_in_a_booking_counts_as_checked_in(lab: Lab) -> None:
    booked = lab.book()
    lab.turn()
    lab.later(3)
    lab.says(working=True)
    lab.turn()
    row = lab.row(booked.id)
    assert (row.state, row.checked_in_ms, row.checked_in_by) == ("checked-in", lab.clock(), "")
    assert lab.audit("booking-checked-in") == [("", "the machine is at work")]
    assert (lab.lease(HA).holder, lab.lease(HA).supervised) == (HA, False)

    lab.later(20)
    lab.turn()
    assert lab.state(booked) is S.CHECKED_IN


def test_work_that_began_before_a_booking_is_nobody_coming_to_it(lab: Lab) -> None:
    lab.walk_up(minutes=5)
    lab.says(working=True)
    booked = lab.book(begins=5)
    lab.later(20)
    lab.says(working=True)
    lab.turn()
    assert lab.state(booked) is S.NO_SHOW


def test_booking_is_over_when_its_machine_is_cleaned(lab: Lab) -> None:
    booked, unused = lab.book(), lab.book((ROOM_THING,), begins=0)
    lab.bookings.advance(booked.id, S.CHECKED_IN, by=HA)
    lab.bookings.advance(unused.id, S.CHECKED_IN, by=HA)
    lab.later(45)
    assert lab.turn() == lab.clock() + 5 * MINUTE
    assert (lab.state(booked), lab.state(unused)) == (S.CHECKED_IN, S.DONE)
    lab.later(5)
    lab.turn()
    assert lab.state(booked) is S.DONE
    assert len(lab.claims(booked.id)) == 10, "what it had stays its own"


def test_machine_out_of_contact_makes_nobody_a_no_show(lab: Lab) -> None:
    booked = lab.book()
    lab.agent(presence="offline")
    lab.later(20)
    lab.turn()
    assert lab.state(booked) is S.CONFIRMED

    lab.later(40)
    lab.agent(presence="online")
    lab.says(working=True, ago_ms=50 * MINUTE, late=True)
    lab.says(working=False, ago_ms=48 * MINUTE, late=True)
    lab.restart()
    lab.turn()
    assert lab.state(booked) is S.DONE, "it was used, as was heard later"


def test_booking_of_a_machine_that_is_never_heard_again_is_settled_some_day(lab: Lab) -> None:
    booked = lab.book()
    lab.agent(presence="offline")
    lab.clock.ms += 50 * MINUTE + UNHEARD_MS
    lab.turn()
    assert lab.state(booked) is S.DONE


def test_nobody_has_to_come_to_maintenance(lab: Lab) -> None:
    booked = lab.book(kind=MAINTENANCE)
    lab.later(30)
    lab.turn()
    assert lab.state(booked) is S.CONFIRMED
    lab.later(20)
    lab.turn()
    assert lab.state(booked) is S.DONE


def test_clockwork_wakes_at_the_next_edge_by_itself(lab: Lab) -> None:
    """Its own thread, on the real clock: the request is long over when its interval comes round again."""
    lab.clock.ms = wall_ms() // TICK_MS * TICK_MS
    request = lab.book(begins=120, hold_until_ms=wall_ms() + 3_000)
    clockwork = Clockwork(lab.engine, wall_ms, leases=lab.desk, usage=lab.usage, leases_changed=lambda: None)
    clockwork.start()
    try:
        eventually(lambda: lab.state(request) is S.EXPIRED, "it ran out at its time", 14.0)
    finally:
        clockwork.stop()


def test_machine_that_is_seen_for_the_first_time_is_bookable_at_the_next_turn(lab: Lab) -> None:
    lab.turn()
    with Session(lab.engine) as db:
        seen = Device(
            school_id="an-phu", agent_id=1, slug="new", name="3D-99", profile_slug="demo/printer-3d", profile_digest="d"
        )
        pc = Device(
            school_id="an-phu",
            agent_id=1,
            slug="pc",
            name="PC-99",
            profile_slug="demo/classroom-pc",
            profile_digest="d",
        )
        db.add_all([seen, pc])
        db.commit()
        printer = seen.id
        lab.desk.walk_up(db, WalkUp(printer or 0, HA, lab.clock() + MINUTE))
        db.commit()
    lab.clockwork.registry_changed(1)
    lab.turn()
    with Session(lab.engine) as db:
        assert db.exec(select(Resource).where(Resource.name == "3D-99")).all() == [], "somebody has it just now"
    lab.later(2)
    for _ in range(2):
        lab.turn()
        with Session(lab.engine) as db:
            [thing] = db.exec(select(Resource).where(col(Resource.name).in_(("3D-99", "PC-99")))).all()
            assert (thing.device_id, thing.school_id, len(thing.code)) == (printer, "an-phu", 6)
        lab.clockwork.registry_changed(1)


def test_clockwork_that_is_woken_in_the_middle_of_a_turn_takes_another(lab: Lab) -> None:
    """And one only, however often: nothing that was asked for waits for the interval."""
    turns = 0
    in_a_turn, go_on = threading.Event(), threading.Event()

    def held() -> int:
        nonlocal turns
        turns += 1
        in_a_turn.set()
        go_on.wait(20)
        return wall_ms()

    clockwork = Clockwork(lab.engine, held, leases=lab.desk, usage=lab.usage, leases_changed=lambda: None)
    clockwork.start()
    try:
        assert in_a_turn.wait(20)
        before = turns
        for _ in range(50):
            clockwork.wake()
        go_on.set()
        eventually(lambda: turns >= 2 * before, "another turn", 10.0)
    finally:
        go_on.set()
        clockwork.stop()


def test_what_somebody_else_does_to_a_booking_is_told_to_its_holder(lab: Lab) -> None:
    live = LiveFleet(lab.engine, lab.clock)
    live.load()
    office = Office(lab.engine, live, ZoneInfo("Asia/Ho_Chi_Minh"), lab.clock, lambda: None)
    request = lab.book(begins=60, hold_until_ms=lab.clock() + 30 * MINUTE)
    other = lab.book((ROOM_THING,), begins=60)
    office.confirm(TECHNICIAN, request.id)
    office.cancel(TECHNICIAN, request.id)
    office.cancel(TEACHER, other.id)
    assert lab.notices() == [("booking-confirmed", HA), ("booking-cancelled", HA)]
