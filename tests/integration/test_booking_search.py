"""Searching and booking by the rules, on real databases."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from controller.alerts.rules import DeviceState
from controller.fleet.tables import School
from controller.scheduling import search, stock
from controller.scheduling.alternatives import Alternative, Kind
from controller.scheduling.booking_errors import NothingOfThatKind, Refused, Taken
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Booked, Bookings, Request
from controller.scheduling.desk import Desk, Pick
from controller.scheduling.policy import MAINTENANCE, Code, Facts, Limits
from controller.scheduling.school_time import TICK_MS, ticks
from controller.scheduling.series import Occupant, Outcome
from controller.scheduling.stock import Item
from controller.scheduling.tables import Resource
from tests.unit.booking_facts import (
    EXAMS,
    HA,
    NOW_MS,
    OTHER,
    SCHOOL,
    TEACHER,
    TECHNICIAN,
    WEDNESDAY,
    YEAR,
    lesson,
)

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("bookings")]

WEEK = timedelta(days=7)
ANY_PRINTER = Item(class_name="printer-3d")


@dataclass(frozen=True)
class Lab:
    """Two schools with something to book each. Ids by name."""

    engine: Engine
    bookings: Bookings
    desk: Desk
    ids: dict[str, int]

    def item(self, name: str, count: int = 1) -> Item:
        return Item(self.ids[name], count=count)

    def book(self, name: str, span: range, **more: object) -> Booked:
        """Whatever the rules say."""
        return self.bookings.book(wish(self.item(name), span=span, **more))

    def names(self, alternative: Alternative) -> list[str]:
        by_id = {id_: name for name, id_ in self.ids.items()}
        return [by_id[unit.id] for group in alternative.choice.units for unit in group]

    def scalar(self, sql: str) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(text(sql)).scalar_one()


def wish(*items: Item, span: range, **more: object) -> Request:
    given = {"school_id": SCHOOL, "holder": "ha", "by_id": "ha", "start_ms": span.start, "end_ms": span.stop}
    return Request(items=items, **{**given, **more})  # type: ignore[arg-type]  # a test's shorthand


def facts(**changes: object) -> Facts:
    given = {"now_ms": NOW_MS, "year": YEAR, "asker": TEACHER, "holder": HA}
    return Facts(**{**given, **changes})  # type: ignore[arg-type]  # a test's shorthand


@pytest.fixture
def lab(either_database: Engine) -> Lab:
    bookings = Bookings(either_database, lambda: NOW_MS)
    return Lab(either_database, bookings, Desk(either_database, bookings), furnish(either_database))


def furnish(engine: Engine) -> dict[str, int]:
    with Session(engine) as db:
        db.add_all([School(id=SCHOOL, name="THCS An Phú", short="An Phú"), School(id=OTHER, name="Bến Trăng")])
        db.flush()
        circuit = Resource(school_id=SCHOOL, kind="circuit", name="mains", code="MAINS", capacity=1000)
        db.add(circuit)
        db.flush()
        things = [
            Resource(school_id=OTHER, kind="unit", class_name="printer-3d", name="far", code="FAR", shared=True),
            Resource(school_id=OTHER, kind="unit", class_name="printer-3d", name="theirs", code="THEIRS"),
            *(
                Resource(school_id=SCHOOL, kind="unit", class_name="printer-3d", name=name, code=name, setup_min=5)
                for name in ("A", "B")
            ),
            *(
                Resource(
                    school_id=SCHOOL,
                    kind="unit",
                    class_name="oven",
                    name=name,
                    code=name,
                    watts=600,
                    circuit_id=circuit.id,
                )
                for name in ("oven-1", "oven-2")
            ),
            Resource(
                school_id=SCHOOL,
                kind="unit",
                class_name="laser",
                name="laser",
                code="LASER",
                hazard=3,
                certificate="laser",
                shared=True,
            ),
            Resource(school_id=SCHOOL, kind="unit", class_name="room", name="room", code="ROOM"),
            Resource(school_id=SCHOOL, kind="pool", class_name="kit", name="kits", code="KITS", capacity=30),
        ]
        db.add_all(things)
        db.commit()
        return {thing.name: thing.id or 0 for thing in things}


def test_what_is_taken_is_what_claims_and_loads_say(lab: Lab) -> None:
    random = Random(5)
    items = [Item(class_name="printer-3d"), Item(class_name="oven"), lab.item("room"), lab.item("kits", 12)]
    start = ticks(lesson(WEDNESDAY).start, NOW_MS).start
    for _ in range(60):
        begins, length = start + random.randrange(300), random.choice([3, 9, 60])
        request = wish(random.choice(items), span=range(begins * TICK_MS, (begins + length) * TICK_MS))
        try:
            booked = lab.bookings.book(request)
        except Taken:
            continue
        if random.random() < 0.2:
            lab.bookings.end(booked.id, BookingState.CANCELLED)

    with lab.engine.connect() as connection:
        wanted = stock.read(connection, items, SCHOOL)
        claims = {(r, t) for r, t in connection.execute(text("SELECT resource_id, tick FROM claim"))}
        loads = {(r, t): used for r, t, used in connection.execute(text("SELECT resource_id, tick, used FROM load"))}
        for first in range(start - 20, start + 380, 37):
            window = range(first, first + 50)
            taken = search.taken(connection, wanted, window)
            for tick in window:
                here = range(tick, tick + 1)
                for unit in wanted.units:
                    assert taken.is_free(unit.id, here) == ((unit.id, tick) not in claims)
                for counted, capacity in wanted.capacity.items():
                    assert taken.spare(counted, here) == capacity - loads.get((counted, tick), 0)
    assert claims
    assert loads


def test_any_of_a_class_is_ones_own_first_and_never_what_others_do_not_share(lab: Lab) -> None:
    span = lesson(WEDNESDAY)

    had = [lab.desk.book(wish(ANY_PRINTER, span=span), facts()).resources[0][0] for _ in range(3)]

    assert had == [lab.ids["A"], lab.ids["B"], lab.ids["far"]]
    with pytest.raises(Taken):
        lab.desk.book(wish(ANY_PRINTER, span=span), facts())


def test_any_is_found_beyond_those_that_are_looked_at_first(lab: Lab) -> None:
    with Session(lab.engine) as db:
        many = [
            Resource(school_id=SCHOOL, kind="unit", class_name="robot", name=f"R{n}", code=f"R{n}") for n in range(300)
        ]
        db.add_all(many)
        db.commit()
        ids = [each.id for each in many]
    span = lesson(WEDNESDAY)
    lab.bookings.book(wish(Item(class_name="robot", count=299), span=span))

    last = lab.desk.book(wish(Item(class_name="robot"), span=span), facts())

    assert last.resources == ((ids[-1], 0),)
    with pytest.raises(Taken):
        lab.desk.book(wish(Item(class_name="robot"), span=span), facts())
    with pytest.raises(Taken):
        lab.desk.book(wish(Item(class_name="robot", count=2), lab.item("room"), span=span), facts())


def test_lost_wish_is_answered_with_what_can_be_booked_instead(lab: Lab) -> None:
    span = lesson(WEDNESDAY, 2)
    lab.book("A", span)
    lab.book("A", lesson(WEDNESDAY, 3))

    with pytest.raises(Taken) as lost:
        lab.desk.book(wish(lab.item("A"), span=span), facts())

    kinds = {each.kind: each for each in lost.value.alternatives}
    assert lab.names(kinds[Kind.OTHER_UNIT]) == ["B"]
    assert kinds[Kind.OTHER_PERIOD].start_ms == lesson(WEDNESDAY, 1).start
    assert kinds[Kind.OTHER_DAY].start_ms == lesson(WEDNESDAY + timedelta(days=1), 2).start
    for each in lost.value.alternatives:
        items = [Item(unit.id) for group in each.choice.units for unit in group]
        assert lab.desk.book(wish(*items, span=range(each.start_ms, each.end_ms)), facts())


def test_race_that_is_lost_at_the_claims_names_what_is_left(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    span = lesson(WEDNESDAY, 2)
    book = lab.bookings.book

    def beaten(*args: Any) -> Booked:
        monkeypatch.setattr(lab.bookings, "book", book)
        lab.book("A", span)
        return book(*args)

    monkeypatch.setattr(lab.bookings, "book", beaten)
    with pytest.raises(Taken) as lost:
        lab.desk.book(wish(lab.item("A"), span=span), facts())

    assert {each.kind for each in lost.value.alternatives} == {Kind.OTHER_UNIT, Kind.OTHER_PERIOD, Kind.OTHER_DAY}


def test_bundle_moves_as_a_whole(lab: Lab) -> None:
    span = lesson(WEDNESDAY, 2)
    lab.book("room", span)
    lab.book("A", lesson(WEDNESDAY, 1))
    lab.book("far", lesson(WEDNESDAY, 1))

    with pytest.raises(Taken) as lost:
        lab.desk.book(wish(Item(class_name="printer-3d", count=2), lab.item("room"), span=span), facts())

    kinds = {each.kind: each for each in lost.value.alternatives}
    assert kinds[Kind.OTHER_PERIOD].start_ms == lesson(WEDNESDAY, 3).start
    assert lab.names(kinds[Kind.OTHER_PERIOD]) == ["A", "B", "room"]


def test_refused_wish_is_told_why_and_what_is_allowed(lab: Lab) -> None:
    broken = facts(health={lab.ids["A"]: DeviceState.FAULT})
    today = lesson(WEDNESDAY - timedelta(days=2), 2)

    with pytest.raises(Refused) as refused:
        lab.desk.book(wish(lab.item("A"), span=today), broken)

    assert [each.code for each in refused.value.problems] == [Code.FAULT]
    kinds = {each.kind: each for each in refused.value.alternatives}
    assert lab.names(kinds[Kind.OTHER_UNIT]) == ["B"]
    assert Kind.OTHER_PERIOD not in kinds
    assert kinds[Kind.OTHER_DAY].start_ms >= broken.soon_ms


def test_any_of_a_class_is_one_that_the_rules_allow(lab: Lab) -> None:
    today = lesson(WEDNESDAY - timedelta(days=2), 2)
    ill = {lab.ids["A"]: DeviceState.FAULT, lab.ids["B"]: DeviceState.OFFLINE}

    booked = lab.desk.book(wish(ANY_PRINTER, span=today), facts(health=ill))

    assert booked.resources == ((lab.ids["far"], 0),)
    with pytest.raises(Refused) as refused:
        lab.desk.book(wish(Item(class_name="printer-3d", count=2), span=today), facts(health=ill))
    assert [each.code for each in refused.value.problems] == [Code.FAULT]


def test_technician_overrules_what_can_be_and_the_log_says_so(lab: Lab) -> None:
    today = lesson(WEDNESDAY - timedelta(days=2), 2)
    known = facts(asker=TECHNICIAN, health={lab.ids["A"]: DeviceState.FAULT})
    request = wish(lab.item("A"), span=today, by_id="tam")

    with pytest.raises(Refused):
        lab.desk.book(request, known)
    booked = lab.desk.book(request, known, "mended by then")

    assert booked.resources == ((lab.ids["A"], 0),)
    assert lab.scalar("SELECT detail FROM audit_line WHERE action = 'booking-make'") == "fault: mended by then"
    assert lab.scalar("SELECT actor FROM audit_line WHERE action = 'booking-make'") == "tam"
    with pytest.raises(Refused):
        lab.desk.book(wish(lab.item("laser"), span=lesson(WEDNESDAY), by_id="tam"), known, "he knows how")


def test_quota_counts_what_is_held_that_week(lab: Lab) -> None:
    known = facts(limits=Limits(person_week=2))
    for number in (1, 2):
        lab.desk.book(wish(lab.item("far"), span=lesson(WEDNESDAY, number)), known)

    with pytest.raises(Refused) as refused:
        lab.desk.book(wish(lab.item("far"), span=lesson(WEDNESDAY, 3)), known)

    assert [each.code for each in refused.value.problems] == [Code.QUOTA_PERSON]
    kinds = {each.kind: each for each in refused.value.alternatives}
    assert lab.names(kinds[Kind.OTHER_UNIT]) == ["A"]  # the school's own costs nobody anything
    assert kinds[Kind.OTHER_DAY].start_ms >= lesson(WEDNESDAY + timedelta(days=5)).start
    assert lab.desk.book(wish(lab.item("room"), span=lesson(WEDNESDAY, 3)), known)


def test_quota_counts_a_bundle_with_something_shared_and_nothing_that_is_ones_own_alone(lab: Lab) -> None:
    days = range(lesson(WEDNESDAY, 1).start, lesson(WEDNESDAY + WEEK, 1).start)
    lab.book("room", lesson(WEDNESDAY, 1))
    lab.desk.book(wish(lab.item("room"), lab.item("far"), span=lesson(WEDNESDAY, 2)), facts())
    lab.book("far", lesson(WEDNESDAY, 3), holder="minh")

    with lab.engine.connect() as connection:
        found = search.shared_uses(connection, SCHOOL, "ha", days)

    assert [(each.span_ms, each.by_school, each.by_holder) for each in found] == [
        (lesson(WEDNESDAY, 2), 1, 1),
        (lesson(WEDNESDAY, 3), 1, 0),
    ]


def test_same_key_is_the_same_booking_whatever_the_rules_say_by_now(lab: Lab) -> None:
    request = wish(lab.item("far"), span=lesson(WEDNESDAY), key="ha:1")
    first = lab.desk.book(request, facts(limits=Limits(person_week=1)))

    assert lab.desk.book(request, facts(limits=Limits(person_week=1))) == first


def test_maintenance_is_booked_on_what_is_ill(lab: Lab) -> None:
    today = lesson(WEDNESDAY - timedelta(days=2), 2)
    request = wish(lab.item("A"), span=today, kind=MAINTENANCE, holder="tam", by_id="tam")

    assert lab.desk.book(request, facts(asker=TECHNICIAN, health={lab.ids["A"]: DeviceState.FAULT}))


def test_openings_are_the_first_times_at_which_all_of_it_can_be_had(lab: Lab) -> None:
    lab.book("room", lesson(WEDNESDAY, 1))
    lab.book("A", lesson(WEDNESDAY, 2))
    lab.book("B", lesson(WEDNESDAY, 2))
    request = wish(Item(class_name="printer-3d", count=2), lab.item("room"), span=lesson(WEDNESDAY))

    found = lab.desk.openings(request, facts(), 1, [WEDNESDAY, WEDNESDAY + timedelta(days=1)], 4)

    expected = [*(lesson(WEDNESDAY, number) for number in (3, 4)), *lessons_of_afternoon()]
    assert [span for span, _ in found] == expected


def lessons_of_afternoon() -> list[range]:
    return [range(slot.start_ms, slot.end_ms) for slot in YEAR.slots(WEDNESDAY)[4:]]


def test_series_has_a_verdict_for_each_date(lab: Lab) -> None:
    span = lesson(WEDNESDAY, 2)
    lab.book("A", lesson(WEDNESDAY + WEEK, 2), title="8A2", holder="minh")
    lab.book("A", lesson(WEDNESDAY + 3 * WEEK, 2), title="CLB Robot", holder="lan", school_id=OTHER)

    planned = lab.desk.plan_series(
        wish(lab.item("A"), span=span), facts(limits=Limits(furthest_days=30)), WEDNESDAY + 8 * WEEK
    )

    assert [each.outcome for each in planned] == [
        Outcome.OK,
        Outcome.TAKEN,
        Outcome.HOLIDAY,
        Outcome.TAKEN,
        Outcome.OK,
        *[Outcome.NOT_ALLOWED] * 3,
        Outcome.OUTSIDE_TERM,
    ]
    assert planned[1].taken_by == (Occupant(SCHOOL, "An Phú", "8A2"),)
    assert planned[3].taken_by == (Occupant(OTHER, "Bến Trăng"),)
    assert planned[1].alternatives
    assert planned[2].day == EXAMS.first
    assert [each.code for each in planned[5].problems] == [Code.TOO_FAR_AHEAD]
    assert lab.scalar("SELECT count(*) FROM booking") == 2


def test_series_books_each_date_by_itself_and_tells_which_were_lost(lab: Lab) -> None:
    span = lesson(WEDNESDAY, 2)
    request = wish(lab.item("A"), span=span, title="8A2")
    planned = lab.desk.plan_series(request, facts(), WEDNESDAY + 4 * WEEK)
    picks = [Pick(each.day, each.span_ms) for each in planned if each.span_ms is not None]
    lab.book("A", lesson(WEDNESDAY + WEEK, 2), holder="minh")

    made = lab.desk.book_series(request, facts(), picks, "ha:series")

    assert [day for day, _ in made.booked] == [WEDNESDAY, WEDNESDAY + 3 * WEEK, WEDNESDAY + 4 * WEEK]
    (lost,) = made.lost
    assert (lost.day, lost.outcome) == (WEDNESDAY + WEEK, Outcome.TAKEN)
    assert Kind.OTHER_UNIT in {each.kind for each in lost.alternatives}
    assert lab.scalar(f"SELECT count(*) FROM booking WHERE series_id = '{made.id}'") == 3

    other = replace(picks[1], items=(lab.item("B"),))
    again = lab.desk.book_series(request, facts(), [picks[0], other], "ha:series")
    assert again.id == made.id
    assert again.booked[0] == made.booked[0]
    assert again.booked[1][1].resources == ((lab.ids["B"], 0),)
    assert not again.lost


def test_date_of_a_series_that_the_rules_refuse_is_told_so(lab: Lab) -> None:
    picks = [Pick(day, lesson(day)) for day in (date(2026, 11, 24), WEDNESDAY)]

    made = lab.desk.book_series(
        wish(lab.item("far"), span=lesson(WEDNESDAY)), facts(limits=Limits(person_week=1)), picks, "ha:2"
    )

    assert [day for day, _ in made.booked] == [date(2026, 11, 24)]
    assert [(each.day, each.outcome) for each in made.lost] == [(WEDNESDAY, Outcome.NOT_ALLOWED)]
    assert [each.code for each in made.lost[0].problems] == [Code.QUOTA_PERSON]


def test_what_is_not_there_cannot_be_wished(lab: Lab) -> None:
    for item in (Item(10_000), Item(class_name="printer-3d", count=4)):
        with pytest.raises(NothingOfThatKind):
            lab.desk.problems(wish(item, span=lesson(WEDNESDAY)), facts())


def test_booking_that_ended_early_is_in_nobodys_way_and_leaves_what_is_over(lab: Lab) -> None:
    today = range(NOW_MS - 3_600_000, NOW_MS + 3_600_000)
    booked = lab.book("room", today)
    ahead = lab.book("A", lesson(WEDNESDAY))

    told = lab.bookings.end(booked.id, BookingState.DONE)
    lab.bookings.end(ahead.id, BookingState.CANCELLED, by="ha")

    assert told.resources == booked.resources
    assert lab.scalar(f"SELECT until_ms FROM assignment WHERE booking_id = '{booked.id}'") == NOW_MS
    assert lab.scalar(f"SELECT count(*) FROM assignment WHERE booking_id = '{ahead.id}'") == 0
    assert lab.scalar("SELECT actor FROM audit_line WHERE action = 'booking-end' AND actor <> ''") == "ha"
    assert lab.desk.book(wish(lab.item("A"), span=lesson(WEDNESDAY)), facts())
