"""Calendars that phones read: by a secret address, without a session, of a person or of a room."""

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import icalendar
import pytest
from sqlmodel import Session, select

from controller.identity.store import audit_lines
from controller.identity.tables import User
from controller.scheduling.office import Asked
from controller.scheduling.tables import CalendarFeed
from controller.scheduling.views import BookingView
from tests.integration.bookable import Furnished, furnished, school_day, span
from tests.integration.mqtt import eventually
from tests.integration.running import Running, csrf_of, running

pytestmark = pytest.mark.integration


class House:
    def __init__(self, running: Running, made: Furnished) -> None:
        self.running, self.made = running, made
        self.office = running.services.office
        self._browsers: dict[str, httpx.Client] = {}

    def signed_in(self, login: str) -> httpx.Client:
        """Somebody's browser, the same one again."""
        if login not in self._browsers:
            self._browsers[login] = self.running.signed_in(login)
        return self._browsers[login]

    def book(self, thing: str, first: int, login: str = "ha", title: str = "8A1", day: int = 0) -> BookingView:
        at = span(self.made.engine, school_day(day), first, first)
        asked = Asked((self.made.item(thing),), at.start, at.stop, title=title, purpose="Mô hình cầu")
        return self.office.book(self.made.person(login), asked)

    def feed(self, login: str, room: str = "") -> str:
        """The path of a new feed."""
        return address(post(self.signed_in(login), "/my/feeds", room=room))

    def read(self, path: str, **headers: str) -> httpx.Response:
        """As a phone does: without cookies."""
        return self.running.client().get(path, headers=headers)

    def events(self, path: str) -> dict[str, icalendar.Event]:
        answer = self.read(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
        return {str(each["uid"]): each for each in icalendar.Calendar.from_ical(answer.content).events}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    state = tmp_path_factory.mktemp("state")
    made = furnished(state)
    with running(state) as found:
        yield House(found, made)
    made.engine.dispose()


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, data={"csrf": csrf_of(browser), **fields})


def address(page: httpx.Response) -> str:
    """The path of the address that a page shows this once."""
    assert page.status_code == 200
    found = re.search(r'id="address"[^>]*>([^<]+)<', page.text)
    assert found is not None
    return urlsplit(found[1]).path


def broken(*_: object) -> None:
    raise RuntimeError("the disk is full")


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def test_a_phone_reads_what_is_booked_moved_asked_for_and_cancelled(house: House) -> None:
    booked, asked = house.book("3D-01", 1), house.book("Laser", 2)
    path = house.feed("ha")
    events = house.events(path)
    first = events[f"{booked.id}@fabfleet"]
    assert (first.start, first.end) == (at(booked.start_ms), at(booked.end_ms))
    assert (first["summary"], first["status"], first["sequence"]) == ("3D-01 · 8A1", "CONFIRMED", 0)
    assert (first["location"], first["description"]) == ("Phòng An, THCS An Phú", "Mô hình cầu")
    request = events[f"{asked.id}@fabfleet"]
    assert (request["summary"], request["status"]) == ("Chờ duyệt: Laser · 8A1", "TENTATIVE")

    there = span(house.made.engine, school_day(1), 3, 3)
    house.office.move(house.made.person("ha"), booked.id, there.start, there.stop)
    house.office.cancel(house.made.person("ha"), asked.id)
    events = house.events(path)
    moved, gone = events[f"{booked.id}@fabfleet"], events[f"{asked.id}@fabfleet"]
    assert (moved.start, moved["sequence"]) == (at(there.start), 1)
    assert (gone["status"], gone["sequence"]) == ("CANCELLED", 1)
    assert gone.start == request.start


def test_what_has_not_changed_is_not_sent_again(house: House) -> None:
    path = house.feed("duc")
    tag = house.read(path).headers["etag"]
    unchanged = house.read(path, **{"if-none-match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["cache-control"] == "private, no-cache"
    house.book("3D-02", 1, "duc")
    assert house.read(path, **{"if-none-match": tag}).status_code == 200
    assert house.running.client().head(path).status_code == 200


def test_the_address_is_shown_once_and_only_its_hash_is_kept(house: House) -> None:
    browser = house.signed_in("ha")
    path = address(post(browser, "/my/feeds"))
    secret = path.removeprefix("/feeds/").removesuffix(".ics")
    assert len(secret) >= 43
    assert secret not in browser.get("/my/feeds").text
    with Session(house.made.engine) as db:
        kept = db.exec(select(CalendarFeed)).all()
        assert all(secret not in str(each) for each in kept)
        assert all(secret not in str(line) for line in audit_lines(db))


def test_an_unknown_a_renewed_and_a_revoked_address_are_answered_alike(house: House) -> None:
    browser = house.signed_in("ha")
    old = address(post(browser, "/my/feeds"))
    newest = re.findall(r'action="(/my/feeds/\d+)/renew"', browser.get("/my/feeds").text)[0]
    assert post(house.signed_in("duc"), f"{newest}/renew").status_code == 404  # not theirs
    fresh = address(post(browser, f"{newest}/renew"))
    assert house.read(fresh).status_code == 200
    assert post(browser, f"{newest}/revoke").status_code == 303
    answers = [house.read(each) for each in (old, fresh, "/feeds/unknown.ics", fresh.removesuffix(".ics"))]
    assert {(each.status_code, each.text) for each in answers} == {(404, "no such calendar\n")}
    assert len({tuple(sorted(each.headers)) for each in answers}) == 1


def test_a_feed_ends_with_its_makers_account(house: House) -> None:
    path = house.feed("lan")
    assert house.read(path).status_code == 200
    with Session(house.made.engine) as db:
        lan = db.exec(select(User).where(User.login == "lan")).one()
        lan.disabled = True
        db.commit()
    assert house.read(path).status_code == 404


def test_a_rooms_feed_names_no_person_and_no_class_of_another_school(house: House) -> None:
    """Made by a technician of the whole cluster; a teacher may not make one."""
    here, there = house.book("3D-01", 3, "ha", "8A1", day=2), house.book("3D-01", 4, "nam", "10A1", day=2)
    browser = house.signed_in("ky")
    rooms = dict(re.findall(r'<option value="(\d+)">(Phòng [^<]+)</option>', browser.get("/my/feeds").text))
    room = next(number for number, name in rooms.items() if name.startswith("Phòng An"))
    path = address(post(browser, "/my/feeds", room=room))
    events = house.events(path)
    assert events[f"{here.id}@fabfleet"]["summary"] == "3D-01 · 8A1"
    assert events[f"{there.id}@fabfleet"]["summary"] == "3D-01 · THPT Bình Minh"
    content = house.read(path).text
    assert not any(hidden in content for hidden in ("Person", "10A1", "Mô hình cầu"))
    teacher = house.signed_in("ha")
    assert "<option" not in teacher.get("/my/feeds").text
    assert post(teacher, "/my/feeds", room=room).status_code == 404
    assert post(house.signed_in("minh"), "/my/feeds", room=room).status_code == 404  # of the other school


def test_no_log_tells_the_secret(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when it is read, nor when something breaks meanwhile. The server keeps no access log."""
    path = house.feed("duc")
    secret = path.removeprefix("/feeds/").removesuffix(".ics")
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "disabled", True)  # as controller.serve runs it
    client = house.running.client()
    assert client.get(path).status_code == 200
    assert client.get(path + "x").status_code == 404
    assert client.post(path).status_code == 403
    monkeypatch.setattr("controller.scheduling.views.of_holder", broken)
    assert client.get(path).status_code == 500
    eventually(lambda: any(each.exc_info for each in caplog.records), "the error is in the log")  # after the answer
    told = [each for each in caplog.records if not each.name.startswith(("httpx", "httpcore"))]
    assert not any(secret in each.getMessage() + str(each.exc_text) for each in told)


def test_a_person_sees_when_a_feed_was_read_last(house: House) -> None:
    browser = house.signed_in("nam")
    path = address(post(browser, "/my/feeds"))
    assert "Đọc lần cuối: chưa có" in browser.get("/my/feeds").text.replace("\u00a0", " ")
    house.read(path)
    assert "chưa có" not in browser.get("/my/feeds").text.replace("\u00a0", " ")
