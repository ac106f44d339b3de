"""Agent, broker and controller are killed in turn: the page says so within 5 s and recovers by itself."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from controller.database import make_engine, sqlite_url
from controller.fleet.enrolment import Place
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.main import wall_ms
from controller.simulation import SimulatedAgent, SimulatedDevice
from tests.integration.browsing import browsing, sign_in
from tests.kill.stage import Stage, eventually
from tests.passwords import quick

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

TOLD_WITHIN_MS = 5_000
BACK_WITHIN_MS = 60_000
DEVICES = 5
LOGIN, PASSWORD = "kiet", "mật khẩu thử nghiệm"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    devices = tuple(SimulatedDevice(f"pc-{n}", f"PC-{n}", "demo/classroom-pc") for n in range(DEVICES))
    place = Place("doi-gio", "tin-hoc", "THCS Đồi Gió", "Đồi Gió", "P.305 Tin học")
    stage = Stage(tmp_path_factory.mktemp("truth") / "state", [SimulatedAgent(place, "tin-hoc", devices)], ("--hurry",))
    engine = make_engine(sqlite_url(stage.database))
    Admin(engine, quick(), wall_ms).add_user(NewUser(LOGIN, "Đỗ Tuấn Kiệt", Role.TECHNICIAN, None), PASSWORD)
    engine.dispose()
    try:
        stage.start_controller()
        stage.start_agents()
        eventually(lambda: stage.flow().acked > 0, 60.0, "the agents are heard")
        yield stage
    finally:
        stage.stop_all()


@pytest.fixture
def fleet(stage: Stage, chromium: Browser) -> Iterator[Page]:
    """The fleet page, live, with every device in contact. It is never reloaded after this."""
    with browsing(chromium) as page:
        sign_in(page, stage.url, LOGIN, PASSWORD)
        expect(page.locator("#live")).to_have_attribute("data-c", "ok")
        expect(page.locator(".t")).to_have_count(DEVICES)
        expect(tiles_offline(page)).to_have_count(0, timeout=BACK_WITHIN_MS)
        page.evaluate("document.body.dataset.same = 'page'")
        yield page
        expect(page.locator("body")).to_have_attribute("data-same", "page")


def tiles_offline(page: Page) -> Locator:
    return page.locator('.t[data-s="offline"]')


def test_page_says_within_5_s_that_an_agent_was_killed_and_that_it_is_back(stage: Stage, fleet: Page) -> None:
    assert stage.agents is not None
    stage.agents.kill()
    expect(tiles_offline(fleet)).to_have_count(DEVICES, timeout=TOLD_WITHIN_MS)
    expect(fleet.locator(".cut")).to_contain_text(str(DEVICES), timeout=TOLD_WITHIN_MS)
    stage.agents.start_again()
    expect(tiles_offline(fleet)).to_have_count(0, timeout=BACK_WITHIN_MS)
    expect(fleet.locator(".cut")).to_be_hidden()


def test_page_says_within_5_s_that_the_broker_was_killed_and_that_it_is_back(stage: Stage, fleet: Page) -> None:
    broker = stage.broker()
    assert broker is not None
    broker.kill()
    expect(fleet.locator("#broker")).to_be_visible(timeout=TOLD_WITHIN_MS)
    expect(fleet.locator("#broker")).to_be_hidden(timeout=BACK_WITHIN_MS)
    expect(tiles_offline(fleet)).to_have_count(0, timeout=BACK_WITHIN_MS)
    acked = stage.flow().acked
    eventually(lambda: stage.flow().acked > acked, 60.0, "readings come again")


def test_page_says_within_5_s_that_the_controller_was_killed_and_that_it_is_back(stage: Stage, fleet: Page) -> None:
    assert stage.controller is not None
    stage.controller.kill()
    expect(fleet.locator("#lost")).to_be_visible(timeout=TOLD_WITHIN_MS)
    expect(fleet.locator("body")).to_have_class(re.compile("stale"))
    stage.controller.start_again()
    expect(fleet.locator("#live")).to_have_attribute("data-c", "ok", timeout=BACK_WITHIN_MS)
    expect(fleet.locator("#lost")).to_be_hidden(timeout=BACK_WITHIN_MS)
    expect(fleet.locator("body")).not_to_have_class(re.compile("stale"))
    expect(tiles_offline(fleet)).to_have_count(0, timeout=BACK_WITHIN_MS)
