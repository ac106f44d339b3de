"""A browser of an application in this process: no server, no port, no waiting."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
from fastapi import FastAPI

BASE = "http://localhost"


class _Inside(httpx.BaseTransport):
    """Every request runs the application until it has answered, in a thread of its own: tests may have a loop too."""

    def __init__(self, app: FastAPI, runner: asyncio.Runner, thread: ThreadPoolExecutor) -> None:
        self._inner = httpx.ASGITransport(app, raise_app_exceptions=True)
        self._runner = runner
        self._thread = thread

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def answer() -> httpx.Response:
            given = await self._inner.handle_async_request(request)
            raw = b"".join([part async for part in given.aiter_raw()])
            return httpx.Response(given.status_code, headers=given.headers, content=raw, request=request)

        return self._thread.submit(self._runner.run, answer()).result()


class Inside:
    """Browsers of one application. Use as a context manager."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._runner = asyncio.Runner()
        self._thread = ThreadPoolExecutor(1)

    def __enter__(self) -> "Inside":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def browser(self) -> httpx.Client:
        """One without cookies that goes nowhere by itself; in English."""
        headers = {"accept-language": "en"}
        return httpx.Client(transport=_Inside(self.app, self._runner, self._thread), base_url=BASE, headers=headers)

    def bearer(self, token: str) -> httpx.Client:
        """A program with a token."""
        client = self.browser()
        client.headers["authorization"] = f"Bearer {token}"
        return client

    def signed_in(self, login: str, password: str) -> httpx.Client:
        browser = self.browser()
        page = browser.get("/signin").text
        csrf = page.split('name="csrf" value="', 1)[1].split('"', 1)[0]
        answer = browser.post("/signin", data={"login": login, "password": password, "csrf": csrf})
        assert (answer.status_code, "error" in answer.headers["location"]) == (303, False)
        return browser
