"""The calendar in a real browser: a booking by mouse, by touch and by keyboard, and what is said when it is taken."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from controller.fleet.live import LiveFleet
from controller.main import wall_ms
from controller.scheduling.offers import Offers
from controller.scheduling.office import Asked, Office
from controller.scheduling.school_time import Half
from tests.browser.conftest import Visitor, visits
from tests.browser.stage import Stage
from tests.browser.test_accessibility import WAYS, judge
from tests.integration.bookable import ZONE, Furnished, furnished, school_day, span

READING_S = 2.5
"""What somebody needs to find out what to do next."""
MOST_S, MOST_ACTIONS = 30, 6


@dataclass(frozen=True, slots=True)
class School:
    """A controller whose things can be booked, from outside of the browser too."""

    stage: Stage
    furnished: Furnished
    office: Office

    def book(self, login: str, name: str, when: tuple[date, int, int], kind: str = "lesson", count: int = 1) -> str:
        day, first, last = when
        time = span(self.furnished.engine, day, first, last)
        asked = Asked((self.furnished.item(name, count),), time.start, time.stop, kind, title="9A2")
        return self.office.book(self.furnished.person(login), asked).id

    def path(self, day: date, *names: str) -> str:
        things = "".join(f"&thing={self.furnished.things[each]}" for each in names)
        return f"/calendar?week={day}&day={day}{things}"


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    state = tmp_path_factory.mktemp("school")
    found = furnished(state)
    offers = Offers(ZONE, wall_ms, lambda _: None)
    office = Office(found.engine, LiveFleet(found.engine, wall_ms), ZONE, wall_ms, lambda: None, offers=offers)
    stage = Stage(state)
    stage.start()
    try:
        yield School(stage, found, office)
    finally:
        stage.stop()
        found.engine.dispose()


@pytest.fixture
def visit(chromium: Browser, school: School) -> Iterator[Visitor]:
    with visits(chromium, school.stage.url) as opened:
        yield opened


def cell(page: Page, day: date, period: int, half: Half = Half.MORNING, lane: int = 0) -> Locator:
    """What a lane has in a period: what can be clicked there."""
    column = day.weekday() * int(page.locator("th.lane[data-day]").count() / page.locator("th.d").count()) + lane
    return page.locator(f"tr[data-p={half}-{period}] td[data-c='{column}'] a")


def drag(page: Page, first: Locator, last: Locator) -> None:
    for at, move in ((first, page.mouse.down), (last, page.mouse.up)):
        box = at.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
        move()


def expect_made(page: Page, words: str) -> None:
    expect(page.locator("#made b")).to_contain_text(words)
    expect(page.locator("#made")).to_be_focused()


def steps(page: Page, first: Locator, last: Locator, *, touch: bool) -> Sequence[Callable[[], None]]:
    """All that is done to book two periods."""
    return (
        first.tap if touch else first.click,
        last.tap if touch else partial(last.click, modifiers=["Shift"]),
        partial(page.get_by_label("Lớp hoặc CLB").fill, "8A1"),
        partial(page.get_by_label("Bài học / mục đích").fill, "Cầu giàn"),
        partial(page.get_by_label("Sĩ số").fill, "32"),
        page.get_by_role("button", name="Đặt lịch").click,
    )


@pytest.mark.parametrize(("width", "day"), [(390, 0), (1440, 1)])
def test_a_teacher_who_never_saw_it_books_a_printer_in_six_actions(
    visit: Visitor, school: School, width: int, day: int
) -> None:
    page = visit(width).signed_in("duc").page(school.path(school_day(day), "3D-01", "3D-02"))
    first, last = (cell(page, school_day(day), period) for period in (3, 4))
    actions = steps(page, first, last, touch=width < 500)
    assert len(actions) <= MOST_ACTIONS
    assert len(actions) * READING_S < MOST_S
    for act in actions:
        page.wait_for_timeout(READING_S * 1000)
        act()
    expect_made(page, "3–4 (09:15–10:50)")
    expect(page.locator("td.mine:visible .ev").first).to_contain_text("của tôi")
    expect(page.get_by_role("link", name="Tuần sau cũng vậy")).to_be_visible()


def test_a_drag_of_the_mouse_chooses_the_periods(visit: Visitor, school: School) -> None:
    day = school_day(2)
    page = visit().signed_in("duc").page(school.path(day, "3D-01"))
    drag(page, cell(page, day, 2), cell(page, day, 4))
    expect(page.locator("#cal td[aria-selected=true]")).to_have_count(3)
    expect(page.locator("#look .what")).to_contain_text("2–4 (08:05–10:50)")
    expect(page.locator("#title")).to_be_focused()
    page.keyboard.type("CLB Robot")
    page.keyboard.press("Enter")
    expect_made(page, "2–4 (08:05–10:50)")


def test_a_finger_scrolls_and_never_drags(visit: Visitor, school: School) -> None:
    day = school_day(3)
    page = visit(390).signed_in("duc").page(school.path(day, "3D-01"))
    for event in ("pointerdown", "pointermove", "pointerup"):
        at = cell(page, day, 1 if event == "pointerdown" else 3)
        at.dispatch_event(event, {"pointerType": "touch", "bubbles": True, "button": 0})
    expect(page.locator("#cal td[aria-selected=true]")).to_have_count(0)
    expect(page.locator("#sheet")).to_be_hidden()


def test_the_keyboard_alone_books(visit: Visitor, school: School) -> None:
    day = school_day(0)
    page = visit().signed_in("duc").page(school.path(day, "3D-02"))
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#cal') !== null"):
            break
    expect(page.locator("#cal a:focus")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator("#say")).to_have_text("Tiết\u00a01 buổi sáng đến Tiết\u00a02 buổi sáng")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#sheet")).to_be_hidden()
    expect(page.locator("#cal a:focus")).to_have_count(1)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#look .what")).to_contain_text("1–2 (07:15–08:50)")
    page.keyboard.type("8A2")
    page.keyboard.press("Enter")
    expect_made(page, "3D-02")


def test_what_is_taken_offers_alternatives_and_one_press_books_one(visit: Visitor, school: School) -> None:
    day = school_day(4)
    school.book("ha", "3D-01", (day, 1, 2))
    page = visit().signed_in("duc").page(school.path(day, "3D-01", "3D-02"))
    cell(page, day, 1).click()
    expect(page.locator("#look .note")).to_contain_text("Tiết này vừa có người đặt")
    expect(page.locator("[name=choice]:not([value=wait])")).to_have_count(3)
    page.get_by_role("button", name="Đặt lựa chọn này").click()
    expect_made(page, "3D-02")


def test_who_waits_for_what_is_taken_is_offered_it_and_takes_it(visit: Visitor, school: School) -> None:
    day = school_day(2)
    theirs = school.book("duc", "3D-01", (day, 5, 5))
    page = visit().signed_in("ha").page(school.path(day, "3D-01", "3D-02"))
    cell(page, day, 5).click()
    page.locator("[name=choice][value=wait]").check()
    page.get_by_role("button", name="Vào danh sách chờ").click()
    expect(page.locator("#waiting")).to_contain_text("3D-01")
    school.office.cancel(school.furnished.person("duc"), theirs)
    page.reload()
    expect(page.locator("#waiting")).to_have_count(0)
    page.get_by_role("button", name="Nhận chỗ này").click()
    expect(page.get_by_role("status")).to_contain_text("Chỗ này đã là của thầy cô")


def test_a_lost_race_keeps_the_sheet_open_with_what_was_typed(visit: Visitor, school: School) -> None:
    day = school_day(4)
    browser = visit().signed_in("duc")
    browser.forgive("409")
    page = browser.page(school.path(day, "3D-01", "3D-02"))
    cell(page, day, 4).click()
    page.fill("#title", "8A1")
    expect(page.locator("#look .note")).to_contain_text("Không trùng lịch")
    school.book("ha", "3D-01", (day, 4, 4))
    page.click("#book")
    expect(page.locator("[name=choice]:not([value=wait])")).to_have_count(3)
    expect(page.locator("[name=choice]:checked")).to_be_focused()
    expect(page.locator("#title")).to_have_value("8A1")
    page.click("#book")
    expect_made(page, "Đã đặt")


def test_the_form_says_what_would_become_of_it_while_it_is_filled_in(visit: Visitor, school: School) -> None:
    page = visit().signed_in("ha").page("/calendar")
    page.click("#by-form")
    page.fill("#day", str(school_day(3)))
    page.select_option("#item1", label="Laser")
    page.fill("#head_count", "8")
    expect(page.locator("#look")).to_contain_text("cần người có chứng nhận ở cạnh máy")
    page.select_option("#supervisor1", index=1)
    page.select_option("#supervisor1", value=school.furnished.person("ha").id)
    expect(page.locator("#look .note")).to_contain_text("Không trùng lịch")
    expect(page.locator("#look .badge")).to_contain_text("Chờ duyệt")
    page.get_by_role("button", name="Gửi yêu cầu").click()
    expect_made(page, "Đã gửi yêu cầu: Laser")
    clerk = visit(width=390).signed_in("ky").page("/calendar")
    clerk.locator("summary", has_text="Trả lại").click()
    clerk.get_by_label("Lý do, hoặc cách khác được chấp nhận").fill("Đợi người đứng máy")
    judge(clerk)
    clerk.get_by_role("button", name="Duyệt: Laser").click()
    expect(clerk.locator("#requests")).to_have_count(0)


@pytest.fixture(scope="module")
def full_day(school: School) -> date:
    """A day with bookings of every kind; what the coordinator has is their own."""
    day = school_day(3)
    school.book("ky", "3D-02", (day, 1, 2), "maintenance")
    school.book("ha", "Laser", (day, 3, 4))
    school.book("lan", "3D-01", (day, 4, 5))
    school.book("nam", "Kit", (day, 1, 3), count=12)
    return day


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(str(part) for part in way))
def test_the_calendar_has_no_barrier_with_every_kind_of_cell(
    visit: Visitor, school: School, full_day: date, way: tuple[int, str, str]
) -> None:
    browser, day = visit(*way).signed_in("lan"), full_day
    page = browser.page(school.path(day, "3D-01", "3D-02", "Laser", "Kit"))
    page.click(".picker summary")
    judge(page)
    page.click(".picker summary")
    page.click(".waiting .back summary")
    cell(page, day, 1, lane=1).click()
    expect(page.locator("#sheet [name=choice]").first).to_be_visible()
    page.click(".more-fields summary")
    judge(page)
    judge(browser.page(f"/calendar/new?day={day}&item1=thing:{school.furnished.things['3D-01']}&first=afternoon-1"))
    judge(browser.page("/calendar?week=2020-01-01"))
