"""Every route x every kind of asker: who gets in, and what of another school they see. On the whole application.

The routes are asked of the application itself. One that is not in the tables of `route_table` and `route_requests`
fails the test until somebody has said whom it is for, and what it names.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.main import create_app, wall_ms
from controller.services import Services
from tests.inside import Inside
from tests.integration.askers import CHIEF, OWNER, Asker, everybody, is_refusal
from tests.integration.belongings import MAKE, School
from tests.integration.bookable import HERE, THERE, furnished
from tests.integration.route_requests import ASKS, BY_LINE, OF_NOBODY, READING, Ask
from tests.integration.route_table import CHANGING, ELSEWHERE, TABLE, Only
from tests.integration.running import PASSWORD, settings
from tests.passwords import quick

pytestmark = pytest.mark.integration


def routes(app: FastAPI) -> list[str]:
    """`METHOD /path` of everything that answers, HEAD aside."""
    found: list[str] = []

    def walk(those: object, prefix: str) -> None:
        for each in those:  # type: ignore[attr-defined]  # routes of routers and of the application
            if isinstance(each, APIRoute):
                found.extend(f"{method} {prefix}{each.path}" for method in each.methods or () if method != "HEAD")
            elif hasattr(each, "original_router"):
                walk(each.original_router.routes, prefix + each.include_context.prefix)
            else:
                found.append(f"GET {each.path}")

    walk(app.routes, "")
    return found


@dataclass(frozen=True)
class House:
    """The application with two schools in it; what is of the other one; everybody who may ask."""

    app: FastAPI
    other: School
    askers: tuple[Asker, ...]

    def asker(self, name: str) -> Asker:
        return next(each for each in self.askers if each.name == name)


NOWHERE = {
    **dict.fromkeys(("device_id", "room_id", "thing_id", "year_id", "certificate_id", "closure_id"), "999999"),
    **dict.fromkeys(("notice_id", "feed_id", "job_id", "place", "which", "channel_id", "number"), "999999"),
    **dict.fromkeys(("hook_id", "delivery_id"), "999999"),
    **dict.fromkeys(
        ("booking_id", "command_id", "user_id", "person_id", "token_id", "token", "secret", "key", "name"), "nothing"
    ),
    "code": "ZZZZ22",
    "scope": "room-999999",
    "change_id": "999999",
    "digest": "0" * 64,
    "metric": "none",
    "kind": "lessons",
    "suffix": "csv",
    "part": "terms",
    "deed": "unlock",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    state = tmp_path_factory.mktemp("routes")
    furnished(state)
    app = create_app(settings(state))
    services: Services = app.state.services
    admin = Admin(services.engine, quick(), wall_ms)
    for school in (HERE, THERE):
        admin.add_user(NewUser(f"subject-{school}", "Subject", Role.TEACHER, school), PASSWORD)
    services.hub.close()
    with Inside(app) as inside:
        askers = everybody(inside, admin)
        ids = {each.name: each.id for each in askers}
        other = School(services, admin, THERE, ids[OWNER], ids[CHIEF])
        other.furnish()
        services.live.load()
        yield House(app, other, askers)


def test_every_route_is_in_the_table_and_none_is_there_that_is_not(house: House) -> None:
    there = routes(house.app)

    assert sorted(there) == sorted(TABLE)


def test_every_route_lets_in_whom_the_table_says_and_nobody_else(house: House) -> None:
    """What is asked for is not there, so that nothing changes: who is let in hears just that."""
    wrong = []
    for asker in house.askers:
        for route, who in TABLE.items():
            if who is Only.OTHER or route in ELSEWHERE:
                continue
            answer = asker.ask(route, NOWHERE)
            assert answer.status_code < 500, f"{asker.name}: {route}: {answer.status_code}"
            if is_refusal(answer) is asker.gets_in(route):
                wrong.append(f"{asker.name}: {route}: {answer.status_code} {answer.headers.get('location', '')}")
    assert wrong == []


def test_form_without_its_token_changes_nothing_though_its_sender_may(house: House) -> None:
    for route, who in TABLE.items():
        if route.split(" ")[0] in CHANGING and who is not Only.OTHER:
            for name in (CHIEF, OWNER):
                bare = replace(house.asker(name), secret="")
                assert bare.ask(route, NOWHERE).status_code == 403, f"{name}: {route}"


# whose it is


def named(route: str) -> bool:
    """Whether a table says what the route names."""
    by_line = {ask.route for ask, *_ in BY_LINE}
    return route in OF_NOBODY | READING | ELSEWHERE | by_line or TABLE[route] in (Only.OPEN, Only.OTHER)


def test_every_route_says_what_of_a_school_it_names() -> None:
    asked = {each.route for each in ASKS}

    assert {route for route in TABLE if not named(route)} == asked
    assert not [route for route in asked if named(route)]


def complete(ask: Ask, at: School) -> dict[str, str]:
    """Path parameters, `query` and `body` of a request for what is that school's: real, and new."""
    made: dict[str, str] = {}

    def of(kind: str) -> str:
        if kind not in made:
            made[kind] = at.login(of("person")) if kind == "login" else at.new(kind)
        return made[kind]

    values = {name: of(kind) if kind in MAKE else kind for name, kind in ask.named.items()}
    texts = {
        part: re.sub(r"\{([a-z-]+)\}", lambda found: of(found[1]), text)
        for part, text in (("query", ask.query), ("body", ask.body))
    }
    return values | texts


def sent(asker: Asker, ask: Ask, values: Mapping[str, str]) -> httpx.Response:
    route = ask.route + (f"?{values['query']}" if values["query"] else "")
    return asker.ask(route, values, values["body"], ask.kind if values["body"] else "")


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: f"{ask.route} {next(iter(ask.named.values()), '')}")
def test_what_is_of_another_school_is_refused_and_the_same_request_of_its_own_gets_past(house: House, ask: Ask) -> None:
    values = complete(ask, house.other)
    for asker in house.askers:
        if asker.school == HERE and asker.gets_in(ask.route):
            refused = sent(asker, ask, values)
            expected = (ask.wrong,) if ask.wrong else (403, 404)
            assert refused.status_code in expected, f"{asker.name}: {refused.status_code} {refused.text[:200]}"
            assert not is_refusal(refused) or refused.status_code == 403, asker.name
    right = sent(house.asker(ask.right), ask, values)
    assert not is_refusal(right) or right.status_code == ask.gives
    got_past = right.status_code == ask.gives if ask.gives else right.status_code < 400
    assert got_past, f"{right.status_code} {right.text[:300]}"


@pytest.mark.parametrize(("ask", "done", "left"), BY_LINE, ids=lambda each: getattr(each, "route", each))
def test_lines_of_another_school_are_left_out_and_those_of_its_own_are_done(
    house: House, ask: Ask, done: str, left: str
) -> None:
    values = complete(ask, house.other)
    for asker in house.askers:
        if asker.school == HERE and asker.gets_in(ask.route):
            assert left in sent(asker, ask, values).headers["location"], asker.name
    assert done in sent(house.asker(ask.right), ask, values).headers["location"]


def test_list_of_people_holds_nobody_of_another_school(house: House) -> None:
    keeper = house.asker("administrator of an-phu")
    listed = keeper.client.get("/people").text

    assert "subject-an-phu" in listed
    assert "subject-binh-minh" not in listed
    assert "of-the-cluster" not in listed
