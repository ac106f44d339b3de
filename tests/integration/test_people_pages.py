"""The pages of people and of one's own account: locks, links, sessions, tokens, permissions at machines."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlmodel import Session

from controller.identity import store
from controller.identity.lockout import FORGET_MS
from controller.identity.signin import Refused, Source, TooManyTries
from controller.main import create_app, wall_ms
from controller.services import Services
from tests.inside import Inside
from tests.integration.running import PASSWORD, csrf_of, seed, settings

pytestmark = pytest.mark.integration
NEW = "con mèo ngủ trên mái"


class Clock:
    """As the wall's, moved on by hand."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return wall_ms() + self.ahead_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    seed(tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def inside(state: Path, clock: Clock) -> Iterator[Inside]:
    with Inside(create_app(settings(state), clock)) as one:
        services: Services = one.app.state.services
        services.live.load()
        yield one


@pytest.fixture
def tri(inside: Inside) -> httpx.Client:
    """Administers the cluster."""
    return inside.signed_in("tri", PASSWORD)


def send(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, data={"csrf": csrf_of(browser), **fields})


def tried(browser: httpx.Client, login: str, password: str) -> str:
    """Where a try to sign in ends."""
    return str(send(browser, "/signin", login=login, password=password).headers["location"])


def person(browser: httpx.Client, name: str) -> str:
    """The address of somebody's page."""
    listed = browser.get("/people", params={"q": name}).text
    return str(re.findall(rf'href="(/people/[0-9a-f]{{16}})"><b>{name}', listed)[0])


def link_of(answer: httpx.Response) -> str:
    return str(re.findall(r"http://localhost(/reset/[\w-]+)", answer.text)[0])


def audited(inside: Inside) -> list[str]:
    services: Services = inside.app.state.services
    with Session(services.engine) as db:
        return [line.action for line in store.audit_lines(db)]


def test_lock_outlasts_a_restart_is_shown_and_lifted_by_an_administrator_or_by_time(
    inside: Inside, tri: httpx.Client, state: Path, clock: Clock
) -> None:
    stranger = inside.browser()
    for _ in range(5):
        assert tried(stranger, "ha", "wrong") == "/signin?error=wrong"
    assert tried(stranger, "ha", PASSWORD) == "/signin?error=wait&minutes=5"
    assert "ask an administrator to unlock it" in stranger.get("/signin?error=wait&minutes=5").text
    with Inside(create_app(settings(state), clock)) as again:
        assert tried(again.browser(), "ha", PASSWORD) == "/signin?error=wait&minutes=5"

    assert "Locked until" in tri.get("/people?q=person ha").text
    page = person(tri, "Person ha")
    assert send(tri, f"{page}/unlock").status_code == 303
    assert "Locked until" not in tri.get(page).text
    assert tried(stranger, "ha", PASSWORD) == "/my"

    for _ in range(5):
        tried(inside.browser(), "minh", "wrong")
    clock.ahead_ms += 5 * 60_000
    assert tried(inside.browser(), "minh", PASSWORD) == "/fleet"


def test_strangers_cannot_lock_people_out_of_the_places_they_come_from(inside: Inside, clock: Clock) -> None:
    door = inside.app.state.services.signin
    school = Source("203.0.113.7")
    door.enter("ha", PASSWORD, shared_machine=False, source=school)
    locked = 0
    for number in range(60):
        try:
            door.enter("ha", "wrong", shared_machine=False, source=Source(f"198.51.100.{number}"))
        except TooManyTries:
            locked += 1
        except Refused:
            pass

    assert locked == 30, "an account is tried so often from places it was never at, and no more"
    with pytest.raises(TooManyTries):
        door.enter("ha", PASSWORD, shared_machine=False, source=Source("192.0.2.1"))
    assert door.enter("ha", PASSWORD, shared_machine=False, source=school).principal.login == "ha"
    clock.ahead_ms += FORGET_MS
    assert door.enter("ha", PASSWORD, shared_machine=False, source=Source("192.0.2.1")).token


def test_new_person_chooses_a_password_by_a_link_that_is_good_once(
    inside: Inside, tri: httpx.Client, clock: Clock
) -> None:
    shown = send(tri, "/people/new", login="Yến", name="Đỗ Hải Yến", role="teacher", school="an-phu")
    assert shown.status_code == 200
    assert "<svg" in shown.text
    old, new = link_of(shown), link_of(send(tri, f"{person(tri, 'Đỗ Hải Yến')}/reset"))
    guest = inside.browser()
    assert guest.get(old).status_code == 404, "a newer link ends the older"
    assert "yến" in guest.get(new).text

    def choose(password: str, again: str = "") -> httpx.Response:
        csrf = guest.get(new).text.split('name="csrf" value="', 1)[-1].split('"', 1)[0]
        return guest.post(new, data={"csrf": csrf, "new": password, "again": again or password})

    for password, again, told in (
        ("short", "", "at least 10"),
        ("Qwerty12345", "", "Many people use"),
        ("Đỗ Hải Yến", "", "own name"),
        (NEW, "else", "not the same"),
    ):
        refused = choose(password, again)
        assert (refused.status_code, told in refused.text) == (422, True), password
    csrf = guest.get(new).text.split('name="csrf" value="', 1)[1].split('"', 1)[0]
    assert choose(NEW).headers["location"] == "/signin?done=password"
    assert guest.post(new, data={"csrf": csrf, "new": NEW, "again": NEW}).status_code == 404
    assert tried(guest, "yến", NEW) == "/my"

    last = link_of(send(tri, f"{person(tri, 'Đỗ Hải Yến')}/reset"))
    clock.ahead_ms += 24 * 3_600_000
    assert inside.browser().get(last).status_code == 404


def test_reset_ends_all_sessions(inside: Inside, tri: httpx.Client) -> None:
    ha = inside.signed_in("ha", PASSWORD)
    link = link_of(send(tri, f"{person(tri, 'Person ha')}/reset"))
    assert ha.get("/my").status_code == 200, "the link alone changes nothing"
    guest = inside.browser()
    csrf = guest.get(link).text.split('name="csrf" value="', 1)[1].split('"', 1)[0]
    guest.post(link, data={"csrf": csrf, "new": NEW, "again": NEW})

    assert ha.get("/my").status_code == 303
    assert tried(inside.browser(), "ha", PASSWORD) == "/signin?error=wrong"


def test_own_password_and_own_sessions(inside: Inside) -> None:
    here, there, third = (inside.signed_in("ha", PASSWORD) for _ in range(3))
    page = here.get("/account").text
    assert page.count("Signed in at") == 3
    assert page.count("This browser") == 1
    key = re.findall(r'name="session" value="(\w{64})"', page)
    assert len(key) == 2
    send(here, "/account/sessions", session=key[0])
    assert sorted(each.get("/my").status_code for each in (there, third)) == [200, 303]

    assert send(here, "/account/password", old="wrong", new=NEW, again=NEW).status_code == 422
    assert send(here, "/account/password", old=PASSWORD, new="short", again="short").status_code == 422
    assert send(here, "/account/password", old=PASSWORD, new=NEW, again=NEW).status_code == 303
    assert here.get("/my").status_code == 200
    assert {each.get("/my").status_code for each in (there, third)} == {303}
    assert tried(inside.browser(), "ha", NEW) == "/my"


def test_token_has_an_end_and_a_scope_is_shown_once_and_revoked_at_once(
    inside: Inside, tri: httpx.Client, clock: Clock
) -> None:
    minh = inside.signed_in("minh", PASSWORD)
    wish = {"token-name": "Dashboard", "days": "2", "may-view-devices": "on", "may-command": "on"}
    for wrong in ({"days": "0"}, {"days": "9999"}, {"token-name": ""}, {"may-manage-users": "on", "may-plan": "on"}):
        given = {**wish, **wrong} if "may-plan" not in wrong else {"token-name": "x", "days": "2", **wrong}
        assert send(minh, "/account/tokens", **given).status_code == 422
    made = send(minh, "/account/tokens", **wish, **{"read-only": "on"})
    token = re.findall(r"ff_[\w-]{43}", made.text)[0]
    assert token not in minh.get("/account").text
    assert "never used" in minh.get("/account").text

    program = inside.bearer(token)
    assert program.get("/api/v1/devices").status_code == 200
    assert program.get("/api/v1/quarantine").status_code == 403, "its owner may, it may not"
    assert program.post("/api/v1/devices/1/commands", json={}).status_code == 403, "it is for reading"
    assert program.get("/account").status_code == 403
    assert "never used" not in minh.get("/account").text
    assert "Person minh" in tri.get("/people/tokens").text

    other = re.findall(r"ff_[\w-]{43}", send(tri, f"{person(tri, 'Person minh')}/tokens", **wish).text)[0]
    token_id = re.findall(r"/account/tokens/(\w+)/revoke", minh.get("/account").text)[-1]
    assert send(inside.signed_in("ha", PASSWORD), f"/account/tokens/{token_id}/revoke").status_code == 404
    assert send(minh, f"/account/tokens/{token_id}/revoke").status_code == 303
    assert program.get("/api/v1/devices").status_code == 401
    clock.ahead_ms += 2 * 86_400_000
    assert inside.bearer(other).get("/api/v1/devices").status_code == 401


def test_administrator_of_a_school_looks_after_its_people_alone(inside: Inside, tri: httpx.Client) -> None:
    link = link_of(send(tri, "/people/new", login="an", name="An Quản", role="administrator", school="an-phu"))
    guest = inside.browser()
    csrf = guest.get(link).text.split('name="csrf" value="', 1)[1].split('"', 1)[0]
    guest.post(link, data={"csrf": csrf, "new": NEW, "again": NEW})
    an = inside.signed_in("an", NEW)
    minh = person(tri, "Person minh")
    for path in (minh, f"{minh}/reset", f"{minh}/disable", f"{minh}/tokens"):
        assert send(an, path, name="x", role="teacher", school="an-phu").status_code in (404, 422), path
    assert "Person minh" not in an.get("/people").text
    for school in ("*", "binh-minh", ""):
        assert send(an, "/people/new", login="x", name="X", role="administrator", school=school).status_code == 422
    assert an.get("/people/rights").status_code == 403


def test_person_changes_role_is_disabled_and_nobody_shuts_themselves_out(inside: Inside, tri: httpx.Client) -> None:
    ha, page = inside.signed_in("ha", PASSWORD), person(tri, "Person ha")
    assert send(tri, page, name="Hà Mới", role="auditor", school="*").status_code == 303
    assert ha.get("/my").status_code == 303, "with another role one signs in anew"
    ha = inside.signed_in("ha", PASSWORD)
    assert (ha.get("/fleet").status_code, ha.get("/reports/use").status_code) == (200, 200)
    assert ha.get("/calendar").status_code == 403
    assert send(tri, page, name="Hà Mới", role="teacher", school="*").status_code == 422

    assert send(tri, f"{page}/disable").status_code == 303
    assert ha.get("/fleet").status_code == 303
    assert send(tri, f"{page}/enable").status_code == 303

    own = person(tri, "Person tri")
    assert send(tri, f"{own}/disable").status_code == 422
    assert send(tri, own, name="Person tri", role="teacher", school="an-phu").status_code == 422
    told = audited(inside)
    assert [told.count(action) for action in ("user-change", "user-disable", "user-enable")] == [1, 1, 1]


def test_permissions_at_machines_are_narrowed_and_widened_and_count_at_once(inside: Inside, tri: httpx.Client) -> None:
    services: Services = inside.app.state.services
    page = tri.get("/people/rights").text
    assert 'name="teacher:power-on"' in page
    assert 'name="teacher:preheat"' not in page, "heat is not for teachers, whatever is set"

    ticked = {
        f"{role}:{action}": "on" for role in ("coordinator", "technician") for action in ("power-on", "power-off")
    }
    assert send(tri, "/people/rights", family="projector", **ticked).status_code == 303
    assert services.rights.rules().set, "what differs is kept"
    assert "changed" in tri.get("/people/rights").text
    assert "command-rule" in audited(inside)
    changes = audited(inside).count("command-rule")
    assert send(tri, "/people/rights", family="projector", **ticked).status_code == 303
    assert audited(inside).count("command-rule") == changes, "nothing changed, nothing is told"
    send(tri, "/people/rights", family="nothing-of-ours", **{"teacher:preheat": "on"})
    assert audited(inside).count("command-rule") == changes
