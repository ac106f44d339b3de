"""The pages' side of commands and print jobs, asked by a plain browser and as htmx asks."""

import re
from collections.abc import Iterator, Mapping

import httpx
import pytest

from contract.model import CommandStatus
from controller.scope import CLUSTER
from tests.integration.mqtt import eventually
from tests.integration.running import Running, Speaker, csrf_of, running, seed

pytestmark = pytest.mark.integration
HTMX = {"hx-request": "true"}
NONE: Mapping[str, str] = {}


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With one simulated printer in An Phú, whose agent hears of commands and answers none."""
    state = tmp_path_factory.mktemp("state")
    cluster = seed(state)
    with running(state) as found, Speaker(cluster.agents["an-phu"], found.broker_port) as agent:
        agent.lists("printer")
        agent.reports("printer", 21.0)
        eventually(lambda: found.services.live.devices(CLUSTER), "the printer is there")
        yield found


@pytest.fixture(scope="module")
def device(controller: Running) -> int:
    return controller.services.live.devices(CLUSTER)[0].id


def give(
    browser: httpx.Client,
    device: int,
    action: str,
    key: str = "k",
    args: Mapping[str, str] = NONE,
    *,
    part: bool = False,
) -> httpx.Response:
    fields = {"csrf": csrf_of(browser), "action": action, "key": key} | {
        f"arg.{name}": text for name, text in args.items()
    }
    return browser.post(f"/devices/{device}/commands", data=fields, headers=HTMX if part else {})


def given(controller: Running, device: int) -> list[str]:
    return [each.action for each in controller.services.commands.of_device(CLUSTER, device, 50)]


def test_a_form_gives_a_command_and_leads_back_to_the_page(controller: Running, device: int) -> None:
    answer = give(controller.signed_in("ky"), device, "identify", "first")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/devices/{device}#commands-title")
    assert given(controller, device).count("identify") == 1


def test_htmx_gets_the_card_with_the_command_in_it(controller: Running, device: int) -> None:
    answer = give(controller.signed_in("ky"), device, "preheat", "second", {"celsius": "60,5"}, part=True)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert "60,5\u00a0°C" in answer.text
    (newest, *_) = controller.services.commands.of_device(CLUSTER, device)
    assert (newest.action, newest.args) == ("preheat", {"celsius": 60.5})
    assert newest.status in {CommandStatus.QUEUED, CommandStatus.SENT}


def test_a_form_that_is_sent_twice_is_one_command(controller: Running, device: int) -> None:
    browser = controller.signed_in("ky")
    before = len(given(controller, device))
    for _ in range(2):
        assert give(browser, device, "identify", "same", part=True).status_code == 200
    assert len(given(controller, device)) == before + 1


def test_every_form_of_a_card_has_a_key_of_its_own_and_another_one_each_time(controller: Running, device: int) -> None:
    browser = controller.signed_in("ky")
    keys = [
        re.findall(r'name="key" value="([^"]+)"', browser.get(f"/devices/{device}/commands").text) for _ in range(2)
    ]
    assert len(set(keys[0])) == len(keys[0]) > 3
    assert set(keys[0]).isdisjoint(keys[1])


@pytest.mark.parametrize(
    ("who", "action", "args", "status", "words", "slot"),
    [
        ("ky", "fly", {}, 422, "Máy này không có lệnh như vậy.", "#command-error"),
        ("ky", "preheat", {"celsius": "hot"}, 422, "cần nhập một số", "#error-preheat"),
        ("ha", "preheat", {"celsius": "50"}, 403, "chưa có quyền", "#error-preheat"),
        ("ha", "pause", {}, 409, "Người khác đang dùng máy này.", "#command-error"),
    ],
)
def test_a_refusal_is_said_in_the_readers_words_where_the_button_is(
    controller: Running, device: int, who: str, action: str, args: dict[str, str], status: int, words: str, slot: str
) -> None:
    give(controller.signed_in("ky"), device, "pause", "hold")  # takes the machine
    browser = controller.signed_in(who)
    part = give(browser, device, action, "refused", args, part=True)
    assert (part.status_code, part.headers["hx-retarget"]) == (status, slot)
    assert words in part.text
    assert "<html" not in part.text
    whole = give(browser, device, action, "refused", args)
    assert whole.status_code == status
    assert "<html" in whole.text
    assert words in whole.text


def test_the_words_follow_the_readers_language(controller: Running, device: int) -> None:
    browser = controller.signed_in("ky")
    browser.cookies.set("fabfleet_lang", "en")
    assert "This machine has no such command." in give(browser, device, "fly", part=True).text


def test_a_machine_of_another_school_is_not_there(controller: Running, device: int) -> None:
    browser = controller.signed_in("minh")
    assert browser.get(f"/devices/{device}/commands").status_code == 404
    assert give(browser, device, "identify", "theirs").status_code == 404


def test_a_form_without_its_token_gives_no_command(controller: Running, device: int) -> None:
    before = given(controller, device)
    browser = controller.signed_in("ky")
    assert browser.post(f"/devices/{device}/commands", data={"action": "identify"}, headers=HTMX).status_code == 403
    assert given(controller, device) == before


def test_a_machine_that_prints_no_files_has_no_page_for_sending_one(controller: Running, device: int) -> None:
    assert controller.signed_in("ha").get(f"/devices/{device}/jobs/new").status_code == 404
