"""What a page says when server, broker or agent is gone: within 5 s, and by itself well again afterwards."""

import os
import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, Visitor
from tests.browser.stage import Play
from tests.browser.test_accessibility import violations

SOON_MS = 5_000
"""Within this time a page must say so."""
BACK_MS = 30_000
"""Within this time it must be well again, on a busy machine."""
GONE = ("ERR_", "htmx:")
"""Words of what a browser says about a server that is away."""


@pytest.fixture
def browser(visit: Visitor) -> Visit:
    """Connections that fail are what these tests are about."""
    found = visit().signed_in("bao")
    for words in GONE:
        found.forgive(words)
    return found


@pytest.fixture
def restored(on_stage: Play) -> Iterator[Play]:
    """The stage, with its controller running again afterwards."""
    yield on_stage
    process = on_stage.stage.process
    assert process is not None
    if process.poll() is not None:
        on_stage.stage.start()
    on_stage.stage.thaw()


def with_command(page: Page) -> None:
    """A button that would send a command, as pages of machines have it."""
    page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<button data-command>Dừng</button>')"
    )


def expect_lost(page: Page) -> None:
    expect(page.locator("#lost")).to_be_visible(timeout=SOON_MS)
    expect(page.locator("#lost")).to_contain_text(
        re.compile(r"Mất kết nối máy chủ\. Đang hiển thị dữ liệu lúc \d\d:\d\d:\d\d")
    )
    expect(page.locator("#live")).to_have_text("Đang kết nối lại…")
    expect(page.locator("[data-command]").first).to_be_disabled()
    expect(page.locator("[data-command]:enabled")).to_have_count(0)


def expect_well(page: Page) -> None:
    expect(page.locator("#live")).to_have_text("Trực tiếp", timeout=BACK_MS)
    expect(page.locator("#lost")).to_be_hidden()
    expect(page.locator("[data-command]:disabled")).to_have_count(0)


def test_a_killed_server_is_said_and_the_page_recovers_with_a_fresh_snapshot(browser: Visit, restored: Play) -> None:
    page = browser.live("/fleet")
    page.evaluate("window.sameDocument = true")
    with_command(page)
    tile = page.locator(".t", has_text="Máy in 3D D")
    expect(tile).to_have_attribute("data-s", "fault", timeout=BACK_MS)
    restored.stage.kill()
    expect_lost(page)
    assert violations(page) == []
    restored.stage.start()
    restored.fablab.report({"3d-d": {"nozzle-temperature": 25.0}})
    expect_well(page)
    expect(tile).to_have_attribute("data-s", "ok", timeout=BACK_MS)
    assert page.evaluate("window.sameDocument") is True
    restored.fablab.report({"3d-d": {"nozzle-temperature": 301.0}})
    expect(tile).to_have_attribute("data-s", "fault", timeout=BACK_MS)


def test_a_device_that_cannot_be_loaded_is_said_in_the_drawer(browser: Visit, restored: Play) -> None:
    page = browser.live("/fleet")
    restored.stage.kill()
    page.locator(".t", has_text="Máy in 3D A").click()
    expect(page.locator("#drawer")).to_contain_text("Chưa tải được thiết bị này")
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).to_be_hidden()


def test_a_server_that_hangs_is_said_too(browser: Visit, restored: Play) -> None:
    page = browser.live("/fleet")
    with_command(page)
    restored.stage.freeze()
    expect_lost(page)
    restored.stage.thaw()
    expect_well(page)


def test_device_and_room_pages_say_it_too(browser: Visit, restored: Play) -> None:
    stage = restored.stage
    paths = (f"/devices/{stage.device_id('Máy in 3D A')}", f"/rooms/{stage.room_id('FabLab')}")
    pages = [browser.live(path) for path in paths]
    for page in pages:
        with_command(page)
    stage.kill()
    for page in pages:
        expect_lost(page)
    stage.start()
    for page in pages:
        expect_well(page)


def test_trying_now_does_not_wait(browser: Visit, restored: Play) -> None:
    page = browser.live("/fleet")
    with_command(page)
    restored.stage.kill()
    expect_lost(page)
    page.wait_for_timeout(4_000)  # by now it tries every few seconds only
    restored.stage.start()
    page.get_by_role("button", name="Thử ngay").dispatch_event("click")
    expect_well(page)


def test_a_lost_broker_is_said_on_the_page(browser: Visit, restored: Play) -> None:
    page = browser.live("/fleet")
    broker = page.locator("#broker")
    expect(broker).to_be_hidden()
    os.kill(restored.stage.broker_pid(), signal.SIGKILL)
    expect(broker).to_be_visible(timeout=SOON_MS)
    expect(broker).to_be_hidden(timeout=BACK_MS)
    expect(page.locator("#live")).to_have_text("Trực tiếp")


def test_a_lost_agent_is_one_entry_and_takes_its_devices_along(browser: Visit, on_stage: Play) -> None:
    page = browser.live("/fleet")
    room = page.locator(".room", has_text="P.305")
    expect(room.locator(".t[data-s=ok]")).to_have_count(8, timeout=BACK_MS)
    on_stage.computers.vanish()
    try:
        expect(room.locator(".t[data-s=offline]")).to_have_count(8, timeout=SOON_MS)
        expect(room.locator(".cut")).to_have_text("Mất kết nối agent: 8\u00a0thiết bị bị kéo theo")
        expect(page.locator("#rail")).to_contain_text("Agent pc-305")
        expect(page.locator("#rail")).not_to_contain_text("PC-01")
        expect(page.locator("#say")).to_have_text(re.compile(r"^Mới: .*và \d+\s+thiết bị nữa"), timeout=15_000)
    finally:
        on_stage.computers.connect()
    expect(room.locator(".t[data-s=ok]")).to_have_count(8, timeout=BACK_MS)
    expect(room.locator(".cut")).to_be_hidden()


def test_a_hidden_tab_gives_its_stream_back_after_20_s_and_resumes(browser: Visit) -> None:
    page = browser.context.new_page()
    page.add_init_script(
        """let hidden = false;
        Object.defineProperty(document, 'hidden', {get: () => hidden});
        window.hide = on => { hidden = on; document.dispatchEvent(new Event('visibilitychange')); };"""
    )
    page.clock.install()
    page.goto(browser.url + "/fleet")
    page.clock.resume()
    expect(page.locator("#live")).to_have_text("Trực tiếp")
    page.evaluate("hide(true)")
    page.clock.run_for(19_000)
    expect(page.locator("#live")).to_have_text("Trực tiếp")
    page.clock.run_for(2_000)
    expect(page.locator("#live")).to_have_text("Tạm dừng ở nền")
    expect(page.locator("#lost")).to_be_hidden()
    page.evaluate("hide(false)")
    expect(page.locator("#live")).to_have_text("Trực tiếp", timeout=BACK_MS)


def test_a_session_that_ended_leads_to_the_sign_in(visit: Visitor, restored: Play) -> None:
    first = visit().signed_in("bao")
    first.forgive("401")
    for words in GONE:
        first.forgive(words)
    page = first.live("/fleet")
    token = [cookie for cookie in first.context.cookies() if "session" in cookie.get("name", "")]
    first.context.clear_cookies(name=token[0].get("name", ""))
    restored.stage.kill()
    restored.stage.start()
    page.wait_for_url("**/signin?next=**", timeout=BACK_MS)
