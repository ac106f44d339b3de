"""Bookings over the API, of a real controller."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.identity.admin import Admin
from controller.main import wall_ms
from controller.scheduling.school_time import Half
from tests.integration.bookable import Furnished, furnished, school_day, span
from tests.integration.running import Running, running
from tests.passwords import quick

pytestmark = pytest.mark.integration


@dataclass
class House:
    """A controller with things to book, and browsers of people."""

    running: Running
    made: Furnished
    used: int = 0

    def free_span(self) -> range:
        """Two periods that no test had before: four times a day, five days, of each of some weeks."""
        week, rest = divmod(self.used, 20)
        number, place = divmod(rest, 4)
        self.used += 1
        half = Half.MORNING if place < 2 else Half.AFTERNOON
        return span(self.made.engine, school_day(number + 7 * week), 1 + 2 * (place % 2), 2 + 2 * (place % 2), half)

    def wish(self, name: str, at: range, **more: object) -> dict[str, Any]:
        items = [{"resource": self.made.things[name]}]
        return {"items": items, "start_ms": at.start, "end_ms": at.stop, "title": "8A1", **more}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    state: Path = tmp_path_factory.mktemp("state")
    made = furnished(state)
    with running(state) as found:
        yield House(found, made)


@pytest.fixture(scope="module")
def ha(house: House) -> httpx.Client:
    return _program(house, "ha")


@pytest.fixture(scope="module")
def nam(house: House) -> httpx.Client:
    return _program(house, "nam")


@pytest.fixture(scope="module")
def ky(house: House) -> httpx.Client:
    return _program(house, "ky")


def _program(house: House, login: str) -> httpx.Client:
    """A program with a token, as whom it books."""
    admin = Admin(house.made.engine, quick(), wall_ms)
    return house.running.bearer(admin.add_api_token(login, "test", None))


def book(client: httpx.Client, wanted: dict[str, Any], status: int = 201) -> dict[str, Any]:
    answer = client.post("/api/v1/bookings", json=wanted)
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_booking_is_made_shown_moved_and_cancelled(house: House, ha: httpx.Client) -> None:
    at, later = house.free_span(), house.free_span()
    made = book(ha, house.wish("3D-01", at, purpose="STEM", head_count=30))
    assert (made["state"], made["mine"], made["resources"][0]["name"]) == ("confirmed", True, "3D-01")

    assert made in ha.get("/api/v1/bookings", params={"from_ms": at.start, "until_ms": at.stop}).json()["items"]

    moved = ha.patch(f"/api/v1/bookings/{made['id']}", json={"start_ms": later.start, "end_ms": later.stop}).json()
    assert (moved["start_ms"], moved["sequence"]) == (later.start, 1)

    gone = ha.delete(f"/api/v1/bookings/{made['id']}").json()
    assert (gone["state"], gone["resources"]) == ("cancelled", [])
    assert ha.delete(f"/api/v1/bookings/{made['id']}").status_code == 409


def test_same_key_is_the_same_booking_and_never_another(house: House, ha: httpx.Client) -> None:
    at = house.free_span()
    first = book(ha, house.wish("3D-02", at, key="mine"))
    again = ha.post("/api/v1/bookings", json=house.wish("3D-02", at), headers={"idempotency-key": "mine"})
    assert again.json()["id"] == first["id"]
    other = ha.post("/api/v1/bookings", json=house.wish("3D-01", at, key="mine"))
    assert (other.status_code, other.json()["code"]) == (422, "key")


def test_key_of_somebody_else_is_another_booking(house: House, ha: httpx.Client, nam: httpx.Client) -> None:
    mine = book(ha, house.wish("3D-02", house.free_span(), key="k"))
    theirs = book(nam, house.wish("3D-09", house.free_span(), key="k"))
    assert mine["id"] != theirs["id"]


def test_taken_is_a_conflict_that_names_what_else_would_do(house: House, ha: httpx.Client, nam: httpx.Client) -> None:
    at = house.free_span()
    book(nam, house.wish("3D-01", at))
    told = book(ha, house.wish("3D-01", at), 409)
    assert told["code"] == "taken"
    assert told["alternatives"][0]["kind"] == "other-unit"
    instead = told["alternatives"][0]
    wanted = {
        "items": [{"resource": unit} for unit in instead["units"]],
        "start_ms": instead["start_ms"],
        "end_ms": instead["end_ms"],
    }
    assert book(ha, wanted)["state"] == "confirmed"


def test_rules_are_named_and_overruled_by_who_may(house: House, ha: httpx.Client, ky: httpx.Client) -> None:
    at = house.free_span()
    long = range(at.start, at.start + 6 * 3_600_000)
    told = book(ha, house.wish("3D-01", long, reason="tôi muốn"), 422)
    assert (told["code"], [each["code"] for each in told["problems"]]) == ("rules", ["too-long"])
    assert told["problems"][0]["limit"] == 300
    assert book(ky, house.wish("3D-01", long, reason="ngày hội STEM", school="an-phu"))["state"] == "confirmed"


def test_laser_is_requested_and_a_technician_says_yes(house: House, ha: httpx.Client, ky: httpx.Client) -> None:
    made = book(ha, house.wish("Laser", house.free_span()))
    assert made["state"] == "requested"
    assert made["hold_until_ms"] > 0
    assert ha.patch(f"/api/v1/bookings/{made['id']}", json={"state": "confirmed"}).status_code == 403
    told = ky.patch(f"/api/v1/bookings/{made['id']}", json={"state": "confirmed"}).json()
    assert (told["state"], told["hold_until_ms"]) == ("confirmed", None)


def test_other_school_learns_that_it_is_taken_and_by_whom_it_is_not_told(
    house: House, ha: httpx.Client, nam: httpx.Client
) -> None:
    at = house.free_span()
    made = book(ha, house.wish("3D-01", at, title="CLB STEM"))
    params = {"from_ms": at.start, "until_ms": at.stop, "resource": house.made.things["3D-01"]}
    seen = nam.get("/api/v1/bookings", params=params).json()["items"]
    assert [(each["school"], each["title"], each["holder"]) for each in seen] == [("an-phu", "", "")]
    assert nam.get(f"/api/v1/bookings/{made['id']}").status_code == 404
    assert nam.delete(f"/api/v1/bookings/{made['id']}").status_code == 404


def test_what_is_not_shared_is_not_there_for_others(house: House, nam: httpx.Client) -> None:
    names = {each["name"] for each in nam.get("/api/v1/availability").json()["resources"]}
    assert "3D-01" in names
    assert "3D-03" not in names


def test_availability_tells_what_is_taken_and_when_all_of_it_can_be_had(house: House, ha: httpx.Client) -> None:
    at = house.free_span()
    book(ha, house.wish("Lab", at))
    params: dict[str, str | int] = {
        "from_ms": at.start,
        "until_ms": at.start + 4 * 86_400_000,
        "resource": house.made.things["Lab"],
        "class_name": "printer-3d",
        "count": 2,
        "periods": 2,
    }
    told = ha.get("/api/v1/availability", params=params).json()
    lab = next(each for each in told["resources"] if each["name"] == "Lab")
    assert [at.start, at.stop, 0] in lab["taken"]
    assert told["openings"]
    assert all(each["start_ms"] >= at.stop or each["end_ms"] <= at.start for each in told["openings"])
    assert all(len(each["units"]) == 3 for each in told["openings"])


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"items": []}, 422),
        ({"items": [{"resource": 10**12}]}, 422),
        ({"items": [{"resource": None, "class_name": "spaceship"}]}, 422),
        ({"start_ms": 7}, 422),
        ({"start_ms": -(10**30)}, 422),
        ({"end_ms": 10**18}, 422),
        ({"title": "x" * 500}, 422),
        ({"kind": "party"}, 422),
    ],
)
def test_nonsense_books_nothing(house: House, ha: httpx.Client, change: dict[str, Any], status: int) -> None:
    wanted = {**house.wish("3D-01", span(house.made.engine, school_day(4), 5, 5)), **change}
    assert ha.post("/api/v1/bookings", json=wanted).status_code == status


def test_what_is_taken_is_waited_for_and_accepted(house: House, ky: httpx.Client, nam: httpx.Client) -> None:
    ha, at = _program(house, "duc"), house.free_span()
    theirs = book(ky, house.wish("3D-01", at, school="an-phu", reason="hội thảo"))
    wish = house.wish("3D-01", at, waitlist=True, key="wait")
    waiting = book(ha, wish)
    assert (waiting["state"], waiting["resources"]) == ("waiting", [])
    assert book(ha, wish)["id"] == waiting["id"]
    path = f"/api/v1/bookings/{waiting['id']}"
    assert ha.patch(path, json={"state": "accepted"}).status_code == 409

    ky.delete(f"/api/v1/bookings/{theirs['id']}")
    offered = ha.get(path).json()
    assert (offered["state"], offered["resources"][0]["name"]) == ("offered", "3D-01")
    assert nam.patch(path, json={"state": "accepted"}).status_code == 404
    assert ha.patch(path, json={"state": "accepted"}).json()["state"] == "confirmed"
    at = house.free_span()
    assert book(ha, house.wish("3D-01", at, waitlist=True))["state"] == "confirmed", "what is free is booked"
