"""Settings of agents in a real browser: a real agent follows, drift is shown, and there are no barriers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlmodel import Session, select

from controller.desired.drift import Drift
from controller.fleet.tables import Agent
from controller.scope import Scope
from tests.browser.conftest import Visitor, visits
from tests.browser.test_accessibility import WAYS, judge
from tests.integration.agent_process import AgentProcess
from tests.integration.mqtt import eventually
from tests.integration.running import PASSWORD, Running, running, seed

HERE = "binh-minh"


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The agent of Bình Minh is real and gives up after 5 s; the one of An Phú was never heard."""
    state: Path = tmp_path_factory.mktemp("settings")
    cluster = seed(state / "controller")
    with running(state / "controller") as found:
        agent = AgentProcess(state / "pc", cluster.agents[HERE], found.broker_port)
        file = state / "pc" / "agent" / "agent.toml"
        file.write_text(f"rollback_s = 5\n{file.read_text('utf-8')}", "utf-8")
        agent.start()
        try:
            yield found
        finally:
            agent.stop()


@pytest.fixture
def visit(chromium: Browser, controller: Running) -> Iterator[Visitor]:
    with visits(chromium, controller.url) as opened:
        yield opened


def comes_to(controller: Running, drift: Drift) -> None:
    """The real agent."""
    desk = controller.services.configs
    eventually(lambda: drift in {each.drift for each in desk.stands(Scope(HERE))}, drift, 60)


def test_technician_sets_a_room_sees_it_in_force_and_a_wrong_address_rolled_back(
    visit: Visitor, controller: Running
) -> None:
    with Session(controller.services.engine) as db:
        room = db.exec(select(Agent.room_id).where(Agent.school_id == HERE)).one()
    browser = visit().signed_in("minh", PASSWORD)
    browser.forgive("422")
    browser.page("/agents").click("main a:has-text('Cấu hình') >> nth=0")
    page = browser.page(f"/agents/settings/room-{room}")
    page.fill("[name=flush_s]", "2,5")
    page.click("button:has-text('Lưu')")
    expect(page.locator("[role=status]")).to_have_text("Đã lưu. 1 agent nhận cấu hình mới.")
    comes_to(controller, Drift.IN_FORCE)
    page.reload()
    expect(page.locator("#stands ~ *, section:has(#stands)").last).to_contain_text("Cấu hình đang áp dụng")
    page.fill("[name='broker.port']", "70000")
    page.click("button:has-text('Lưu')")
    expect(page.locator("[aria-invalid=true]")).to_have_count(1)
    judge(page)
    page.fill("[name='broker.port']", "1")
    page.click("button:has-text('Lưu')")
    comes_to(controller, Drift.ROLLED_BACK)
    page = browser.page("/agents")
    expect(page.locator("section:has(#all)")).to_contain_text("Cấu hình đã quay lại bản cũ: 1")
    expect(page.locator("section:has(#all)")).to_contain_text("máy chủ không trả lời trong 5 giây")
    judge(page)
    page = browser.page(f"/agents/settings/room-{room}")
    judge(page)
    page.click("button:has-text('Đặt lại như lần này')")
    expect(page.locator("[name='broker.port']")).to_have_value("")
    comes_to(controller, Drift.IN_FORCE)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(str(part) for part in way))
def test_settings_have_no_barrier(visit: Visitor, way: tuple[int, str, str]) -> None:
    browser = visit(*way).signed_in("tri", PASSWORD)
    for place in ("cluster", f"school-{HERE}", "agent-1"):
        judge(browser.page(f"/agents/settings/{place}"))
    judge(browser.page("/agents"))
