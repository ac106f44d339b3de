"""Many programs want the same at one moment, over HTTP: one has it, the others are told what else would do."""

import http.client
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session, col, select

from controller.database import make_engine, migrate
from controller.fleet.enrolment import Place, enrol
from controller.identity import store as people
from controller.identity.policy import Role
from controller.main import wall_ms
from controller.scheduling.school_time import Half
from controller.scheduling.tables import Booking, BookingLimits
from tests.integration import postgres
from tests.integration.bookable import HERE, THERE, Furnished, furnish, is_holiday, school_day, span
from tests.integration.running import Running, running, settings

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("bookings"), pytest.mark.timeout(3_600)]

SIZES = (16, 64)
PERIODS = [(half, number) for half, last in ((Half.MORNING, 5), (Half.AFTERNOON, 4)) for number in range(1, last + 1)]


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]


class Crowd:
    """Programs of as many teachers."""

    def __init__(self, url: str, tokens: Sequence[str]) -> None:
        self._host = urlsplit(url).netloc
        self._tokens = tokens
        self._pool = ThreadPoolExecutor(len(tokens))

    def at_once(self, asks: Sequence[tuple[str, str, object]]) -> list[Answer]:
        """All of (method, path, body) at one moment, each by another person; the answers in their order."""
        start = Barrier(len(asks))
        return list(self._pool.map(partial(self._ask, start), self._tokens[: len(asks)], asks))

    def ask(self, number: int, method: str, path: str, body: object = None) -> Answer:
        return self._ask(None, self._tokens[number], (method, path, body))

    def close(self) -> None:
        self._pool.shutdown()

    def _ask(self, start: Barrier | None, token: str, asked: tuple[str, str, object]) -> Answer:
        method, path, body = asked
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        with closing(http.client.HTTPConnection(self._host, timeout=120)) as connection:
            connection.connect()
            if start is not None:
                start.wait(60)
            connection.request(method, f"/api/v1{path}", json.dumps(body), headers)
            reply = connection.getresponse()
            return Answer(reply.status, json.loads(reply.read()))


@dataclass
class Hall:
    running: Running
    made: Furnished
    crowd: Crowd
    slots: Iterator[int]

    def slot(self) -> range:
        """A period that nobody has had."""
        while True:
            number, place = divmod(next(self.slots), len(PERIODS))
            week, weekday = divmod(number, 5)
            day = school_day(weekday + 7 * week)
            if not is_holiday(day):
                half, period = PERIODS[place]
                return span(self.made.engine, day, period, period, half)

    def wish(self, at: range, *items: tuple[str, int]) -> dict[str, Any]:
        """Things by name, or by class with a leading `any `."""
        asked = [
            {"class_name": name[4:], "count": many}
            if name.startswith("any ")
            else {"resource": self.made.things[name], "count": many}
            for name, many in items
        ]
        return {"items": asked, "start_ms": at.start, "end_ms": at.stop}

    def book(self, number: int, at: range, *items: tuple[str, int]) -> str:
        answer = self.crowd.ask(number, "POST", "/bookings", self.wish(at, *items))
        assert answer.status == 201, answer
        return str(answer.body["id"])

    def find(self, number: int, booking: str) -> dict[str, Any]:
        return self.crowd.ask(number, "GET", f"/bookings/{booking}").body


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def hall(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    state: Path = tmp_path_factory.mktemp("state")
    with ExitStack() as stack:
        url = stack.enter_context(postgres.server()) if request.param == "postgresql" else ""
        settings(state).folder.mkdir(parents=True)
        engine = make_engine(url or settings(state).database)
        migrate(engine)
        for school in (HERE, THERE):
            enrol(engine, Place(school, "p1", school, "", "P1"), "pc-1")
        tokens = [_teacher(engine, number) for number in range(max(SIZES))]
        made = furnish(engine)
        found = stack.enter_context(running(state, database_url=url))
        crowd = Crowd(found.url, tokens)
        stack.callback(crowd.close)
        yield Hall(found, made, crowd, count())
        engine.dispose()


def _teacher(engine: Engine, number: int) -> str:
    """Somebody new, who signs in by token alone and books as much as they like; the token."""
    token = secrets.token_urlsafe(32)
    with Session(engine) as db:
        db.merge(BookingLimits(school_id=HERE, person_week=None, school_week=None, furthest_days=700))
        name = f"teacher-{number}"
        made = people.add_user(
            db, login=name, name=name, role=Role.TEACHER, school_id=HERE, password_hash="-", now_ms=wall_ms()
        )
        people.add_api_token(db, user_id=made.id, name="race", token=token, now_ms=wall_ms(), expires_ms=None)
        db.commit()
    return token


@pytest.fixture(scope="module")
def rounds(soak: bool) -> Sequence[int]:
    """How many take part in each round."""
    few, many = SIZES
    return [few, many] * 200 if soak else ([few] * 9 + [many]) * 2


def _many(hall: Hall, rounds: Sequence[int], wanted: Callable[[range], dict[str, Any]]) -> Iterator[list[Answer]]:
    for size in rounds:
        yield hall.crowd.at_once([("POST", "/bookings", wanted(hall.slot()))] * size)


def _won(answers: Sequence[Answer]) -> int:
    """How many got it; every other was told that it is taken, and what else would do."""
    assert Counter(each.status for each in answers).keys() <= {201, 409}, answers
    assert all(each.body["alternatives"] for each in answers if each.status == 409)
    return sum(each.status == 201 for each in answers)


def test_one_unit_is_had_by_one(hall: Hall, rounds: Sequence[int]) -> None:
    for answers in _many(hall, rounds, lambda at: hall.wish(at, ("3D-01", 1))):
        assert _won(answers) == 1
    _all_agree(hall.made.engine)


def test_units_of_a_class_are_had_by_as_many_as_the_circuit_feeds(hall: Hall, rounds: Sequence[int]) -> None:
    for answers in _many(hall, rounds, lambda at: hall.wish(at, ("any printer-3d", 1))):
        assert _won(answers) == 3  # two of the three on 800 W, and one of the other school
    _all_agree(hall.made.engine)


def test_pool_is_never_oversold_and_never_undersold(hall: Hall, rounds: Sequence[int]) -> None:
    for answers in _many(hall, rounds, lambda at: hall.wish(at, ("Kit", 4))):
        assert _won(answers) == 7
    _all_agree(hall.made.engine)


def test_bundle_is_had_whole_by_one(hall: Hall, rounds: Sequence[int]) -> None:
    bundle = (("Lab", 1), ("any printer-3d", 2), ("Kit", 20))
    for answers in _many(hall, rounds, lambda at: hall.wish(at, *bundle)):
        assert _won(answers) == 1
    _all_agree(hall.made.engine)


def test_of_two_that_move_to_one_place_one_stays(hall: Hall, rounds: Sequence[int]) -> None:
    for size in rounds:
        here, there, target = hall.slot(), hall.slot(), hall.slot()
        ids = (hall.book(0, here, ("3D-01", 1)), hall.book(1, there, ("3D-01", 1)))
        move = {"start_ms": target.start, "end_ms": target.stop}
        answers = hall.crowd.at_once(
            [("PATCH", f"/bookings/{ids[number % 2]}", move) for number in range(2)]
            + [("POST", "/bookings", hall.wish(target, ("3D-01", 1)))] * (size - 2)
        )
        assert Counter(each.status for each in answers) == {200: 1, 409: size - 1} or _won(answers[2:]) == 1
        stands = [hall.find(number, ids[number])["start_ms"] for number in range(2)]
        moved = [at == target.start for at in stands]
        assert moved == [answers[0].status == 200, answers[1].status == 200]
        assert sum(moved) + _won(answers[2:]) == 1
        assert all(at in (target.start, home.start) for at, home in zip(stands, (here, there), strict=True))
    _all_agree(hall.made.engine)


def test_what_is_cancelled_is_had_by_one_at_the_most(hall: Hall, rounds: Sequence[int]) -> None:
    for size in rounds:
        at = hall.slot()
        mine = hall.book(0, at, ("3D-02", 1))
        answers = hall.crowd.at_once(
            [("DELETE", f"/bookings/{mine}", None)] + [("POST", "/bookings", hall.wish(at, ("3D-02", 1)))] * (size - 1)
        )
        assert answers[0].status == 200
        assert _won(answers[1:]) <= 1
        if not _won(answers[1:]):
            hall.book(1, at, ("3D-02", 1))
    _all_agree(hall.made.engine)


def test_what_is_cancelled_while_many_begin_to_wait_is_kept_for_one_of_them(hall: Hall, rounds: Sequence[int]) -> None:
    for size in rounds[7:12]:  # nobody may wait for very much
        at = hall.slot()
        mine = hall.book(0, at, ("3D-02", 1))
        wish = hall.wish(at, ("3D-02", 1))
        answers = hall.crowd.at_once(
            [("DELETE", f"/bookings/{mine}", None)]
            + [("POST", "/bookings", {**wish, "waitlist": True})] * (size - 4)
            + [("POST", "/bookings", wish)] * 3
        )
        assert answers[0].status == 200
        assert {each.status for each in answers[1:-3]} == {201}, "each has it or waits for it"
        ids = [str(each.body["id"]) for each in answers[1:] if each.status == 201]
        assert _had(hall, ids) == 1
        assert _states(hall, ids).count("waiting") == len(ids) - 1
    _all_agree(hall.made.engine)


def test_offers_that_are_answered_at_once_go_on_to_one_after_the_other(hall: Hall, rounds: Sequence[int]) -> None:
    for size in rounds[7:12]:
        at = hall.slot()
        mine = hall.book(0, at, ("Kit", 30))
        wait = {**hall.wish(at, ("Kit", 12)), "waitlist": True}
        ids = [str(hall.crowd.ask(number, "POST", "/bookings", wait).body["id"]) for number in range(1, size)]
        hall.crowd.ask(0, "DELETE", f"/bookings/{mine}")
        assert _states(hall, ids)[:3] == ["offered", "offered", "waiting"]
        leave: tuple[str, object] = ("DELETE", None)
        accept: tuple[str, object] = ("PATCH", {"state": "accepted"})
        asks = [(leave if number % 2 else accept, booking) for number, booking in enumerate(ids)]
        answers = hall.crowd.at_once(
            [("GET", f"/bookings/{mine}", None)]
            + [(method, f"/bookings/{booking}", body) for (method, body), booking in asks]
        )
        assert {each.status for each in answers} <= {200, 409}
        states = _states(hall, ids)
        accepted = [each for each in answers[1:] if each.status == 200 and each.body["state"] == "confirmed"]
        assert states.count("confirmed") == len(accepted)
        assert _had(hall, ids) == min(2, len(ids) - states.count("cancelled")), "nothing lies free that is waited for"
    _all_agree(hall.made.engine)


def _states(hall: Hall, booking_ids: Sequence[str]) -> list[str]:
    """In their order."""
    asked = select(Booking.id, Booking.state).where(col(Booking.id).in_(booking_ids))
    with Session(hall.made.engine) as db:
        found = {row.id: row.state for row in db.execute(asked)}
    return [found[each] for each in booking_ids]


def _had(hall: Hall, booking_ids: Sequence[str]) -> int:
    return sum(each in ("offered", "confirmed") for each in _states(hall, booking_ids))


def _all_agree(engine: Engine) -> None:
    """Each unit's claims, each pool's loads and the assignments of bookings that stand say the same."""
    with engine.connect() as connection:
        ticks = "SELECT COALESCE(SUM((a.until_ms - a.from_ms) / 300000), 0) FROM assignment a"
        states = "('offered', 'requested', 'confirmed', 'checked-in')"
        standing = f"JOIN booking b ON b.id = a.booking_id WHERE b.state IN {states}"
        units, claims = (
            connection.execute(text(sql)).scalar_one()
            for sql in (f"{ticks} {standing} AND a.quantity = 0", "SELECT COUNT(*) FROM claim")
        )
        counted = text(
            f"SELECT COALESCE(SUM(a.quantity * ((a.until_ms - a.from_ms) / 300000)), 0) FROM assignment a {standing}"
        )
        loads = text("SELECT COALESCE(SUM(used), 0) FROM load l JOIN resource r ON r.id = l.resource_id"
                     " WHERE r.kind = 'pool'")  # fmt: skip
        assert units == claims
        assert connection.execute(counted).scalar_one() == connection.execute(loads).scalar_one()
        twice = (
            "SELECT COUNT(*) FROM assignment a JOIN assignment o ON a.resource_id = o.resource_id"
            " AND a.booking_id < o.booking_id AND a.from_ms < o.until_ms AND o.from_ms < a.until_ms"
            " JOIN booking b ON b.id = a.booking_id JOIN booking p ON p.id = o.booking_id"
            " WHERE a.quantity = 0 AND b.state IN ('confirmed', 'offered') AND p.state IN ('confirmed', 'offered')"
        )
        assert connection.execute(text(twice)).scalar_one() == 0
