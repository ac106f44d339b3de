"""A person at a browser."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page


@contextmanager
def browsing(chromium: Browser) -> Iterator[Page]:
    """One page in Vietnamese."""
    context = chromium.new_context(locale="vi-VN", viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        page.set_default_timeout(20_000)
        yield page
    finally:
        context.close()


def sign_in(page: Page, url: str, login: str, password: str) -> None:
    """Through the form, as a person does; ends on the person's first page."""
    page.goto(f"{url}/signin")
    page.fill("#login", login)
    page.fill("#password", password)
    page.click("#signin button[type=submit]")
    page.wait_for_url(lambda reached: "/signin" not in reached)
