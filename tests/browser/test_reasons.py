"""Why a device is out of touch, in the reader's language, on every page that says it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from contract.messages import BridgeState
from controller.scope import CLUSTER
from tests.browser.conftest import Visitor, visits
from tests.browser.test_accessibility import judge
from tests.integration.mqtt import eventually
from tests.integration.running import Running, Speaker, running, seed

pytestmark = pytest.mark.browser
DETAIL = "wrong answer: tcp://10.20.3.7:4352: the projector says '<b>', which is not a list of lamps"
VIETNAMESE = "trả lời chưa đúng: tcp://10.20.3.7:4352: máy chiếu báo '<b>', không phải một danh sách bóng đèn"


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("reasons") / "state"
    cluster = seed(state)
    with running(state) as one, Speaker(cluster.agents["an-phu"], one.broker_port) as speaker:
        speaker.lists("projector", state=BridgeState.PARKED, detail=DETAIL)
        eventually(lambda: one.services.live.devices(CLUSTER), "the device is there", 30)
        yield one


@pytest.fixture
def visit(chromium: Browser, controller: Running) -> Iterator[Visitor]:
    with visits(chromium, controller.url) as opened:
        yield opened


@pytest.mark.parametrize(
    ("locale", "why", "width", "scheme"), [("vi-VN", VIETNAMESE, 390, "dark"), ("en-US", DETAIL, 1440, "light")]
)
def test_why_a_device_is_parked_is_said_in_the_readers_language(
    controller: Running, visit: Visitor, locale: str, why: str, width: int, scheme: str
) -> None:
    device = controller.services.live.devices(CLUSTER)[0]
    person = visit(width, scheme, locale).signed_in("tri")
    for path in ("/fleet", f"/devices/{device.id}", f"/rooms/{device.room_id}"):
        page = person.live(path)
        expect(page.locator("main")).to_contain_text(why)
        judge(page)
        page.close()
