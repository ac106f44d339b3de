"""What somebody sees who starts a controller without the demo for the first time."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.conftest import visits
from tests.browser.stage import empty
from tests.browser.test_accessibility import violations


def test_an_empty_fleet_tells_the_one_next_step(chromium: Browser, tmp_path: Path) -> None:
    with empty(tmp_path) as stage, visits(chromium, stage.url) as visit:
        page = visit().signed_in("bao").live("/fleet")
        expect(page.get_by_role("heading", name="Chưa có thiết bị nào gửi số liệu")).to_be_visible()
        expect(page.locator(".code")).to_contain_text("fabfleet enrol-token")
        expect(page.get_by_text("Hiện không có gì cần xử lý")).to_be_visible()
        assert violations(page) == []
