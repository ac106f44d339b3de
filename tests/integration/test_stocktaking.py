"""What can be booked, as it is written down: within the asker's schools, and never below what is booked already."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, time
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from controller.identity.store import audit_lines
from controller.main import wall_ms
from controller.scheduling import facts
from controller.scheduling.booking_errors import Taken
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Booked, Bookings, Request
from controller.scheduling.entries import (
    Entry,
    Fault,
    Kind,
    NoSuchEntry,
    RemoveCertificate,
    RemoveClosure,
    RetireThing,
    WriteCertificate,
    WriteClosure,
    WriteHours,
    WriteLimits,
    WriteRoom,
    WriteThing,
    WrongEntry,
)
from controller.scheduling.opening_hours import Open
from controller.scheduling.policy import Limits
from controller.scheduling.stock import Item
from controller.scheduling.stocktaking import Stocktaking
from controller.scheduling.tables import Closure, HeldCertificate, Load, OpeningTime, Resource
from tests.databases import fresh
from tests.integration.bookable import HERE, THERE, Furnished, populated, school_day, span

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("bookings")]


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Furnished]:
    made = fresh(tmp_path / "db")
    yield populated(made)
    made.dispose()


def change(here: Furnished, *entries: Entry, login: str = "lan") -> list[int]:
    return Stocktaking(here.engine, wall_ms, lambda: None).change(here.person(login), entries)


def entry_of(here: Furnished, name: str) -> WriteThing:
    """A thing as it is, to be written again."""
    with Session(here.engine) as db:
        row = db.get_one(Resource, here.things[name])
        known = {each: getattr(row, each) for each in WriteThing.__dataclass_fields__ if hasattr(row, each)}
    return WriteThing(**{**known, "kind": Kind(known["kind"])}, thing_id=here.things[name])


def circuit_of(here: Furnished) -> WriteThing:
    with Session(here.engine) as db:
        row = db.exec(select(Resource).where(Resource.kind == "circuit")).one()
        return WriteThing(HERE, row.name, Kind.CIRCUIT, code=row.code, capacity=row.capacity, thing_id=row.id)


def book(here: Furnished, *items: Item, periods: tuple[int, int] = (1, 2), day: int = 0) -> Booked:
    at = span(here.engine, school_day(day), *periods)
    holder = here.person("ha").id
    return Bookings(here.engine, wall_ms).book(Request(HERE, holder, holder, items, at.start, at.stop))


def loads(here: Furnished, resource_id: int | None) -> set[tuple[int, int]]:
    """What is used of a pool or circuit, and how much there is, in any tick."""
    with Session(here.engine) as db:
        found = db.exec(select(Load).where(Load.resource_id == resource_id)).all()
        return {(each.used, each.capacity) for each in found}


def test_pool_and_circuit_never_shrink_below_what_is_booked_ahead(either_database: Engine) -> None:
    here = populated(either_database)
    book(here, here.item("Kit", 12))
    book(here, here.item("3D-01"), here.item("3D-02"))
    kit, wires = entry_of(here, "Kit"), circuit_of(here)
    with pytest.raises(WrongEntry) as found:
        change(here, replace(kit, capacity=11))
    assert (found.value.fault, found.value.field, found.value.least) == (Fault.LOADED, "capacity", 12)
    with pytest.raises(WrongEntry) as found:
        change(here, replace(wires, capacity=699))
    assert found.value.least == 700
    change(here, replace(kit, capacity=12), replace(wires, capacity=700))
    assert loads(here, here.things["Kit"]) == {(12, 12)}
    with pytest.raises(Taken):
        book(here, here.item("Kit"))


def test_machine_takes_its_booked_load_to_another_circuit_and_gives_it_back(either_database: Engine) -> None:
    here = populated(either_database)
    first = book(here, here.item("3D-01"))
    book(here, here.item("3D-02"))
    old = circuit_of(here)
    (new,) = change(here, WriteThing(HERE, "Mạch mới", Kind.CIRCUIT, capacity=300))
    printer = entry_of(here, "3D-01")
    with pytest.raises(WrongEntry) as found:
        change(here, replace(printer, circuit_id=new))
    assert (found.value.fault, found.value.found, found.value.most) == (Fault.OVERLOADED, 350, 300)
    change(here, replace(printer, circuit_id=new, watts=250))
    assert loads(here, new) == {(250, 300)}
    assert {used for used, _ in loads(here, old.thing_id)} == {350}
    Bookings(here.engine, wall_ms).end(first.id, BookingState.CANCELLED)
    assert loads(here, new) == set()


def test_thing_is_added_with_a_code_of_its_own_changed_retired_and_used_again(lite: Furnished) -> None:
    (added,) = change(lite, WriteThing(HERE, "Máy CNC", class_name="cnc", hazard=2, certificate="cnc"))
    with Session(lite.engine) as db:
        code = db.get_one(Resource, added).code
    assert len(code) == 6
    thing = WriteThing(HERE, "Máy CNC 1", class_name="cnc", code=code)
    assert change(lite, thing, RetireThing(added)) == [added, added]
    with Session(lite.engine) as db:
        row = db.get_one(Resource, added)
        assert (row.name, row.hazard, row.retired) == ("Máy CNC 1", 0, True)
        assert [line.action for line in audit_lines(db)] == ["thing-write", "thing-write", "thing-retire"]
    change(lite, thing)
    with Session(lite.engine) as db:
        assert not db.get_one(Resource, added).retired


def test_what_is_booked_ahead_or_wired_is_not_retired(lite: Furnished) -> None:
    made = book(lite, lite.item("3D-01"))
    with pytest.raises(WrongEntry) as found:
        change(lite, RetireThing(lite.things["3D-01"]))
    assert (found.value.fault, [each.id for each in found.value.bookings]) == (Fault.STILL_BOOKED, [made.id])
    with pytest.raises(WrongEntry) as found:
        change(lite, RetireThing(circuit_of(lite).thing_id or 0))
    assert found.value.fault is Fault.STILL_WIRED


def test_entries_that_cannot_be_name_the_field(lite: Furnished) -> None:
    book(lite, lite.item("3D-01"))
    printer, code = entry_of(lite, "3D-01"), entry_of(lite, "3D-02").code
    with Session(lite.engine) as db:
        elsewhere = db.get_one(Resource, lite.things["3D-09"]).room_id
    wrong = {
        "code": replace(printer, code=code),
        "room_id": replace(printer, room_id=elsewhere),
        "circuit_id": replace(printer, circuit_id=lite.things["Kit"]),
        "device_id": replace(printer, device_id=999),
        "kind": replace(printer, kind=Kind.POOL, watts=0, circuit_id=None),
    }
    for at, entry in wrong.items():
        with pytest.raises(WrongEntry) as found:
            change(lite, entry)
        assert found.value.field == at
    with pytest.raises(WrongEntry):
        WriteThing(HERE, " ")
    with pytest.raises(WrongEntry):
        WriteHours(1, (Open(0, time(7), time(12)), Open(0, time(11), time(17))))


def test_one_wrong_entry_undoes_all_of_its_batch(lite: Furnished) -> None:
    with pytest.raises(NoSuchEntry):
        change(lite, WriteRoom(HERE, "Phòng mới"), RetireThing(999_999))
    with Session(lite.engine) as db:
        assert audit_lines(db) == []


def test_hours_closures_and_limits_are_what_bookings_go_by(lite: Furnished) -> None:
    day = school_day()
    (room,) = change(lite, WriteRoom(HERE, "Phòng Mộc"))
    wood = WriteThing(HERE, "Máy cưa", room_id=room)
    hours = WriteHours(room, (Open(day.weekday(), time(7), time(12)), Open(day.weekday(), time(13), time(0))))
    _, _, closed, _ = change(
        lite,
        wood,
        hours,
        WriteClosure(HERE, None, "Sửa điện", day, day),
        WriteLimits(HERE, Limits(person_week=None, pupils_per_adult=(40, 30, 20, 6)), no_show_min=20),
    )
    with Session(lite.engine) as db:
        assert len(db.exec(select(OpeningTime).where(OpeningTime.room_id == room)).all()) == 2
        assert facts.stored_limits(db, HERE).no_show_min == 20
        assert list(facts.stored_limits(db, HERE).pupils_per_adult) == [40, 30, 20, 6]
    change(lite, replace(hours, weekly=()), RemoveClosure(closed))
    with Session(lite.engine) as db:
        assert db.exec(select(OpeningTime).where(OpeningTime.room_id == room)).all() == []
        assert db.exec(select(Closure)).all() == []


def test_certificate_is_given_prolonged_and_taken_back(lite: Furnished) -> None:
    nam = lite.person("nam").id
    (given,) = change(lite, WriteCertificate(nam, "laser", 5))
    assert change(lite, WriteCertificate(nam, "laser")) == [given]
    with Session(lite.engine) as db:
        assert db.get_one(HeldCertificate, given).until_ms is None
    change(lite, RemoveCertificate(given))
    with Session(lite.engine) as db:
        assert db.exec(select(HeldCertificate).where(col(HeldCertificate.user_id) == nam)).all() == []


def test_school_changes_its_own_alone(lite: Furnished) -> None:
    theirs = lite.person("ha").id
    with Session(lite.engine) as db:
        room = db.get_one(Resource, lite.things["3D-01"]).room_id or 0
    for entry in (
        WriteRoom(HERE, "Phòng"),
        entry_of(lite, "3D-01"),
        RetireThing(lite.things["3D-03"]),
        WriteHours(room, ()),
        WriteClosure(HERE, None, "Nghỉ", date(2026, 1, 1), date(2026, 1, 1)),
        WriteLimits(HERE),
    ):
        with pytest.raises(NoSuchEntry):
            change(lite, entry, login="nam")
    with pytest.raises(WrongEntry):
        change(lite, WriteCertificate(theirs, "laser"), login="nam")
    assert change(lite, WriteRoom(THERE, "Phòng"), login="nam")
