"""A booking is a lease, and a lease is a claim: granted, taken back and told, on either kind of database."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from controller.scheduling.booked import LeaseState
from controller.scheduling.booking_errors import Taken as AlreadyBooked
from controller.scheduling.booking_states import BookingState
from controller.scheduling.leases import Taken
from controller.scheduling.leasing import HORIZON_MS
from controller.scheduling.tables import HeldCertificate, Resource, Supervisor
from controller.scheduling.turns import LEEWAY_MS
from controller.scheduling.verify_bookings import faults
from tests.integration.office import PRINTER, PROJECTOR
from tests.integration.timekeeping import HA, KY, MINUTE, PRINTER_THING, PROJECTOR_THING, ROOM_THING, Lab

pytestmark = pytest.mark.integration
L = LeaseState


@pytest.fixture(name="lab")
def _lab(either_database: Engine) -> Iterator[Lab]:
    """Whatever a test did to it, the tables agree afterwards."""
    lab = Lab(either_database)
    lab.furnish()
    yield lab
    assert list(faults(either_database, lab.clock())) == []


# from bookings


def test_booking_has_a_lease_for_each_of_its_machines_from_setting_up_to_the_end_of_cleaning(lab: Lab) -> None:
    booked = lab.book((PRINTER_THING, PROJECTOR_THING, ROOM_THING), begins=60)
    lab.turn()
    printer, projector = lab.leases()
    start_ms, end_ms = booked.start_ms, booked.end_ms
    assert (printer.from_ms, printer.until_ms) == (start_ms, end_ms + 5 * MINUTE)
    assert (projector.from_ms, projector.until_ms) == (start_ms, end_ms)
    assert (printer.booking, printer.booking_id, printer.holder) == (f"{booked.id}-{PRINTER}-1", booked.id, HA)
    assert lab.books_changed == 1

    lab.turn()
    assert len(lab.leases(standing=False)) == 2
    assert lab.books_changed == 1


def test_request_and_far_booking_have_no_lease_yet(lab: Lab) -> None:
    request = lab.book(begins=60, hold_until_ms=lab.clock() + HORIZON_MS)
    far = lab.book(begins=HORIZON_MS // MINUTE + 5)
    lab.turn()
    assert lab.leases() == []

    lab.bookings.advance(request.id, BookingState.CONFIRMED, by=KY)
    lab.later(10)
    lab.turn()
    assert {each.booking_id for each in lab.leases()} == {request.id, far.id}


def test_moved_booking_has_another_lease_and_both_are_told_in_one_book(lab: Lab) -> None:
    booked = lab.book(begins=60)
    lab.turn()
    assert lab.states(booked) == {PRINTER: L.GRANTED}
    lab.holds_newest_book()
    assert lab.states(booked) == {PRINTER: L.ACKNOWLEDGED}

    moved = lab.bookings.move(booked.id, booked.start_ms + 15 * MINUTE, booked.end_ms + 15 * MINUTE, by=HA)
    lab.turn()
    old, new = lab.leases(standing=False)
    assert (old.revoked_ms, new.revoked_ms) == (lab.clock(), None)
    assert (new.booking, new.from_ms) == (f"{booked.id}-{PRINTER}-2", moved.start_ms)
    assert old.book_number == new.book_number
    assert lab.states(booked) == {PRINTER: L.GRANTED}


def test_revocation_counts_when_the_agent_says_so_or_time_has_run_out(lab: Lab) -> None:
    booked, second = lab.book(begins=5), lab.book((PROJECTOR_THING,), begins=5)
    lab.turn()
    lab.bookings.end(booked.id, BookingState.CANCELLED, by=HA)
    lab.turn()
    assert lab.states(booked) == {PRINTER: L.REVOKED_PENDING}
    lab.holds_newest_book()
    assert lab.states(booked) == {PRINTER: L.REVOKED}

    lab.bookings.end(second.id, BookingState.CANCELLED, by=HA)
    lab.turn()
    assert lab.states(second) == {PROJECTOR: L.REVOKED_PENDING}
    lab.later(50)
    assert lab.states(second) == {PROJECTOR: L.REVOKED}


def test_substitute_who_checked_in_has_the_machine_in_the_same_lease(lab: Lab) -> None:
    booked = lab.book()
    lab.turn()
    lab.bookings.advance(booked.id, BookingState.CHECKED_IN, by=KY)
    lab.turn()
    (lease,) = lab.leases(standing=False)
    assert (lease.holder, lease.booking) == (KY, f"{booked.id}-{PRINTER}-1")


def test_lease_is_supervised_once_a_named_supervisor_or_somebody_certified_is_there(lab: Lab) -> None:
    with Session(lab.engine) as db:
        laser = db.get_one(Resource, PRINTER_THING)
        laser.hazard, laser.certificate = 3, "laser"
        db.add(HeldCertificate(user_id=KY, name="laser", issued_ms=0, by_id=KY))
        db.commit()
    first, second = lab.book(supervisors=(KY,)), lab.book(begins=60)
    lab.turn()
    assert [(each.hazard, each.supervised) for each in lab.leases()] == [(3, False), (3, False)]

    lab.bookings.advance(first.id, BookingState.CHECKED_IN, by=HA)
    lab.turn()
    assert not lab.leases()[0].supervised, "she has no certificate"
    with Session(lab.engine) as db:
        db.exec(select(Supervisor)).one().present_ms = lab.clock()
        db.commit()
    lab.turn()
    assert lab.leases()[0].supervised

    lab.bookings.advance(second.id, BookingState.CHECKED_IN, by=KY)
    lab.turn()
    assert lab.leases()[1].supervised


# walk-ups


def test_walk_up_is_a_booking_that_ends_with_its_lease(lab: Lab) -> None:
    lab.later(2)
    lab.walk_up(KY, 10)
    (lease,) = lab.leases()
    row = lab.row(lease.booking_id)
    assert (row.kind, row.state, row.holder, row.school_id) == ("walk-up", "checked-in", KY, "an-phu")
    assert (row.start_ms, row.end_ms, lease.until_ms) == (lab.clock(), lease.until_ms, lab.clock() + 10 * MINUTE)
    assert lab.claims(row.id) == [-2, 3, 8]
    with pytest.raises(AlreadyBooked):
        lab.book(begins=3)

    lab.later(4)
    assert lab.end_walk_up(lease)
    row = lab.row(row.id)
    assert (row.state, row.ended_ms) == ("done", lab.clock())
    assert lab.claims(row.id) == [-6, -1]
    lab.walk_up(HA, 10)
    assert lab.leases()[0].holder == HA, "the machine is free at once"
    assert lab.claims(lab.leases()[0].booking_id) == [4, 9]


def test_walk_up_waits_for_whoever_has_booked_and_is_cut_where_the_next_booking_begins(lab: Lab) -> None:
    booked = lab.book(begins=10)
    lab.walk_up(KY, 60)
    assert lab.lease(KY).until_ms == booked.start_ms
    lab.walk_up(KY, 90)
    assert lab.lease(KY).until_ms == booked.start_ms, "nor is it made longer"

    lab.later(10)
    with pytest.raises(Taken) as taken:
        lab.walk_up(KY, 5)
    assert taken.value.until_ms == booked.end_ms + 5 * MINUTE
    lab.turn()
    assert lab.row(lab.lease(KY).booking_id).state == "done"


def test_pending_request_keeps_walk_ups_out_though_it_has_no_lease(lab: Lab) -> None:
    lab.book(hold_until_ms=lab.clock() + MINUTE)
    with pytest.raises(Taken):
        lab.walk_up(KY)


def test_holder_uses_the_lease_that_was_booked_also_at_the_moment_of_booking(lab: Lab) -> None:
    booked = lab.book()
    assert lab.walk_up(HA, 600) == 1
    (lease,) = lab.leases()
    assert (lease.booking_id, lease.until_ms) == (booked.id, booked.end_ms + 5 * MINUTE)


def test_walk_up_needs_the_power_that_bookings_left(lab: Lab) -> None:
    with Session(lab.engine) as db:
        projector = db.get_one(Resource, PROJECTOR_THING)
        projector.watts, projector.circuit_id = 300, 14
        db.commit()
    lab.book((PROJECTOR_THING,), begins=20)
    lab.walk_up(KY, 60)
    assert lab.lease(KY).until_ms == lab.clock() + 20 * MINUTE
    lab.later(20)
    lab.turn()
    with pytest.raises(Taken):
        lab.walk_up(KY)


def test_lease_of_a_walk_up_goes_when_its_booking_is_ended_in_the_calendar(lab: Lab) -> None:
    lab.walk_up(KY)
    (lease,) = lab.leases()
    assert lease.from_ms == lab.clock() - LEEWAY_MS
    lab.bookings.end(str(lease.booking_id), BookingState.DONE, by=HA)
    lab.turn()
    assert lab.leases() == []


def test_walk_ups_and_bookings_at_once_never_share_a_machine(lab: Lab) -> None:
    gate, wrong, got = threading.Barrier(8), list[BaseException](), list[str]()

    def grab(number: int) -> None:
        gate.wait()
        try:
            for _ in range(4):
                try:
                    if number % 2:
                        lab.walk_up(f"u-{number}", 20)
                    else:
                        lab.book(holder=f"u-{number}", minutes=20)
                except (Taken, AlreadyBooked):
                    continue
                got.append(f"u-{number}")
        except BaseException as error:  # noqa: BLE001 - told to the test
            wrong.append(error)

    threads = [threading.Thread(target=grab, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    assert wrong == []
    lab.turn()
    assert len(set(got)) == 1, "one had it, the others did not"
    (lease,) = lab.leases()
    assert lease.holder == got[0]
