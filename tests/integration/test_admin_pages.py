"""The planning pages over HTTP, without scripts: who may, what is said by the field, what is told beforehand."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from controller.main import wall_ms
from controller.scheduling.bookings import Bookings, Request
from controller.web.time_pages import next_name
from tests.integration.bookable import HERE, THERE, Furnished, furnished, school_day, span
from tests.integration.running import Running, csrf_of, running

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("planning")


@pytest.fixture(scope="module")
def furniture(state: Path) -> Furnished:
    return furnished(state)


@pytest.fixture(scope="module")
def controller(state: Path, furniture: Furnished) -> Iterator[Running]:
    assert furniture.things
    with running(state) as one:
        yield one
        one.close_clients()


@pytest.fixture(scope="module")
def lan(controller: Running) -> httpx.Client:
    """Coordinates the cluster, in English."""
    browser = controller.signed_in("lan")
    browser.cookies.set("fabfleet_lang", "en")
    return browser


def send(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, data={"csrf": csrf_of(browser), **fields})


def read(browser: httpx.Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text[:500]
    return answer.text


def test_planning_is_for_who_plans_and_each_school_is_looked_for_in_their_scope(controller: Running) -> None:
    teacher = controller.signed_in("nam")
    for path in ("/admin/time", "/admin/things", "/admin/limits", "/admin/certificates", "/admin/things/1"):
        assert teacher.get(path).status_code == 403
    assert 'href="/admin/time"' not in read(teacher, "/my")


def test_next_year_is_made_by_copying_and_its_holiday_is_told_of_before_it_hits_bookings(
    lan: httpx.Client, furniture: Furnished
) -> None:
    day = school_day()
    at = span(furniture.engine, day, 1, 2)
    holder = furniture.person("ha").id
    item = furniture.item("3D-01")
    Bookings(furniture.engine, wall_ms).book(Request(HERE, holder, holder, (item,), at.start, at.stop, title="8A1"))
    years = re.findall(r'href="(/admin/time/\d+)"', read(lan, f"/admin/time?school={HERE}"))
    year = next(each for each in years if _has(lan, each, day))
    to = f"{year}/holidays/new"
    told = send(lan, to, name="Sports day", first=str(day), last=str(day), do="save")
    assert "1 booking would no longer lie in a period" in told.text
    assert "8A1" in told.text
    assert "Sports day" not in read(lan, year)
    done = send(lan, to, name="Sports day", first=str(day), last=str(day), do="save", agreed="yes")
    assert (done.status_code, done.headers["location"]) == (303, year)
    assert "Sports day" in read(lan, f"{year}?day={day}")
    copied = send(lan, f"{year}/next", name="Next")
    assert copied.status_code == 303
    assert "Copied." in read(lan, copied.headers["location"])
    assert "is there already" in send(lan, f"{year}/next", name="Next").text
    assert send(lan, f"{year}/copy", school=THERE, name="From the other").status_code == 303
    assert "From the other" in read(lan, f"/admin/time?school={THERE}")


def _has(lan: httpx.Client, year: str, day: object) -> bool:
    return "The day is in no term" not in read(lan, f"{year}?day={day}")


def test_what_cannot_be_is_refused_by_the_field_and_nothing_written_is_lost(lan: httpx.Client) -> None:
    year = re.findall(r'href="(/admin/time/\d+)"', read(lan, f"/admin/time?school={THERE}"))[0]
    wrong = send(lan, f"{year}/terms/new", name="Third", first="2026-06-01", last="2026-05-01", do="save")
    assert wrong.status_code == 422
    assert 'id="last-error">The last day comes before the first.' in wrong.text
    assert 'value="Third"' in wrong.text
    bells = {"name": "Saturday", "first": "2020-09-01", "last": "2099-05-31", "weekday-5": "on", "do": "save"}
    overlap = {
        "morning-1-begins": "07:00",
        "morning-1-ends": "07:45",
        "morning-2-begins": "07:40",
        "morning-2-ends": "08:25",
    }
    wrong = send(lan, f"{year}/bells/new", **bells, **overlap)
    assert 'id="morning-2-error">Period 1 and Period 2 overlap.' in wrong.text.replace("\xa0", " ")
    grain = {"morning-1-begins": "07:02", "morning-1-ends": "07:45"}
    assert "at full five minutes" in send(lan, f"{year}/bells/new", **bells, **grain).text
    right = {**bells, **grain, "morning-1-begins": "07:00"}
    first = re.search(r"Cả năm</a></th><td>[^<]*</td><td>([^<]*)", read(lan, year))
    assert first is not None
    begun = datetime.strptime(first[1], "%d %b %Y").replace(tzinfo=UTC).date()
    assert "share a weekday" in send(lan, f"{year}/bells/new", **{**right, "first": str(begun)}).text
    assert send(lan, f"{year}/bells/new", **{**right, "first": str(begun + timedelta(days=7))}).status_code == 303
    assert "Saturday" in read(lan, year)


def test_second_editor_is_told_to_look_again(lan: httpx.Client) -> None:
    year = re.findall(r'href="(/admin/time/\d+)"', read(lan, f"/admin/time?school={THERE}"))[0]
    was = re.search(r'name="was" value="(\w+)"', read(lan, f"{year}/holidays/0"))
    assert was is not None
    fields = {"first": "2026-09-02", "last": "2026-09-02", "do": "save", "was": was[1]}
    assert send(lan, f"{year}/holidays/0", name="One", **fields).status_code == 303
    assert "Somebody has changed" in send(lan, f"{year}/holidays/0", name="Other", **fields).text


def test_thing_is_added_changed_blocked_for_maintenance_and_only_then_kept_from_retiring(
    lan: httpx.Client, furniture: Furnished
) -> None:
    fields = {"school": HERE, "name": "CNC", "kind": "unit", "class_name": "cnc", "capacity": "1", "hazard": "2"}
    wrong = send(lan, "/admin/things/new", **{**fields, "code": "o0", "watts": "many"})
    assert "Write a whole number." in wrong.text or "capital letters" in wrong.text
    made = send(lan, "/admin/things/new", **fields, shared="on")
    thing = made.headers["location"]
    page = read(lan, thing)
    assert 'value="CNC"' in page
    assert "A teacher&#39;s booking" in page
    assert "&amp;#39;" not in page
    day = school_day() + timedelta(days=1)
    block = {"from": f"{day}T07:00", "until": f"{day}T08:00", "reason": "New belt"}
    assert "full five minutes" in send(lan, f"{thing}/maintenance", **{**block, "until": f"{day}T06:00"}).text
    assert send(lan, f"{thing}/maintenance", **block).status_code == 303
    assert "New belt" in read(lan, thing)
    kept = send(lan, f"{thing}/retire")
    assert (kept.status_code, "1 booking ahead has it" in kept.text) == (422, True)
    spare = f"/admin/things/{furniture.things['3D-03']}"
    assert send(lan, f"{spare}/retire").status_code == 303
    assert "1 thing is out of use" in read(lan, f"/admin/things?school={HERE}")


def test_pool_is_not_shrunk_below_what_is_booked_ahead(lan: httpx.Client, furniture: Furnished) -> None:
    at = span(furniture.engine, school_day(2), 1, 2)
    holder = furniture.person("ha").id
    Bookings(furniture.engine, wall_ms).book(
        Request(HERE, holder, holder, (furniture.item("Kit", 12),), at.start, at.stop)
    )
    kit = {"name": "Kit", "kind": "pool", "code": "K2222A", "capacity": "11", "hazard": "0"}
    wrong = send(lan, f"/admin/things/{furniture.things['Kit']}", **kit)
    assert (wrong.status_code, "Bookings ahead need 12 of it" in wrong.text) == (422, True)


def test_rooms_hours_closures_limits_and_certificates_are_kept(lan: httpx.Client, furniture: Furnished) -> None:
    room = send(lan, "/admin/rooms", school=HERE, name="Wood shop").headers["location"]
    hours = {"open-0-0-opens": "07:00", "open-0-0-closes": "11:30"}
    assert "It closes before it opens." in send(lan, room, name="Wood", **{**hours, "open-0-0-closes": "06:00"}).text
    assert send(lan, room, name="Wood", **hours).status_code == 303
    assert "Mon 07:00–11:30" in read(lan, f"/admin/things?school={HERE}")
    closed = {"school": HERE, "room": "", "name": "Painting", "first": "2027-01-04", "last": "2027-01-05"}
    assert send(lan, "/admin/closures", **closed).status_code == 303
    page = read(lan, f"/admin/things?school={HERE}")
    assert "Painting" in page
    closure = re.search(r"/admin/closures/\d+/remove", page)
    assert closure is not None
    send(lan, closure[0], school=HERE)
    assert "Painting" not in read(lan, f"/admin/things?school={HERE}")
    page = read(lan, f"/admin/limits?school={HERE}")
    limits = dict(re.findall(r'name="([\w-]+)" value="(\d*)" inputmode', page))
    assert send(lan, "/admin/limits", school=HERE, **{**limits, "longest_min": "5"}).status_code == 422
    assert (
        send(lan, "/admin/limits", school=HERE, **{**limits, "longest_min": "240", "person_week": ""}).status_code
        == 303
    )
    assert 'name="longest_min" value="240"' in read(lan, f"/admin/limits?school={HERE}")
    nam = furniture.person("nam").id
    assert send(lan, "/admin/certificates", user_id=nam, name="laser", until="2027-05-31").status_code == 303
    assert "until 31 May 2027" in read(lan, "/admin/certificates")


@pytest.mark.parametrize(("name", "after"), [("2026–2027", "2027–2028"), ("Hè", "Hè")])
def test_next_year_is_named_after_this_one(name: str, after: str) -> None:
    assert next_name(name) == after
