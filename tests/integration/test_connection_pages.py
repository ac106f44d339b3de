"""The page on which programs of a school's own are connected, over HTTP, and the same for programs."""

import re
from collections.abc import Iterator

import httpx
import pytest

from controller.config import NoticesConfig
from tests.integration.running import Running, csrf_of, running, seed

pytestmark = pytest.mark.integration
HERE, THERE = "binh-minh", "an-phu"
"""The technician `minh` is of the first."""
API = f"/api/v1/schools/{HERE}"


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("connections") / "state"
    seed(state)
    with running(state, notices=NoticesConfig(private_addresses=True)) as one:
        yield one


@pytest.fixture(scope="module")
def minh(controller: Running) -> httpx.Client:
    return controller.signed_in("minh")


def post(browser: httpx.Client, path: str, **given: str) -> httpx.Response:
    data = {"csrf": csrf_of(browser), "school": HERE, **given}
    return browser.post(f"/connections{path}", data=data, follow_redirects=True)


def test_a_password_is_shown_once_and_only_while_it_is_switched_on(minh: httpx.Client) -> None:
    assert "Home Assistant" in minh.get("/connections?lang=en").text
    on = post(minh, "/home-assistant", on="yes", language="en")
    assert on.status_code == 200
    assert f"fabfleet/{HERE}" in on.text
    made = post(minh, "/home-assistant/account")
    secret = re.search(r'class="code">([\w-]{43})<', made.text)
    assert secret is not None
    later = minh.get("/connections").text
    assert secret[1] not in later
    assert minh.get(f"{API}/home-assistant").json()["account_made_ms"]
    assert post(minh, "/home-assistant/account/revoke").status_code == 200
    assert post(minh, "/home-assistant", on="no").status_code == 200
    assert minh.get(f"{API}/home-assistant").json()["on"] is False


def test_a_webhook_is_added_tried_and_removed(minh: httpx.Client) -> None:
    wrong = post(minh, "/webhooks", url="https://hooks.example.vn/")
    assert (wrong.status_code, "Not saved yet" in wrong.text or "Chưa lưu" in wrong.text) == (422, True)
    made = post(minh, "/webhooks", **{"url": "http://127.0.0.1:1/hook", "kind-device.state": "on"})
    assert re.search(r'class="code">whsec_[\w+/=]{44}<', made.text), made.text
    (hook,) = minh.get(f"{API}/webhooks").json()["items"]
    assert (hook["host"], hook["kinds"]) == ("127.0.0.1", ["device.state"])
    assert post(minh, f"/webhooks/{hook['id']}/test").status_code == 200
    (sent,) = minh.get(f"{API}/deliveries").json()["items"]
    assert (sent["kind"], sent["state"], sent["result"]) == ("test", "failed", "unreachable")
    assert sent["event"] in minh.get("/connections").text
    assert post(minh, f"/webhooks/{hook['id']}/remove").status_code == 200
    assert minh.get(f"{API}/webhooks").json()["items"] == []


def test_another_schools_are_not_there_and_a_teacher_is_turned_away(controller: Running, minh: httpx.Client) -> None:
    assert minh.get(f"/connections?school={THERE}").status_code == 404
    assert minh.get(f"/api/v1/schools/{THERE}/webhooks").status_code == 404
    assert minh.get(f"/api/v1/schools/{THERE}/home-assistant").status_code == 404
    assert controller.signed_in("ha").get("/connections").status_code == 403
