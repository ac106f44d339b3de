"""The page of connections in a real browser: what a technician does there, without barriers."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from controller.config import NoticesConfig
from tests.browser.conftest import Visitor, visits
from tests.browser.test_accessibility import WAYS, judge
from tests.integration.running import PASSWORD, Running, running, seed


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("connections") / "state"
    seed(state)
    with running(state, notices=NoticesConfig(private_addresses=True)) as found:
        yield found


@pytest.fixture
def visit(chromium: Browser, controller: Running) -> Iterator[Visitor]:
    with visits(chromium, controller.url) as opened:
        yield opened


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(str(part) for part in way))
def test_connections_have_no_barrier_at_any_step(visit: Visitor, way: tuple[int, str, str]) -> None:
    browser = visit(*way).signed_in("minh", PASSWORD)
    browser.forgive("422")
    page = browser.page("/connections")
    judge(page)
    page.click("form[action='/connections/home-assistant'] button")
    judge(page)
    page.click("form[action='/connections/home-assistant/account'] button")
    expect(page.locator(".code").first).to_be_visible()
    judge(page)
    page.goto(browser.url + "/connections")
    page.fill("[name=url]", "http://127.0.0.1:1/hook")
    page.click("form[action='/connections/webhooks'] button")
    expect(page.locator("[role=alert]")).to_be_visible()
    judge(page)
    page.check("[name='kind-device.state']")
    page.fill("[name=url]", "http://127.0.0.1:1/hook")
    page.click("form[action='/connections/webhooks'] button")
    expect(page.locator(".code")).to_contain_text("whsec_")
    judge(page)
    page.goto(browser.url + "/connections")
    page.click("form[action$='/test'] button")
    judge(page)
    page.click("form[action$='/remove'] button")
    page.click("form[action='/connections/home-assistant'] button")
    judge(page)
