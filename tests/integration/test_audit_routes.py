"""Every request that changes something leaves a line in the audit log that names who did it. All of them are here."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from sqlmodel import Session, col, select

from controller.config import NoticesConfig
from controller.fleet import keys, renewals
from controller.fleet.door_tables import Arrival, Stand, Twin
from controller.fleet.enrolment import Place
from controller.fleet.tables import Agent, Device
from controller.found.tables import FoundThing
from controller.identity import store
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.identity.tables import AuditLine, EnrolToken, OidcLink
from controller.main import wall_ms
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Bookings, Request
from controller.scheduling.kit_tables import KitHandout, KitLack
from controller.scheduling.school_time import TICK_MS
from controller.scheduling.tables import Notice
from controller.timetable.sheets import write_csv
from controller.web import picks
from controller.web.audit_words import action_words
from controller.web.i18n import language
from tests.integration.bookable import HERE, Furnished, furnished, school_day, span
from tests.integration.mqtt import eventually
from tests.integration.office import tried
from tests.integration.running import PASSWORD, Running, csrf_of, running
from tests.integration.workshop import GOOD
from tests.passwords import quick

pytestmark = pytest.mark.integration
CHANGES_NOTHING = {
    ("POST", "/calendar/look"): "a look at what a form would do",
    ("POST", "/import"): "a file is put aside for an hour, to be looked at",
}
KEY = "a" * 64
"""An agent's own."""
SAFE = {"GET", "HEAD", "OPTIONS"}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("routes")


@pytest.fixture(scope="module")
def lab(state: Path) -> Furnished:
    """With a printer at An Phú that takes files, and `bye`, who will be erased."""
    made = furnished(state)
    admin = Admin(made.engine, quick(), wall_ms)
    admin.add_user(NewUser("bye", "Person bye", Role.TEACHER, HERE), PASSWORD)
    with Session(made.engine) as db:
        agent = db.exec(select(Agent).where(Agent.school_id == HERE)).one()
        db.add(Device(school_id=HERE, agent_id=agent.id or 0, slug="printer", name="Máy in",
                      profile_slug="prusa/mk3s", profile_digest="d"))  # fmt: skip
        db.add(Device(school_id=HERE, agent_id=agent.id or 0, slug="lamp", name="Máy chiếu",
                      profile_slug="demo/projector", profile_digest="d"))  # fmt: skip
        db.commit()
    return made


@pytest.fixture(scope="module")
def controller(state: Path, lab: Furnished) -> Iterator[Running]:
    assert lab.things
    with running(state, notices=NoticesConfig(private_addresses=True)) as one:
        yield one


class Walk:
    """Does one thing after the other, and looks for its line each time."""

    def __init__(self, controller: Running, lab: Furnished) -> None:
        self.controller, self.lab = controller, lab
        self.done: set[tuple[str, str]] = set()
        self.people = {login: controller.signed_in(login) for login in ("ha", "duc", "ky", "lan", "tri")}
        self._tokens = {login: csrf_of(browser) for login, browser in self.people.items()}

    def __call__(
        self, login: str, route: str, action: str, path: str = "", /, *, method: str = "POST", **given: Any
    ) -> httpx.Response:
        """`given` are the fields of a form, or with `json` what a program sends."""
        more: dict[str, Any] = (
            {"json": given["json"]} if "json" in given else {"data": {"csrf": self._tokens[login], **given}}
        )
        if "files" in given:
            more = {"files": given["files"]}
        headers = {"x-csrf-token": self._tokens[login]}
        before = self.last()
        answer = self.people[login].request(method, path or route, headers=headers, **more)
        assert answer.status_code < 400, f"{route}: {answer.status_code} {answer.text[:400]}"
        self.told(method, route, action, before, self.lab.person(login).id)
        return answer

    def told(self, method: str, route: str, action: str, before: int, actor: str) -> None:
        with Session(self.lab.engine) as db:
            lines = db.exec(select(AuditLine).where(col(AuditLine.id) > before)).all()
        assert (action, actor) in {(line.action, line.actor) for line in lines}, f"{route}: {lines}"
        self.done.add((method, route))

    def last(self) -> int:
        with Session(self.lab.engine) as db:
            return store.audit_lines(db, 1)[-1].id or 0

    def book(self, login: str, thing: str, at: range) -> str:
        holder = self.lab.person(login)
        items = (self.lab.item(thing),)
        request = Request(holder.school_id or HERE, holder.id, holder.id, items, at.start, at.stop, title="8A1")
        return Bookings(self.lab.engine, wall_ms).book(request).id

    def at(self, day: int, first: int) -> range:
        return span(self.lab.engine, school_day(day), first, first)


def test_every_request_that_changes_something_leaves_a_line(controller: Running, lab: Furnished) -> None:
    walk = Walk(controller, lab)
    _doors(walk)
    _machines(walk)
    _bookings(walk)
    _at_the_machine(walk)
    _kits(walk)
    _planning(walk)
    _years(walk)
    _people(walk)
    _accounts(walk)
    _notifications(walk)
    _connections(walk)
    _agents(walk)
    _settings(walk)
    _found(walk)
    _trials(walk)
    _door(walk)

    there = {
        (method, context.path)
        for context in iter_route_contexts(controller.app.routes)
        for method in (context.methods or set()) - SAFE
    }
    assert walk.done | set(CHANGES_NOTHING) == there
    assert not walk.done & set(CHANGES_NOTHING)
    with Session(lab.engine) as db:
        actions = {line.action for line in store.audit_lines(db)}
    assert actions <= action_words(language("en")).keys()


def _connections(walk: Walk) -> None:
    """Nobody listens at the address: what is sent there is given up, and can be sent again."""
    url, page, api = "http://127.0.0.1:1/hook", "/connections", f"/api/v1/schools/{HERE}"
    kinds = {"kind-device.state": "on"}
    school = {"school": HERE}
    for on, action in (("yes", "home-assistant-on"), ("no", "home-assistant-off"), ("yes", "home-assistant-on")):
        walk("ky", page + "/home-assistant", action, on=on, language="vi", **school)
    walk("ky", page + "/home-assistant/account", "home-assistant-account-make", **school)
    walk("ky", page + "/home-assistant/account/revoke", "home-assistant-account-revoke", **school)
    one = "/api/v1/schools/{school_id}"
    walk("ky", one + "/home-assistant", "home-assistant-on", api + "/home-assistant", method="PUT", json={"on": True})
    account = "/home-assistant/account"
    walk("ky", one + account, "home-assistant-account-make", api + account, json={})
    walk("ky", one + account, "home-assistant-account-revoke", api + account, method="DELETE", json={})

    walk("ky", page + "/webhooks", "webhook-add", url=url, **kinds, **school)
    wanted = {"url": url, "kinds": ["device.state"]}
    hook = walk("ky", one + "/webhooks", "webhook-add", api + "/webhooks", json=wanted).json()["id"]
    for way, form in ((f"{page}/webhooks", school), (f"{one}/webhooks", {"json": {}})):
        here = way.replace(one, api)
        words = ("renew", "test") if form is school else ("secret", "test")
        for word, action in zip(words, ("webhook-renew", "webhook-test"), strict=True):
            walk("ky", f"{way}/{{hook_id}}/{word}", action, f"{here}/{hook}/{word}", **form)
    sent = walk.people["ky"].get(api + "/deliveries").json()["items"]
    assert [each["state"] for each in sent] == ["failed", "failed"]
    for way, form, number in ((page, school, sent[0]["id"]), (one, {"json": {}}, sent[1]["id"])):
        path = f"{way.replace(one, api)}/deliveries/{number}/retry"
        walk("ky", way + "/deliveries/{delivery_id}/retry", "webhook-retry", path, **form)
    walk("ky", page + "/webhooks/{hook_id}/remove", "webhook-remove", f"{page}/webhooks/{hook}/remove", **school)
    left = walk.people["ky"].get(api + "/webhooks").json()["items"][0]["id"]
    path = f"{api}/webhooks/{left}"
    walk("ky", one + "/webhooks/{hook_id}", "webhook-remove", path, method="DELETE", json={})


def _doors(walk: Walk) -> None:
    before, browser = walk.last(), walk.controller.client()
    form = {"login": "bye", "password": PASSWORD, "csrf": csrf_of(browser)}
    assert browser.post("/signin", data=form).status_code == 303
    walk.told("POST", "/signin", "sign-in", before, walk.lab.person("bye").id)
    browser.post("/signout", data={"csrf": csrf_of(browser)})
    walk.told("POST", "/signout", "sign-out", before, walk.lab.person("bye").id)
    walk("ha", "/language", "user-language", lang="en")
    with Session(walk.lab.engine) as db:
        notice = Notice(school_id=HERE, user_id=walk.lab.person("ha").id, at_ms=1, kind="no-show")
        db.add(notice)
        db.commit()
        walk("ha", "/my/notices/{notice_id}/seen", "notice-seen", f"/my/notices/{notice.id}/seen")
    token = Admin(walk.lab.engine, quick(), wall_ms).add_enrol_token(Place(HERE, "p1"), 1, 60_000)
    before = walk.last()
    enrolled = walk.controller.client().post("/api/v1/enrol", json={"token": token, "agent": "pc-7", "key": KEY})
    assert enrolled.status_code == 201
    walk.told("POST", "/api/v1/enrol", "enrol", before, "")


def _machines(walk: Walk) -> None:
    with Session(walk.lab.engine) as db:
        printer = db.exec(select(Device.id).where(Device.slug == "printer")).one()
        lamp = db.exec(select(Device.id).where(Device.slug == "lamp")).one()
    api = "/api/v1/devices/{device_id}/"
    walk("ky", api + "commands", "command", f"/api/v1/devices/{lamp}/commands", json={"action": "power-on"})
    form = {"action": "power-off", "key": "k"}
    walk("ky", "/devices/{device_id}/commands", "command", f"/devices/{lamp}/commands", **form)

    def sent() -> int:
        files = {"file": ("a.gcode", GOOD, "text/plain")}
        answer = walk("ha", api + "jobs", "job-send", f"/api/v1/devices/{printer}/jobs", files=files)
        job: int = answer.json()["id"]
        ha = walk.people["ha"]
        eventually(lambda: ha.get(f"/api/v1/jobs/{job}").json()["state"] == "waiting", "the file is read", 60)
        return job

    for api_name, page_name in (("return", "hand-back"), ("cancel", "cancel"), ("release", "release")):
        action = f"job-{api_name}"
        body = {"why": "thin"} if api_name == "return" else {"bed_clear": True}
        job = sent()
        walk("ha", f"/api/v1/jobs/{{job_id}}/{api_name}", action, f"/api/v1/jobs/{job}/{api_name}", json=body)
        if api_name == "release":
            walk.people["ha"].post(f"/api/v1/jobs/{job}/cancel", headers={"x-csrf-token": walk._tokens["ha"]})
            ha = walk.people["ha"]
            eventually(lambda: ha.get(f"/api/v1/jobs/{job}").json()["state"] == "cancelled", "it is over", 60)  # noqa: B023
        job = sent()
        walk("ha", f"/jobs/{{job_id}}/{page_name}", action, f"/jobs/{job}/{page_name}", why="thin", bed="clear")


def _bookings(walk: Walk) -> None:
    at, later = walk.at(2, 1), walk.at(2, 3)
    wish = {"items": [{"resource": walk.lab.things["3D-01"]}], "start_ms": at.start, "end_ms": at.stop, "title": "8A1"}
    made = walk("ha", "/api/v1/bookings", "booking-make", json=wish).json()["id"]
    one, path = "/api/v1/bookings/{booking_id}", f"/api/v1/bookings/{made}"
    change = {"start_ms": later.start, "end_ms": later.stop}
    walk("ha", one, "booking-move", path, method="PATCH", json=change)
    walk("ha", one, "booking-end", path, method="DELETE", json={})

    day = str(school_day(3))
    form = {"day": day, "first": "morning-1", "last": "morning-1", "item1": f"thing:{walk.lab.things['3D-01']}"}
    walk("ha", "/calendar", "booking-make", title="8A1", **form)
    mine = walk.book("ha", "3D-02", walk.at(3, 2))
    to = picks.written(walk.at(3, 4))
    walk("ha", "/my/{booking_id}/move", "booking-move", f"/my/{mine}/move", to=to)
    sheet = walk.people["ha"].get(f"/my/{mine}/again").text
    ticks = dict(re.findall(r'<input type="(?:checkbox|hidden)" name="(pick-[^"]+|key)" value="([^"]*)"', sheet))
    walk("ha", "/my/{booking_id}/again", "booking-make", f"/my/{mine}/again", **ticks)
    walk("ha", "/my/{booking_id}/cancel", "booking-end", f"/my/{mine}/cancel")

    at = walk.at(3, 5)
    theirs = walk.book("duc", "3D-02", at)
    wait = {"item1": f"thing:{walk.lab.things['3D-02']}", "first": "morning-5", "last": "morning-5", "choice": "wait"}
    walk("ha", "/calendar", "booking-make", **{**form, **wait})
    office, ha = walk.controller.services.office, walk.lab.person("ha")
    (waits,) = [each.id for each in office.mine(ha, at) if each.state is BookingState.WAITING]
    office.cancel(walk.lab.person("duc"), theirs)
    walk("ha", "/my/{booking_id}/accept", "booking-confirmed", f"/my/{waits}/accept")

    for word, period in (("confirm", 1), ("refuse", 2)):
        at = walk.at(4, period)
        given = {"items": [{"resource": walk.lab.things["Laser"]}], "start_ms": at.start, "end_ms": at.stop,
                 "title": "8A1", "supervisors": [ha.id]}  # fmt: skip
        request = walk("ha", "/api/v1/bookings", "booking-make", json=given).json()["id"]
        action = "booking-confirmed" if word == "confirm" else "booking-end"
        walk(
            "ky", f"/calendar/requests/{{booking_id}}/{word}", action, f"/calendar/requests/{request}/{word}", why="no"
        )
        assert office.find(ha, request)

    walk("ha", "/my/feeds", "calendar-feed-make")
    feed = re.search(r'action="/my/feeds/(\d+)/renew"', walk.people["ha"].get("/my/feeds").text)
    assert feed is not None
    for word in ("renew", "revoke"):
        walk("ha", f"/my/feeds/{{feed_id}}/{word}", f"calendar-feed-{word}", f"/my/feeds/{feed[1]}/{word}")
    room = re.search(r'name="room" value="(\d+)"', walk.people["ky"].get("/labels").text)
    assert room is not None
    walk("ky", "/labels/board", "board-key-make", room=room[1], do="make")


def _at_the_machine(walk: Walk) -> None:
    start = (wall_ms() // TICK_MS + 1) * TICK_MS
    walk.book("ha", "3D-01", range(start, start + 9 * TICK_MS))
    walk("ha", "/c/{code}", "booking-checked-in", "/c/D2222A")
    walk("ha", "/c/{code}/back", "booking-end", "/c/D2222A/back")
    walk("ha", "/c/{code}/problem", "problem-report", "/c/D2222A/problem", text="stuck")
    walk.book("duc", "Laser", range(start, start + 9 * TICK_MS))
    walk("ha", "/c/{code}/beside", "booking-stand-by", "/c/L2222A/beside")


def _settings(walk: Walk) -> None:
    place = f"school-{HERE}"
    walk("ky", "/agents/settings/{scope}", "settings-change", f"/agents/settings/{place}", flush_s="7")
    api = f"/api/v1/settings/{place}"
    asked = {"settings": {"flush_s": 9.0}}
    walk("ky", "/api/v1/settings/{scope}", "settings-change", api, method="PUT", json=asked)
    first = walk.people["ky"].get(f"{api}/changes").json()["items"][-1]["id"]
    back = "/settings/changes/{change_id}/restore"
    walk("ky", f"/api/v1{back}", "settings-back", f"/api/v1/settings/changes/{first}/restore")
    again = walk.people["ky"].get(f"{api}/changes").json()["items"][1]["id"]
    walk("ky", f"/agents{back}", "settings-back", f"/agents/settings/changes/{again}/restore", place=place)


def _found(walk: Walk) -> None:
    candidate = {"profile": "prusa/mk3s", "endpoint": "/dev/ttyACM0", "confidence": 90, "by": ["usb"]}
    with Session(walk.lab.engine) as db:
        agent = db.exec(select(Agent).where(Agent.school_id == HERE, col(Agent.revoked).is_(False))).first()
        assert agent is not None
        rows = [
            FoundThing(school_id=HERE, agent_id=agent.id or 0, key=f"usb/{each}", candidates=[candidate],
                       first_ms=1, seen_ms=1)
            for each in range(2)
        ]  # fmt: skip
        db.add_all(rows)
        db.commit()
        form, program = (row.id for row in rows)
    at, api = f"/agents/found/{form}", f"/api/v1/found/{program}"
    walk("ky", "/agents/found/{thing_id}/ignore", "found-ignore", f"{at}/ignore", **{f"reason-{form}": "a pupil's"})
    walk("ky", "/agents/found/{thing_id}/restore", "found-restore", f"{at}/restore")
    walk("ky", "/agents/found", "found-adopt", **{f"d-{form}": "on", f"name-{form}": "One"})
    walk("ky", "/agents/found/{thing_id}/back", "found-give-back", f"{at}/back")
    walk("ky", "/api/v1/found/{thing_id}/ignore", "found-ignore", f"{api}/ignore", json={"reason": "a pupil's"})
    walk("ky", "/api/v1/found/{thing_id}/restore", "found-restore", f"{api}/restore")
    walk("ky", "/api/v1/found/{thing_id}/adopt", "found-adopt", f"{api}/adopt", json={"name": "Two"})
    walk("ky", "/api/v1/found/{thing_id}/back", "found-give-back", f"{api}/back")


def _trials(walk: Walk) -> None:
    with Session(walk.lab.engine) as db:
        device = db.exec(select(Device).where(Device.school_id == HERE, Device.slug == "lamp")).first()
        assert device is not None
        tried(db, device, "mute", "c-mute")
        db.commit()
        which = device.id
    form, api = "/devices/{device_id}/trials/{command_id}", "/api/v1/devices/{device_id}/trials/{command_id}"
    walk("ky", form, "command-tried", f"/devices/{which}/trials/c-mute", worked="yes")
    walk("ky", api, "command-tried", f"/api/v1/devices/{which}/trials/c-mute", json={"worked": False})


def _kits(walk: Walk) -> None:
    pool = walk.lab.things["Kit"]
    walk("ky", "/kits/{pool_id}/parts", "kit-parts", f"/kits/{pool}/parts", parts="4 x wheel")
    start = (wall_ms() // TICK_MS + 1) * TICK_MS
    booking = walk.book("ha", "Kit", range(start, start + 9 * TICK_MS))
    walk("ha", "/kits/{pool_id}/out", "kit-hand-out", f"/kits/{pool}/out", booking=booking, kits="1")
    with Session(walk.lab.engine) as db:
        out = db.exec(select(KitHandout.id)).one()
    broken = {"kits-0": "1", "part-0": "wheel", "state-0": "broken"}
    walk("ha", "/kits/back/{handout_id}", "kit-give-back", f"/kits/back/{out}", **broken)
    with Session(walk.lab.engine) as db:
        lack = db.exec(select(KitLack.id)).one()
    walk("ky", "/kits/lacks/{lack_id}/mend", "kit-mend", f"/kits/lacks/{lack}/mend")


def _planning(walk: Walk) -> None:
    lan = walk.people["lan"]
    room = walk("lan", "/admin/rooms", "room-write", school=HERE, name="Wood shop").headers["location"]
    hours = {"open-0-0-opens": "07:00", "open-0-0-closes": "11:30"}
    walk("lan", "/admin/rooms/{room_id}", "hours-write", room, name="Wood", **hours)
    closed = {"school": HERE, "room": "", "name": "Painting", "first": "2027-01-04", "last": "2027-01-05"}
    walk("lan", "/admin/closures", "closure-write", **closed)
    closure = re.search(r"/admin/closures/\d+/remove", lan.get(f"/admin/things?school={HERE}").text)
    assert closure is not None
    walk("lan", "/admin/closures/{closure_id}/remove", "closure-remove", closure[0], school=HERE)
    limits = dict(re.findall(r'name="([\w-]+)" value="(\d*)" inputmode', lan.get(f"/admin/limits?school={HERE}").text))
    walk("lan", "/admin/limits", "limits-write", school=HERE, **limits)
    nam = walk.lab.person("nam").id
    walk("lan", "/admin/certificates", "certificate-write", user_id=nam, name="laser", until="2027-05-31")
    held = re.search(r"/admin/certificates/\d+/remove", lan.get("/admin/certificates").text)
    assert held is not None
    walk("lan", "/admin/certificates/{certificate_id}/remove", "certificate-remove", held[0])

    fields = {"school": HERE, "name": "CNC", "kind": "unit", "class_name": "cnc", "capacity": "1", "hazard": "2"}
    thing = walk("lan", "/admin/things/new", "thing-write", **fields).headers["location"]
    code = re.search(r'name="code" value="(\w+)"', lan.get(thing).text)
    assert code is not None
    walk("lan", "/admin/things/{thing_id}", "thing-write", thing, **fields, code=code[1], watts="200")
    day = school_day(8)
    block = {"from": f"{day}T07:00", "until": f"{day}T08:00", "reason": "New belt"}
    walk("lan", "/admin/things/{thing_id}/maintenance", "booking-make", f"{thing}/maintenance", **block)
    spare = f"/admin/things/{walk.lab.things['3D-03']}/retire"
    walk("lan", "/admin/things/{thing_id}/retire", "thing-retire", spare)

    table = write_csv([("Phòng", "Tên"), ("P.9", "Máy khắc")])
    fields = {"csrf": walk._tokens["lan"], "kind": "things", "school": HERE}
    shown = lan.post("/import", data=fields, files={"file": ("t.csv", table)}, follow_redirects=True)
    form = re.search(r'action="(/import/[^"]+)">.*?name="digest" value="(\w+)"', shown.text, re.DOTALL)
    assert form is not None, shown.text
    walk("lan", "/import/{token}", "import", html.unescape(form[1]), digest=form[2])


def _years(walk: Walk) -> None:
    one = "/admin/time/{year_id}"
    made = walk("lan", "/admin/time", "year-write", school=HERE, name="2099–2100").headers["location"]
    walk("lan", one, "year-write", made, name="2098–2099")
    first, last = "2098-09-01", "2099-05-31"
    term = {"name": "All", "first": first, "last": last, "do": "save"}
    walk("lan", one + "/{part}/{place}", "year-write", f"{made}/terms/new", **term)
    copied = walk("lan", one + "/next", "year-write", f"{made}/next", name="Next").headers["location"].partition("?")[0]
    walk("lan", one + "/copy", "year-write", f"{made}/copy", school="binh-minh", name="Other")
    walk("lan", one + "/remove", "year-remove", f"{copied}/remove")


def _people(walk: Walk) -> None:
    bye = walk.lab.person("bye").id
    path = f"/privacy/people/{bye}/erase"
    walk("tri", "/privacy/people/{person_id}/erase", "user-erase", path, login="bye")

    details = {"name": "Person new", "role": "teacher", "school": HERE}
    walk("tri", "/people/new", "user-add", login="new", **details)
    new = walk.lab.person("new").id
    one, path = "/people/{user_id}", f"/people/{new}"
    walk("tri", one, "user-change", path, **{**details, "name": "Person renewed"})
    shown = walk("tri", one + "/reset", "reset-link", f"{path}/reset").text
    walk("tri", one + "/{deed}", "user-disable", f"{path}/disable")
    walk("tri", one + "/{deed}", "user-enable", f"{path}/enable")
    token = {"token-name": "board", "days": "30", "may-view-devices": "on", "read-only": "on"}
    walk("tri", one + "/tokens", "token-add", f"{path}/tokens", **token)
    _revoke(walk, "tri", "/people/tokens")
    family = re.search(r'name="family" value="([^"]+)"', walk.people["tri"].get("/people/rights").text)
    assert family is not None
    walk("tri", "/people/rights", "command-rule", family=family[1])

    secret = re.search(r"/reset/([\w-]+)", shown)
    assert secret is not None
    before, browser = walk.last(), walk.controller.client()
    page = browser.get(f"/reset/{secret[1]}").text
    words = "a long and new one"
    form = {"new": words, "again": words, "csrf": _csrf(page)}
    assert browser.post(f"/reset/{secret[1]}", data=form).status_code == 303
    walk.told("POST", "/reset/{secret}", "user-password", before, "")


def _accounts(walk: Walk) -> None:
    walk.controller.signed_in("nam")
    nam = walk.people["nam"] = walk.controller.signed_in("nam")
    walk._tokens["nam"] = csrf_of(nam)
    walk("nam", "/account/sessions", "sessions-end")
    with Session(walk.lab.engine) as db:
        row = OidcLink(issuer="https://id.example", subject="7", user_id=walk.lab.person("nam").id, created_ms=1)
        db.add(row)
        db.commit()
    walk("nam", "/account/unlink", "oidc-unlink", issuer="https://id.example", subject="7")
    walk("nam", "/account/tokens", "token-add", **{"token-name": "mine", "days": "30", "may-view-devices": "on"})
    _revoke(walk, "nam", "/account")
    words = "another long and new one"
    walk("nam", "/account/password", "user-password", old=PASSWORD, new=words, again=words)


def _revoke(walk: Walk, login: str, page: str) -> None:
    found = re.search(
        rf'action="({page.replace("/tokens", "")}/tokens/[^"]+/revoke)"', walk.people[login].get(page).text
    )
    assert found is not None
    walk(login, page.replace("/tokens", "") + "/tokens/{token_id}/revoke", "token-revoke", found[1])


def _csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def _notifications(walk: Walk) -> None:
    mine = "/my/notifications"
    walk("ha", mine, "notification-choose", **{"topic-booking": "on"})
    made = walk(
        "ha", mine + "/add/{kind}", "notification-channel-add", f"{mine}/add/webhook", url="http://127.0.0.1:9/x"
    )
    channel = made.headers["location"].rpartition("-")[2]
    for word in ("test", "remove"):
        action = "notification-test" if word == "test" else "notification-channel-remove"
        walk("ha", f"{mine}/{{channel_id}}/{word}", action, f"{mine}/{channel}/{word}")
    walk("tri", "/admin/notifications/retry", "notification-retry")


def _agents(walk: Walk) -> None:
    with Session(walk.lab.engine) as db:
        agent = Agent(school_id=HERE, name="pc-9", revoked=True, flooded_ms=1)
        db.add(agent)
        db.flush()
        lamp = Device(
            school_id=HERE, agent_id=agent.id or 0, slug="lamp", name="Máy chiếu",
            profile_slug="demo/projector", profile_digest="d",
        )  # fmt: skip
        db.add(lamp)
        waiting = [
            Arrival(
                school_id=HERE, token_id="t", instance=each, name="pc-9", why="returned", stand=Stand.WAITING,
                agent_id=agent.id, came_ms=1, seen_ms=1,
            )
            for each in ("admit", "always", "refuse")
        ]  # fmt: skip
        db.add_all(waiting)
        twin = Twin(school_id=HERE, agent_id=agent.id or 0, epoch="e", seen_ms=1)
        db.add(twin)
        db.commit()
        which, device, kept = agent.id, lamp.id, twin.id
        arrivals = {each.instance: each.id for each in waiting}
    walk.controller.services.live.load()
    walk("ky", "/devices/{device_id}/agent/readmit", "agent-readmitted", f"/devices/{device}/agent/readmit")
    for word, arrival in arrivals.items():
        action = "enrol-turn-away" if word == "refuse" else "enrol-admit"
        walk("ky", f"/agents/arrivals/{{which}}/{word}", action, f"/agents/arrivals/{arrival}/{word}")
    walk("ky", "/agents/twins/{which}/keep", "agent-split", f"/agents/twins/{kept}/keep")
    walk("ky", "/agents/{which}/replace", "enrol-token", f"/agents/{which}/replace")
    walk("ky", "/agents/{which}/revoke", "agent-revoke", f"/agents/{which}/revoke")
    walk("ky", "/agents/enrol", "enrol-token", place=f"{HERE}/", uses="2", hours="4")
    with Session(walk.lab.engine) as db:
        token = db.exec(select(EnrolToken.id).where(EnrolToken.uses == 2)).first()
    walk("ky", "/agents/tokens/{which}/end", "enrol-token-end", f"/agents/tokens/{token}/end")


def _door(walk: Walk) -> None:
    """An agent asks for its credentials anew, and is then asked to fetch other ones."""
    browser, before = walk.controller.client(), walk.last()
    asked = {"school": HERE, "agent": "pc-7", "key": KEY, "new_key": "b" * 64}
    given = browser.post("/api/v1/enrol/reclaim", json=asked)
    assert given.status_code == 201, given.text
    walk.told("POST", "/api/v1/enrol/reclaim", "enrol-reclaim", before, "")
    with Session(walk.lab.engine) as db:
        assert renewals.ask(db, wall_ms(), HERE, "pc-7") == 1
        db.commit()
    before, path = walk.last(), "/api/v1/renewals/1"
    key = bytes.fromhex(given.json()["lease_key"])
    proof = f"{keys.SCHEME} {HERE}.pc-7 {keys.proof(key, f'POST {path}')}"
    handed = browser.post(path, headers={"authorization": proof})
    assert handed.status_code == 200, handed.text
    walk.told("POST", "/api/v1/renewals/{number}", "credentials-handed", before, "")
