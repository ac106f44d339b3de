"""Commands on the page, down to a projector and a printer and back: what is offered, asked, said, and drawn."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from controller.demo.farends.faults import PROJECTOR, Fault
from tests.browser.conftest import Visitor, visits
from tests.browser.held import HeldBack
from tests.browser.lab import PROJECTOR_NAME, Lab, lab

DONE_MS = 20_000
RENEW_WHILE_IT_ASKS = """() => document.addEventListener("htmx:beforeSend", () => {
  const card = document.getElementById("commands"), fresh = card.cloneNode(true);
  card.replaceWith(fresh);
  htmx.process(fresh);
}, { once: true })"""
STEPS = ["Chờ gửi", "Đã gửi", "Máy đã nhận", "Đang chạy", "Xong"]


@pytest.fixture(scope="module")
def in_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def visit(chromium: Browser, in_lab: Lab) -> Iterator[Visitor]:
    with visits(chromium, in_lab.stage.url) as opened:
        yield opened


def newest(page: Page) -> Locator:
    return page.locator(".cmd").first


def asked(page: Page) -> Locator:
    """The dialog that is open."""
    return page.locator("dialog[open]")


def test_a_command_goes_its_way_to_the_machine_and_every_step_is_drawn(visit: Visitor, in_lab: Lab) -> None:
    page = visit().signed_in("bao").live(f"/devices/{in_lab.projector}")
    page.get_by_role("button", name="Bật máy").click()
    expect(newest(page)).to_contain_text("Trần Quốc Bảo")
    expect(newest(page)).to_have_attribute("data-status", "done", timeout=DONE_MS)
    steps = newest(page).locator(".steps li")
    assert [text.split(",")[0] for text in steps.all_text_contents()] == STEPS
    assert steps.evaluate_all("all => all.map(each => each.dataset.at)") == ["done"] * 5
    times = [re.findall(r"\d\d:\d\d:\d\d", text) for text in steps.all_text_contents()]
    assert all(len(found) == 1 for found in times), times
    assert times == sorted(times)
    expect(page.locator("#say")).to_have_text("Bật máy: Xong")
    expect(page.locator("[data-metric=power] .v")).to_have_text("Đang bật", timeout=DONE_MS)


def test_a_double_click_is_one_command(visit: Visitor, in_lab: Lab) -> None:
    page = visit().signed_in("bao").live(f"/devices/{in_lab.kit}")
    page.get_by_role("button", name="Nháy đèn").dblclick()
    expect(newest(page)).to_have_attribute("data-status", "done", timeout=DONE_MS)
    assert page.locator(".cmd", has_text="Nháy đèn").count() == 1


def test_why_a_wrong_input_is_refused_is_said_in_the_readers_language(visit: Visitor, in_lab: Lab) -> None:
    page = visit().signed_in("bao").live(f"/devices/{in_lab.projector}")
    page.get_by_role("button", name="Chọn nguồn hình…").click()
    expect(asked(page)).to_contain_text(f"{PROJECTOR_NAME}: chọn nguồn hình")
    asked(page).get_by_label("Nguồn hình").fill("máy hát")
    asked(page).get_by_role("button", name="Chọn nguồn hình").click()
    expect(newest(page)).to_have_attribute("data-status", "refused", timeout=DONE_MS)
    expect(newest(page).locator(".badge")).to_have_text("Bị từ chối")
    expect(newest(page).locator(".why")).to_contain_text("không có đầu vào 'máy hát'; máy chiếu có ")
    expect(newest(page).locator("q")).to_have_count(0)


def test_a_value_that_cannot_be_is_said_in_the_dialog_and_what_was_typed_stays(visit: Visitor, in_lab: Lab) -> None:
    browser = visit().signed_in("bao")
    browser.forgive("422")
    page = browser.live(f"/devices/{in_lab.printer}")
    page.get_by_role("button", name="Làm nóng trước…").click()
    nozzle, bed = asked(page).get_by_role("textbox").all()
    nozzle.fill("400")
    bed.fill("60")
    asked(page).get_by_role("button", name="Làm nóng trước").click()
    expect(asked(page).get_by_role("alert")).to_contain_text("từ 0 đến 250\u00a0°C")
    expect(nozzle).to_have_value("400")
    nozzle.fill("50,5")
    asked(page).get_by_role("button", name="Làm nóng trước").click()
    expect(asked(page)).to_have_count(0)
    expect(newest(page).locator("b")).to_have_text("Làm nóng trước: 50,5\u00a0°C, 60\u00a0°C")
    expect(newest(page)).to_have_attribute("data-status", "done", timeout=DONE_MS)


def test_what_was_asked_is_shown_though_the_card_is_renewed_meanwhile(visit: Visitor, in_lab: Lab) -> None:
    page = visit().signed_in("bao").live(f"/devices/{in_lab.kit}")
    before = page.locator(".cmd").count()
    page.evaluate(RENEW_WHILE_IT_ASKS)
    page.get_by_role("button", name="Nháy đèn").click()
    expect(page.locator(".cmd")).to_have_count(before + 1)


def test_news_that_come_while_the_card_is_renewed_are_shown(visit: Visitor, in_lab: Lab) -> None:
    page = visit().signed_in("bao").live(f"/devices/{in_lab.kit}")
    before = page.locator(".cmd").count()
    held = HeldBack(page, "**/commands")
    with page.expect_request("**/commands"):
        page.evaluate("document.dispatchEvent(new Event('dialog:changed'))")
    other = visit().signed_in("bao").live(f"/devices/{in_lab.kit}")
    other.get_by_role("button", name="Nháy đèn").click()
    expect(other.locator(".cmd")).to_have_count(before + 1)
    expect(newest(other)).to_have_attribute("data-status", "done", timeout=DONE_MS)
    page.wait_for_timeout(1_000)  # for the page to hear of it
    expect(page.locator(".cmd")).to_have_count(before)
    held.let_go()
    expect(page.locator(".cmd")).to_have_count(before + 1, timeout=DONE_MS)
    expect(newest(page)).to_have_attribute("data-status", "done", timeout=DONE_MS)


def test_a_refusal_is_said_though_the_card_is_renewed_meanwhile(visit: Visitor, in_lab: Lab) -> None:
    browser = visit().signed_in("bao")
    browser.forgive("422")
    page = browser.live(f"/devices/{in_lab.printer}")
    page.evaluate(RENEW_WHILE_IT_ASKS)
    page.get_by_role("button", name="Làm nóng trước…").click()
    for field in asked(page).get_by_role("textbox").all():
        field.fill("400")
    asked(page).get_by_role("button", name="Làm nóng trước").click()
    expect(asked(page).get_by_role("alert")).to_contain_text("từ 0 đến 250\u00a0°C")


def test_the_question_before_a_stop_names_machine_and_place_and_a_no_changes_nothing(
    visit: Visitor, in_lab: Lab
) -> None:
    page = visit().signed_in("bao").live(f"/devices/{in_lab.projector}")
    before = page.locator(".cmd").count()
    page.get_by_role("button", name="Tắt nguồn…").focus()
    page.keyboard.press("Enter")
    expect(asked(page).get_by_role("heading")).to_have_text(f"{PROJECTOR_NAME}: tắt nguồn?")
    expect(asked(page)).to_contain_text("FabLab, THCS Cánh Buồm")
    expect(asked(page)).to_contain_text("Việc này không hoàn tác được.")
    expect(page.locator(":focus")).to_have_text("Để nguyên")
    page.keyboard.press("Enter")
    expect(asked(page)).to_have_count(0)
    expect(page.locator("#do-power-off")).to_be_focused()
    assert page.locator(".cmd").count() == before


def test_an_open_dialog_and_the_focus_live_through_a_refresh(visit: Visitor, in_lab: Lab) -> None:
    """Somebody else's command makes the card be asked for again."""
    page = visit().signed_in("bao").live(f"/devices/{in_lab.printer}")
    other = visit().signed_in("bao").live(f"/devices/{in_lab.printer}")
    page.get_by_role("button", name="Làm nóng trước…").click()
    first = asked(page).get_by_role("textbox").first
    first.fill("45")
    other.get_by_role("button", name="Đưa về vị trí gốc").click()
    expect(newest(page)).to_contain_text("Đưa về vị trí gốc")
    expect(newest(page)).to_have_attribute("data-status", "done", timeout=DONE_MS)
    expect(first).to_have_value("45")
    expect(first).to_be_focused()
    page.keyboard.press("Escape")
    page.locator("#do-pause").focus()
    other.get_by_role("button", name="Đưa về vị trí gốc").click()
    expect(page.locator(".cmd", has_text="Đưa về vị trí gốc")).to_have_count(2)
    expect(page.locator("#do-pause")).to_be_focused()


def test_a_machine_of_somebody_else_says_until_when(visit: Visitor, in_lab: Lab) -> None:
    visit().signed_in("bao").live(f"/devices/{in_lab.kit}").get_by_role("button", name="Tạm dừng").click()
    page = visit().signed_in("ha").live(f"/devices/{in_lab.kit}")
    pause = page.get_by_role("button", name="Tạm dừng")
    expect(pause).to_have_attribute("aria-disabled", "true")
    why = page.locator(f"#{pause.get_attribute('aria-describedby')}")
    expect(why).to_contain_text(re.compile(r"Người khác đang dùng máy này đến \d\d:\d\d\."))
    before = page.locator(".cmd").count()
    pause.click(force=True)
    pause.press("Enter")
    page.reload()
    assert page.locator(".cmd").count() == before
    expect(page.locator("#do-stop")).not_to_have_attribute("aria-disabled", "true")


def test_a_teacher_is_told_what_the_account_may_not_do(visit: Visitor, in_lab: Lab) -> None:
    page = visit().signed_in("ha").live(f"/devices/{in_lab.printer}")
    expect(page.get_by_role("button", name="Làm nóng trước")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#why-not-allowed")).to_contain_text("Tài khoản này chưa có quyền")


def test_without_contact_to_the_machine_nothing_is_offered(visit: Visitor, in_lab: Lab) -> None:
    page = visit().signed_in("bao").live(f"/devices/{in_lab.projector}")
    expect(page.locator("#do-power-on")).not_to_have_attribute("aria-disabled", "true")
    in_lab.fault(PROJECTOR, Fault.UNPLUGGED)
    try:
        expect(page.locator("#do-power-on")).to_have_attribute("aria-disabled", "true", timeout=60_000)
        expect(page.locator("#why-lost")).to_have_text("Agent chưa liên lạc được với thiết bị.")
    finally:
        in_lab.fault(PROJECTOR, Fault.NONE)
    expect(page.locator("#do-power-on")).not_to_have_attribute("aria-disabled", "true", timeout=60_000)


def test_no_command_while_the_server_is_lost(visit: Visitor, in_lab: Lab) -> None:
    browser = visit().signed_in("bao")
    browser.forgive("Failed to load resource")
    browser.forgive("ERR_")
    page = browser.live(f"/devices/{in_lab.printer}")
    page.get_by_role("button", name="Làm nóng trước…").click()
    in_lab.stage.freeze()
    try:
        expect(page.locator("#lost")).to_be_visible()
        expect(asked(page).locator("[data-command]")).to_be_disabled()
        expect(page.locator("#do-pause")).to_be_disabled()
    finally:
        in_lab.stage.thaw()
    expect(page.locator("#lost")).to_be_hidden(timeout=30_000)
    expect(asked(page).locator("[data-command]")).to_be_enabled()


def test_the_drawer_shows_the_last_command_and_gives_one(visit: Visitor, in_lab: Lab) -> None:
    page = visit().signed_in("bao").live("/fleet")
    page.click(f"#d{in_lab.kit}")
    drawer = page.locator("#drawer")
    drawer.get_by_role("button", name="Nháy đèn").click()
    expect(drawer.locator(".cmd")).to_have_count(1)
    expect(drawer.locator(".cmd")).to_contain_text("Nháy đèn")
    expect(drawer.locator(".cmd")).to_have_attribute("data-status", "done", timeout=DONE_MS)
    drawer.get_by_role("button", name="Dừng…").click()
    page.keyboard.press("Escape")
    expect(asked(page)).to_have_count(0)
    expect(drawer).to_be_visible()


def test_the_card_fits_a_narrow_phone(visit: Visitor, in_lab: Lab) -> None:
    page = visit(320).signed_in("bao").live(f"/devices/{in_lab.printer}")
    page.get_by_role("button", name="Làm nóng trước…").click()
    expect(asked(page)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert asked(page).evaluate("each => each.scrollWidth <= each.clientWidth")
