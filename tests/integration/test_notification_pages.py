"""The pages of notifications, and what real bookings send, on a running controller with a real far end."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlmodel import Session, col, select

from controller.config import NoticesConfig
from controller.identity.store import audit_lines
from controller.notifications.tables import Bulletin, Channel, Delivery
from controller.scheduling.office import Asked
from controller.scheduling.views import BookingView
from tests.integration.bookable import Furnished, furnished, school_day, span
from tests.integration.far_ends import HttpEnd, http_end
from tests.integration.mqtt import eventually
from tests.integration.running import Running, csrf_of, running

pytestmark = pytest.mark.integration

HERE = "/my/notifications"
SECRET = "rat-bi-mat"


@dataclass
class House:
    running: Running
    made: Furnished
    end: HttpEnd

    def book(self, thing: str, first: int, login: str = "ha") -> BookingView:
        at = span(self.made.engine, school_day(), first, first)
        asked = Asked((self.made.item(thing),), at.start, at.stop, title="8A1", purpose="Mô hình cầu")
        return self.running.services.office.book(self.made.person(login), asked)

    def add(self, browser: httpx.Client, path: str) -> int:
        """A webhook of the browser's person; its id."""
        answer = post(browser, f"{HERE}/add/webhook", url=f"{self.end.url}/{path}?key={SECRET}")
        assert answer.status_code == 303, answer.text
        return int(answer.headers["location"].rpartition("-")[2])

    def said(self, path: str) -> list[str]:
        """What came there: title and message of each."""
        return [f"{got.said['title']}\n{got.said['message']}" for got in self.end.got if got.path == f"/{path}"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    state = tmp_path_factory.mktemp("state")
    made = furnished(state)
    config = NoticesConfig(private_addresses=True, public_url="https://fab.example.vn/")
    with http_end() as end, running(state, notices=config) as found:
        yield House(found, made, end)
    made.engine.dispose()


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, data={"csrf": csrf_of(browser), **fields})


def test_what_happens_to_bookings_is_sent_in_the_readers_language_with_a_link(house: House) -> None:
    ha, lan = house.running.signed_in("ha"), house.running.signed_in("lan")
    post(ha, "/language", lang="vi")
    post(lan, "/language", lang="en")
    house.add(ha, "ha")
    house.add(lan, "lan")
    office, person = house.running.services.office, house.made.person
    asked = house.book("Laser", 1)
    eventually(lambda: house.said("lan"), "who may approve hears of the request")
    request = house.said("lan")[0]
    assert request.startswith("A request waits: Laser")
    assert "https://fab.example.vn/calendar" in request
    assert house.said("ha") == []
    office.confirm(person("lan"), asked.id)
    eventually(lambda: house.said("ha"), "the holder hears that it was approved")
    approved = house.said("ha")[0]
    assert approved.startswith("Đã duyệt: Laser")
    assert approved.endswith("Xem https://fab.example.vn/my")
    office.cancel(person("lan"), asked.id)
    eventually(lambda: len(house.said("ha")) == 2, "and that it was cancelled")
    own = house.book("3D-01", 2)
    office.cancel(person("ha"), own.id)
    with Session(house.made.engine) as db:
        subjects = db.exec(select(Bulletin.subject).where(Bulletin.user_id == person("ha").id)).all()
    assert own.id not in subjects, "nobody is told of their own doing"
    shown = ha.get(HERE).text
    assert "Lượt đặt được duyệt" in shown
    assert "Đã gửi" in shown


def test_news_is_written_in_the_transaction_of_its_change(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue cannot be written, and the booking stays as it was."""
    booking = house.book("3D-02", 3)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("controller.scheduling.notices.enqueue", broken)
    office = house.running.services.office
    with pytest.raises(RuntimeError):
        office.cancel(house.made.person("lan"), booking.id)
    assert office.find(house.made.person("ha"), booking.id).state.holds
    monkeypatch.undo()
    office.cancel(house.made.person("lan"), booking.id)
    with Session(house.made.engine) as db:
        found = db.exec(select(Bulletin).where(Bulletin.subject == booking.id)).all()
    assert [each.kind for each in found] == ["booking-cancelled"]


def test_secrets_are_shown_to_nobody_and_written_nowhere(house: House, caplog: pytest.LogCaptureFixture) -> None:
    browser = house.running.signed_in("duc")
    with caplog.at_level(logging.DEBUG):
        channel = house.add(browser, "duc")
        assert post(browser, f"{HERE}/{channel}/test").status_code == 303
        refused = post(browser, f"{HERE}/add/telegram", chat_id="x y", token=f"12:{SECRET}")
    assert refused.status_code == 422
    assert house.end.got[-1].query["key"] == SECRET
    pages = [refused.text, browser.get(HERE).text, browser.get(f"{HERE}/add/webhook").text]
    pages.append(house.running.signed_in("tri").get("/admin/notifications").text)
    with Session(house.made.engine) as db:
        stored = db.get_one(Channel, channel)
        pages += [stored.sealed, stored.hint, *(line.detail + line.subject for line in audit_lines(db))]
        actions = [line.action for line in audit_lines(db)]
    assert not [each for each in pages if SECRET in each]
    assert SECRET not in caplog.text
    assert {"notification-channel-add", "notification-test"} <= set(actions)


def test_a_test_tells_what_came_of_it_and_a_stranger_touches_nothing(house: House) -> None:
    browser, stranger = house.running.signed_in("nam"), house.running.signed_in("minh")
    channel = house.add(browser, "nam")
    house.end.script = [401]
    answer = browser.get(post(browser, f"{HERE}/{channel}/test").headers["location"])
    assert "(401)" in answer.text
    assert "Kết quả gửi thử" in answer.text
    assert browser.post(f"{HERE}/{channel}/test").status_code == 403
    for act in ("test", "remove"):
        assert post(stranger, f"{HERE}/{channel}/{act}").status_code == 404
    assert post(browser, f"{HERE}/add/pigeon").status_code == 404
    assert post(browser, f"{HERE}/{channel}/remove").status_code == 303
    assert f"channel-{channel}" not in browser.get(HERE).text


def test_choice_and_quiet_hours_are_kept_and_what_is_wrong_is_said(house: House) -> None:
    browser = house.running.signed_in("duc")
    fields = {"topic-moved": "on", "quiet": "on", "quiet-from": "22:30", "quiet-until": "05:45"}
    assert post(browser, HERE, **fields).status_code == 303
    page = browser.get(HERE).text
    assert 'name="topic-moved" value="on" checked' in page
    assert 'name="topic-cancelled" value="on" checked' not in page
    assert 'value="22:30"' in page
    assert "topic-machine" not in page, "a teacher does not look after machines"
    wrong = post(browser, HERE, **{**fields, "quiet-until": "22:30"})
    assert wrong.status_code == 422
    assert "Hai giờ này trùng nhau." in wrong.text


def test_an_administrator_sees_what_failed_in_the_own_scope_and_has_it_tried_again(house: House) -> None:
    assert house.running.signed_in("ha").get("/admin/notifications").status_code == 403
    browser, minh = house.running.signed_in("tri"), house.running.signed_in("minh")
    assert minh.get("/admin/notifications").status_code == 403
    with Session(house.made.engine) as db:
        failed = db.exec(select(Delivery).order_by(col(Delivery.id).desc())).first()
        assert failed is not None
        failed.state, failed.result, failed.ended_ms = "failed", "http-503", failed.created_ms
        db.commit()
        failed_id = str(failed.id)
    page = browser.get("/admin/notifications").text
    assert "(503)" in page
    before = len(house.end.got)
    answer = post(browser, "/admin/notifications/retry", delivery=failed_id)
    assert answer.headers["location"] == "/admin/notifications?again=1"
    eventually(lambda: len(house.end.got) > before, "it is sent again")


def test_sending_starts_and_stops_with_the_controller(tmp_path: Path) -> None:
    made = furnished(tmp_path)
    with running(tmp_path) as found:
        assert found.services.plant._sender._carrier._thread.is_alive()
    assert not found.services.plant._sender._carrier._thread.is_alive()
    made.engine.dispose()
