"""How big the tests run, which of them share a worker, and the one Chromium of each worker."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = "/usr/bin/chromium-headless-shell"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""It talks to nobody by itself."""

# How long an example takes depends on what else the machine does: timings live in bench/.
settings.register_profile("fabfleet", deadline=None)
settings.load_profile("fabfleet")

_SERVERS = ("install", "wine", "soak", "kill", "browser", "integration")
"""Marks whose tests start real servers: one worker takes a module."""
_LONGEST_FIRST = (*_SERVERS, "hil")
"""The long ones begin first; the many short ones fill up whichever worker is free."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the kill tests at their stated size: an hour and more")


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether to run at full size; else at the size of continuous integration."""
    return bool(request.config.getoption("--soak"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A real browser. One for all tests of a process: a second driver in the same thread does not start."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real servers are shared by the tests of a module, so such a module stays on one worker of pytest-xdist.

    A module that wants more names a group of its own. First, because xdist reads the groups in this hook as well.
    """
    for item in items:
        if _mark(item, _SERVERS) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=_place)


def _mark(item: pytest.Item, marks: Sequence[str]) -> str | None:
    return next((mark for mark in marks if item.get_closest_marker(mark)), None)


def _place(item: pytest.Item) -> int:
    mark = _mark(item, _LONGEST_FIRST)
    return len(_LONGEST_FIRST) if mark is None else _LONGEST_FIRST.index(mark)
