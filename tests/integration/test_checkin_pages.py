"""The page behind a machine's label, over HTTP: who may check in when, for whom, and what is told of it."""

import html
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from sqlmodel import Session, select

from controller.identity.store import audit_lines
from controller.identity.tables import User
from controller.main import wall_ms
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Bookings, Request
from controller.scheduling.school_time import TICK_MS
from controller.scheduling.tables import Booking, HeldCertificate, Notice, Supervisor
from tests.integration.bookable import HERE, Furnished, furnished
from tests.integration.running import PASSWORD, Running, csrf_of, running

pytestmark = pytest.mark.integration
People: TypeAlias = Callable[[str], httpx.Client]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkin")


@pytest.fixture(scope="module")
def lab(state: Path) -> Furnished:
    return furnished(state)


@pytest.fixture(scope="module")
def controller(state: Path, lab: Furnished) -> Iterator[Running]:
    with running(state) as one:
        yield one


@pytest.fixture(scope="module")
def people(controller: Running) -> People:
    """A browser of each person, signed in once."""
    return cache(controller.signed_in)


@pytest.fixture
def book(lab: Furnished) -> Iterator["Book"]:
    made = Book(lab)
    yield made
    made.end_all()


class Book:
    """Bookings that begin some ticks of five minutes from now, past the rules; gone again after the test."""

    def __init__(self, lab: Furnished) -> None:
        self._lab = lab
        self._bookings = Bookings(lab.engine, wall_ms)
        self._made: list[str] = []

    def __call__(
        self, thing: str, ticks: int, login: str = "ha", *, kind: str = "lesson", beside: tuple[str, ...] = ()
    ) -> str:
        start = (wall_ms() // TICK_MS + ticks) * TICK_MS
        holder = self._lab.person(login)
        named = tuple(self._lab.person(each).id for each in beside)
        request = Request(
            holder.school_id or HERE,
            holder.id,
            holder.id,
            (self._lab.item(thing),),
            start,
            start + 9 * TICK_MS,
            title="8A1",
            head_count=32,
            kind=kind,
            supervisors=named,
        )
        self._made.append(self._bookings.book(request).id)
        return self._made[-1]

    def row(self, booking_id: str) -> Booking:
        with Session(self._lab.engine) as db:
            found = db.get(Booking, booking_id)
            assert found is not None
            return found

    def end_all(self) -> None:
        for each in self._made:
            row = self.row(each)
            if BookingState(row.state).holds:
                begun = row.state == BookingState.CHECKED_IN
                self._bookings.end(each, BookingState.DONE if begun else BookingState.CANCELLED)


def seen(answer: httpx.Response) -> str:
    """What the page says is so, and what it says of it."""
    found = re.search(r'data-moment="([a-z-]+)"', answer.text)
    assert found, answer.text
    return found[1]


def does(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, data={**fields, "csrf": csrf_of(browser)}, follow_redirects=True)


def test_a_label_leads_through_signing_in_and_back(controller: Running, book: Book) -> None:
    book("3D-01", 1)
    browser = controller.client()
    answer = browser.get("/c/d2222a", follow_redirects=True)
    assert str(answer.url).endswith("/signin?next=%2Fc%2Fd2222a")
    given = {"login": "ha", "password": PASSWORD, "next": "/c/d2222a", "csrf": csrf_of(browser)}
    answer = browser.post("/signin", data=given, follow_redirects=True)
    assert answer.url.path == "/c/d2222a"
    assert seen(answer) == "ready"


def test_the_holder_checks_in_and_gives_back_early(people: People, lab: Furnished, book: Book) -> None:
    ha, duc = people("ha"), people("duc")
    booking = book("3D-01", 1)
    answer = does(ha, "/c/D2222A")
    assert (answer.status_code, seen(answer)) == (200, "yours")
    row = book.row(booking)
    assert (row.state, row.checked_in_by) == (BookingState.CHECKED_IN, lab.person("ha").id)
    assert seen(duc.get("/c/D2222A")) == "in-use"
    assert does(duc, "/c/D2222A/back").status_code == 403
    assert does(ha, "/c/D2222A").status_code == 409, "it is checked in already"
    assert seen(does(ha, "/c/D2222A/back")) == "free"
    assert book.row(booking).state == BookingState.DONE
    with Session(lab.engine) as db:
        actions = [line.action for line in audit_lines(db) if line.subject == booking]
    assert actions == ["booking-make", "booking-checked-in", "booking-end"]


def test_too_early_is_said_with_what_is_free_instead(people: People, book: Book) -> None:
    ha = people("ha")
    booking = book("3D-01", 12)
    answer = ha.get("/c/D2222A")
    assert seen(answer) == "early"
    assert "3D-02" in answer.text
    assert does(ha, "/c/D2222A").status_code == 409
    assert book.row(booking).state == BookingState.CONFIRMED


def test_who_is_late_is_still_in_time(people: People, book: Book) -> None:
    ha = people("ha")
    book("3D-03", -1)
    assert seen(ha.get("/c/D2222C")) == "late"
    assert seen(does(ha, "/c/D2222C")) == "yours"


def test_a_substitute_says_so_and_the_holder_hears_of_it(people: People, lab: Furnished, book: Book) -> None:
    duc = people("duc")
    booking = book("3D-01", 1)
    answer = duc.get("/c/D2222A")
    assert seen(answer) == "somebody-elses"
    assert "Person ha" in answer.text
    assert does(duc, "/c/D2222A").status_code == 403, "not without the tick"
    assert seen(does(duc, "/c/D2222A", substitute="yes")) == "yours"
    assert book.row(booking).checked_in_by == lab.person("duc").id
    with Session(lab.engine) as db:
        told = db.exec(select(Notice).where(Notice.subject == booking)).one()
    assert (told.user_id, told.kind, told.detail) == (
        lab.person("ha").id,
        "substitute",
        {"by": "Person duc", "thing": "3D-01"},
    )


def test_another_school_learns_no_name_and_substitutes_nobody(people: People, book: Book) -> None:
    nam = people("nam")
    booking = book("3D-01", 1)
    answer = nam.get("/c/D2222A")
    assert seen(answer) == "somebody-elses"
    assert "Person ha" not in answer.text
    assert "8A1" not in answer.text
    assert does(nam, "/c/D2222A", substitute="yes").status_code == 403
    assert book.row(booking).state == BookingState.CONFIRMED
    assert nam.get("/c/D2222C").status_code == 404, "what is not shared is not there"
    assert nam.get("/c/XXXXXX").status_code == 404


def test_a_machine_in_maintenance_is_checked_in_by_nobody(people: People, book: Book) -> None:
    ky = people("ky")
    book("3D-02", 1, "ky", kind="maintenance")
    assert seen(ky.get("/c/D2222B")) == "maintenance"
    assert does(ky, "/c/D2222B").status_code == 409


def test_who_is_named_or_certified_stands_by_a_dangerous_machine(people: People, lab: Furnished, book: Book) -> None:
    ha, duc, nam = (people(login) for login in ("ha", "duc", "nam"))
    booking = book("Laser", 1, "duc", beside=("ha",))
    assert does(nam, "/c/L2222A/beside").status_code == 403, "neither named nor certified"
    assert does(duc, "/c/L2222A/beside").status_code == 403, "the holder is neither"
    assert does(ha, "/c/L2222A/beside").status_code == 200
    with Session(lab.engine) as db:
        named = db.exec(select(Supervisor).where(Supervisor.booking_id == booking)).one()
    assert named.user_id == lab.person("ha").id
    assert named.present_ms is not None


def test_a_substitute_without_the_certificate_does_not_get_a_dangerous_machine(
    people: People, lab: Furnished, book: Book
) -> None:
    duc = people("duc")
    book("Laser", 1)
    answer = does(duc, "/c/L2222A", substitute="yes")
    assert answer.status_code == 422
    assert "“laser”" in html.unescape(answer.text)
    with Session(lab.engine) as db:
        db.add(HeldCertificate(school_id=HERE, user_id=lab.person("duc").id, name="laser", issued_ms=0, by_id="x"))
        db.commit()
    assert seen(does(duc, "/c/L2222A", substitute="yes")) == "yours"


def test_a_problem_reaches_the_technicians_of_the_school(people: People, lab: Furnished) -> None:
    nam = people("nam")
    assert does(nam, "/c/D2222A/problem", text="  kẹt nhựa ").status_code == 200
    with Session(lab.engine) as db:
        told = db.exec(select(Notice).where(Notice.kind == "problem")).one()
        assert (told.school_id, told.user_id, told.subject) == (HERE, None, "D2222A")
        assert told.detail == {"by": "Person nam", "thing": "3D-01", "text": "kẹt nhựa"}
        line = next(each for each in audit_lines(db) if each.action == "problem-report")
        assert db.get(User, line.actor) is not None


def test_a_form_from_elsewhere_checks_nobody_in(people: People, book: Book) -> None:
    ha = people("ha")
    booking = book("3D-01", 1)
    assert ha.post("/c/D2222A", data={"csrf": "x"}).status_code == 403
    assert book.row(booking).state == BookingState.CONFIRMED
