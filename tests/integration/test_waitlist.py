"""The waitlist: who waits for a place is offered it in the transaction that frees it, by the rules of booking."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, delete, select, text, update
from sqlmodel import Session, col

from controller.alerts.rules import DeviceState
from controller.fleet.live import LiveFleet
from controller.identity.policy import Principal, Role
from controller.identity.store import add_user, audit_lines
from controller.identity.tables import User
from controller.main import wall_ms
from controller.privacy.erasure import Eraser
from controller.scheduling.booking_errors import FreeNow, NotYours, Refused, Taken, TooLate
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Bookings
from controller.scheduling.clockwork import Clockwork
from controller.scheduling.leases import LeaseDesk
from controller.scheduling.offers import Offers
from controller.scheduling.office import Asked, Office
from controller.scheduling.policy import Code
from controller.scheduling.stock import Item
from controller.scheduling.tables import Booking, Notice
from controller.scheduling.usage import Usage
from controller.scheduling.verify_bookings import faults
from controller.scheduling.views import BookingView
from controller.scheduling.waiting import LAST_MS, MOST_WAITING, ends_ms
from tests.integration.bookable import HERE, PRINTERS, ZONE, Furnished, populated, school_day, span

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("bookings")]
S = BookingState
MINUTE = 60_000


class Hall:
    """A clock that stands, and all that makes, ends and offers bookings. `unwell` are machines that are ill."""

    def __init__(self, made: Furnished) -> None:
        self.made, self.now_ms = made, wall_ms() // MINUTE * MINUTE
        self.health: DeviceState | None = None
        engine, clock = made.engine, self.clock
        offers = Offers(ZONE, clock, lambda _: self.health)
        live = LiveFleet(engine, clock)
        self.office = Office(engine, live, ZONE, clock, lambda: None, offers=offers)
        self.bookings = Bookings(engine, clock, offers=offers)
        self.eraser = Eraser(engine, clock, offers)
        self.clockwork = Clockwork(
            engine,
            clock,
            leases=LeaseDesk(engine, clock),
            usage=Usage(engine, clock),
            leases_changed=lambda: None,
            offers=offers,
        )
        self.ha, self.nam, self.lan = (made.person(login) for login in ("ha", "nam", "lan"))
        self.duc = self.teacher("duc")

    def clock(self) -> int:
        return self.now_ms

    def teacher(self, login: str, school_id: str = HERE) -> Principal:
        with Session(self.made.engine) as db:
            person = add_user(
                db, login=login, name=login, role=Role.TEACHER, school_id=school_id, password_hash="", now_ms=0
            )
            db.commit()
            db.refresh(person)
        return self.made.person(login)

    def at(self, first: int, last: int | None = None, day: int = 0) -> range:
        return span(self.made.engine, school_day(day), first, last or first)

    def asked(self, at: range, *items: Item) -> Asked:
        return Asked(items or (self.made.item("3D-01"),), at.start, at.stop, title="8A1", head_count=20)

    def book(self, who: Principal, at: range, *items: Item) -> BookingView:
        return self.office.book(who, self.asked(at, *items))

    def wait(self, who: Principal, at: range, *items: Item) -> str:
        self.now_ms += 1
        found = self.office.wait(who, self.asked(at, *items))
        assert found.state is S.WAITING
        return found.id

    def state(self, booking_id: str) -> BookingState:
        return self.office.find(self.lan, booking_id).state

    def states(self, *booking_ids: str) -> list[BookingState]:
        return [self.state(each) for each in booking_ids]

    def told(self, who: Principal) -> list[tuple[str, str]]:
        """Kind and subject of the news that somebody has not seen."""
        asked = select(Notice.kind, Notice.subject).where(  # type: ignore[call-overload]  # columns of a model
            Notice.user_id == who.id, col(Notice.seen_ms).is_(None)
        )
        with self.made.engine.connect() as connection:
            return [(row.kind, row.subject) for row in connection.execute(asked.order_by(col(Notice.id)))]

    def claims(self, booking_id: str) -> int:
        with self.made.engine.connect() as connection:
            asked = text("SELECT COUNT(*) FROM claim WHERE booking_id = :id")
            return int(connection.execute(asked, {"id": booking_id}).scalar_one())


@pytest.fixture
def hall(either_database: Engine) -> Iterator[Hall]:
    found = Hall(populated(either_database))
    yield found
    assert list(faults(either_database, found.now_ms)) == []


def test_cancelled_place_is_kept_for_who_waits_until_they_take_it(hall: Hall) -> None:
    at = hall.at(3, 4)
    mine = hall.book(hall.ha, at)
    waiting = hall.wait(hall.duc, at)
    assert hall.claims(waiting) == 0
    hall.office.cancel(hall.ha, mine.id)

    offered = hall.office.find(hall.duc, waiting)
    assert offered.state is S.OFFERED
    assert [had.name for had in offered.things] == ["3D-01"]
    assert offered.hold_until_ms is not None
    assert hall.now_ms + 23 * 60 * MINUTE < offered.hold_until_ms <= hall.now_ms + 25 * 60 * MINUTE
    assert hall.told(hall.duc) == [("waitlist-offer", waiting)]
    with pytest.raises(Taken):
        hall.book(hall.ha, at)
    for change in (hall.office.confirm, hall.office.refuse):
        with pytest.raises(TooLate):
            change(hall.lan, waiting)
    with pytest.raises(TooLate):
        hall.office.move(hall.duc, waiting, *_ends(hall.at(5)))
    with pytest.raises(NotYours):
        hall.office.accept(hall.ha, waiting)

    taken = hall.office.accept(hall.duc, waiting)
    assert (taken.state, taken.hold_until_ms, taken.title) == (S.CONFIRMED, None, "8A1")
    assert hall.claims(waiting) == (at.stop - at.start) // (5 * MINUTE) + 1  # and five minutes of cleaning
    assert hall.told(hall.duc) == [], "the news of the offer was answered"
    with pytest.raises(TooLate):
        hall.office.accept(hall.duc, waiting)
    with Session(hall.made.engine) as db:
        steps = [(line.action, line.actor) for line in audit_lines(db) if line.subject == waiting]
    assert steps == [("booking-make", hall.duc.id), ("booking-offered", ""), ("booking-confirmed", hall.duc.id)]


def _ends(at: range) -> tuple[int, int]:
    return at.start, at.stop


def test_declined_offer_goes_to_the_next_at_once(hall: Hall) -> None:
    at = hall.at(3)
    mine = hall.book(hall.ha, at)
    first, second = hall.wait(hall.duc, at), hall.wait(hall.teacher("hoa"), at)
    hall.office.cancel(hall.ha, mine.id)
    assert hall.states(first, second) == [S.OFFERED, S.WAITING]
    hall.office.cancel(hall.duc, first)
    assert hall.states(first, second) == [S.CANCELLED, S.OFFERED]


def test_offer_that_nobody_answers_goes_to_the_next_and_both_are_told(hall: Hall) -> None:
    at = hall.at(3)
    mine = hall.book(hall.ha, at)
    hoa = hall.teacher("hoa")
    first, second = hall.wait(hall.duc, at), hall.wait(hoa, at)
    hall.office.cancel(hall.ha, mine.id)
    hall.now_ms = hall.office.find(hall.duc, first).hold_until_ms or 0
    hall.clockwork.turn()
    assert hall.states(first, second) == [S.EXPIRED, S.OFFERED]
    assert hall.told(hall.duc) == [("waitlist-lapsed", first)]
    assert hall.told(hoa) == [("waitlist-offer", second)]


def test_school_with_the_fewest_periods_comes_first_and_then_who_came_first(hall: Hall) -> None:
    at = hall.at(3)
    mine = hall.book(hall.ha, at)
    hall.book(hall.ha, hall.at(1, 2, day=1))
    first, second = hall.wait(hall.duc, at), hall.wait(hall.teacher("hoa"), at)
    theirs = hall.wait(hall.nam, at)
    hall.office.cancel(hall.ha, mine.id)
    assert hall.states(first, second, theirs) == [S.WAITING, S.WAITING, S.OFFERED]
    hall.office.cancel(hall.nam, theirs)
    assert hall.states(first, second) == [S.OFFERED, S.WAITING]


def test_what_comes_free_of_a_pool_serves_as_many_as_it_is_enough_for(hall: Hall) -> None:
    at = hall.at(3)
    mine = hall.book(hall.ha, at, hall.made.item("Kit", 30))
    kits = [hall.wait(who, at, hall.made.item("Kit", count)) for who, count in
            ((hall.duc, 12), (hall.teacher("hoa"), 25), (hall.teacher("mai"), 18))]  # fmt: skip
    hall.office.cancel(hall.ha, mine.id)
    assert hall.states(*kits) == [S.OFFERED, S.WAITING, S.OFFERED], "25 are not left; who came later and fits has it"


def test_bundle_is_offered_when_the_last_of_it_comes_free(hall: Hall) -> None:
    at = hall.at(3)
    lab, kits = hall.book(hall.ha, at, hall.made.item("Lab")), hall.book(hall.ha, at, hall.made.item("Kit", 20))
    printers = [hall.book(hall.ha, at, PRINTERS) for _ in range(2)]
    bundle = hall.wait(hall.duc, at, hall.made.item("Lab"), PRINTERS, hall.made.item("Kit", 15))
    for each in (lab, printers[0]):
        hall.office.cancel(hall.ha, each.id)
        assert hall.state(bundle) is S.WAITING
    hall.office.cancel(hall.ha, kits.id)
    assert hall.state(bundle) is S.OFFERED
    assert len(hall.office.find(hall.duc, bundle).things) == 3


def test_watts_that_come_free_serve_who_waits_for_another_machine_of_the_circuit(hall: Hall) -> None:
    at = hall.at(3)
    names = ("3D-01", "3D-02")
    mine = [hall.book(hall.ha, at, hall.made.item(name)) for name in names]
    third = hall.wait(hall.duc, at, hall.made.item("3D-03"))
    hall.office.cancel(hall.ha, mine[0].id)
    assert hall.state(third) is S.OFFERED


def test_booking_that_is_moved_or_shortened_serves_who_waits(hall: Hall) -> None:
    at, later = hall.at(1, 2), hall.at(4, 5)
    mine = hall.book(hall.ha, at)
    second, first = hall.wait(hall.duc, hall.at(2)), hall.wait(hall.duc, hall.at(1))
    hall.office.move(hall.ha, mine.id, at.start, hall.at(1).stop)
    assert hall.states(first, second) == [S.WAITING, S.OFFERED]
    hall.office.move(hall.ha, mine.id, *_ends(later))
    assert hall.states(first, second) == [S.OFFERED, S.OFFERED]


def test_no_show_serves_who_waits_for_what_is_left(hall: Hall) -> None:
    mine = hall.book(hall.ha, hall.at(1, 4))
    waiting = hall.wait(hall.duc, hall.at(3, 4))
    hall.now_ms = mine.start_ms + 16 * MINUTE
    hall.clockwork.turn()
    assert hall.states(mine.id, waiting) == [S.NO_SHOW, S.OFFERED]
    until_ms = hall.office.find(hall.duc, waiting).hold_until_ms or 0
    assert hall.now_ms + 10 * MINUTE <= until_ms <= hall.at(3).start - LAST_MS


def test_use_that_is_given_back_early_serves_who_waits_for_what_is_left(hall: Hall) -> None:
    mine = hall.book(hall.ha, hall.at(1, 4))
    hall.now_ms = mine.start_ms
    hall.bookings.advance(mine.id, S.CHECKED_IN, by=hall.ha.id)
    waiting = hall.wait(hall.duc, hall.at(3, 4))
    hall.office.cancel(hall.ha, mine.id)
    assert hall.states(mine.id, waiting) == [S.DONE, S.OFFERED]


def test_wish_whose_time_has_come_ends_and_its_holder_is_told(hall: Hall) -> None:
    at = hall.at(3)
    mine = hall.book(hall.ha, at)
    waiting = hall.wait(hall.duc, at)
    hall.now_ms = ends_ms(at.start)
    hall.office.cancel(hall.ha, mine.id)
    assert hall.state(waiting) is S.WAITING, "too late for an offer that somebody could answer"
    hall.clockwork.turn()
    assert hall.state(waiting) is S.EXPIRED
    assert hall.told(hall.duc) == [("waitlist-ended", waiting)]


def test_teacher_leaves_the_waitlist(hall: Hall) -> None:
    at = hall.at(3)
    mine = hall.book(hall.ha, at)
    waiting = hall.wait(hall.duc, at)
    with pytest.raises(NotYours):
        hall.office.cancel(hall.ha, waiting)
    hall.office.cancel(hall.duc, waiting)
    hall.office.cancel(hall.ha, mine.id)
    assert hall.state(waiting) is S.CANCELLED
    assert hall.book(hall.ha, at).state is S.CONFIRMED, "it is kept for nobody"


def test_same_wish_again_is_the_same_and_what_is_free_is_booked_at_once(hall: Hall) -> None:
    at = hall.at(3)
    with pytest.raises(FreeNow):
        hall.office.wait(hall.duc, hall.asked(at))
    hall.book(hall.ha, at)
    waiting = hall.wait(hall.duc, at)
    assert hall.wait(hall.duc, at) == waiting
    alike = replace(hall.asked(hall.at(3)), title="8A2")
    one = hall.office.wait(hall.teacher("hoa"), alike, key="k")
    assert hall.office.wait(hall.made.person("hoa"), alike, key="k").id == one.id


def test_nobody_waits_for_what_the_rules_forbid_nor_for_too_much(hall: Hall) -> None:
    at = hall.at(3)
    hall.book(hall.ha, at, hall.made.item("Lab"))
    with pytest.raises(Refused) as refused:
        hall.office.wait(hall.duc, replace(hall.asked(at, hall.made.item("Lab")), head_count=500))
    assert {each.code for each in refused.value.problems} == {Code.TOO_MANY_PUPILS}
    ids = [f"w{number}" for number in range(MOST_WAITING)]

    def wish(id_: str) -> Booking:
        return Booking(
            id=id_,
            school_id=HERE,
            holder=hall.duc.id,
            by_id=hall.duc.id,
            kind="lesson",
            state=S.WAITING,
            start_ms=at.start,
            end_ms=at.stop,
            created_ms=0,
            changed_ms=0,
            hold_until_ms=at.start,
        )

    with Session(hall.made.engine) as db:
        db.add_all(wish(each) for each in ids)
        db.commit()
    with pytest.raises(Refused) as refused:
        hall.office.wait(hall.duc, hall.asked(at, hall.made.item("Lab")))
    assert {each.code for each in refused.value.problems} == {Code.TOO_MANY_WISHES}
    with Session(hall.made.engine) as db:
        db.execute(delete(Booking).where(col(Booking.id).in_(ids)))
        db.commit()


def test_offer_of_what_needs_approval_becomes_a_request(hall: Hall) -> None:
    at = hall.at(3)
    laser = replace(hall.asked(at, hall.made.item("Laser")), head_count=0)
    mine = hall.office.book(hall.lan, replace(laser, holder=hall.ha.id, school_id=HERE))
    waiting = hall.office.wait(hall.ha, laser)
    hall.office.cancel(hall.lan, mine.id)
    asked = hall.office.accept(hall.ha, waiting.id)
    assert asked.state is S.REQUESTED
    assert hall.office.confirm(hall.lan, waiting.id).state is S.CONFIRMED


def test_rules_are_asked_again_when_a_place_comes_free(hall: Hall) -> None:
    at = hall.at(3)
    mine = hall.book(hall.ha, at)
    hoa = hall.teacher("hoa")
    gone, next_ = hall.wait(hall.duc, at), hall.wait(hoa, at)
    with hall.made.engine.begin() as connection:
        connection.execute(update(User).where(col(User.id) == hall.duc.id).values(disabled=True))
    hall.office.cancel(hall.ha, mine.id)
    assert hall.states(gone, next_) == [S.WAITING, S.OFFERED]


def test_what_comes_free_in_other_ways_is_found_by_the_clock(hall: Hall) -> None:
    at = hall.at(3)
    alone = Bookings(hall.made.engine, hall.clock)
    mine = hall.book(hall.ha, at)
    waiting = hall.wait(hall.duc, at)
    hall.clockwork.turn()
    assert hall.state(waiting) is S.WAITING
    alone.end(mine.id, S.CANCELLED)
    assert hall.state(waiting) is S.WAITING
    hall.now_ms += 5 * MINUTE
    hall.clockwork.turn()
    assert hall.state(waiting) is S.OFFERED


def test_who_is_erased_waits_no_more_and_what_they_were_offered_goes_on(hall: Hall) -> None:
    at = hall.at(3)
    mine = hall.book(hall.ha, at)
    first, second = hall.wait(hall.duc, at), hall.wait(hall.teacher("hoa"), at)
    hall.book(hall.ha, hall.at(4))
    another = hall.wait(hall.duc, hall.at(4))
    hall.office.cancel(hall.ha, mine.id)
    hall.eraser.erase(hall.duc.id)
    assert hall.states(first, second, another) == [S.CANCELLED, S.OFFERED, S.CANCELLED]
    assert hall.office.find(hall.lan, first).title == ""
