"""The page of found devices in a real browser: no barriers, and a technician's whole way through it."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import delete
from sqlmodel import Session, col, select

from contract.found import Candidate, Clue, ClueKind, Found
from contract.model import CommandStatus
from controller.fleet.tables import Agent, Device
from controller.found import store
from controller.found.tables import FoundThing
from controller.main import wall_ms
from tests.browser.conftest import Visitor, visits
from tests.browser.test_accessibility import WAYS, judge
from tests.integration.bookable import HERE, THERE, Furnished, furnished
from tests.integration.office import tried
from tests.integration.running import PASSWORD, Running, running

K = ClueKind
PRUSA = Found("usb/2c99:0002/CZPX2619", "Prusa MK3S+", "CZPX2619",
    (Clue(K.USB, "2c99:0002"), Clue(K.SERIAL, "CZPX2619"), Clue(K.PROBE, "FIRMWARE_NAME:Prusa-Firmware")),
    (Candidate("prusa/mk3s", "/dev/serial/by-id/usb-Prusa", 95, (K.USB, K.PROBE)),))  # fmt: skip
CLONE = Found("usb/1a86:7523/1-1.3", "", "1-1.3",
    (Clue(K.USB, "1a86:7523"), Clue(K.PORT, "1-1.3"), Clue(K.PROBE, "FIRMWARE_NAME:Marlin 2.1")),
    (Candidate("creality/ender-3", "/dev/ttyUSB0", 60, (K.USB, K.PROBE)),
     Candidate("anycubic/i3-mega", "/dev/ttyUSB0", 10, (K.PROBE,))))  # fmt: skip
PROJECTOR = Found("net/10.20.3.41", "EPSON L200F", "10.20.3.41",
    (Clue(K.PJLINK, "PJLINK EPSON / EPSON L200F"), Clue(K.HOST, "10.20.3.41"), Clue(K.PJLINK_CLASS, "2")),
    (Candidate("epson/eb-l200f", "tcp://10.20.3.41:4352", 90, (K.PJLINK,)),))  # fmt: skip
UNO = Found("usb/2341:0043/75930313", "Arduino Uno R3", "75930313",
    (Clue(K.USB, "2341:0043"), Clue(K.SERIAL, "75930313")),
    (Candidate("arduino/uno", "/dev/ttyACM1", 90, (K.USB,)),))  # fmt: skip
UNKNOWN = Found("usb/0483:5740/1-1.4", "", "1-1.4", (Clue(K.USB, "0483:5740"), Clue(K.PORT, "1-1.4")))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Furnished]]:
    state = tmp_path_factory.mktemp("found")
    made = furnished(state)
    with running(state) as found:
        yield found, made
    made.engine.dispose()


@pytest.fixture(autouse=True)
def things(lab: tuple[Running, Furnished]) -> None:
    """Five things, as the agents tell them; the Arduino was adopted at another school."""
    with Session(lab[1].engine) as db:
        db.execute(delete(FoundThing))
        db.commit()
        agents = db.exec(select(Agent).order_by(Agent.id)).all()  # type: ignore[arg-type]  # SQLModel: a column
        here = next(each for each in agents if each.school_id == HERE)
        there = next((each for each in agents if each.school_id == THERE), None)
        if there is None:
            there = Agent(school_id=THERE, name="pc-far")
            db.add(there)
            db.commit()
        hear(db, there, UNO)
        row = db.exec(select(FoundThing)).one()
        row.state, row.slug = "adopted", "uno"
        db.add(row)
        db.commit()
        hear(db, here, PRUSA, CLONE, PROJECTOR, UNO, UNKNOWN)
        db.commit()


def hear(db: Session, agent: Agent, *found: Found) -> None:
    store.hear(db.connection(), agent.id or 0, agent.school_id, found, wall_ms(), wanted=lambda: ("uno",))


@pytest.fixture
def visit(chromium: Browser, lab: tuple[Running, Furnished]) -> Iterator[Visitor]:
    with visits(chromium, lab[0].url) as opened:
        yield opened


def shoot(page: Page, name: str) -> None:
    """For whoever looks at the pages: with FABFLEET_SHOTS a folder of pictures."""
    folder = os.environ.get("FABFLEET_SHOTS")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(str(part) for part in way))
def test_found_devices_have_no_barrier(visit: Visitor, way: tuple[int, str, str]) -> None:
    page = visit(*way).signed_in("ky", PASSWORD).page("/agents/found")
    expect(page.locator(".ad")).to_have_count(5)
    shoot(page, "found-" + "-".join(map(str, way)))
    judge(page)
    for summary in page.locator("main summary").all():
        summary.click()
    judge(page)
    page.goto(page.url.replace("/agents/found", "/agents"))
    shoot(page, "agents-" + "-".join(map(str, way)))
    judge(page)


def test_technician_adopts_what_is_chosen_and_ignores_the_rest(visit: Visitor, lab: tuple[Running, Furnished]) -> None:
    browser = visit().signed_in("ky", PASSWORD)
    browser.forgive("422")
    page = browser.page("/agents/found")
    expect(page.locator("#adopt")).to_have_text("Nhận 1 thiết bị đã chọn")
    page.locator(".ad:has-text('Marlin'), .ad:has-text('creality/ender-3')").locator("input[type=checkbox]").check()
    expect(page.locator("#adopt")).to_have_text("Nhận 2 thiết bị đã chọn")
    unknown = page.locator(".ad:has-text('Thiết bị chưa rõ')")
    expect(unknown.locator("input[type=checkbox]")).to_be_disabled()
    moved = page.locator(".ad:has-text('Trùng số sê-ri')")
    expect(moved.locator("input[type=checkbox]")).to_be_disabled()
    page.click("#adopt")
    expect(page.locator("[role=status]").first).to_contain_text("Đã nhận 2 thiết bị")
    expect(page.locator(".ad")).to_have_count(3)
    with Session(lab[1].engine) as db:
        agent = db.exec(select(FoundThing).where(FoundThing.key == PRUSA.key)).one().agent_id
    who = lab[1].person("ky")
    wanted = {each.profile: each.endpoint for each in lab[0].services.configs.devices(who, agent)}
    assert wanted == {"prusa/mk3s": "/dev/serial/by-id/usb-Prusa", "creality/ender-3": "/dev/ttyUSB0"}

    unknown = page.locator(".ad:has-text('Thiết bị chưa rõ')")
    unknown.locator("summary").click()
    unknown.locator("button:has-text('Bỏ qua')").click()
    expect(page.locator("[role=alert]")).to_contain_text("lý do")
    judge(page)
    unknown = page.locator(".ad:has-text('Thiết bị chưa rõ')")
    unknown.locator("summary").click()
    unknown.locator("input[name^=reason]").fill("Bo mạch của học sinh")
    unknown.locator("button:has-text('Bỏ qua')").click()
    expect(page.locator(".ad")).to_have_count(2)
    page.click("summary:has-text('Đã bỏ qua')")
    expect(page.locator(".fd")).to_contain_text(["Bo mạch của học sinh"])
    page.click("button:has-text('Hiện lại')")
    expect(page.locator(".ad")).to_have_count(3)


def test_page_says_that_something_was_plugged_in(visit: Visitor, lab: tuple[Running, Furnished]) -> None:
    page = visit().signed_in("ky", PASSWORD).page("/agents/found")
    expect(page.locator("#news .note")).to_have_count(0)
    with Session(lab[1].engine) as db:
        agent = db.get(Agent, db.exec(select(FoundThing.agent_id).where(FoundThing.key == PRUSA.key)).one())
        assert agent is not None
        hear(db, agent, PRUSA, CLONE)
        db.commit()
    expect(page.locator("#news .note")).to_be_visible()
    page.click("#news a")
    expect(page.locator(".ad")).to_have_count(2)


def test_technician_says_of_each_command_whether_it_works(visit: Visitor, lab: tuple[Running, Furnished]) -> None:
    with Session(lab[1].engine) as db:
        agent = db.exec(select(Agent).where(Agent.school_id == HERE, col(Agent.revoked).is_(False))).first()
        assert agent is not None
        device = Device(school_id=HERE, agent_id=agent.id or 0, slug="l200f", name="Máy chiếu Epson",
                        profile_slug="epson/eb-l200f", profile_digest="d", bridge_state="open")  # fmt: skip
        db.add(device)
        db.commit()
        tried(db, device, "mute", "c-mute")
        tried(db, device, "power-on", "c-on", CommandStatus.SENT)
        db.commit()
        which = device.id
    lab[0].services.live.load()
    for width, scheme, locale in ((1440, "light", "vi-VN"), (390, "dark", "en-US")):
        page = visit(width, scheme, locale).signed_in("ky", PASSWORD).page(f"/devices/{which}")
        shoot(page, f"trials-{width}-{scheme}")
        judge(page)
    page = visit().signed_in("ky", PASSWORD).page(f"/devices/{which}")
    rows = page.locator("#trials .trial")
    expect(rows.filter(has_text="đã thực hiện")).to_have_count(1)
    expect(rows.filter(has_text="đang gửi").locator("button")).to_have_count(0)
    page.click("#trials button[value=yes]")
    expect(rows.filter(has_text="chạy đúng")).to_have_count(1)
    expect(rows.filter(has_text="chưa thử")).not_to_have_count(0)
    teacher = visit().signed_in("ha", PASSWORD).page(f"/devices/{which}")
    expect(teacher.locator("#trials")).to_have_count(0)
    expect(teacher.locator("#why-untried")).to_contain_text("Kỹ thuật viên phải thử lệnh này tại máy trước.")
