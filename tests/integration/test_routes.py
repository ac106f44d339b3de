"""Every route x every kind of asker: who gets in, and what of another school they see. On the whole application.

The routes are asked of the application itself. One that is not in the table below fails the test until somebody has
said whom it is for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlmodel import Session, select

from controller.fleet.tables import Agent, Device, Room
from controller.identity import store
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import CLUSTER_WIDE, GRANTS, Permission, Role
from controller.identity.signin import Source
from controller.main import create_app, wall_ms
from controller.services import Services
from controller.timetable.tables import Year
from controller.web import csrf
from controller.web.access import SESSION_COOKIE
from tests.inside import Inside
from tests.integration.bookable import HERE, THERE, furnished
from tests.integration.running import PASSWORD, settings
from tests.passwords import quick

pytestmark = pytest.mark.integration
P = Permission


class Only(StrEnum):
    """Whom a route is for that asks for no permission."""

    OPEN = "everybody"
    KNOWN = "whoever has signed in, or a program with a token"
    PERSON = "whoever has signed in, and no program"
    OTHER = "who has a proof of another kind"


SEATED = frozenset({P.MANAGE_USERS, P.SET_RIGHTS})
"""These are for people alone: no token is good for them."""
WHO: Mapping[Permission | Only, str] = {
    P.VIEW_DEVICES: """
        GET /api/v1/devices
        GET /api/v1/devices/{device_id}
        GET /api/v1/devices/{device_id}/commands
        GET /api/v1/devices/{device_id}/trials
        GET /api/v1/commands/{command_id}
        GET /api/v1/devices/{device_id}/jobs
        GET /api/v1/jobs/{job_id}
        GET /api/v1/devices/{device_id}/series/{metric}
        GET /api/v1/stream
        GET /api/v1/rollups
        GET /rooms/{room_id}
        GET /devices/{device_id}
        GET /devices/{device_id}/panel
        GET /devices/{device_id}/commands
        GET /devices/{device_id}/jobs
        GET /board/{room_id}
        GET /board/{room_id}/now
        GET /rooms/{room_id}/week
    """,
    P.COMMAND: """
        POST /api/v1/devices/{device_id}/commands
        POST /api/v1/devices/{device_id}/trials/{command_id}
        POST /devices/{device_id}/trials/{command_id}
        POST /devices/{device_id}/commands
    """,
    P.HANDLE_JOBS: """
        POST /api/v1/devices/{device_id}/jobs
        POST /api/v1/jobs/{job_id}/release
        POST /api/v1/jobs/{job_id}/return
        POST /api/v1/jobs/{job_id}/cancel
        GET /devices/{device_id}/jobs/new
        GET /jobs/{job_id}
        GET /jobs/{job_id}/now
        POST /jobs/{job_id}/release
        POST /jobs/{job_id}/hand-back
        POST /jobs/{job_id}/cancel
    """,
    P.BOOK: """
        GET /kits
        POST /kits/{pool_id}/out
        POST /kits/back/{handout_id}
        POST /kits/lacks/{lack_id}/mend
        POST /kits/{pool_id}/parts
        GET /api/v1/bookings
        POST /api/v1/bookings
        GET /api/v1/bookings/{booking_id}
        PATCH /api/v1/bookings/{booking_id}
        DELETE /api/v1/bookings/{booking_id}
        GET /api/v1/availability
        GET /my/feeds
        POST /my/feeds
        POST /my/feeds/{feed_id}/renew
        POST /my/feeds/{feed_id}/revoke
        GET /my
        POST /my/notices/{notice_id}/seen
        GET /my/{booking_id}/move
        POST /my/{booking_id}/move
        GET /my/{booking_id}/cancel
        POST /my/{booking_id}/cancel
        POST /my/{booking_id}/accept
        GET /my/{booking_id}/again
        POST /my/{booking_id}/again
        GET /calendar
        POST /calendar
        GET /calendar/new
        POST /calendar/look
        GET /c/{code}
        POST /c/{code}
        POST /c/{code}/back
        POST /c/{code}/beside
        GET /c/{code}/problem
        POST /c/{code}/problem
    """,
    P.VIEW_QUARANTINE: """
        GET /api/v1/quarantine
    """,
    Only.OPEN: """
        GET /static
        GET /openapi.json
        GET /healthz
        GET /readyz
        POST /signin
        GET /signin
        POST /language
        GET /feeds/{name}
        GET /board/open/{key}
        GET /board/open/{key}/now
        GET /signin/with/{name}
        GET /signin/with/{name}/leave
        GET /signin/with/{name}/return
        GET /reset/{secret}
        POST /reset/{secret}
        GET /api/v1/enrol
        GET /e/{token}
    """,
    P.CONNECT: """
        GET /connections
        POST /connections/home-assistant
        POST /connections/home-assistant/account
        POST /connections/home-assistant/account/revoke
        POST /connections/webhooks
        POST /connections/webhooks/{hook_id}/renew
        POST /connections/webhooks/{hook_id}/test
        POST /connections/webhooks/{hook_id}/remove
        POST /connections/deliveries/{delivery_id}/retry
        GET /api/v1/schools/{school_id}/home-assistant
        PUT /api/v1/schools/{school_id}/home-assistant
        POST /api/v1/schools/{school_id}/home-assistant/account
        DELETE /api/v1/schools/{school_id}/home-assistant/account
        GET /api/v1/schools/{school_id}/webhooks
        POST /api/v1/schools/{school_id}/webhooks
        POST /api/v1/schools/{school_id}/webhooks/{hook_id}/secret
        POST /api/v1/schools/{school_id}/webhooks/{hook_id}/test
        DELETE /api/v1/schools/{school_id}/webhooks/{hook_id}
        GET /api/v1/schools/{school_id}/deliveries
        POST /api/v1/schools/{school_id}/deliveries/{delivery_id}/retry
    """,
    P.ENROL_AGENTS: """
        POST /devices/{device_id}/agent/readmit
        GET /agents
        GET /agents/found
        POST /agents/found
        GET /agents/found/news
        POST /agents/found/{thing_id}/ignore
        POST /agents/found/{thing_id}/restore
        POST /agents/found/{thing_id}/back
        GET /api/v1/found
        POST /api/v1/found/{thing_id}/adopt
        POST /api/v1/found/{thing_id}/ignore
        POST /api/v1/found/{thing_id}/restore
        POST /api/v1/found/{thing_id}/back
        POST /agents/arrivals/{which}/admit
        POST /agents/arrivals/{which}/always
        POST /agents/arrivals/{which}/refuse
        POST /agents/twins/{which}/keep
        POST /agents/{which}/revoke
        POST /agents/{which}/replace
        POST /agents/tokens/{which}/end
        GET /agents/enrol
        POST /agents/enrol
        GET /agents/tokens/{token_id}/arrived
    """,
    P.CONFIGURE: """
        GET /api/v1/settings
        GET /api/v1/settings/{scope}
        PUT /api/v1/settings/{scope}
        GET /api/v1/settings/{scope}/changes
        POST /api/v1/settings/changes/{change_id}/restore
        GET /api/v1/drift
        GET /agents/settings
        GET /agents/settings/{scope}
        POST /agents/settings/{scope}
        POST /agents/settings/changes/{change_id}/restore
    """,
    P.VIEW_AUDIT: """
        GET /audit
        GET /audit.{kind}
    """,
    Only.OTHER: """
        POST /api/v1/enrol/reclaim
        POST /api/v1/renewals/{number}
        POST /api/v1/enrol
        GET /api/v1/files/{digest}
    """,
    P.VIEW_METRICS: """
        GET /metrics
    """,
    Only.KNOWN: """
        POST /signout
        GET /
    """,
    P.VIEW_FLEET: """
        GET /fleet
        GET /fleet/attention
    """,
    P.PLAN: """
        GET /import
        POST /import
        GET /import/templates/{kind}.{suffix}
        GET /import/{token}/faults.csv
        GET /import/{token}
        POST /import/{token}
        GET /admin/limits
        POST /admin/limits
        GET /admin/certificates
        POST /admin/certificates
        POST /admin/certificates/{certificate_id}/remove
        GET /admin/time
        POST /admin/time
        GET /admin/time/{year_id}
        POST /admin/time/{year_id}
        POST /admin/time/{year_id}/remove
        POST /admin/time/{year_id}/next
        POST /admin/time/{year_id}/copy
        GET /admin/time/{year_id}/{part}/{place}
        POST /admin/time/{year_id}/{part}/{place}
        GET /admin/things
        POST /admin/rooms
        POST /admin/closures
        POST /admin/closures/{closure_id}/remove
        GET /admin/things/new
        POST /admin/things/new
        GET /admin/things/{thing_id}
        POST /admin/things/{thing_id}
        POST /admin/things/{thing_id}/retire
        POST /admin/things/{thing_id}/maintenance
        GET /admin/rooms/{room_id}
        POST /admin/rooms/{room_id}
    """,
    P.MANAGE_BOOKINGS: """
        POST /calendar/requests/{booking_id}/confirm
        POST /calendar/requests/{booking_id}/refuse
        GET /labels
        POST /labels/board
    """,
    P.VIEW_REPORTS: """
        GET /reports/use
        GET /reports/use.csv
    """,
    Only.PERSON: """
        GET /signin/with/{name}/link
        GET /account
        POST /account/password
        POST /account/sessions
        POST /account/unlink
        POST /account/tokens
        POST /account/tokens/{token_id}/revoke
        GET /my/notifications
        POST /my/notifications
        GET /my/notifications/add/{kind}
        POST /my/notifications/add/{kind}
        POST /my/notifications/{channel_id}/test
        POST /my/notifications/{channel_id}/remove
        GET /privacy
        GET /privacy/export
    """,
    P.MANAGE_USERS: """
        GET /people/tokens
        POST /people/tokens/{token_id}/revoke
        GET /people
        GET /people/new
        POST /people/new
        GET /people/{user_id}
        POST /people/{user_id}
        POST /people/{user_id}/reset
        POST /people/{user_id}/tokens
        POST /people/{user_id}/{deed}
        GET /admin/notifications
        POST /admin/notifications/retry
        GET /privacy/people
        GET /privacy/people/{person_id}
        GET /privacy/people/{person_id}/export
        POST /privacy/people/{person_id}/erase
    """,
    P.SET_RIGHTS: """
        GET /people/rights
        POST /people/rights
    """,
}
TABLE = {line.strip(): who for who, lines in WHO.items() for line in lines.splitlines() if line.strip()}
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


ELSEWHERE = frozenset(
    {
        "POST /signin",
        "POST /signout",
        "POST /language",
        "POST /reset/{secret}",
        "GET /signin/with/{name}",
        "GET /signin/with/{name}/leave",
        "GET /signin/with/{name}/link",
        "GET /signin/with/{name}/return",
        "GET /static",
        "GET /readyz",
        "GET /metrics",
    }
)
"""What these do to whom, their own tests say: some lead to the sign-in page whoever asks, one ends a session,
`/metrics` also answers to whoever sits at the server."""
SHARED = frozenset({"GET /board/{room_id}", "GET /board/{room_id}/now", "GET /rooms/{room_id}/week"})
"""Of a lab whose machines another school shares, the board and the week are for whoever may book there."""
NO_PRINTER = frozenset({"GET /devices/{device_id}/jobs/new"})
"""The device of the samples takes no print jobs."""


@dataclass(frozen=True)
class Asker:
    """Somebody at the door. `may` are the permissions they have; `name` is what a failure calls them."""

    name: str
    client: httpx.Client
    secret: str
    role: Role | None
    school: str | None
    only: frozenset[Permission] | None = None
    token: bool = False
    read_only: bool = False

    def may(self, permission: Permission) -> bool:
        if self.role is None or (permission in CLUSTER_WIDE and self.school is not None):
            return False
        return permission in GRANTS[self.role] and (self.only is None or permission in self.only)

    def ask(self, route: str, samples: Mapping[str, str]) -> httpx.Response:
        method, path = route.split(" ")
        for name, value in samples.items():
            path = path.replace("{" + name + "}", value)
        headers = {"x-csrf-token": csrf.issue(self.secret)} if self.secret else {}
        return self.client.request(method, path, headers=headers)


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
    """The application with two schools in it; what of each is named in paths; everybody who may ask."""

    app: FastAPI
    own: Mapping[str, str]
    others: Mapping[str, str]
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
    furniture = furnished(state)
    app = create_app(settings(state))
    services: Services = app.state.services
    admin = Admin(services.engine, quick(), wall_ms)
    samples = {school: _samples(services, furniture.things, admin, school) for school in (HERE, THERE)}
    services.live.load()
    services.hub.close()
    with Inside(app) as inside:
        askers = [Asker("nobody", inside.browser(), "", None, None)]
        places = [(role, school) for role in Role for school in (HERE, None) if school or role is not Role.TEACHER]
        askers += [_person(inside, admin, role, school) for role, school in places]
        askers += _programs(inside, admin)
        yield House(app, NOWHERE | samples[HERE], NOWHERE | samples[THERE], tuple(askers))


def _samples(services: Services, things: Mapping[str, int], admin: Admin, school: str) -> dict[str, str]:
    """One of each kind that belongs to that school."""
    with Session(services.engine) as db:
        agent = db.exec(select(Agent).where(Agent.school_id == school)).one()
        device = Device(
            school_id=school,
            agent_id=agent.id or 0,
            slug="board",
            name="Board",
            profile_slug="demo/interactive-board",
            profile_digest="x",
        )
        db.add(device)
        room = db.exec(select(Room).where(Room.school_id == school)).first()
        year = db.exec(select(Year).where(Year.school_id == school)).first()
        assert room is not None
        assert year is not None
        db.commit()
        found = {"device_id": str(device.id), "room_id": str(room.id), "year_id": str(year.id), "school_id": school}
    thing = things["3D-01" if school == HERE else "3D-09"]
    person = admin.add_user(NewUser(f"subject-{school}", "Subject", Role.TEACHER, school), PASSWORD)
    return found | {"thing_id": str(thing), "user_id": person, "person_id": person, "scope": f"room-{room.id}"}


def _person(inside: Inside, admin: Admin, role: Role, school: str | None) -> Asker:
    services: Services = inside.app.state.services
    name = f"{role} of {school or 'the cluster'}"
    user_id = admin.add_user(NewUser(name.replace(" ", "-"), name, role, school), PASSWORD)
    with Session(services.engine) as db:
        user = store.user(db, user_id)
        assert user is not None
        secret = services.signin.begin(db, user, Source("10.0.0.1"), shared_machine=False).token
        db.commit()
    client = inside.browser()
    client.cookies.set(SESSION_COOKIE, secret)
    return Asker(name, client, secret, role, school)


def _programs(inside: Inside, admin: Admin) -> list[Asker]:
    """Tokens: all that a technician may; only to look at the fleet; of an administrator, for reading."""
    services: Services = inside.app.state.services
    made = []
    looking = frozenset({P.VIEW_DEVICES, P.VIEW_FLEET, P.BOOK})
    for name, role, only, read_only in (
        ("a technician's program", Role.TECHNICIAN, None, False),
        ("a narrow program", Role.TECHNICIAN, looking, False),
        ("a reading program", Role.ADMINISTRATOR, None, True),
    ):
        owner = admin.add_user(NewUser(name.replace(" ", "-"), name, role, HERE), PASSWORD)
        token = "ff_" + store.new_secret()
        with Session(services.engine) as db:
            store.add_api_token(
                db, user_id=owner, name=name, token=token, now_ms=wall_ms(), expires_ms=None,
                permissions=only, read_only=read_only,
            )  # fmt: skip
            db.commit()
        made.append(Asker(name, inside.bearer(token), "", role, HERE, only, token=True, read_only=read_only))
    return made


def lets_in(asker: Asker, route: str) -> bool:
    """What the table says."""
    who = TABLE[route]
    if who in (Only.OPEN, Only.OTHER):
        return who is Only.OPEN
    if asker.role is None or (asker.read_only and route.split(" ", maxsplit=1)[0] in CHANGING):
        return False
    if isinstance(who, Only):
        return who is Only.KNOWN or not asker.token
    return asker.may(who) and not (asker.token and who in SEATED)


def is_refusal(answer: httpx.Response) -> bool:
    """401, 403, or sent to sign in first."""
    to_signin = answer.status_code == 303 and answer.headers["location"].startswith("/signin")
    return answer.status_code in (401, 403) or to_signin


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
            if is_refusal(answer) is lets_in(asker, route):
                wrong.append(f"{asker.name}: {route}: {answer.status_code} {answer.headers.get('location', '')}")
    assert wrong == []


def test_form_without_its_token_changes_nothing_whoever_sends_it(house: House) -> None:
    for asker in house.askers:
        if asker.secret:
            bare = Asker(asker.name, asker.client, "", asker.role, asker.school)
            for route, who in TABLE.items():
                if route.split(" ")[0] in CHANGING and who is not Only.OTHER:
                    assert bare.ask(route, NOWHERE).status_code == 403, f"{asker.name}: {route}"


OF_A_SCHOOL = frozenset({"device_id", "room_id", "year_id", "user_id", "thing_id", "person_id", "scope"})
SHOWN = tuple(
    route
    for route in TABLE
    if route.startswith("GET ") and any("{" + name + "}" in route for name in OF_A_SCHOOL) and route.count("{") == 1
)


@pytest.mark.parametrize("route", SHOWN)
def test_what_is_of_another_school_is_not_there(house: House, route: str) -> None:
    """And what is of one's own is: else this would say nothing."""
    seen = 0
    for asker in house.askers:
        if not lets_in(asker, route):
            continue
        own, others = asker.ask(route, house.own), asker.ask(route, house.others)
        assert own.status_code < 500
        seen += own.status_code == 200
        if asker.school == HERE and route not in SHARED:
            assert others.status_code in (403, 404), f"{asker.name}: {others.status_code}"
        else:
            assert (own.status_code, others.status_code) in ((200, 200), (404, 404), (409, 409)), asker.name
    assert seen or route in NO_PRINTER, route


def test_changing_what_is_of_another_school_is_refused(house: House) -> None:
    for asker in house.askers:
        if asker.role is None or asker.school is None:
            continue
        for route in TABLE:
            named = [name for name in OF_A_SCHOOL if "{" + name + "}" in route]
            if route.split(" ")[0] in CHANGING and named:
                answer = asker.ask(route, house.others)
                assert 400 <= answer.status_code < 500, f"{asker.name}: {route}: {answer.status_code}"


def test_list_of_people_holds_nobody_of_another_school(house: House) -> None:
    keeper = house.asker("administrator of an-phu")
    listed = keeper.client.get("/people").text

    assert "subject-an-phu" in listed
    assert "subject-binh-minh" not in listed
    assert "of-the-cluster" not in listed
