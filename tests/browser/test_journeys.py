"""What people do on the pages: sign in, find a device, look into it; with the keyboard alone where it says so."""

import re
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.stage import PASSWORD, PC, Play, Thing
from tests.integration.mqtt import eventually

RAISED_MS = 20_000
"""A printer's nozzle is a fault after ten seconds too hot."""


def tile(page: Page, name: str) -> Any:
    return page.locator(".t", has=page.get_by_text(name, exact=True))


def seen(page: Page) -> list[str]:
    """The names on the tiles that are shown."""
    names: list[str] = page.eval_on_selector_all(
        ".t:not(.hide) b", "all => all.filter(b => b.closest('.t').offsetParent).map(b => b.textContent)"
    )
    return names


def test_signing_in_with_the_keyboard_leads_to_the_page_asked_for_and_out_again(visit: Visitor, on_stage: Play) -> None:
    there = f"/rooms/{on_stage.stage.room_id('FabLab')}"
    page = visit().page(there)
    assert "/signin?next=" in page.url
    page.press("body", "Tab")
    expect(page.locator(":focus")).to_have_text("Bỏ qua đến nội dung")
    page.keyboard.press("Tab")
    page.keyboard.type("bao")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{there}")
    page.locator(".menu summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Đăng xuất").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/signin")
    page.goto(page.url.replace("/signin", there))
    assert "/signin?next=" in page.url


def test_a_wrong_password_is_said_and_the_user_name_is_kept(visit: Visitor) -> None:
    page = visit().page("/signin")
    page.fill("#login", "bao")
    page.fill("#password", "sai rồi")
    page.click("#signin button[type=submit]")
    expect(page.get_by_role("alert")).to_contain_text("chưa đúng")
    expect(page.locator("#login")).to_have_value("bao")
    expect(page.locator("#password")).to_be_focused()
    page.fill("#password", "abc")
    page.get_by_role("button", name="Hiện mật khẩu").click()
    expect(page.locator("#password")).to_have_attribute("type", "text")


def test_counts_filter_in_order_of_severity(visit: Visitor) -> None:
    page = visit().signed_in("bao").live("/fleet")
    expect(page.locator("[data-filter=fault] b")).to_have_text("1", timeout=RAISED_MS)
    words = page.locator(".stat:visible small").all_text_contents()
    assert words == ["Lỗi", "Mất kết nối", "Cảnh báo", "Đang dùng", "Bình thường"]
    page.click("[data-filter=fault]")
    expect(page.locator("[data-filter=fault]")).to_have_attribute("aria-pressed", "true")
    assert seen(page) == ["Máy in 3D D"]
    expect(page.get_by_role("heading", name="P.305 Tin học")).to_be_hidden()
    expect(page.locator("#say")).to_have_text("1 thiết bị phù hợp")
    page.click("[data-filter=warning]")
    assert sorted(seen(page)) == ["Máy in 3D C", "Máy in 3D D"]
    page.click("[data-filter=fault]")
    page.click("[data-filter=warning]")
    assert len(seen(page)) == 13


def test_search_needs_no_marks_and_looks_at_rooms_and_schools_too(visit: Visitor) -> None:
    page = visit().signed_in("bao").live("/fleet")
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("may in")
    assert seen(page) == ["Máy in 3D A", "Máy in 3D B", "Máy in 3D C", "Máy in 3D D"]
    page.fill("#search", "hoa gao 03")
    assert seen(page) == ["PC-03"]
    page.fill("#search", "không có đâu")
    expect(page.get_by_role("heading", name="Không có thiết bị phù hợp")).to_be_visible()
    page.get_by_role("button", name="Hiện tất cả thiết bị").click()
    assert len(seen(page)) == 13
    expect(page.locator("#search")).to_be_focused()


def test_the_fleet_is_compact_at_first_and_remembers_the_choice(visit: Visitor) -> None:
    page = visit().signed_in("bao").live("/fleet")
    healthy, fault = tile(page, "PC-01"), tile(page, "Máy in 3D D")
    expect(fault).to_have_attribute("data-s", "fault", timeout=RAISED_MS)
    assert healthy.bounding_box()["width"] <= 30
    assert fault.bounding_box()["width"] > 80
    expect(fault).to_have_attribute("data-w", "Lỗi")
    page.click("#compact")
    assert healthy.bounding_box()["width"] > 100
    page.reload()
    expect(page.locator("#compact")).to_have_attribute("aria-pressed", "false")


def test_the_fleet_is_one_tab_stop_and_the_drawer_gives_the_focus_back(visit: Visitor) -> None:
    page = visit().signed_in("bao").live("/fleet")
    assert page.locator(".t[tabindex='0']").count() == 1
    page.locator(".t[tabindex='0']").focus()
    first = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") != first
    page.keyboard.press("End")
    expect(page.locator(":focus b")).to_have_text("PC-08")
    page.keyboard.press("Home")
    assert page.evaluate("document.activeElement.textContent") == first
    page.keyboard.press("ArrowDown")
    assert page.locator(".t[tabindex='0']").count() == 1
    here = page.evaluate("document.activeElement.id")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Đóng")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).to_be_hidden()
    assert page.evaluate("document.activeElement.id") == here


def test_the_drawer_draws_the_last_day_with_its_real_gap(visit: Visitor) -> None:
    page = visit().signed_in("bao").live("/fleet")
    tile(page, "Máy in 3D A").click()
    page.wait_for_selector("#drawer canvas")
    values = page.evaluate("document.querySelector('#drawer [data-chart]').plot.data[1]")
    assert None in values, "nothing came for an hour: that is a gap, not a line"
    assert values[0] is not None
    assert sum(value is not None for value in values) >= 40
    expect(page.locator("#drawer [data-gap-key]")).to_be_visible()
    expect(page.locator("#drawer .plot")).to_have_attribute("aria-label", re.compile("có quãng mất số liệu"))
    painted = page.evaluate(
        """() => { const c = document.querySelector('#drawer canvas');
        const line = getComputedStyle(document.documentElement).getPropertyValue('--accent').trim();
        const wanted = [1, 3, 5].map(i => parseInt(line.slice(i, i + 2), 16));
        const dots = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0;
        for (let i = 0; i < dots.length; i += 4) n += wanted.every((w, k) => dots[i + k] === w);
        return n; }"""
    )
    assert painted > 100, "a line is drawn in the accent colour"


def test_the_chart_stands_as_a_table_too(visit: Visitor, on_stage: Play) -> None:
    page = visit().signed_in("bao").live(f"/devices/{on_stage.stage.device_id('Máy in 3D A')}")
    page.locator(".chart", has_text="Nhiệt độ đầu in").get_by_text("Xem dạng bảng").click()
    table = page.get_by_role("region", name="Bảng: Nhiệt độ đầu in")
    expect(table).to_be_visible()
    assert table.locator("tbody tr").count() >= 5
    expect(table).to_contain_text("Mất số liệu")
    expect(table).to_contain_text("26,1\u00a0°C")


def test_values_arrive_on_the_device_page_by_themselves(visit: Visitor, on_stage: Play) -> None:
    page = visit().signed_in("bao").live(f"/devices/{on_stage.stage.device_id('Máy in 3D B')}")
    nozzle = page.locator("[data-metric=nozzle-temperature] .v")
    expect(nozzle).to_have_text("215\u00a0°C")
    expect(page.locator("[data-metric=state] .v")).to_have_text("Đang in")
    on_stage.fablab.report({"3d-b": {"nozzle-temperature": 87.3, "state": "idle"}})
    expect(nozzle).to_have_text("87,3\u00a0°C")
    expect(page.locator("[data-metric=state] .v")).to_have_text("Đang nghỉ")
    expect(page.locator("[data-metric=nozzle-temperature] time")).to_have_text(re.compile("vừa xong|giây trước"))
    assert page.evaluate("document.querySelector('[data-chart=nozzle-temperature]').plot.data[1].at(-1)") == 87.3


def test_a_fault_shows_on_fleet_rail_and_room_by_itself(visit: Visitor, on_stage: Play) -> None:
    browser = visit().signed_in("bao")
    fleet, room = browser.live("/fleet"), browser.live(f"/rooms/{on_stage.stage.room_id('P.305 Tin học')}")
    expect(room.get_by_text("Hiện không có gì cần xử lý")).to_be_visible()
    on_stage.computers.report({"pc-5": {"disk-root-used": 99.0}})
    expect(tile(fleet, "PC-05")).to_have_attribute("data-s", "fault")
    expect(fleet.locator("#rail")).to_contain_text("PC-05")
    expect(fleet.locator("[data-filter=fault] b")).to_have_text("2")
    expect(room.locator(".glist")).to_contain_text("PC-05")
    on_stage.computers.report({"pc-5": {"disk-root-used": 20.0}})
    expect(tile(fleet, "PC-05")).to_have_attribute("data-s", "ok")
    expect(fleet.locator("#rail")).not_to_contain_text("PC-05")
    expect(room.get_by_text("Hiện không có gì cần xử lý")).to_be_visible()


def test_a_new_device_appears_without_a_reload(visit: Visitor, on_stage: Play) -> None:
    page = visit().signed_in("bao").live("/fleet")
    page.evaluate("window.sameDocument = true")
    on_stage.computers.show(*on_stage.computers.things, Thing("pc-9", "PC-09", PC, {"cpu": 5.0}))
    expect(tile(page, "PC-09")).to_have_attribute("data-s", "ok")
    expect(page.locator("#totals")).to_contain_text("14")
    assert page.evaluate("window.sameDocument") is True


def test_language_is_switched_and_kept(visit: Visitor) -> None:
    page = visit().signed_in("bao").live("/fleet")
    page.get_by_role("button", name="EN – English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Devices in the cluster")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#live")).to_have_text("Live")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Devices in the cluster")
    page.get_by_role("button", name="VI – Tiếng Việt").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thiết bị trong cụm")


def test_the_theme_follows_the_system_until_it_is_chosen(visit: Visitor) -> None:
    page = visit(scheme="dark").page("/signin")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page = visit(scheme="dark").signed_in("bao").live("/fleet")
    page.get_by_role("button", name="Giao diện tối").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_a_teacher_sees_the_own_school_and_is_told_kindly_about_the_rest(visit: Visitor, on_stage: Play) -> None:
    browser = visit().signed_in("ha")
    browser.forgive("403")
    browser.forgive("404")
    page = browser.page("/")
    assert page.url.endswith("/my")
    expect(page.get_by_role("heading", name="Chưa có lượt đặt")).to_be_visible()
    page.get_by_role("link", name="FabLab").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("FabLab")
    page.locator("[data-device]").first.click()
    expect(page.get_by_role("navigation", name="Đường dẫn")).to_contain_text("FabLab")
    denied = browser.page("/fleet")
    expect(denied.get_by_role("heading", level=1)).to_have_text("Chưa có quyền xem trang này")
    expect(denied.locator(".mono")).to_have_text(re.compile(r"^403-[A-Z2-7]{4}$"))
    expect(denied.get_by_role("link", name="Về lịch của tôi")).to_have_attribute("href", "/my")
    other = browser.page(f"/rooms/{on_stage.stage.room_id('P.305 Tin học')}")
    expect(other.get_by_role("heading", level=1)).to_have_text("Không có trang này")


def test_scripts_of_the_fleet_page_weigh_at_most_60_kb(visit: Visitor) -> None:
    browser = visit()
    browser.signed_in("bao")
    page = browser.context.new_page()
    sizes: dict[str, int] = {}
    page.on(
        "response", lambda answer: sizes.update({answer.url: 0}) if answer.request.resource_type == "script" else None
    )
    page.on(
        "requestfinished",
        lambda request: (
            sizes.update({request.url: request.sizes()["responseBodySize"]})
            if request.resource_type == "script"
            else None
        ),
    )
    page.goto(browser.url + "/fleet")
    page.wait_for_selector("#live[data-c=ok]")
    eventually(lambda: len(sizes) >= 8 and all(sizes.values()), f"all scripts are loaded: {sizes}")
    assert sum(sizes.values()) <= 60_000, sizes
