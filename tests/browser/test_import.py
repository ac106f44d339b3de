"""Importing in a real browser: a file is chosen, looked at, and saved, also where scripts are switched off."""

from collections.abc import Iterator, Sequence

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from controller.timetable.sheets import write_csv
from tests.browser.conftest import Visit, Visitor, visits
from tests.browser.test_accessibility import WAYS, judge
from tests.integration.bookable import furnished
from tests.integration.browsing import sign_in
from tests.integration.running import PASSWORD, Running, running

HEAD = ("Phòng", "Tên", "Loại", "Nhóm máy", "Mã nhãn", "Phút dọn dẹp", "Mức nguy hiểm")
ROWS = [
    HEAD,
    ("Phòng An", "3D-01", "máy", "máy in 3D", "D2222A", "15", "H1"),
    ("Phòng An", "Laser", "máy", "máy cắt laser", "L2222A", "", ""),
    ("Xưởng mộc", "CNC mini", "máy", "máy CNC", "", "mười", "H2"),
    *(("Xưởng mộc", f"Máy khoan {number}", "máy", "khoan", "", "5", "H2") for number in range(1, 25)),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("house")
    made = furnished(state)
    with running(state) as found:
        yield found
    made.engine.dispose()


@pytest.fixture
def visit(chromium: Browser, house: Running) -> Iterator[Visitor]:
    with visits(chromium, house.url) as opened:
        yield opened


@pytest.fixture(params=WAYS, ids=lambda way: "-".join(str(part) for part in way))
def browser(request: pytest.FixtureRequest, visit: Visitor) -> Visit:
    width, scheme, locale = request.param
    return visit(width, scheme, locale)


def choose(page: Page, rows: Sequence[Sequence[str]]) -> None:
    """On the form: a file of rooms and machines."""
    page.check("#kind-things")
    page.set_input_files("#file", FilePayload(name="máy.csv", mimeType="text/csv", buffer=write_csv(rows)))
    page.click("form[enctype] .btn.pri")


def test_the_pages_of_an_import_have_no_barrier(browser: Visit) -> None:
    page = browser.signed_in("lan").page("/import?school=an-phu")
    judge(page)
    choose(page, ROWS)
    expect(page.locator("#apply")).to_be_visible()
    for fold in page.locator("main details").all():
        fold.locator("summary").click()
    judge(page)


def test_a_file_is_looked_at_and_saved_without_scripts(chromium: Browser, house: Running) -> None:
    context = chromium.new_context(locale="vi-VN", java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(30_000)
    sign_in(page, house.url, "lan", PASSWORD)
    page.goto(f"{house.url}/import?school=an-phu")
    choose(page, ROWS)
    expect(page.locator("h1")).to_have_text("Xem trước khi nhập")
    expect(page.locator(".isums dd").first).to_contain_text("24")
    expect(page.locator(".itbl mark")).to_have_text("mười")
    page.get_by_text("Xem cả 26 dòng").click()
    expect(page.locator("section[aria-labelledby=changes] tbody tr")).to_have_count(26)
    page.click("#apply")
    expect(page.locator("h1")).to_have_text("Đã nhập")
    expect(page.locator(".idone")).to_contain_text("Đã thêm 24 dòng")
    page.click(".btn.pri")
    choose(page, ROWS)
    expect(page.locator("main")).to_contain_text("Tệp này không thay đổi gì.")
    context.close()
