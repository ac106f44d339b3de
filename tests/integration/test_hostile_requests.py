"""Whatever anybody sends to any route, the answer is one that was meant: never an error of the server.

The routes are asked of the application itself, and the forms are those of its pages, found by walking over them as each
role. So what is added later is under attack as well.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import cycle, islice
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import Engine
from sqlmodel import Session, select

from controller.fleet.enrolment import Place, enrol
from controller.fleet.tables import Agent, Device
from controller.identity import store
from controller.identity.policy import Role
from controller.identity.signin import Source
from controller.main import create_app, wall_ms
from controller.services import Services
from controller.web import csrf
from controller.web.access import SESSION_COOKIE
from tests.inside import Inside
from tests.integration.bookable import HERE, populated
from tests.integration.running import settings

pytestmark = pytest.mark.integration
_Each = TypeVar("_Each")
ELSEWHERE: Final = frozenset({"/readyz", "/signout"})
"""The one says 503 here, and rightly: no broker runs. The other would end the walk."""
LEAVING: Final = frozenset({"/signout", "/account/sessions"})
"""Forms that would end the walk."""
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data; boundary=x"
HUGE_NUMBER: Final = "9" * 5_000
VALUES: Final[Sequence[bytes]] = (
    b"\0",
    b"a\0b",
    b"\xff\xfe",
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"x" * 5_000,
    b"-1",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"2147483648",
    HUGE_NUMBER.encode(),
    b"1e999",
    b"nan",
    b"-inf",
    b"0.0000000001",
    "²".encode(),
    "٣".encode(),
    b"0000-00-00",
    b"0001-01-01",
    b"9999-12-31",
    b"2026-W53-7",
    b"24:61",
    b"99999999999999999",
    b"[[]]",
    b"{}",
    b"' OR 1=1 --",
    b"%00",
    b"../../x",
    b"\r\nx: y",
    "\u202e\N{ZERO WIDTH NO-BREAK SPACE}\N{PILE OF POO}".encode(),
    b"",
)
"""Of a field, a question or a part of a path."""


@dataclass(frozen=True)
class Shot:
    """A way to ask that no page of ours asks in. `headers` are added, or stand instead of those of the same name."""

    name: str
    method: str = ""
    headers: Mapping[str, str | bytes] = field(default_factory=dict[str, str | bytes])
    body: bytes = b""
    query: str = ""


def _json(name: str, body: bytes) -> Shot:
    return Shot(name, headers={"content-type": "application/json"}, body=body)


def _parts(*parts: tuple[bytes, bytes]) -> bytes:
    """Of a form in many parts: what each says of itself, and what is in it."""
    return b"".join(b"--x\r\nContent-Disposition: %b\r\n\r\n%b\r\n" % part for part in parts) + b"--x--\r\n"


NAMED: Final = b'form-data; name="a"'
ODDLY_NAMED: Final = b'form-data; name="\xff\0"'
FILE: Final = b'form-data; name="file"; filename="\0.xlsx"'
COOKIES: Final = b'=;;; fabfleet_guest="\\377\\400' + b"\xff" * 40 + b'"; fabfleet_lang=\xff; fabfleet_session=\0'
HOSTS: Final = ("127.0.0.1]", "[127.0.0.1", "localhost:x", "localhost:99999", "[::1]:")
SHOTS: Final[Sequence[Shot]] = (
    Shot("nothing"),
    *(Shot(f"method {each}", method=each) for each in ("HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "XYZ")),
    Shot("many fields", headers={"content-type": FORM}, body=b"a=1&" * 10_000),
    Shot("fields that come twice", headers={"content-type": FORM}, body=b"csrf=x&csrf=y&name=a&name=b&kind=&kind=%00"),
    Shot("a form of bad letters", headers={"content-type": FORM}, body=b"\xff\xfe=%ff&%ed%a0%80=\0&=&&a"),
    Shot("a form in an odd code", headers={"content-type": FORM + "; charset=utf-7"}, body=b"a=+AGE-"),
    Shot("a form in no code", headers={"content-type": MULTIPART + "; charset=none"}, body=_parts((NAMED, b"x"))),
    Shot("parts without a boundary", headers={"content-type": "multipart/form-data"}, body=b"--x\r\n"),
    Shot("parts that are cut off", headers={"content-type": MULTIPART}, body=b"--x\r\nContent-Dispo"),
    Shot("a part without a name", headers={"content-type": MULTIPART}, body=_parts((b"form-data", b"x"))),
    Shot("parts of bad letters", headers={"content-type": MULTIPART}, body=_parts((ODDLY_NAMED, b"\xff"))),
    Shot("a file", headers={"content-type": MULTIPART}, body=_parts((FILE, b"PK\3\4x"))),
    _json("deep lists", b"[" * 30_000),
    _json("lists in lists", b"[[[[[]]]]]"),
    _json("half a letter", rb'{"a": "\ud800", "name": "\udfff"}'),
    _json("endless numbers", b'{"a": 1e999, "b": ' + HUGE_NUMBER.encode() + b', "c": NaN}'),
    _json("no JSON", b"\xff\xfe\0"),
    _json("null", b"null"),
    Shot("an odd kind", headers={"content-type": b"\xff/\xfe; =;;"}, body=b"x"),
    Shot("packed", headers={"content-encoding": "gzip", "content-type": FORM}, body=b"\x1f\x8b\x08nothing"),
    Shot("large cookies", headers={"cookie": "a=" + "x" * 60_000}),
    Shot("odd cookies", headers={"cookie": COOKIES}),
    Shot("odd languages", headers={"accept-language": b"\xff,;q=,*;q=9e999," + b"vi-" * 3_000}),
    Shot("odd ranges", headers={"range": "bytes=9-1,-0,x-,0-0,99999999999999999999-,-" + HUGE_NUMBER[:4_000]}),
    Shot("odd dates", headers={"if-modified-since": "Fri, 99 Foo 99999 99:99:99 GMT", "if-none-match": "\"', W/"}),
    Shot("odd bearers", headers={"authorization": b"Bearer \xff\0" + b"x" * 9_000}),
    Shot("odd proofs", headers={"authorization": "Fabfleet a=b, c", "x-csrf-token": b"\xff"}),
    *(Shot(f"host {each}", headers={"host": each}) for each in HOSTS),
    Shot("htmx", headers={"hx-request": "true", "hx-target": b"\xff", "origin": "null", "accept": ";;;"}),
    Shot("a question of bad letters", query="%ff=%fe&a=%00&a=%ed%a0%80&lang=%00&=&;" + "&b" * 3_000),
)  # fmt: skip


@dataclass(frozen=True)
class Route:
    """`questions` and `fields` are the names that it declares."""

    method: str
    pattern: str
    questions: Sequence[str]
    fields: Sequence[str]

    def fits(self, path: str) -> bool:
        return re.fullmatch(re.sub(r"\\{.*?\\}", "[^/]+", re.escape(self.pattern)), path) is not None


@dataclass(frozen=True)
class Asker:
    name: str
    client: httpx.Client
    secret: str = ""


@dataclass(frozen=True)
class FoundForm:
    """A form as it stands on a page: its fields with what is in them. `files` are the names of those for files."""

    action: str
    fields: Mapping[str, str]
    files: frozenset[str] = frozenset()


@dataclass(frozen=True)
class House:
    """The application, everybody who may ask, what went wrong so far, and where the turns begin."""

    routes: Sequence[Route]
    askers: Sequence[Asker]
    wrong: list[str]
    first: int

    def turns(self, all_: Sequence[_Each]) -> Iterator[_Each]:
        """Each in turn, for ever; on one database from the first, on the other from the middle."""
        return islice(cycle(all_), self.first * (len(all_) // 2), None)

    def ask(self, asker: Asker, method: str, where: str, shot: Shot = SHOTS[0]) -> httpx.Response | None:
        """The answer; None if there was an error, which is noted."""
        headers: dict[str, str | bytes] = {"x-csrf-token": csrf.issue(asker.secret)} if asker.secret else {}
        if "cookie" in shot.headers and asker.secret:
            cookie = shot.headers["cookie"]
            headers["cookie"] = f"{SESSION_COOKIE}={asker.secret}; ".encode() + _bytes(cookie)
        headers |= {name: value for name, value in shot.headers.items() if name not in headers}
        mark = "&" if "?" in where else "?"
        address = f"{where}{mark}{shot.query}" if shot.query else where
        try:
            raw = [(name.encode(), _bytes(text)) for name, text in headers.items()]
            answer = asker.client.request(shot.method or method, address, headers=raw, content=shot.body)
        except httpx.InvalidURL:
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is: the application has failed
            self.wrong.append(f"{asker.name}: {method} {where[:100]}: {shot.name}: {error!r}"[:300])
            return None
        if answer.status_code >= 500:
            self.wrong.append(f"{asker.name}: {method} {where[:100]}: {shot.name}: {answer.status_code}")
        return answer


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


class _Page(HTMLParser):
    """What leads on from a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[FoundForm] = []
        self._fields: dict[str, str] = {}
        self._files: set[str] = set()
        self._action: str | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "a" and given.get("href", "").startswith("/"):
            self.links.append(given["href"])
        elif tag == "form":
            self._action, self._fields, self._files = given.get("action", ""), {}, set()
        elif self._action is None or not name:
            if tag == "option" and self._select and given.get("value"):
                self._fields[self._select] = given["value"]
        elif given.get("type") == "file":
            self._files.add(name)
        elif given.get("type") != "radio" or name not in self._fields or "checked" in given:
            self._fields[name] = given.get("value", "")
        if tag == "option" and self._select and given.get("value") and not self._fields.get(self._select):
            self._fields[self._select] = given["value"]
        if tag == "select":
            self._select = name

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        if tag == "form" and self._action is not None:
            self.forms.append(FoundForm(self._action, dict(self._fields), frozenset(self._files)))
            self._action = None


@pytest.fixture
def house(either_database: Engine, tmp_path: Path) -> Iterator[House]:
    app = create_app(replace(settings(tmp_path), database_url=either_database.url.render_as_string(False)))
    services: Services = app.state.services
    services.config.folder.mkdir(parents=True, exist_ok=True)
    populated(either_database)
    enrol(either_database, Place(HERE, "fablab"), "pc-1")
    with Session(either_database) as db:
        agent = db.exec(select(Agent)).one()
        for slug, profile in (("board", "demo/interactive-board"), ("printer", "prusa/mk3s")):
            db.add(
                Device(
                    school_id=HERE,
                    agent_id=agent.id or 0,
                    slug=slug,
                    name=slug,
                    profile_slug=profile,
                    profile_digest="x",
                )
            )
        db.commit()
    services.live.load()
    services.hub.close()  # else the stream would have no end
    with Inside(app) as inside:
        askers = [Asker("nobody", inside.browser())]
        askers += [_person(inside, services, role) for role in Role]
        yield House(routes(app.routes), askers, [], int(either_database.dialect.name == "postgresql"))


def _person(inside: Inside, services: Services, role: Role) -> Asker:
    client = inside.browser()
    school = HERE if role is Role.TEACHER else None
    with Session(services.engine) as db:
        user = store.add_user(
            db, login=f"a-{role}", name=role, role=role, school_id=school, password_hash="", now_ms=wall_ms()
        )
        secret = services.signin.begin(db, user, Source("10.0.0.1"), shared_machine=False).token
        db.commit()
    client.cookies.set(SESSION_COOKIE, secret)
    return Asker(role, client, secret)


def routes(those: object) -> list[Route]:
    found = []
    for context in iter_route_contexts(those):  # type: ignore[arg-type]  # the application's own list
        asked = context.original_route.dependant if isinstance(context.original_route, APIRoute) else Dependant()
        methods = sorted((context.methods or {"GET"}) - {"HEAD"})
        found += [Route(method, context.path or "", *_names(asked)) for method in methods]
    return found


def _names(asked: Dependant) -> tuple[list[str], list[str]]:
    questions = [each.alias for each in asked.query_params]
    fields = [each.alias for each in asked.body_params]
    for each in asked.dependencies:
        more = _names(each)
        questions += more[0]
        fields += more[1]
    return questions, fields


def walk(house: House, asker: Asker) -> tuple[Mapping[str, str], Sequence[FoundForm]]:
    """An address for each route's pattern that is linked to from any page, and one form of each kind."""
    there: dict[str, str] = {}
    forms: dict[tuple[str, frozenset[str]], FoundForm] = {}
    todo = ["/", "/signin"]
    while todo:
        where = todo.pop()
        answer = house.ask(asker, "GET", where)
        if answer is None:
            continue
        page = _Page()
        page.feed(answer.text if "html" in answer.headers.get("content-type", "") else "")
        for form in page.forms:
            action = urlsplit(form.action or where).path
            pattern = next((each.pattern for each in house.routes if each.method == "POST" and each.fits(action)), "")
            if pattern not in LEAVING:
                forms.setdefault((pattern, frozenset(form.fields)), replace(form, action=action))
        for link in (*page.links, answer.headers.get("location", "")):
            path = urlsplit(link).path
            pattern = next((each.pattern for each in house.routes if each.method == "GET" and each.fits(path)), "")
            if pattern and pattern not in there:
                there[pattern] = path
                todo.append(link)
    return there, list(forms.values())


@dataclass(frozen=True)
class Size:
    """How much is tried: shots of each asker at each route, and values of each field, question and part of a path."""

    shots: int
    values: int


AT_CI, AT_FULL_SIZE = Size(1, 1), Size(12, len(VALUES))
"""At CI the turn goes on from one to the next, so that all are used somewhere; and on each database others."""


def test_nothing_that_is_sent_to_any_route_or_form_is_answered_by_an_error_of_the_server(house: House) -> None:
    attack(house, AT_CI)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_nothing_that_is_sent_is_answered_by_an_error_of_the_server_at_full_size(house: House) -> None:
    attack(house, AT_FULL_SIZE)


def attack(house: House, size: Size) -> None:
    known: dict[str, str] = {}
    forms: list[tuple[Asker, FoundForm]] = []
    for asker in house.askers:
        there, shown = walk(house, asker)
        known |= there
        forms += [(asker, form) for form in shown]
    shoot(house, known, size)
    fill_in(house, forms, size)
    assert house.wrong == []


def shoot(house: House, known: Mapping[str, str], size: Size) -> None:
    """Everybody at every route; who is let in first also asks oddly. `known` are addresses, by pattern."""
    shots, values = house.turns(SHOTS), house.turns(VALUES)
    for route in house.routes:
        if route.pattern in ELSEWHERE:
            continue
        where = known.get(route.pattern) or re.sub(r"\{.*?\}", "1", route.pattern)
        odd = list(oddities(route, where, values, size.values))
        for asker in house.askers:
            answers = [house.ask(asker, route.method, where, next(shots)) for _ in range(size.shots)]
            if asker.secret and any(each is not None and each.status_code not in (401, 403) for each in answers):
                for path, shot in odd:
                    house.ask(asker, route.method, path, shot)
                odd = []


def oddities(route: Route, where: str, values: Iterator[bytes], count: int) -> Iterator[tuple[str, Shot]]:
    """Its questions and fields one by one, and the parts of its path, each with so many values."""
    for name in route.questions:
        for value in islice(values, count):
            yield f"{where}?{quote(name)}={quote(value, safe='')}", SHOTS[0]
    for name in route.fields:
        for value in islice(values, count):
            yield where, Shot(name, headers={"content-type": FORM}, body=f"{quote(name)}={quote(value)}".encode())
    for part in re.findall(r"\{.*?\}", route.pattern):
        for value in filter(None, islice(values, count)):
            others = re.sub(r"\{.*?\}", "1", route.pattern.replace(part, "<>"))
            yield others.replace("<>", quote(value, safe="")), SHOTS[0]


def fill_in(house: House, forms: Sequence[tuple[Asker, FoundForm]], size: Size) -> None:
    """Every field of every form that somebody is shown, one after the other; the others as they stand there."""
    seen: set[tuple[str, frozenset[str]]] = set()
    values = house.turns(VALUES)
    for asker, form in forms:
        key = re.sub(r"\d+", "1", form.action), frozenset(form.fields)
        for name in (*form.fields, *form.files) if key not in seen else ():
            for value in islice(values, size.values):
                house.ask(asker, "POST", form.action, _filled(form, name, value))
        seen.add(key)
    assert len(seen) > 40, "the walk has found the forms"


def _filled(form: FoundForm, name: str, value: bytes) -> Shot:
    fields = {each: text.encode() for each, text in form.fields.items()} | {name: value}
    title = f"{name} {value[:30]!r}"
    if not form.files:
        pairs = [f"{quote(each)}={quote(text, safe='')}" for each, text in fields.items()]
        return Shot(title, headers={"content-type": FORM}, body="&".join(pairs).encode())
    parts = [(b'form-data; name="%b"' % each.encode(), text) for each, text in fields.items() if each not in form.files]
    content = fields.get("file", b"a,b\r\n\0,\xff")
    body = _parts(*parts, (b'form-data; name="file"; filename="a.csv"', content))
    return Shot(title, headers={"content-type": MULTIPART}, body=body)
