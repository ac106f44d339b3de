"""Whoever looks around in the demo finds every page that a link or a form leads to."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from html import unescape
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest

from controller.demo.bookables import things
from controller.demo.cluster import PEOPLE, TECHNICIAN
from controller.demo.furnish import furnish
from controller.demo.secrets import Secrets
from controller.demo.seed import seed
from controller.main import wall_ms
from controller.scheduling.entries import LETTERS
from controller.simulation import simulator
from tests.databases import fresh
from tests.integration.mqtt import eventually
from tests.integration.running import Running, running, settings

pytestmark = pytest.mark.integration

LINK = re.compile(r'\b(?:href|src|data-href|hx-get)="(/[^"#]*)')
OF_ONE_SHAPE = 3
"""Pages that differ in nothing but numbers are tried so often."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Secrets]]:
    state = tmp_path_factory.mktemp("demo")
    config = settings(state)
    config.folder.mkdir(parents=True)
    engine = fresh(config.folder / "fabfleet.db")
    made = seed(engine, wall_ms(), state / "secrets", state / "plan")
    furnish(engine, wall_ms, ZoneInfo(config.zone))
    engine.dispose()
    with running(state) as controller:
        yield controller, made


@pytest.mark.parametrize("login", [person.login for person in PEOPLE])
def test_every_link_leads_somewhere(demo: tuple[Running, Secrets], login: str) -> None:
    controller, made = demo
    browser = controller.signed_in(login, made.passwords[login])
    seen, wrong = walked(browser)
    assert wrong == {}
    assert len(seen) > 20, seen


def test_new_devices_are_told_by_the_simulated_agents(demo: tuple[Running, Secrets]) -> None:
    """By the broker: of what was set aside before nothing but that was known."""
    controller, made = demo
    technician = controller.signed_in(TECHNICIAN.login, made.passwords[TECHNICIAN.login])
    wanted = ("prusa/mk3s", "creality/ender-3", "epson/eb-l200f", "USB 0483:5740", "Bo mạch học sinh tự làm")
    assert "USB 0483:5740" not in technician.get("/agents/found").text
    play = simulator(controller.services.config.state / "plan", f"127.0.0.1:{controller.broker_port}", "1")
    with subprocess.Popen(play) as agents:
        try:
            eventually(lambda: all(each in technician.get("/agents/found").text for each in wanted), "all is found", 60)
        finally:
            agents.terminate()


def test_every_code_of_the_demo_can_be_typed_from_its_label() -> None:
    codes = [thing.code for thing in things()]
    assert [code for code in codes if not set(code) <= set(LETTERS)] == []
    assert len(set(codes)) == len(codes)


def walked(browser: httpx.Client) -> tuple[set[str], dict[str, int]]:
    """The shapes of all pages that can be reached, and what did not answer well."""
    shapes, wrong = Counter[str](), dict[str, int]()
    ahead, known = ["/"], {"/"}
    while ahead:
        path = ahead.pop(0)
        shape = shape_of(path)
        if shapes[shape] >= OF_ONE_SHAPE:
            continue
        shapes[shape] += 1
        answer = browser.get(path, follow_redirects=True)
        if answer.status_code >= 400:
            wrong[path] = answer.status_code
        if answer.headers.get("content-type", "").startswith("text/html"):
            found = {urljoin(path, unescape(each)) for each in LINK.findall(answer.text)} - known
            known |= found
            ahead += sorted(found)
    return set(shapes), wrong


def shape_of(path: str) -> str:
    """The path without its numbers and dates, and the names of its parameters."""
    parts = urlsplit(path)
    names = sorted(each.partition("=")[0] for each in parts.query.split("&"))
    return re.sub(r"\d+", "0", parts.path) + "?" + "&".join(names)
