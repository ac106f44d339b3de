"""Whole journeys in the lab, by several people at once, held against the machines themselves and the database."""

import re
import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from controller.demo.farends.faults import PROJECTOR
from tests.browser import records
from tests.browser.conftest import Visit, Visitor, visits
from tests.browser.lab import PRINTER_NAME, PROJECTOR_NAME, Lab, gcode, lab, send

SOON_MS = 30_000
PRINTED_MS = 90_000
DEMO_SPEED = 10
"""Warming up takes 3 s, cooling down 6 s: a page that looks every 5 s, and after each command, sees both."""
ALMOST_1300_H = "1299.99"
KEEP = """selectors => {
    window.sameDocument = true;
    window.kept = Object.fromEntries(Object.keys(selectors).map(name => [name, []]));
    const look = () => {
        for (const [name, [selector, attribute]] of Object.entries(selectors)) {
            const found = document.querySelector(selector), all = window.kept[name];
            const now = found && (attribute ? found.getAttribute(attribute) : found.textContent);
            if (now && now !== all.at(-1)) all.push(now);
        }
    };
    new MutationObserver(look).observe(document.body, {childList: true, subtree: true, characterData: true});
    look();
}"""
"""Has the page keep what it shows at each of some places, in the order in which it showed it."""


@pytest.fixture(scope="module")
def in_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    state = tmp_path_factory.mktemp("lab")
    (state / "lamp").write_text(ALMOST_1300_H)
    with lab(state, projector_speed=DEMO_SPEED) as running:
        yield running


@pytest.fixture
def visit(chromium: Browser, in_lab: Lab) -> Iterator[Visitor]:
    with visits(chromium, in_lab.stage.url) as opened:
        yield opened


def keep(page: Page, **places: tuple[str, str]) -> None:
    """From now on. A place is a selector and an attribute, or empty for its text."""
    page.evaluate(KEEP, {name: list(place) for name, place in places.items()})


def kept(page: Page, name: str) -> list[str]:
    """What was shown there, each once in a row; not if the page was loaded anew meanwhile."""
    assert page.evaluate("window.sameDocument") is True
    found: list[str] = page.evaluate("name => window.kept[name]", name)
    return found


def power(lab: Lab) -> str:
    """By the projector's own word over a connection of ours: 0 off, 1 on, 2 cooling, 3 warming."""
    with socket.create_connection(("127.0.0.1", lab.ports[PROJECTOR]), 10) as wire:
        assert _heard(wire) == "PJLINK 0"
        wire.sendall(b"%1POWR ?\r")
        return _heard(wire).removeprefix("%1POWR=")


def _heard(wire: socket.socket) -> str:
    line = b""
    while not line.endswith(b"\r"):
        more = wire.recv(64)
        assert more, "the projector closed the connection"
        line += more
    return line.decode("ascii").rstrip("\r")


def sent(browser: Visit, made: Lab, minutes: float, title: str) -> Page:
    """The page of a job whose file was found fit; it keeps what it shows from then on."""
    page = send(browser, made, gcode(minutes), title=title)
    expect(page.locator("#job")).to_have_attribute("data-state", "waiting")
    keep(page, state=("#job", "data-state"), percent=(".pc", ""))
    return page


def release(browser: Visit, title: str) -> Page:
    """As a teacher does who finds the job among those that wait."""
    page = browser.page("/my")
    page.get_by_role("link", name=re.compile(title)).click()
    page.wait_for_selector("#live[data-c=ok]")
    button = page.get_by_role("button", name="Duyệt và in")
    expect(button).to_have_attribute("aria-disabled", "true")
    page.get_by_label("Tôi đã nhìn bàn in: trống và sạch").check()
    button.click()
    expect_state(page, "printing")
    return page


def expect_state(page: Page, state: str) -> None:
    expect(page.locator("#job")).to_have_attribute("data-state", state, timeout=PRINTED_MS)


def way(page: Page) -> list[str]:
    """The states of the job as the page went through them, but for the one that may be too short to be seen."""
    return [state for state in kept(page, "state") if state != "released"]


def percents(page: Page) -> list[float]:
    """How far it was said to be, one after the other."""
    return [float(text.replace(",", ".").rstrip("\u00a0%")) for text in kept(page, "percent")]


def test_a_projector_is_seen_to_warm_up_burn_hours_and_cool_down(visit: Visitor, in_lab: Lab) -> None:
    page = visit().signed_in("bao").live(f"/devices/{in_lab.projector}")
    state, hours = page.locator("[data-metric=power] .v"), page.locator("[data-metric=lamp-hours] .v")
    expect(state).to_have_text("Đã tắt")
    expect(hours).to_have_text("1.299\u00a0giờ")
    keep(page, power=("[data-metric=power] .v", ""))
    page.get_by_role("button", name="Bật máy").click()
    expect(state).to_have_text("Đang bật", timeout=SOON_MS)
    assert power(in_lab) == "1"
    expect(hours).to_have_text("1.300\u00a0giờ", timeout=SOON_MS)
    assert page.evaluate("document.querySelector('[data-chart=lamp-hours]').plot.data[1].at(-1)") == 1300
    page.get_by_role("button", name="Tắt nguồn…").click()
    asked = page.locator("dialog[open]")
    expect(asked.get_by_role("heading")).to_have_text(f"{PROJECTOR_NAME}: tắt nguồn?")
    expect(asked.locator(".stake")).to_have_text(
        "FabLab, THCS Cánh Buồm. Máy đang được dùng. Việc này không hoàn tác được."
    )
    assert power(in_lab) == "1", "nothing is done before the answer"
    asked.get_by_role("button", name="Tắt nguồn").click()
    expect(state).to_have_text("Đã tắt", timeout=SOON_MS)
    assert power(in_lab) == "0"
    assert kept(page, "power") == ["Đã tắt", "Đang khởi động", "Đang bật", "Đang làm mát", "Đã tắt"]
    assert [(each.action, each.steps) for each in records.commands(in_lab.stage, in_lab.projector)] == [
        ("power-on", records.WAY),
        ("power-off", records.WAY),
    ]


def test_a_file_that_one_sends_and_another_releases_is_printed_to_its_end_and_the_next_one_cancelled(
    visit: Visitor, in_lab: Lab
) -> None:
    technician, teacher = visit().signed_in("bao"), visit().signed_in("ha")
    sender = sent(technician, in_lab, 10, "Móc khóa")
    released = release(teacher, "Móc khóa")
    expect_state(sender, "done")
    expect_state(released, "done")
    assert way(sender) == ["waiting", "printing", "done"]
    seen = percents(sender)
    assert any(0 < percent < 100 for percent in seen)
    assert seen == sorted(seen)

    sender = sent(technician, in_lab, 60, "Cầu giàn")
    released = release(teacher, "Cầu giàn")
    expect(sender.locator(".pc")).to_have_text(re.compile("[1-9]"), timeout=PRINTED_MS)
    sender.get_by_role("button", name="Hủy bản in…").click()
    question = sender.locator("dialog[open]")
    expect(question).to_contain_text(re.compile(rf"{PRINTER_NAME}, FabLab. Đang in “Cầu giàn, Nhóm 3”, đã xong \d"))
    question.get_by_role("button", name="Hủy bản in").click()
    expect_state(sender, "cancelled")
    expect_state(released, "cancelled")
    assert way(sender) == ["waiting", "printing", "cancelled"]
    assert max(percents(sender)) < 100
    assert [(job.state, job.log) for job in records.jobs(in_lab.stage, in_lab.printer)] == [
        ("done", ("sent", "checked", "released", "started", "done")),
        ("cancelled", ("sent", "checked", "released", "started", "stopping", "cancelled")),
    ]
    assert [(each.action, each.steps) for each in records.commands(in_lab.stage, in_lab.printer)] == [
        ("print", records.WAY),
        ("print", records.WAY),
        ("stop", records.WAY),
    ]
    machine = technician.live(f"/devices/{in_lab.printer}")
    expect(machine.locator("[data-metric=state] .v")).to_have_text("Sẵn sàng", timeout=SOON_MS)
    expect(machine.locator("[data-metric=nozzle-target] .v")).to_have_text("0\u00a0°C", timeout=SOON_MS)


def test_while_the_server_is_lost_nothing_can_be_asked_and_nothing_was_when_it_is_back(
    visit: Visitor, in_lab: Lab
) -> None:
    browser = visit().signed_in("bao")
    for words in ("ERR_", "Failed to load resource", "htmx:"):
        browser.forgive(words)
    page = browser.live(f"/devices/{in_lab.projector}")
    before = records.commands(in_lab.stage, in_lab.projector)
    page.get_by_role("button", name="Chọn nguồn hình…").click()
    asked, on = page.locator("dialog[open]"), page.locator("#do-power-on")
    asked.get_by_label("Nguồn hình").fill("HDMI 2")
    in_lab.stage.kill()
    try:
        expect(page.locator("#lost")).to_be_visible()
        expect(asked.locator("[data-command]")).to_be_disabled()
        asked.get_by_label("Nguồn hình").press("Enter")
        page.keyboard.press("Escape")
        expect(on).to_be_disabled()
        on.click(force=True)
    finally:
        in_lab.stage.start()
    expect(on).to_be_enabled(timeout=SOON_MS)
    expect(page.locator("#lost")).to_be_hidden()
    on.click()
    expect(page.locator(".cmd")).to_have_count(len(before) + 1)
    expect(page.locator(".cmd").first).to_have_attribute("data-status", "done", timeout=SOON_MS)
    given = records.commands(in_lab.stage, in_lab.projector)
    assert given[: len(before)] == before
    assert [(each.action, each.steps) for each in given[len(before) :]] == [("power-on", records.WAY)]


def test_a_button_that_is_held_down_while_its_card_is_renewed_is_clicked(visit: Visitor, in_lab: Lab) -> None:
    """The card may not be replaced under somebody's finger: the browser would see no click at all."""
    page = visit().signed_in("bao").live(f"/devices/{in_lab.projector}")
    before = len(records.commands(in_lab.stage, in_lab.projector))
    button = page.locator("#commands form button[data-command]:enabled").first
    expect(button).to_be_enabled(timeout=SOON_MS)
    button.hover()
    page.mouse.down()
    with page.expect_response(lambda answer: "commands" in answer.url):
        page.evaluate("htmx.trigger(document.getElementById('commands'), 'refresh')")
    page.wait_for_timeout(300)
    page.mouse.up()
    expect(page.locator(".cmd")).to_have_count(before + 1)
    with page.expect_response(lambda answer: "commands" in answer.url):
        page.evaluate("htmx.trigger(document.getElementById('commands'), 'refresh')")
    expect(page.locator(".cmd").first).to_have_attribute("data-status", "done", timeout=SOON_MS)
