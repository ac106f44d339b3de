"""A real Chromium on the real controller. Nothing may leave the machine, and no page may complain."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, expect

from tests.browser.stage import PASSWORD, Play, play

expect.set_options(timeout=20_000)
"""The machine may be busy with other tests."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before the whole suite's, which groups by mark."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def on_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    with play(tmp_path_factory.mktemp("stage")) as running:
        yield running


@dataclass  # no slots: playwright keeps a mark on the object whose methods it calls
class Visit:
    """A browser of one person. `complaints` are console errors, page errors and requests to other machines."""

    context: BrowserContext
    url: str
    complaints: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)

    def page(self, path: str) -> Page:
        page = self.context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.goto(self.url + path)
        return page

    def forgive(self, part: str) -> None:
        """Complaints with these words are what the test is about."""
        self.forgiven.append(part)

    def signed_in(self, login: str, password: str = PASSWORD) -> "Visit":
        """What the form would post, without the pages: those have tests of their own."""
        form = self.context.request.get(f"{self.url}/signin").text()
        csrf = form.split('name="csrf" value="', 1)[1].split('"', 1)[0]
        answer = self.context.request.post(
            f"{self.url}/signin", form={"login": login, "password": password, "csrf": csrf}, max_redirects=0
        )
        assert answer.status == 303, answer.text()
        assert "error" not in answer.headers["location"]
        return self

    def live(self, path: str) -> Page:
        """A page whose stream has begun."""
        page = self.page(path)
        page.wait_for_selector("#live[data-c=ok]")
        return page

    def judge(self) -> None:
        found = [line for line in self.complaints if not any(part in line for part in self.forgiven)]
        assert not found, found

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def guard(self, route: Route) -> None:
        """Let through what stays on this machine."""
        address = urlsplit(route.request.url)
        if address.hostname in ("127.0.0.1", None):
            route.continue_()
        else:
            self.complaints.append(f"request to {address.hostname}")
            route.abort()


Visitor = Callable[..., Visit]


@contextmanager
def visits(chromium: Browser, url: str) -> Iterator[Visitor]:
    """Opens browsers at `url`; afterwards none of them may have complained."""
    made: list[Visit] = []

    def open_one(width: int = 1440, scheme: str = "light", locale: str = "vi-VN") -> Visit:
        phone = width < 500
        context = chromium.new_context(
            viewport={"width": width, "height": 844 if phone else 900},
            color_scheme="dark" if scheme == "dark" else "light",
            locale=locale,
            timezone_id="Asia/Ho_Chi_Minh",
            is_mobile=phone,
            has_touch=phone,
        )
        context.set_default_timeout(15_000)
        visit = Visit(context, url)
        context.route("**/*", visit.guard)
        made.append(visit)
        return visit

    yield open_one
    for each in made:
        each.context.close()
    for each in made:
        each.judge()


@pytest.fixture
def visit(chromium: Browser, on_stage: Play) -> Iterator[Visitor]:
    """Browsers on the stage."""
    with visits(chromium, on_stage.stage.url) as opened:
        yield opened
