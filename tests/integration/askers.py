"""Everybody who may ask a controller for something: each role of one school, of the other and of the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from sqlmodel import Session

from controller.identity import store
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import CLUSTER_WIDE, GRANTS, Permission, Role
from controller.identity.signin import Source
from controller.main import wall_ms
from controller.services import Services
from controller.web import csrf
from controller.web.access import SESSION_COOKIE
from tests.inside import Inside
from tests.integration.bookable import HERE, THERE
from tests.integration.route_table import CHANGING, SEATED, TABLE, Only
from tests.integration.running import PASSWORD

P = Permission
OWNER = f"{Role.TEACHER} of {THERE}"
CHIEF = f"{Role.ADMINISTRATOR} of the cluster"


@dataclass(frozen=True)
class Asker:
    """Somebody at the door. `may` are the permissions they have; `name` is what a failure calls them."""

    name: str
    client: httpx.Client
    secret: str
    role: Role | None
    school: str | None
    id: str = ""
    only: frozenset[Permission] | None = None
    token: bool = False
    read_only: bool = False

    def may(self, permission: Permission) -> bool:
        if self.role is None or (permission in CLUSTER_WIDE and self.school is not None):
            return False
        return permission in GRANTS[self.role] and (self.only is None or permission in self.only)

    def ask(self, route: str, samples: Mapping[str, str], body: str = "", kind: str = "") -> httpx.Response:
        """A request of that route, its parameters from `samples`."""
        method, path = route.split(" ")
        for name, value in samples.items():
            path = path.replace("{" + name + "}", value)
        headers = {"x-csrf-token": csrf.issue(self.secret)} if self.secret else {}
        if kind:
            headers["content-type"] = kind
        return self.client.request(method, path, headers=headers, content=body or None)

    def gets_in(self, route: str) -> bool:
        """What the table says."""
        who = TABLE[route]
        if who in (Only.OPEN, Only.OTHER):
            return who is Only.OPEN
        if self.role is None or (self.read_only and route.split(" ", maxsplit=1)[0] in CHANGING):
            return False
        if isinstance(who, Only):
            return who is Only.KNOWN or not self.token
        return self.may(who) and not (self.token and who in SEATED)


def everybody(inside: Inside, admin: Admin) -> tuple[Asker, ...]:
    """Nobody; each role of An Phú and of the cluster; a teacher of Bình Minh (`OWNER`); programs of An Phú."""
    places = [(role, school) for role in Role for school in (HERE, None) if school or role is not Role.TEACHER]
    people = [_person(inside, admin, role, school) for role, school in (*places, (Role.TEACHER, THERE))]
    return (Asker("nobody", inside.browser(), "", None, None), *people, *_programs(inside, admin))


def is_refusal(answer: httpx.Response) -> bool:
    """401, 403, or sent to sign in first."""
    to_signin = answer.status_code == 303 and answer.headers["location"].startswith("/signin")
    return answer.status_code in (401, 403) or to_signin


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
    return Asker(name, client, secret, role, school, user_id)


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
        made.append(Asker(name, inside.bearer(token), "", role, HERE, owner, only, token=True, read_only=read_only))
    return made
