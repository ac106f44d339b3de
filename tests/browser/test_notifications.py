"""Notifications in a real browser: no barriers on any page, and a channel added, tried and removed by its person."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, expect
from sqlmodel import Session, select

from controller.config import NoticesConfig
from controller.notifications.bulletins import Word, enqueue
from controller.notifications.tables import Delivery
from tests.browser.conftest import Visitor, visits
from tests.browser.test_accessibility import WAYS, judge
from tests.integration.bookable import HERE, Furnished, furnished
from tests.integration.far_ends import HttpEnd, http_end
from tests.integration.mqtt import eventually
from tests.integration.running import PASSWORD, Running, running

KINDS = ("zalo-oa", "zalo-bot", "email", "telegram", "teams", "google-chat", "webhook")


@dataclass(frozen=True, slots=True)
class Post:
    running: Running
    made: Furnished
    end: HttpEnd


@pytest.fixture(scope="module")
def sending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    state = tmp_path_factory.mktemp("notices")
    made = furnished(state)
    with http_end() as end, running(state, notices=NoticesConfig(private_addresses=True)) as found:
        yield Post(found, made, end)
    made.engine.dispose()


@pytest.fixture
def visit(chromium: Browser, sending: Post) -> Iterator[Visitor]:
    with visits(chromium, sending.running.url) as opened:
        yield opened


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(str(part) for part in way))
def test_notifications_have_no_barrier(visit: Visitor, sending: Post, way: tuple[int, str, str]) -> None:
    browser = visit(*way).signed_in("tri", PASSWORD)
    browser.forgive("422")
    page = browser.page("/my/notifications")
    judge(page)
    for kind in KINDS:
        page.goto(f"{browser.url}/my/notifications/add/{kind}")
        judge(page)
    page.fill("#url", "ftp://hook.example.vn/a")
    page.click("form[action$='/webhook'] .btn.pri")
    expect(page.locator("#url[aria-invalid=true]")).to_be_visible()
    judge(page)
    page.fill("#url", f"{sending.end.url}/a")
    page.click("form[action$='/webhook'] .btn.pri")
    expect(page.locator("[role=status]")).to_be_visible()
    with sending.made.engine.begin() as connection:
        for number in range(2):
            word = Word("problem", f"D2222{number}", HERE, sending.made.person("tri").id, detail={"text": str(way)})
            enqueue(connection, word, sending.running.services.now_ms())
    eventually(lambda: sent(sending) >= 2, "both were sent")
    judge(browser.page("/my/notifications"))
    with Session(sending.made.engine) as db:
        for each in db.exec(select(Delivery)):
            each.state, each.result, each.attempts = "failed", "http-503", 7
        db.commit()
    judge(browser.page("/admin/notifications"))
    judge(browser.page("/admin/notifications?again=2"))


def sent(sending: Post) -> int:
    with Session(sending.made.engine) as db:
        return sum(each.state == "sent" for each in db.exec(select(Delivery)))


def test_a_teacher_adds_a_channel_tries_it_and_removes_it(visit: Visitor, sending: Post) -> None:
    browser = visit().signed_in("ha", PASSWORD)
    page = browser.page("/my")
    page.click(".menu summary")
    page.click(".menu a[href='/my/notifications']")
    page.click("a[href$='/add/webhook']")
    page.fill("#url", f"{sending.end.url}/ha?key=rat-bi-mat")
    page.click("form[action$='/webhook'] .btn.pri")
    channel = page.locator("li[id^=channel-]")
    expect(channel).to_contain_text("127.0.0.1")
    sending.end.script = [401]
    channel.get_by_role("button", name="Gửi thử").click()
    expect(channel.locator("[role=status]")).to_contain_text("(401)")
    channel.get_by_role("button", name="Gửi thử").click()
    expect(channel.locator("[role=status]")).to_contain_text("Đã gửi")
    assert sending.end.got[-1].query["key"] == "rat-bi-mat"
    assert "rat-bi-mat" not in page.content()
    page.uncheck("#topic-reminder")
    page.check("#quiet")
    page.fill("#quiet-from", "21:30")
    page.click("form.card .btn.pri")
    expect(page.locator("#topic-reminder")).not_to_be_checked()
    expect(page.locator("#quiet-from")).to_have_value("21:30")
    channel.get_by_role("button", name="Xóa").click()
    expect(channel).to_have_count(0)
