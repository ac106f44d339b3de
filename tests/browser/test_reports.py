"""What technicians read of use, in a real browser: no barrier, and the same figures on the page and in the file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Visitor, visits
from tests.browser.test_accessibility import WAYS, judge
from tests.integration.in_use import InUse, in_use
from tests.integration.running import PASSWORD


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InUse]:
    with in_use(tmp_path_factory.mktemp("in-use")) as made:
        yield made


@pytest.fixture
def visit(chromium: Browser, scene: InUse) -> Iterator[Visitor]:
    with visits(chromium, scene.controller.url) as opened:
        yield opened


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(str(part) for part in way))
def test_report_and_a_machines_bookings_have_no_barrier(
    visit: Visitor, scene: InUse, way: tuple[int, str, str]
) -> None:
    browser = visit(*way).signed_in("ky", PASSWORD)
    page = browser.live(f"/devices/{scene.device}")
    expect(page.locator("#bookings")).to_contain_text("8A1")
    judge(page)
    for wanted in ("week", "last-week", "term"):
        page.goto(f"{browser.url}/reports/use?range={wanted}")
        judge(page)


def test_report_counts_what_was_booked_and_worked_and_hands_it_over_as_a_file(visit: Visitor, tmp_path: Path) -> None:
    page = visit().signed_in("ky", PASSWORD).page("/reports/use")
    row = page.get_by_role("row", name="=3D-01")
    expect(row.get_by_role("cell")).to_contain_text(["1,0", "", "–", "0,5", "50"])
    with page.expect_download() as download:
        page.get_by_role("link", name="Tải CSV").click()
    download.value.save_as(tmp_path / "use.csv")
    assert "'=3D-01,1.00," in (tmp_path / "use.csv").read_text("utf-8-sig")
