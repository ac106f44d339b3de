"""Kits of a counted pool: taken out for a booking, back with what is missing, and out of use until it is mended."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from controller.identity.store import audit_lines
from controller.main import wall_ms
from controller.scheduling.booking_errors import Taken
from controller.scheduling.bookings import Booked, Bookings, Request
from controller.scheduling.entries import WrongEntry
from controller.scheduling.kit_pools import LackState, Part, Pool
from controller.scheduling.kit_rest import resting
from controller.scheduling.kits import KitFault, Kits, Lack, NoSuchKit, WrongKit
from controller.scheduling.policy import Resting
from controller.scheduling.stock import Item
from controller.scheduling.stocktaking import Stocktaking
from controller.scheduling.tables import Assignment, Load, Resource
from tests.integration.bookable import HERE, THERE, Furnished, populated, school_day, span
from tests.integration.test_stocktaking import entry_of

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("bookings")]
TWO_WHEELS = Lack("wheel", LackState.MISSING, 2)


@dataclass
class Shelf:
    """The pool `Kit` of 30 at An Phú, and the clock."""

    made: Furnished
    now_ms: int
    woken: list[int] = field(default_factory=list)

    @property
    def kits(self) -> Kits:
        return Kits(self.made.engine, lambda: self.now_ms, lambda: self.woken.append(self.now_ms))

    @property
    def id(self) -> int:
        return self.made.things["Kit"]

    def pool(self, login: str = "ha") -> Pool:
        return self.kits.pool(self.made.person(login), self.id)

    def book(self, count: int, periods: tuple[int, int] = (1, 2), login: str = "ha", school: str = HERE) -> Booked:
        at, holder = span(self.made.engine, school_day(), *periods), self.made.person(login).id
        item = Item(self.id, count=count)
        return Bookings(self.made.engine, wall_ms).book(
            Request(school, holder, holder, (item,), at.start, at.stop, title="8A1")
        )

    def out(self, booked: Booked, count: int, login: str = "ha") -> int:
        return self.kits.hand_out(self.made.person(login), self.id, booked.id, count)


@pytest.fixture
def shelf(either_database: Engine) -> Iterator[Shelf]:
    made = populated(either_database)
    yield Shelf(made, span(made.engine, school_day(), 1, 2).start - 10 * 60_000)
    made.engine.dispose()


def test_kits_are_taken_out_for_a_booking_and_no_more_than_it_has(shelf: Shelf) -> None:
    booked, later = shelf.book(12), shelf.book(5, (4, 5))
    assert [(each.booking_id, each.kits) for each in shelf.pool().due] == [(booked.id, 12)]
    shelf.out(booked, 8)
    pool = shelf.pool()
    assert (pool.usable, pool.out, [each.kits for each in pool.due]) == (30, 8, [4])
    for count in (0, 5):
        with pytest.raises(WrongKit) as wrong:
            shelf.out(booked, count)
        assert (wrong.value.fault, wrong.value.most) == (KitFault.TOO_MANY, 4)
    with pytest.raises(WrongKit) as wrong:
        shelf.out(later, 1)
    assert wrong.value.fault is KitFault.NOT_NOW
    with Session(shelf.made.engine) as db:
        assert [line.detail for line in audit_lines(db) if line.action == "kit-hand-out"] == [f"8 for {booked.id}"]


def test_what_is_missing_lowers_what_can_be_booked_until_it_is_mended(shelf: Shelf) -> None:
    coordinator = shelf.made.person("lan")
    shelf.kits.write_parts(coordinator, shelf.id, [Part("wheel", 4), Part("cable", 1)])
    handout = shelf.out(shelf.book(12), 12)
    before = shelf.book(29, (4, 5))
    shelf.kits.give_back(shelf.made.person("ha"), handout, [TWO_WHEELS, Lack("", LackState.BROKEN, 1)])
    pool = shelf.pool()
    assert (pool.usable, pool.out, pool.unusable, pool.short) == (27, 0, 3, 2)
    assert [(each.part, each.state, each.kits) for each in pool.lacks] == [("wheel", "missing", 2), ("", "broken", 1)]
    assert pool.due == (), "a booking's kits are taken out once"
    with pytest.raises(Taken):
        shelf.book(1, (4, 5))
    Bookings(shelf.made.engine, wall_ms)
    assert before.id
    with pytest.raises(NoSuchKit):
        shelf.kits.mend(shelf.made.person("ha"), pool.lacks[0].id)
    for _ in range(2):
        shelf.kits.mend(coordinator, pool.lacks[0].id)
    assert (shelf.pool().usable, shelf.pool().short, shelf.pool().unusable) == (29, 0, 1)
    shelf.kits.mend(coordinator, pool.lacks[1].id)
    shelf.book(1, (4, 5))
    with Session(shelf.made.engine) as db:
        assert all(row.used <= row.capacity for row in db.exec(select(Load).where(Load.resource_id == shelf.id)))
        actions = [line.action for line in audit_lines(db) if line.action.startswith("kit-")]
    assert sorted(actions) == ["kit-give-back", "kit-hand-out", "kit-mend", "kit-mend", "kit-parts"]
    assert len(shelf.woken) == 3


def test_kits_are_brought_back_once_and_only_with_parts_that_they_have(shelf: Shelf) -> None:
    ha, handout = shelf.made.person("ha"), shelf.out(shelf.book(3), 3)
    for lacks, fault in (
        ([TWO_WHEELS], KitFault.NO_PART),
        ([Lack("", LackState.MISSING, 4)], KitFault.TOO_MANY),
        ([Lack("", LackState.MISSING, 2), Lack("", LackState.BROKEN, 2)], KitFault.TOO_MANY),
        ([Lack("", LackState.MISSING, 0)], KitFault.TOO_MANY),
    ):
        with pytest.raises(WrongKit) as wrong:
            shelf.kits.give_back(ha, handout, lacks)
        assert wrong.value.fault is fault
    shelf.kits.give_back(ha, handout, [])
    with pytest.raises(WrongKit) as wrong:
        shelf.kits.give_back(ha, handout, [Lack("", LackState.MISSING, 1)])
    assert wrong.value.fault is KitFault.BACK_ALREADY
    assert shelf.pool().usable == 30


def test_who_is_out_of_reach_finds_nothing(shelf: Shelf) -> None:
    handout, nam = shelf.out(shelf.book(3), 3), shelf.made.person("nam")
    for attempt in (
        lambda: shelf.kits.pool(nam, shelf.id),
        lambda: shelf.kits.give_back(nam, handout, []),
        lambda: shelf.kits.write_parts(shelf.made.person("ha"), shelf.id, [Part("wheel", 4)]),
        lambda: shelf.kits.mend(nam, 99),
        lambda: shelf.kits.pool(shelf.made.person("lan"), shelf.made.things["3D-01"]),
    ):
        with pytest.raises(NoSuchKit):
            attempt()
    assert [each.name for each in shelf.kits.pools(nam)] == []
    booked = shelf.book(2, login="nam", school=THERE)
    assert [(each.name, len(each.due)) for each in shelf.kits.pools(nam)] == [("Kit", 1)], "their own booking"
    assert [each.mine for each in shelf.kits.pools(nam)[0].outs] == [False]
    shelf.out(booked, 2, "nam")


@pytest.mark.parametrize(("charge_min", "hygiene_min", "rest_min"), [(45, 10, 45), (10, 45, 45), (0, 45, 45)])
def test_kits_are_held_for_the_longer_of_charging_and_hygiene(
    shelf: Shelf, charge_min: int, hygiene_min: int, rest_min: int
) -> None:
    """Tablets, VR sets: they are wiped while they charge, and are held as a machine is for its clean-up."""
    tablets = replace(entry_of(shelf.made, "Kit"), charge_min=charge_min, clean_up_min=hygiene_min)
    Stocktaking(shelf.made.engine, wall_ms, lambda: None).change(shelf.made.person("lan"), [tablets])
    shelf.book(20, (1, 2))
    with pytest.raises(Taken):
        shelf.book(20, (3, 3))
    shelf.book(10, (3, 3))
    with pytest.raises(Taken):
        shelf.book(1, (3, 3))
    pool = shelf.pool()
    assert (pool.charge_min, pool.hygiene_min, pool.rest_min) == (charge_min, hygiene_min, rest_min)
    with Session(shelf.made.engine) as db:
        lesson = span(shelf.made.engine, school_day(), 1, 2)
        held = db.exec(select(Assignment.until_ms).where(Assignment.quantity == 20)).one()
        assert held == lesson.stop + rest_min * 60_000


def test_only_counted_kits_charge(shelf: Shelf) -> None:
    with pytest.raises(WrongEntry, match="charge_min"):
        replace(entry_of(shelf.made, "3D-01"), charge_min=5)


def test_kits_that_came_back_late_are_bookable_only_after_their_charge_and_clean_up_minutes(shelf: Shelf) -> None:
    """In time, the booking itself holds them so long; late, and while they are out, the rule does."""
    minute = 60_000
    with Session(shelf.made.engine) as db:
        pool = db.get_one(Resource, shelf.id)
        pool.charge_min, pool.clean_up_min = 30, 10
        db.add(pool)
        db.commit()
    lesson = span(shelf.made.engine, school_day(), 1, 2)
    handout = shelf.out(shelf.book(20), 20)
    shelf.now_ms = lesson.stop - 5 * minute

    def rest(count: int) -> Resting | None:
        with Session(shelf.made.engine) as db:
            return resting(db, (Item(shelf.id, count=count),), shelf.now_ms).get(shelf.id)

    assert rest(15) is None, "the lesson goes on, and holds them until half an hour after its end"
    shelf.now_ms = lesson.stop + 20 * minute
    overdue = rest(15)
    assert overdue is not None
    assert (overdue.from_ms, overdue.until_ms) == (lesson.stop + 30 * minute, shelf.now_ms + 30 * minute)
    assert (overdue.ready, overdue.wanted) == (10, 15)
    shelf.kits.give_back(shelf.made.person("ha"), handout, [Lack("", LackState.BROKEN, 2)])
    back = shelf.now_ms
    shelf.now_ms += 10 * minute
    late = rest(15)
    assert late is not None
    assert (late.until_ms, late.ready) == (back + 30 * minute, 10), "what is broken is off the pool, not resting too"
    shelf.now_ms = back + 30 * minute
    assert rest(15) is None
