"""What is refused before or behind any page: one page in the reader's language for people, a line for programs."""

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.types import ASGIApp, Message, Receive

from controller.database import make_engine
from controller.faults import faults_in
from controller.main import create_app
from controller.services import Services
from controller.web.access import GUEST_COOKIE
from controller.web.csrf import issue
from controller.web.security import Gate, SecurityHeaders, own_hosts
from tests.inside import Inside
from tests.integration.running import seed, settings

pytestmark = pytest.mark.integration
PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SECRET = "s" * 43


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    state = tmp_path_factory.mktemp("refused") / "state"
    seed(state)
    with Inside(create_app(settings(state))) as one:
        yield one


def heading(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "text/html; charset=utf-8", answer.text[:200]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    found = re.search(r"<h1>(.*?)</h1>", answer.text)
    assert found is not None
    return found[1]


def asked(browser: httpx.Client) -> list[tuple[int, httpx.Response]]:
    """Refused in turn by the gate, at the door, by the routes and by the files."""
    browser.cookies.set(GUEST_COOKIE, SECRET)
    form = {"content-type": "application/x-www-form-urlencoded", "x-csrf-token": issue(SECRET)}
    return [
        (400, browser.get("/static/%2e%2e%2fmain.py")),
        (403, browser.post("/signin", data={"login": "ha"})),
        (404, browser.get("/board/open/nothing")),
        (404, browser.get("/static/nothing.css")),
        (413, browser.post("/signin", content=b"x" * 70_000)),
        (421, browser.get("/fleet", headers={"host": "evil.example"})),
        (422, browser.get("/signin?minutes=soon")),
        (422, browser.post("/language", content=b"", headers=form)),
    ]


@pytest.mark.parametrize(
    ("language", "headings"),
    [
        (
            "vi-VN,vi;q=0.9,en;q=0.8",
            [
                "Máy chủ không đọc được yêu cầu này",
                "Hãy tải lại trang",
                "Không có trang này",
                "Không có trang này",
                "Dữ liệu quá lớn",
                "Máy chủ này có tên khác",
                "Máy chủ không đọc được yêu cầu này",
                "Máy chủ không đọc được yêu cầu này",
            ],
        ),
        (
            "en",
            [
                "The server cannot read this",
                "Load the page again",
                "This page is not here",
                "This page is not here",
                "This is too large",
                "This server has another name",
                "The server cannot read this",
                "The server cannot read this",
            ],
        ),
    ],
)
def test_refusal_is_a_page_in_the_language_of_the_browser(inside: Inside, language: str, headings: list[str]) -> None:
    browser = inside.browser()
    browser.headers.update(PAGE | {"accept-language": language})
    answers = asked(browser)
    assert [answer.status_code for _, answer in answers] == [status for status, _ in answers]
    assert [heading(answer) for _, answer in answers] == headings
    assert f'lang="{language[:2]}"' in answers[1][1].text


def test_refusal_is_in_the_language_that_was_chosen_before(inside: Inside) -> None:
    browser = inside.browser()
    browser.headers.update(PAGE)
    browser.cookies.set("fabfleet_lang", "vi")
    assert heading(browser.get("/fleet", headers={"host": "evil.example"})) == "Máy chủ này có tên khác"


def test_refusal_is_a_line_for_programs(inside: Inside) -> None:
    for status, answer in asked(inside.browser()):
        assert answer.status_code == status
        assert "<" not in answer.text, answer.text
    answer = inside.browser().get("/api/v1/files/%2e%2e%2fx", headers=PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")


async def never() -> Message:
    await asyncio.sleep(3600)
    raise AssertionError


def told(app: ASGIApp, receive: Receive) -> tuple[int, str]:
    """What a browser in Vietnam hears of an application, whatever becomes of that."""
    said: list[Message] = []
    headers = [(name.encode(), text.encode()) for name, text in (PAGE | {"host": "localhost"}).items()]
    scope = {"type": "http", "method": "POST", "path": "/my", "query_string": b"", "headers": headers, "client": None}

    async def send(message: Message) -> None:
        said.append(message)

    async def run() -> None:
        with contextlib.suppress(RuntimeError):
            await app(scope, receive, send)

    asyncio.run(run())
    return said[0]["status"], said[1]["body"].decode()


def test_error_of_the_server_is_told_without_what_it_was() -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a secret")

    status, text = told(SecurityHeaders(broken), never)
    assert status == 500
    assert "<h1>Máy chủ gặp lỗi</h1>" in text
    assert "a secret" not in text


@pytest.mark.parametrize(
    "error", [OperationalError("SELECT 1", None, sqlite3.OperationalError("locked")), PoolTimeout("no connection")]
)
def test_database_that_is_away_is_told_as_such_and_not_as_our_fault(error: Exception) -> None:
    async def broken(*_: object) -> None:
        raise error

    engine = make_engine("sqlite://")
    status, text = told(SecurityHeaders(broken, is_away=faults_in(engine).unavailable), never)
    engine.dispose()
    assert status == 503
    assert "<h1>Lúc này chưa đọc và lưu được</h1>" in text


def test_request_that_comes_too_slowly_is_told_so(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.web.security.BODY_S", 0.05)
    services: Services = inside.app.state.services
    gate = Gate(inside.app, own_hosts(()), max_upload=1, refusals=services.refusals)
    status, text = told(gate, never)
    assert status == 408
    assert "<h1>Dữ liệu đến quá chậm</h1>" in text
