"""The main ways through the controller once more, on PostgreSQL: real machines, real pages, and verify at the end."""

import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect
from sqlmodel import Session

from controller.database import make_engine
from controller.identity.admin import Admin
from controller.main import wall_ms
from controller.scheduling.tables import Resource
from tests.browser.conftest import Visitor, visits
from tests.browser.lab import KIT_NAME, PRINTER_NAME, Lab, gcode, lab, send
from tests.databases import PostgresServer
from tests.integration import postgres
from tests.integration.mqtt import eventually
from tests.passwords import quick

LONG_MS = 90_000
DAY_MS, TICK_MS = 86_400_000, 300_000


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.victim() as one:
        yield one


@pytest.fixture(scope="module")
def in_lab(tmp_path_factory: pytest.TempPathFactory, server: postgres.Server) -> Iterator[Lab]:
    engine = PostgresServer(server.url).fresh()
    address = engine.url.render_as_string(hide_password=False)
    engine.dispose()
    with lab(tmp_path_factory.mktemp("lab"), database_url=address) as running:
        yield running


@pytest.fixture
def visit(chromium: Browser, in_lab: Lab) -> Iterator[Visitor]:
    with visits(chromium, in_lab.stage.url) as opened:
        yield opened


def test_fleet_chart_command_booking_and_print_job_work_on_postgresql(visit: Visitor, in_lab: Lab) -> None:
    technician = visit().signed_in("bao")
    fleet = technician.live("/fleet")
    expect(fleet.get_by_text(PRINTER_NAME, exact=True)).to_be_visible()
    expect(fleet.locator("#storage")).to_be_hidden()

    device = technician.live(f"/devices/{in_lab.kit}")
    expect(device.get_by_role("heading", level=1)).to_have_text(KIT_NAME)
    device.wait_for_selector("canvas")
    points = (
        "document.querySelector('[data-chart=nozzle-temperature]').plot.data[1].filter(each => each !== null).length"
    )
    eventually(lambda: device.evaluate(points) >= 2, "the chart shows what was measured", 60)

    device.get_by_role("button", name="Nháy đèn").click()
    expect(device.locator(".cmd").first).to_have_attribute("data-status", "done", timeout=LONG_MS)

    _book(in_lab)
    teacher = visit().signed_in("ha")
    mine = teacher.page("/my")
    expect(mine.get_by_text(KIT_NAME).first).to_be_visible()

    job = send(teacher, in_lab, gcode(0.2))
    job.get_by_label("Tôi đã nhìn bàn in: trống và sạch").check()
    job.get_by_role("button", name="Duyệt và in").click()
    expect(job.locator("#job")).to_have_attribute("data-state", "done", timeout=LONG_MS)

    told = _verify(in_lab)
    assert told.returncode == 0, told.stdout + told.stderr


def test_page_tells_while_nothing_is_stored(visit: Visitor, server: postgres.Server) -> None:
    fleet = visit().signed_in("bao").live("/fleet")
    banner = fleet.locator("#storage")
    expect(banner).to_be_hidden()
    with server.frozen():
        expect(banner).to_be_visible(timeout=LONG_MS)
        expect(banner).to_contain_text("Cơ sở dữ liệu đang không ghi được")
    expect(banner).to_be_hidden(timeout=LONG_MS)


def _book(in_lab: Lab) -> None:
    """Tomorrow, by the interface of programs."""
    engine = make_engine(in_lab.stage.config.database)
    token = Admin(engine, quick(), wall_ms).add_api_token("ha", "test", None)
    with Session(engine) as db:
        kit = Resource(school_id="canh-buom", device_id=in_lab.kit, kind="unit", name=KIT_NAME, code="K2222A")
        db.add(kit)
        db.commit()
        thing = kit.id
    engine.dispose()
    begins = (wall_ms() + DAY_MS) // TICK_MS * TICK_MS
    wanted = {
        "items": [{"resource": thing}],
        "start_ms": begins,
        "end_ms": begins + 9 * TICK_MS,
        "title": "8A1",
        "head_count": 10,
    }
    headers = {"authorization": f"Bearer {token}"}
    answer = httpx.post(f"{in_lab.stage.url}/api/v1/bookings", json=wanted, headers=headers, timeout=30)
    assert answer.status_code == 201, answer.text


def _verify(in_lab: Lab) -> "subprocess.CompletedProcess[str]":
    """Once what is on its way has come."""
    config = in_lab.stage.config
    command = (sys.executable, "-m", "controller.cli", "verify", "--state", str(config.state))
    deadline_s = time.monotonic() + 60
    while True:
        told = subprocess.run(
            command, env={"FABFLEET_DATABASE_URL": config.database_url}, capture_output=True, text=True, check=False
        )
        if told.returncode == 0 or time.monotonic() > deadline_s:
            return told
