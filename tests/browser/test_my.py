"""One's own bookings in a real browser: sheets open over the list, and a lost race leaves one open."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlmodel import Session

from controller.main import wall_ms
from controller.scheduling.notices import Kind
from controller.scheduling.office import Asked
from controller.scheduling.tables import Notice
from controller.scheduling.views import BookingView
from tests.browser.conftest import Visit, Visitor, visits
from tests.browser.test_accessibility import WAYS, judge
from tests.integration.bookable import HERE, Furnished, furnished, school_day, span
from tests.integration.running import PASSWORD, Running, running


@dataclass(frozen=True, slots=True)
class House:
    running: Running
    made: Furnished

    def book(self, thing: str, first: int, last: int, day: int = 0, login: str = "ha") -> BookingView:
        at = span(self.made.engine, school_day(day), first, last)
        asked = Asked((self.made.item(thing),), at.start, at.stop, title="8A1", purpose="Mô hình cầu giàn")
        return self.running.services.office.book(self.made.person(login), asked)

    def cancel_all(self, *logins: str) -> None:
        office, now_ms = self.running.services.office, wall_ms()
        for login in logins:
            who = self.made.person(login)
            for each in office.mine(who, range(now_ms, now_ms + 400 * 86_400_000)):
                if each.state.holds:
                    office.cancel(who, each.id)

    def tell(self, booking: BookingView, kind: Kind, **detail: object) -> None:
        with Session(self.made.engine) as db:
            who = booking.holder_id
            db.add(
                Notice(school_id=HERE, user_id=who, at_ms=wall_ms(), kind=kind, subject=booking.id, detail=dict(detail))
            )
            db.commit()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    state = tmp_path_factory.mktemp("house")
    made = furnished(state)
    with running(state) as found:
        yield House(found, made)
    made.engine.dispose()


@pytest.fixture
def visit(chromium: Browser, house: House) -> Iterator[Visitor]:
    with visits(chromium, house.running.url) as opened:
        yield opened
    house.cancel_all("ha", "nam")


def row(page: Page, booking: BookingView, link: str) -> None:
    """Press a button of a booking; its sheet opens."""
    page.click(f"#b-{booking.id} .btns a[href$='/{link}']")
    expect(page.locator("dialog")).to_be_visible()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(str(part) for part in way))
def test_list_sheets_and_feeds_have_no_barrier(house: House, visit: Visitor, way: tuple[int, str, str]) -> None:
    booking = house.book("3D-01", 1, 2)
    house.book("Laser", 3, 4)
    was = span(house.made.engine, school_day(1), 1, 2)
    house.tell(booking, Kind.MOVED, start_ms=was.start, end_ms=was.stop, reason="maintenance")
    house.tell(booking, Kind.SUBSTITUTE, by="Trần Đức", thing="3D-01")
    width, scheme, locale = way
    browser: Visit = visit(width, scheme, locale).signed_in("ha", PASSWORD)
    page = browser.page("/my")
    judge(page)
    for link in ("move", "cancel", "again"):
        row(page, booking, link)
        judge(page)
        page.keyboard.press("Escape")
        judge(browser.page(f"/my/{booking.id}/{link}"))
    page = browser.page("/my/feeds")
    page.click("form[action='/my/feeds'] button")
    expect(page.locator("#address")).to_be_visible()
    judge(page)


def test_a_lost_race_keeps_the_sheet_open_with_three_others(house: House, visit: Visitor) -> None:
    booking = house.book("3D-01", 1, 2)
    browser = visit().signed_in("ha", PASSWORD)
    browser.forgive("409")
    page = browser.page("/my")
    row(page, booking, "move")
    page.check("dialog .slots label:has-text('Tiết 3–4') input")
    house.book("3D-01", 3, 4, login="nam")
    page.click("dialog button.pri")
    expect(page.locator("#sheet-title")).to_have_text("Tiết này vừa có người đặt")
    offers = page.locator("dialog fieldset").first.locator("label")
    expect(offers).to_have_count(3)
    expect(offers.first.locator("input")).to_be_focused()
    offers.filter(has_text="máy khác").first.click()
    page.click("dialog button.pri")
    page.wait_for_url("**/my?done=moved")
    expect(page.locator("[role=status]")).to_contain_text("Đã dời lượt đặt")
    expect(page.locator(".mb h3")).to_have_text("3D-02")


def test_a_slot_is_repeated_by_keyboard_alone(house: House, visit: Visitor) -> None:
    booking = house.book("3D-01", 1, 2)
    page = visit().signed_in("ha", PASSWORD).page("/my")
    link = page.locator(f"#b-{booking.id} a[href$='/again']")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#until")).to_be_focused()
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#until")).to_be_focused()
    page.select_option("#until", "next")
    expect(page.locator("dialog .dates tbody tr")).to_have_count(1)
    page.focus("dialog input[type=checkbox]")
    page.keyboard.press("Enter")
    expect(page.locator("#sheet-title")).to_have_text("Đã đặt 1 ngày")
    page.keyboard.press("Escape")
    expect(page.locator(".mb")).to_have_count(2)


def test_without_scripts_everything_is_a_page(chromium: Browser, house: House, visit: Visitor) -> None:
    booking = house.book("3D-01", 1, 2)
    state = visit().signed_in("ha", PASSWORD).context.storage_state()
    context = chromium.new_context(java_script_enabled=False, storage_state=state, locale="vi-VN")
    try:
        page = context.new_page()
        page.goto(f"{house.running.url}/my")
        page.click(f"#b-{booking.id} a[href$='/move']")
        page.check(".slots label:has-text('Tiết 3–4') input")
        page.click("#sheet button.pri")
        expect(page.locator(".mb .tm")).to_contain_text("Tiết 3–4")
        page.click(f"#b-{booking.id} a[href$='/cancel']")
        page.click("#sheet button.dan")
        expect(page.locator("[role=status]")).to_contain_text("Đã hủy lượt đặt")
    finally:
        context.close()
