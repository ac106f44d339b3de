"""The page of kits in a real browser: no barriers, and a teacher's and a technician's whole way through it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from sqlmodel import Session

from controller.main import wall_ms
from controller.scheduling.bookings import Bookings, Request
from controller.scheduling.tables import Booking, Resource
from tests.browser.conftest import Visitor, visits
from tests.browser.test_accessibility import WAYS, judge
from tests.integration.bookable import HERE, Furnished, furnished, school_day, span
from tests.integration.running import PASSWORD, Running, running


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Furnished]]:
    """Twelve kits are booked for a lesson that is now; they charge for 45 minutes and are cleaned for 10."""
    state = tmp_path_factory.mktemp("kits")
    made = furnished(state)
    at, holder = span(made.engine, school_day(), 1, 2), made.person("ha").id
    booked = Bookings(made.engine, wall_ms).book(
        Request(HERE, holder, holder, (made.item("Kit", 12),), at.start, at.stop, title="8A1")
    )
    with Session(made.engine) as db:
        row = db.get_one(Booking, booked.id)
        row.start_ms, row.end_ms = wall_ms() - 60_000, wall_ms() + 3_600_000
        pool = db.get_one(Resource, made.things["Kit"])
        pool.charge_min, pool.clean_up_min = 45, 10
        db.add_all((row, pool))
        db.commit()
    with running(state) as found:
        yield found, made
    made.engine.dispose()


@pytest.fixture
def visit(chromium: Browser, lab: tuple[Running, Furnished]) -> Iterator[Visitor]:
    with visits(chromium, lab[0].url) as opened:
        yield opened


def test_teacher_takes_kits_out_and_back_and_who_manages_mends_them(
    visit: Visitor, lab: tuple[Running, Furnished]
) -> None:
    manager = visit().signed_in("lan", PASSWORD).page("/kits")
    expect(manager.locator(".ch .mut")).to_contain_text("THCS An Phú · ")
    expect(manager.locator("main")).to_contain_text(
        "sạc pin 45 phút và vệ sinh 10 phút cùng lúc; dùng lại được sau 45 phút"
    )
    manager.click("summary:has-text('Trong một bộ kit có gì')")
    manager.fill("textarea", "4 x bánh xe\ncáp USB")
    manager.click("text=Lưu")
    expect(manager.locator("[role=status]")).to_be_visible()
    browser = visit().signed_in("ha", PASSWORD)
    browser.forgive("422")
    page = browser.page("/kits")
    page.fill("[name=kits]", "13")
    page.click("text=Nhận bộ kit >> nth=-1")
    expect(page.locator("[role=alert]")).to_contain_text("từ 1 đến 12")
    judge(page)
    page.fill("[name=kits]", "12")
    page.click("button:has-text('Nhận bộ kit')")
    expect(page.locator(".ch .mut")).to_have_text("Còn 18 trên 30 bộ kit")
    page.click("summary:has-text('Có phần bị thiếu hoặc hỏng')")
    page.fill("[name=kits-0]", "2")
    page.select_option("[name=part-0]", "bánh xe")
    judge(page)
    page.click("button:has-text('Trả bộ kit')")
    expect(page.locator(".ch .mut")).to_have_text("Còn 28 trên 28 bộ kit")
    expect(page.locator("text=Đã sửa xong")).to_have_count(0)
    manager.goto(manager.url)
    manager.click("button:has-text('Đã sửa xong')")
    expect(manager.locator(".ch .mut")).to_have_text("THCS An Phú · Còn 30 trên 30 bộ kit")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(str(part) for part in way))
def test_kits_have_no_barrier(visit: Visitor, lab: tuple[Running, Furnished], way: tuple[int, str, str]) -> None:
    for login in ("ha", "lan"):
        page = visit(*way).signed_in(login, PASSWORD).page("/kits")
        for summary in page.locator("main summary").all():
            summary.click()
        judge(page)
