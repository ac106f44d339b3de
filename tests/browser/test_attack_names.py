"""A device whose name is a script: shown as the text it is on every page that has it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from contract.messages import BridgeState, DeviceEntry, Inventory, encode
from contract.topics import Channel
from controller.fleet.enrolment import Credentials
from controller.main import wall_ms
from controller.scope import CLUSTER
from tests.integration.browsing import browsing, sign_in
from tests.integration.mqtt import eventually
from tests.integration.running import PASSWORD, PROFILE, Running, Speaker, running, seed

pytestmark = pytest.mark.browser
NAME = "<script>window.hit=1</script><img src=x onerror='window.hit=1'>\"'{{7*7}}"


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state: Path = tmp_path_factory.mktemp("names") / "state"
    cluster = seed(state)
    with running(state) as one, Speaker(cluster.agents["an-phu"], one.broker_port) as speaker:
        lists(speaker, cluster.agents["an-phu"])
        eventually(lambda: one.services.live.devices(CLUSTER), "the device is there", 30)
        yield one


def lists(speaker: Speaker, agent: Credentials) -> None:
    entry = DeviceEntry("evil", NAME, "p1", BridgeState.LOST, wall_ms(), detail=NAME)
    inventory = Inventory("00000000000000aa", 1, {"p1": PROFILE}, (entry,))
    speaker.client.say(agent.address.topic(Channel.INVENTORY), encode(inventory), retain=True)


@pytest.fixture
def page(chromium: Browser, controller: Running) -> Iterator[Page]:
    with browsing(chromium) as one:
        sign_in(one, controller.url, "tri", PASSWORD)
        yield one


def test_script_in_a_devices_name_is_text_on_every_page(controller: Running, page: Page) -> None:
    device = controller.services.live.devices(CLUSTER)[0]
    said: list[str] = []
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.on("pageerror", lambda error: said.append(str(error)))
    shown = 0
    for path in ("/fleet", f"/devices/{device.id}", f"/rooms/{device.room_id}", "/admin/things", "/labels", "/audit"):
        page.goto(controller.url + path)
        page.wait_for_load_state("load")
        shown += page.locator("body").inner_text().count("window.hit=1")
        assert page.evaluate("window.hit") is None, path
        assert page.locator("img[src=x]").count() == 0, path
    page.goto(controller.url + "/fleet")
    page.get_by_text("window.hit=1").first.click()
    page.wait_for_timeout(500)
    assert page.evaluate("window.hit") is None
    assert shown >= 3
    assert said == []
