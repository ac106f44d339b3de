"""Print jobs on the page: send a file, see why it is refused, release it, follow it, and stop it."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import Visitor, visits
from tests.browser.held import HeldBack
from tests.browser.lab import BAD, PRINTER_NAME, Lab, gcode, lab, send

STARTED_MS = 60_000
ENDED_MS = 90_000


@pytest.fixture(scope="module")
def in_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def visit(chromium: Browser, in_lab: Lab) -> Iterator[Visitor]:
    with visits(chromium, in_lab.stage.url) as opened:
        yield opened


def release(page: Page) -> None:
    page.get_by_label("Tôi đã nhìn bàn in: trống và sạch").check()
    page.get_by_role("button", name="Duyệt và in").click()
    expect(page.locator("#job")).to_have_attribute("data-state", "printing", timeout=STARTED_MS)


def test_a_file_is_looked_at_before_it_is_sent(visit: Visitor, in_lab: Lab) -> None:
    page = visit().signed_in("ha").live(f"/devices/{in_lab.printer}")
    page.get_by_role("link", name="Gửi bản in").click()
    page.wait_for_selector("#live[data-c=ok]")
    page.get_by_label("Của nhóm nào").fill("Nhóm 3")
    page.get_by_role("button", name="Gửi và kiểm tra tệp").click()
    expect(page.locator("#file-error")).to_have_text("Hãy chọn tệp trước.")
    expect(page.locator("#file")).to_be_focused()
    page.set_input_files("#file", {"name": "mau.stl", "mimeType": "model/stl", "buffer": b"solid"})
    expect(page.locator("#file-error")).to_contain_text("Hãy cắt lớp mô hình")
    page.set_input_files("#file", {"name": "trong.gcode", "mimeType": "text/plain", "buffer": b""})
    expect(page.locator("#file-error")).to_have_text("Tệp trống.")
    page.set_input_files("#file", gcode(1))
    expect(page.locator("#file-error")).to_be_empty()
    expect(page.locator("#chosen")).to_contain_text("cau-gian.gcode")


def test_a_file_may_be_dropped_on_the_page(visit: Visitor, in_lab: Lab) -> None:
    page = visit().signed_in("ha").live(f"/devices/{in_lab.printer}/jobs/new")
    dropped = page.evaluate_handle(
        "() => { const data = new DataTransfer(); data.items.add(new File(['G28\\n'], 'tha.gcode')); return data; }"
    )
    page.dispatch_event("#drop", "dragover", {"dataTransfer": dropped})
    expect(page.locator("#drop")).to_have_class("drop over")
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    expect(page.locator("#chosen")).to_contain_text("tha.gcode")
    assert page.evaluate("document.getElementById('file').files[0].name") == "tha.gcode"


def test_sending_shows_how_far_it_is_and_can_be_stopped(visit: Visitor, in_lab: Lab) -> None:
    """The network is slow: the browser is told to take its time."""
    browser = visit().signed_in("ha")
    page = browser.live(f"/devices/{in_lab.printer}/jobs/new")
    devtools = browser.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
    devtools.send("Network.emulateNetworkConditions", slow)
    page.set_input_files("#file", gcode(4_000))
    page.get_by_label("Của nhóm nào").fill("Nhóm 3")
    page.get_by_role("button", name="Gửi và kiểm tra tệp").click()
    expect(page.locator("#sending-text")).to_have_text(re.compile(r"Đang gửi, [1-9]\d?\u00a0%"))
    assert 0 < page.eval_on_selector("#sending-bar", "bar => bar.value / bar.max") < 1
    expect(page.get_by_role("button", name="Gửi và kiểm tra tệp")).to_be_hidden()
    page.get_by_role("button", name="Dừng gửi").click()
    expect(page.locator("#upload-error")).to_have_text("Đã dừng gửi. Máy chủ không giữ lại gì.")
    expect(page.get_by_label("Của nhóm nào")).to_have_value("Nhóm 3")
    expect(page.locator("#chosen")).to_contain_text("cau-gian.gcode")
    expect(page.get_by_role("button", name="Gửi và kiểm tra tệp")).to_be_focused()


def test_what_the_server_refuses_is_said_and_what_was_chosen_stays(visit: Visitor, in_lab: Lab) -> None:
    browser = visit().signed_in("ha")
    browser.forgive("422")
    page = browser.live(f"/devices/{in_lab.printer}/jobs/new")
    page.set_input_files("#file", {"name": "gia.gcode", "mimeType": "text/plain", "buffer": b"GCDE\0\0binary"})
    page.get_by_label("Của nhóm nào").fill("Nhóm 3")
    page.get_by_role("button", name="Gửi và kiểm tra tệp").click()
    expect(page.locator("#upload-error")).to_contain_text("Đây chưa phải tệp G-code")
    expect(page.get_by_label("Của nhóm nào")).to_have_value("Nhóm 3")


def test_a_connection_that_breaks_off_loses_nothing_that_was_typed(visit: Visitor, in_lab: Lab) -> None:
    browser = visit().signed_in("ha")
    browser.forgive("ERR_FAILED")
    page = browser.live(f"/devices/{in_lab.printer}/jobs/new")

    def broken(route: Route) -> None:
        route.abort()

    page.route("**/api/v1/devices/*/jobs", broken)
    page.set_input_files("#file", gcode(1))
    page.get_by_label("Của nhóm nào").fill("Nhóm 3")
    page.get_by_role("button", name="Gửi và kiểm tra tệp").click()
    expect(page.locator("#upload-error")).to_contain_text("Kết nối bị ngắt")
    expect(page.get_by_label("Của nhóm nào")).to_have_value("Nhóm 3")


def test_a_file_that_is_not_for_this_machine_shows_its_lines(visit: Visitor, in_lab: Lab) -> None:
    page = send(visit().signed_in("ha"), in_lab, BAD, title="")
    expect(page.locator("#job")).to_have_attribute("data-state", "refused")
    expect(page.get_by_role("heading", level=1)).to_have_text("nong.gcode")
    lines = page.locator(".lines li")
    expect(lines).to_have_count(2)
    expect(lines.nth(0)).to_contain_text("Dòng 2")
    expect(lines.nth(0)).to_contain_text("nóng hơn mức máy này cho phép")
    expect(lines.nth(1)).to_contain_text("ra ngoài vùng làm việc")
    expect(page.get_by_role("button", name="Duyệt và in")).to_have_count(0)


def test_a_release_needs_the_tick_and_leads_to_a_print_that_can_be_paused_and_cancelled(
    visit: Visitor, in_lab: Lab
) -> None:
    page = send(visit().signed_in("ha"), in_lab, gcode(40))
    button, tick = page.get_by_role("button", name="Duyệt và in"), page.get_by_label("Tôi đã nhìn bàn in")
    expect(page.locator(".prev svg path.bed")).to_have_count(1)
    expect(page.locator(".facts")).to_contain_text("60 / 0\u00a0°C")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.click(force=True)
    expect(page.locator("#job")).to_have_attribute("data-state", "waiting")
    tick.focus()
    page.keyboard.press("Space")
    expect(button).to_have_attribute("aria-disabled", "false")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#job")).to_have_attribute("data-state", "printing", timeout=STARTED_MS)
    expect(page.locator(".pc")).to_have_text(re.compile(r"\d+\u00a0%"), timeout=STARTED_MS)
    page.get_by_role("button", name="Tạm dừng").click()
    expect(page.get_by_role("button", name="Chạy tiếp")).to_be_visible(timeout=STARTED_MS)
    expect(page.locator("#job-now")).to_contain_text("Đang tạm dừng")
    page.get_by_role("button", name="Hủy bản in…").click()
    question = page.locator("dialog[open]")
    expect(question).to_contain_text(f"{PRINTER_NAME}, FabLab")
    expect(question).to_contain_text(re.compile(r"Đang in “Cầu giàn, Nhóm 3”, đã xong \d+\u00a0%"))
    expect(question).to_contain_text("Đã dừng thì không chạy tiếp được.")
    question.get_by_role("button", name="Giữ lại").click()
    expect(page.locator("#job")).to_have_attribute("data-state", "printing")
    page.get_by_role("button", name="Hủy bản in…").click()
    question.get_by_role("button", name="Hủy bản in").click()
    expect(page.locator("#job")).to_have_attribute("data-state", "cancelled", timeout=ENDED_MS)
    expect(page.locator(".tl")).to_contain_text("Máy bắt đầu in")


def test_the_stop_on_the_machines_page_names_the_group_and_a_print_goes_to_its_end(visit: Visitor, in_lab: Lab) -> None:
    browser = visit().signed_in("ha")
    page = send(browser, in_lab, gcode(25), group="Nhóm 5", title="Móc khóa")
    release(page)
    machine = browser.live(f"/devices/{in_lab.printer}")
    expect(machine.locator("#jobs")).to_contain_text("Móc khóa")
    expect(machine.locator("#jobs")).to_contain_text("Đang in")
    shown = machine.locator("#jobs .jl .num")
    expect(shown).to_have_text(re.compile(r"\d+\u00a0%"))
    first = shown.text_content()
    expect(shown).not_to_have_text(first or "", timeout=ENDED_MS)
    machine.get_by_role("button", name=re.compile("Dừng")).click()
    expect(machine.locator("dialog[open]")).to_contain_text("Đang in “Móc khóa, Nhóm 5”")
    machine.keyboard.press("Escape")
    expect(page.locator("#job")).to_have_attribute("data-state", "done", timeout=ENDED_MS)
    expect(page.locator("#say")).to_have_text("Móc khóa: In xong")
    expect(machine.locator("#jobs")).to_contain_text("In xong")


def test_a_job_is_handed_back_with_what_is_to_be_mended(visit: Visitor, in_lab: Lab) -> None:
    page = send(visit().signed_in("ha"), in_lab, gcode(5), title="Bánh răng")
    mine = page.context.new_page()
    mine.goto(f"{in_lab.stage.url}/my")
    expect(mine.locator("main")).to_contain_text("1\u00a0bản chờ duyệt")
    mine.get_by_role("link", name=re.compile("Bánh răng")).click()
    expect(mine.get_by_role("heading", level=1)).to_have_text("Bánh răng")
    page.get_by_text("Trả lại cho nhóm").click()
    page.get_by_label("Cần sửa gì").fill("Thành mỏng quá, cần 1,2 mm")
    page.get_by_role("button", name="Trả lại", exact=True).click()
    expect(page.locator("#job")).to_have_attribute("data-state", "returned")
    expect(page.locator(".note[data-s=warning]").first).to_contain_text("Thành mỏng quá, cần 1,2 mm")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_an_answer_that_comes_when_its_state_is_over_changes_nothing(visit: Visitor, in_lab: Lab) -> None:
    browser = visit().signed_in("ha")
    page = send(browser, in_lab, gcode(1))
    held = HeldBack(page, "**/jobs/*/now*")
    with page.expect_request("**/jobs/*/now*"):
        page.evaluate("htmx.trigger('#job-now', 'refresh')")
    page.click(".fold summary")
    page.fill("#why", "Thành mỏng quá")
    page.get_by_role("button", name="Trả lại").click()
    expect(page.locator("#job")).to_have_attribute("data-state", "returned")
    with page.expect_response("**/now?state=waiting"):
        held.let_go()
    page.wait_for_timeout(500)  # for the page to make of it what it would

    expect(page.locator("#job")).to_have_attribute("data-state", "returned")
    assert not browser.complaints


def test_what_is_typed_lives_through_a_refresh_and_a_machine_of_somebody_else_blocks(
    visit: Visitor, in_lab: Lab
) -> None:
    page = send(visit().signed_in("bao"), in_lab, gcode(5), title="Vòng đệm")
    page.get_by_label("Tôi đã nhìn bàn in").check()
    page.get_by_text("Trả lại cho nhóm").click()
    page.get_by_label("Cần sửa gì").fill("Chưa xong")
    teacher = visit().signed_in("ha").live(f"/devices/{in_lab.printer}")
    with page.expect_response("**/now?state=waiting"):
        teacher.get_by_role("button", name="Tạm dừng").click()
    expect(page.locator("#job-checks")).to_contain_text(re.compile(r"Người khác đang dùng máy này đến \d\d:\d\d"))
    expect(page.get_by_role("button", name="Duyệt và in")).to_have_attribute("aria-disabled", "true")
    expect(page.get_by_label("Tôi đã nhìn bàn in")).to_be_checked()
    expect(page.get_by_label("Cần sửa gì")).to_have_value("Chưa xong")
    expect(page.get_by_label("Cần sửa gì")).to_be_focused()


def test_pages_of_print_jobs_fit_a_narrow_phone(visit: Visitor, in_lab: Lab) -> None:
    browser = visit(320).signed_in("ha")
    page = send(
        browser, in_lab, gcode(5, "ten-tep-rat-dai-khong-co-dau-cach-nao-ca-de-thu-man-hinh-hep.gcode"), title=""
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.get_by_role("button", name="Hủy bản in…").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.locator("dialog[open]").get_by_role("button", name="Hủy bản in").click()
    expect(page.locator("#job")).to_have_attribute("data-state", "cancelled")
    new = browser.live(f"/devices/{in_lab.printer}/jobs/new")
    assert new.evaluate("document.documentElement.scrollWidth") == 320


def test_a_teacher_of_another_school_finds_neither_job_nor_machine(visit: Visitor, in_lab: Lab) -> None:
    job = send(visit().signed_in("ha"), in_lab, gcode(1), title="Thử").url.rpartition("/")[2]
    browser = visit().signed_in("nam")
    browser.forgive("404")
    for path in (f"/jobs/{job}", f"/devices/{in_lab.printer}/jobs/new", f"/devices/{in_lab.printer}"):
        expect(browser.page(path).get_by_role("heading", level=1)).to_have_text("Không có trang này")
    assert "Thử" not in browser.page("/my").content()
