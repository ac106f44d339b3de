"""Bookings on real databases: all or nothing, and never twice."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlmodel import Session

from controller.fleet.tables import School
from controller.scheduling import claims
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import (
    Booked,
    BookingError,
    Bookings,
    Item,
    NoSuchBooking,
    NothingOfThatKind,
    Request,
    Taken,
    TooLate,
)
from controller.scheduling.school_time import TICK_MS, ticks
from controller.scheduling.search import taken
from controller.scheduling.stock import Serving, read
from controller.scheduling.tables import Resource

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("bookings")]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOON = 20_000 * DAY_MS
SCHOOL = "doi-gio"
OTHER = "ben-trang"


@dataclass(frozen=True)
class Hall:
    """A database with a few things to book. Ids by name."""

    engine: Engine
    bookings: Bookings
    ids: dict[str, int]

    def book(self, *items: Item, at_ms: int = NOON, hours: float = 1, **more: object) -> Booked:
        return self.bookings.book(wish(*items, at_ms=at_ms, hours=hours, **more))

    def try_for(self, item: Item, at_ms: int, _number: int) -> Booked:
        """One of many who want the same."""
        return self.book(item, at_ms=at_ms)

    def seen(self, request: Request) -> Serving:
        """What would serve it now."""
        use = ticks(request.start_ms, request.end_ms)
        with self.engine.connect() as connection:
            stock = read(connection, request.items, request.school_id)
            choice = stock.choice(use, taken(connection, stock, stock.window(use)))
        assert choice is not None
        return Serving(stock, choice)

    def unit(self, name: str) -> Item:
        return Item(self.ids[name])

    def count(self, sql: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(text(sql)).scalar_one())


def wish(*items: Item, at_ms: int = NOON, hours: float = 1, **more: object) -> Request:
    given = {
        "school_id": SCHOOL,
        "holder": "ha",
        "by_id": "ha",
        "start_ms": at_ms,
        "end_ms": at_ms + int(hours * HOUR_MS),
    }
    return Request(items=items, **{**given, **more})  # type: ignore[arg-type]  # a test's shorthand


PRINTER = Item(class_name="printer-3d")


@pytest.fixture
def hall(either_database: Engine) -> Hall:
    return Hall(either_database, Bookings(either_database, lambda: NOON - DAY_MS), furnish(either_database))


def furnish(engine: Engine) -> dict[str, int]:
    with Session(engine) as db:
        db.add_all([School(id=SCHOOL, name="Đồi Gió"), School(id=OTHER, name="Bến Trăng")])
        db.flush()
        circuit = Resource(school_id=SCHOOL, kind="circuit", name="circuit", code="CIRCUIT", capacity=1000)
        db.add(circuit)
        db.flush()
        things = [
            *(unit(f"printer-{n}", "printer-3d", setup_min=10, clean_up_min=10) for n in range(1, 6)),
            *(unit(f"oven-{n}", "oven", watts=600, circuit_id=circuit.id) for n in (1, 2)),
            unit("room", "room"),
            Resource(school_id=SCHOOL, kind="pool", class_name="kit", name="kits", code="KITS", capacity=30),
        ]
        db.add_all(things)
        db.commit()
        return {thing.name: thing.id or 0 for thing in [circuit, *things]}


def unit(name: str, class_name: str, **more: Any) -> Resource:
    return Resource(school_id=SCHOOL, kind="unit", class_name=class_name, name=name, code=name[-8:], **more)


def test_what_was_seen_free_is_had_without_another_look(hall: Hall) -> None:
    request = wish(PRINTER, Item(hall.ids["oven-1"]), Item(hall.ids["kits"], count=7))
    seen = hall.seen(request)
    looked: list[str] = []
    event.listen(hall.engine, "before_cursor_execute", lambda *said: looked.append(str(said[2])))

    booked = hall.bookings.book(request, likely=seen)

    assert not any("FROM assignment" in each for each in looked)
    assert any("INSERT INTO assignment" in each for each in looked)
    assert booked.resources == ((hall.ids["printer-1"], 0), (hall.ids["oven-1"], 0), (hall.ids["kits"], 7))
    assert booked == hall.bookings.find(booked.id)
    assert hall.count("SELECT count(*) FROM claim") == (10 + 60 + 10) // 5 + 60 // 5
    assert hall.count(f"SELECT max(used) FROM load WHERE resource_id = {hall.ids['circuit']}") == 600
    assert hall.count(f"SELECT max(used) FROM load WHERE resource_id = {hall.ids['kits']}") == 7


def test_where_somebody_was_quicker_another_unit_is_had(hall: Hall) -> None:
    seen = hall.seen(wish(PRINTER))
    hall.book(hall.unit("printer-1"))

    booked = hall.bookings.book(wish(PRINTER), likely=seen)

    assert booked.resources == ((hall.ids["printer-2"], 0),)


def test_where_somebody_was_quicker_with_the_only_one_it_is_taken(hall: Hall) -> None:
    for name, other in (("room", "room"), ("oven-1", "oven-2")):
        seen = hall.seen(wish(hall.unit(name)))
        hall.book(hall.unit(other))
        with pytest.raises(Taken):
            hall.bookings.book(wish(hall.unit(name)), likely=seen)
    assert hall.count("SELECT count(*) FROM booking") == 2


@pytest.mark.parametrize("change", ["retired = true", "clean_up_min = 30", "hazard = 2", "shared = true"])
def test_what_was_changed_since_it_was_seen_is_looked_at_anew(hall: Hall, change: str) -> None:
    request = wish(PRINTER)
    seen = hall.seen(request)
    with hall.engine.begin() as connection:
        connection.execute(text(f"UPDATE resource SET {change} WHERE id = {hall.ids['printer-1']}"))

    anew = hall.seen(request)
    booked = hall.bookings.book(request, likely=seen)

    assert booked.resources == tuple((unit.id, 0) for unit in anew.units)
    assert hall.count("SELECT count(*) FROM claim") == sum(
        len(unit.held(ticks(NOON, NOON + HOUR_MS))) for unit in anew.units
    )


def test_of_a_circuit_that_was_changed_nothing_is_had_as_it_was_seen(hall: Hall) -> None:
    seen = hall.seen(wish(hall.unit("oven-1")))
    with hall.engine.begin() as connection:
        connection.execute(text(f"UPDATE resource SET capacity = 500 WHERE id = {hall.ids['circuit']}"))
    with pytest.raises(Taken):
        hall.bookings.book(wish(hall.unit("oven-1")), likely=seen)


def test_booking_has_what_was_asked_for_with_setup_and_clean_up(hall: Hall) -> None:
    booked = hall.book(hall.unit("printer-1"))

    assert booked.resources == ((hall.ids["printer-1"], 0),)
    assert booked.state is BookingState.CONFIRMED
    assert hall.count("SELECT count(*) FROM claim") == (10 + 60 + 10) // 5
    assert hall.bookings.find(booked.id) == booked


def test_unit_is_had_once_at_a_time(hall: Hall) -> None:
    hall.book(hall.unit("printer-1"))

    for at_ms in (NOON, NOON + HOUR_MS, NOON - HOUR_MS, NOON + HOUR_MS + 15 * 60_000):
        with pytest.raises(Taken):
            hall.book(hall.unit("printer-1"), at_ms=at_ms)
    hall.book(hall.unit("printer-1"), at_ms=NOON + HOUR_MS + 20 * 60_000)


def test_any_of_a_class_is_another_each_time_until_there_is_none(hall: Hall) -> None:
    had = {hall.book(PRINTER).resources[0][0] for _ in range(5)}

    assert had == {hall.ids[f"printer-{n}"] for n in range(1, 6)}
    with pytest.raises(Taken):
        hall.book(PRINTER)


def test_what_is_changed_while_a_booking_waits_is_booked_as_it_is_then(hall: Hall) -> None:
    kits = hall.ids["kits"]
    with ThreadPoolExecutor(1) as pool, hall.engine.connect() as connection:
        claims.begin(connection)
        connection.execute(text("UPDATE resource SET capacity = 5 WHERE id = :kits"), {"kits": kits})
        booking = pool.submit(hall.book, Item(kits, count=20))
        with pytest.raises(TimeoutError):
            booking.result(0.5)  # it waits
        connection.commit()
        with pytest.raises(Taken):
            booking.result(60)


def test_class_is_looked_for_in_the_schools_that_are_named(hall: Hall) -> None:
    with pytest.raises(NothingOfThatKind):
        hall.book(Item(class_name="printer-3d", schools=(OTHER,)))
    assert hall.book(Item(class_name="printer-3d", schools=(OTHER, SCHOOL)))


def test_pool_is_never_oversold(hall: Hall) -> None:
    hall.book(Item(hall.ids["kits"], count=20))

    with pytest.raises(Taken):
        hall.book(Item(hall.ids["kits"], count=11))
    hall.book(Item(hall.ids["kits"], count=10), at_ms=NOON + HOUR_MS // 2)
    assert hall.count("SELECT max(used) FROM load") == 30


def test_bundle_takes_nothing_if_a_part_is_not_free(hall: Hall) -> None:
    hall.book(hall.unit("room"))
    before = hall.count("SELECT count(*) FROM claim")

    with pytest.raises(Taken):
        hall.book(Item(class_name="printer-3d", count=2), hall.unit("room"), Item(hall.ids["kits"], count=5))

    assert hall.count("SELECT count(*) FROM claim") == before
    assert hall.count("SELECT count(*) FROM load") == 0
    assert hall.count("SELECT count(*) FROM booking") == 1


def test_circuit_is_not_overloaded(hall: Hall) -> None:
    hall.book(hall.unit("oven-1"))

    with pytest.raises(Taken):
        hall.book(hall.unit("oven-2"))
    hall.book(hall.unit("oven-2"), at_ms=NOON + HOUR_MS)


def test_same_key_is_the_same_booking(hall: Hall) -> None:
    first = hall.book(hall.unit("room"), key="ha:1")

    assert hall.book(hall.unit("room"), key="ha:1") == first
    assert hall.count("SELECT count(*) FROM booking") == 1


def test_request_holds_its_claims(hall: Hall) -> None:
    asked = hall.book(hall.unit("room"), hold_until_ms=NOON)

    assert asked.state is BookingState.REQUESTED
    with pytest.raises(Taken):
        hall.book(hall.unit("room"))


def test_cancelled_booking_gives_everything_back(hall: Hall) -> None:
    booked = hall.book(PRINTER, hall.unit("oven-1"), Item(hall.ids["kits"], count=30))

    ended = hall.bookings.end(booked.id, BookingState.CANCELLED)

    assert (ended.state, ended.sequence) == (BookingState.CANCELLED, 1)
    assert hall.count("SELECT count(*) FROM claim") == hall.count("SELECT count(*) FROM load") == 0
    with pytest.raises(TooLate):
        hall.bookings.end(booked.id, BookingState.CANCELLED)
    with pytest.raises(TooLate):
        hall.bookings.move(booked.id, NOON, NOON + HOUR_MS)


def test_moved_booking_is_where_it_was_moved_to_or_where_it_was(hall: Hall) -> None:
    booked = hall.book(hall.unit("room"))
    hall.book(hall.unit("room"), at_ms=NOON + 2 * HOUR_MS)

    with pytest.raises(Taken):
        hall.bookings.move(booked.id, NOON + 2 * HOUR_MS, NOON + 3 * HOUR_MS)
    assert hall.bookings.find(booked.id) == booked
    moved = hall.bookings.move(booked.id, NOON + HOUR_MS // 2, NOON + 3 * HOUR_MS // 2)

    assert (moved.start_ms, moved.sequence) == (NOON + HOUR_MS // 2, 1)
    assert hall.count("SELECT count(*) FROM claim") == 24


def test_what_is_not_there_cannot_be_moved(hall: Hall) -> None:
    with pytest.raises(NoSuchBooking):
        hall.bookings.move("nobody", NOON, NOON + HOUR_MS)


@pytest.mark.parametrize("wrong", [{"hours": 0}, {"at_ms": NOON + 1}, {"hours": -1}])
def test_time_that_is_no_span_of_full_five_minutes_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(NothingOfThatKind):
        wish(PRINTER, **wrong)  # type: ignore[arg-type]  # a test's shorthand


ROUNDS = {16: 20, 64: 4}


@pytest.mark.parametrize("clients", ROUNDS)
def test_race_leaves_one_winner_for_each_thing(hall: Hall, clients: int) -> None:
    rounds: Sequence[tuple[Item, int]] = [
        (hall.unit("printer-1"), 1),
        (PRINTER, 5),
        (Item(hall.ids["kits"], count=7), 4),
        (Item(class_name="oven"), 1),
    ]
    for number in range(ROUNDS[clients]):
        item, winners = rounds[number % len(rounds)]
        results = at_once(clients, partial(hall.try_for, item, NOON + number * 4 * HOUR_MS))
        assert sum(isinstance(result, Booked) for result in results) == winners
        assert {type(result) for result in results} == {Booked, Taken}
    assert_whole(hall)


def test_race_of_bundles_moves_and_cancellations_loses_nothing(hall: Hall) -> None:
    mine = [hall.book(PRINTER, at_ms=NOON + n % 3 * 2 * HOUR_MS) for n in range(12)]
    random = Random(7)
    plans = [random.randrange(4) for _ in range(64)]

    def act(number: int) -> Booked:
        booking, at_ms = mine[number % len(mine)], NOON + number % 5 * HOUR_MS
        match plans[number]:
            case 0:
                return hall.book(Item(class_name="printer-3d", count=2), hall.unit("room"), at_ms=at_ms)
            case 1:
                return hall.bookings.end(booking.id, BookingState.CANCELLED)
            case _:
                return hall.bookings.move(booking.id, at_ms, at_ms + HOUR_MS)

    results = at_once(len(plans), act)

    assert all(isinstance(result, Booked | Taken | TooLate) for result in results)
    assert_whole(hall)


def at_once(count: int, act: Callable[[int], Booked]) -> list[Booked | BaseException]:
    """What `act` gave or raised in each of `count` threads that begin together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Booked | BaseException:
        barrier.wait(30)
        try:
            return act(number)
        except BookingError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def assert_whole(hall: Hall) -> None:
    """Claims and loads are exactly those that the standing bookings' assignments account for."""
    claims: dict[tuple[int, int], str] = {}
    loads: dict[tuple[int, int], int] = {}
    with hall.engine.connect() as connection:
        standing = connection.execute(
            text(
                "SELECT a.booking_id, a.resource_id, a.quantity, a.from_ms, a.until_ms, r.circuit_id, r.watts"
                " FROM assignment a JOIN booking b ON b.id = a.booking_id JOIN resource r ON r.id = a.resource_id"
                " WHERE b.state IN ('requested', 'confirmed', 'checked-in')"
            )
        ).all()
        stored_claims = {(r, t): b for r, t, b in connection.execute(text("SELECT * FROM claim")).all()}
        stored_loads = {(r, t): u for r, t, u in connection.execute(text("SELECT resource_id, tick, used FROM load"))}
    for booking, resource, quantity, from_ms, until_ms, circuit, watts in standing:
        for tick in range(from_ms // TICK_MS, until_ms // TICK_MS):
            if quantity:
                loads[resource, tick] = loads.get((resource, tick), 0) + quantity
                continue
            assert (resource, tick) not in claims, "booked twice"
            claims[resource, tick] = booking
            if circuit is not None and watts:
                loads[circuit, tick] = loads.get((circuit, tick), 0) + watts
    assert stored_claims == claims
    assert stored_loads == loads
