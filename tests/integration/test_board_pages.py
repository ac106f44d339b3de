"""What hangs in and before a lab, over HTTP: its board, its labels, its week. No name of a person is on any of them."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlmodel import Session

from controller.identity.store import audit_lines
from controller.main import wall_ms
from controller.scheduling.bookings import Bookings, Request
from controller.scheduling.school_time import TICK_MS, Half
from controller.scope import Scope
from tests.integration.bookable import HERE, THERE, Furnished, furnished, school_day, span
from tests.integration.running import Running, csrf_of, running

pytestmark = pytest.mark.integration
HOUR_MS = 12 * TICK_MS


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("board")


@pytest.fixture(scope="module")
def lab(state: Path) -> Furnished:
    """With bookings: two that are on now, and some in a week that teaches."""
    made = furnished(state)
    now = wall_ms() // TICK_MS * TICK_MS
    book(made, "3D-01", range(now, now + HOUR_MS), "ha", "8A1")
    book(made, "Laser", range(now, now + HOUR_MS), "ky", "", kind="maintenance")
    book(made, "3D-02", span(made.engine, school_day(), 3, 4), "nam", "10A2")
    book(made, "Kit", span(made.engine, school_day(1), 1, 2, Half.AFTERNOON), "ha", "CLB STEM", count=12)
    evening = span(made.engine, school_day(2), 4, 4, Half.AFTERNOON).stop
    book(made, "Lab", range(evening + HOUR_MS, evening + 2 * HOUR_MS), "ha", "CLB Robot")
    return made


@pytest.fixture(scope="module")
def controller(state: Path, lab: Furnished) -> Iterator[Running]:
    with running(state) as one:
        yield one


@pytest.fixture(scope="module")
def room(controller: Running, lab: Furnished) -> int:
    return controller.services.live.rooms(Scope(HERE))[0].id


@pytest.fixture(scope="module")
def technician(controller: Running) -> httpx.Client:
    return controller.signed_in("ky")


def book(
    lab: Furnished, thing: str, when: range, login: str, title: str, *, kind: str = "lesson", count: int = 1
) -> None:
    who = lab.person(login)
    request = Request(
        who.school_id or HERE,
        who.id,
        who.id,
        (lab.item(thing, count),),
        when.start,
        when.stop,
        title=title,
        purpose="của em An",
        kind=kind,
    )
    Bookings(lab.engine, wall_ms).book(request)


def row(page: str, name: str) -> str:
    """A machine's row of the board, as text."""
    found = next(each for each in re.findall(r"<tr data-s=.*?</tr>", page, re.DOTALL) if f">{name}<" in each)
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def key_of(technician: httpx.Client, room: int) -> str:
    """The address of a board that needs no account."""
    given = {"room": str(room), "do": "make", "csrf": csrf_of(technician)}
    page = technician.post("/labels/board", data=given)
    found = re.search(r"/board/open/[\w-]{43}", page.text)
    assert found, page.text
    return found[0]


def test_a_board_tells_classes_and_schools_and_names_nobody(technician: httpx.Client, room: int) -> None:
    page = technician.get(f"/board/{room}?lang=en").text
    assert "Class 8A1 · THCS An Phú" in row(page, "3D-01")
    assert "Maintenance" in row(page, "Laser")
    assert "can be booked now" in row(page, "3D-03")
    assert "Person" not in page
    assert "của em An" not in page
    assert row(technician.get(f"/board/{room}/now?lang=en").text, "3D-01") == row(page, "3D-01")


def test_a_board_asks_for_an_account_or_a_key(controller: Running, technician: httpx.Client, room: int) -> None:
    stranger = controller.client()
    assert stranger.get(f"/board/{room}").status_code == 303
    assert stranger.get("/board/open/" + "x" * 43).status_code == 404
    address = key_of(technician, room)
    assert "3D-01" in stranger.get(address).text
    assert "3D-01" in stranger.get(f"{address}/now").text
    newer = key_of(technician, room)
    assert stranger.get(address).status_code == 404, "there is one address a room"
    technician.post("/labels/board", data={"room": str(room), "do": "take-back", "csrf": csrf_of(technician)})
    assert stranger.get(newer).status_code == 404


def test_keys_are_made_by_who_looks_after_the_room_and_told_to_the_audit_log(
    controller: Running, lab: Furnished, technician: httpx.Client, room: int
) -> None:
    for login in ("ha", "minh"):  # a teacher, and a technician of the other school
        browser = controller.signed_in(login)
        given = {"room": str(room), "do": "make", "csrf": csrf_of(browser)}
        assert browser.post("/labels/board", data=given).status_code in (403, 404)
    key_of(technician, room)
    with Session(lab.engine) as db:
        lines = [line for line in audit_lines(db) if line.action == "board-key-make"]
    assert {line.actor for line in lines} == {lab.person("ky").id}
    assert {(line.subject, line.school_id) for line in lines} == {(str(room), HERE)}


def test_labels_have_a_code_for_each_thing_of_the_room(
    controller: Running, technician: httpx.Client, room: int
) -> None:
    page = technician.get(f"/labels?room={room}").text
    assert set(re.findall(r'class="key">(\w+)<', page)) == {"D2222A", "D2222B", "D2222C", "L2222A", "K2222A", "R2222A"}
    assert page.count("<svg viewBox=") == 6
    there = controller.services.live.rooms(Scope(THERE))[0].id
    assert controller.signed_in("minh").get("/labels").text.count("<svg viewBox=") == 1, "those of the own school"
    assert f'value="{there}"' in page
    assert controller.signed_in("ha").get("/labels").status_code == 403


def test_a_week_sheet_has_every_thing_in_every_period(technician: httpx.Client, room: int) -> None:
    page = technician.get(f"/rooms/{room}/week?date={school_day()}&lang=en").text
    assert len(re.findall(r"<li[ >]", page)) == 6 * 9 * 6, "things, periods and days"
    assert page.count("<b>10A2 <span>TBM</span></b>") == 2, "two periods, of another school"
    assert page.count("<b>12</b>") == 2, "kits that are taken"
    assert "TBM THPT Bình Minh" in page
    assert re.search(r"Thu \d\d:\d\d–\d\d:\d\d CLB Robot \(E\)", page), "what is outside of the periods"
    assert re.search(r"week \d+ \(week [AB]\)", page)
    assert "Person" not in page


def test_a_week_sheet_of_another_schools_lab_is_for_whom_something_is_shared(controller: Running, room: int) -> None:
    nam = controller.signed_in("nam")
    assert nam.get(f"/rooms/{room}/week").status_code == 200
    assert nam.get("/rooms/999999/week").status_code == 404
    assert nam.get(f"/rooms/{room}/week?date=gestern").status_code == 404
