"""At the machine and at the door, in a real browser: pages of labels without scripts, the board, the sheet on paper."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from controller.main import wall_ms
from controller.scheduling.bookings import Bookings, Request
from controller.scheduling.school_time import TICK_MS
from tests.browser.conftest import Visitor, visits
from tests.browser.stage import Stage
from tests.browser.test_accessibility import judge
from tests.integration.bookable import HERE, Furnished, furnished, school_day, span
from tests.integration.browsing import sign_in
from tests.integration.running import PASSWORD

SMALL = """() => [...document.querySelectorAll("#board *")].filter(each => each.getBoundingClientRect().height > 2
  && [...each.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim())
  && parseFloat(getComputedStyle(each).fontSize) < 28).map(each => each.textContent.trim())"""


@dataclass(frozen=True)
class Scene:
    stage: Stage
    lab: Furnished

    def book(self, thing: str, when: range, login: str = "ha", title: str = "8A1") -> None:
        who = self.lab.person(login)
        items = (self.lab.item(thing),)
        wanted = Request(who.school_id or HERE, who.id, who.id, items, when.start, when.stop, title=title)
        Bookings(self.lab.engine, wall_ms).book(wanted)

    def book_now(self, thing: str, login: str = "ha") -> None:
        """From the next five minutes on: it can be checked in already."""
        start = (wall_ms() // TICK_MS + 1) * TICK_MS
        self.book(thing, range(start, start + 9 * TICK_MS), login)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    state = tmp_path_factory.mktemp("checkin")
    lab, stage = furnished(state), Stage(state)
    try:
        stage.start()
        made = Scene(stage, lab)
        made.book_now("3D-01", "ha")
        made.book_now("3D-02", "duc")
        yield made
    finally:
        stage.stop()


@pytest.fixture
def visit(chromium: Browser, scene: Scene) -> Iterator[Visitor]:
    with visits(chromium, scene.stage.url) as opened:
        yield opened


def test_a_machine_is_checked_in_and_given_back_without_scripts(chromium: Browser, scene: Scene) -> None:
    scene.book_now("Laser")
    context = chromium.new_context(
        java_script_enabled=False, viewport={"width": 390, "height": 844}, locale="vi-VN", is_mobile=True
    )
    page = context.new_page()
    page.goto(f"{scene.stage.url}/c/L2222A")
    page.fill("#login", "ha")
    page.fill("#password", PASSWORD)
    page.click("#signin button[type=submit]")
    page.click("text=Nhận máy")
    expect(page.locator(".state")).to_contain_text("Đã nhận máy lúc")
    page.click("text=Tôi phụ trách tại máy")
    expect(page.locator("main")).to_contain_text("Thầy cô đang phụ trách tại máy")
    page.click("text=Báo máy có vấn đề")
    page.fill("textarea", "kẹt nhựa")
    page.click("text=Báo kỹ thuật viên")
    expect(page.get_by_role("status")).to_contain_text("Đã báo cho kỹ thuật viên")
    page.click("text=Trả máy sớm")
    expect(page.locator(".state")).to_contain_text("Bây giờ chưa có ai đặt")
    context.close()


@pytest.mark.parametrize(("width", "scheme", "locale"), [(390, "light", "vi-VN"), (1440, "dark", "en-US")])
def test_labels_boards_and_sheets_have_no_barrier(
    scene: Scene, visit: Visitor, width: int, scheme: str, locale: str
) -> None:
    room = scene.stage.room_id("Phòng An")
    teacher = visit(width, scheme, locale).signed_in("duc", PASSWORD)
    for path in ("/c/D2222A", "/c/D2222B", "/c/D2222B/problem", f"/board/{room}"):
        judge(teacher.page(path))
    technician = visit(width, scheme, locale).signed_in("ky", PASSWORD)
    judge(technician.page(f"/labels?room={room}"))
    judge(technician.page(f"/rooms/{room}/week?date={school_day()}"))


def test_a_board_is_read_from_afar_and_says_when_the_server_is_lost(scene: Scene, visit: Visitor) -> None:
    scene.book_now("Lab", "nam")
    person = visit(1920).signed_in("ky", PASSWORD)
    person.forgive("ERR_CONNECTION_REFUSED")
    page = person.context.new_page()
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.clock.install()
    page.goto(f"{scene.stage.url}/board/{scene.stage.room_id('Phòng An')}")
    assert page.evaluate(SMALL) == []
    assert page.evaluate("document.documentElement.scrollHeight") <= 1080
    expect(page.locator("#lost")).to_be_hidden()
    scene.stage.kill()
    page.clock.fast_forward("00:21")
    expect(page.locator("#lost")).to_contain_text("Mất kết nối máy chủ từ")
    expect(page.locator("tbody tr")).to_have_count(6)
    scene.stage.start()
    page.clock.fast_forward("00:06")
    expect(page.locator("#lost")).to_be_hidden()


def test_a_week_fits_on_one_sheet_of_paper(chromium: Browser, scene: Scene, tmp_path: Path) -> None:
    scene.book("3D-01", span(scene.lab.engine, school_day(), 1, 5))
    context = chromium.new_context(locale="vi-VN", color_scheme="dark")
    page = context.new_page()
    sign_in(page, scene.stage.url, "ky", PASSWORD)
    page.goto(f"{scene.stage.url}/rooms/{scene.stage.room_id('Phòng An')}/week?date={school_day()}")
    sheet = page.pdf(path=tmp_path / "week.pdf", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", sheet)) == 1
    page.emulate_media(media="print")
    page.screenshot(path=tmp_path / "week.png")
    expect(page.locator(".pbar")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.querySelector('.sheet')).backgroundColor") == "rgb(255, 255, 255)"
    context.close()
