"""A real Chromium that talks to this machine only."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def browsing() -> Iterator[Page]:
    """One page in Vietnamese."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            page = browser.new_context(locale="vi-VN", viewport={"width": 1280, "height": 800}).new_page()
            page.set_default_timeout(20_000)
            yield page
        finally:
            browser.close()


def sign_in(page: Page, url: str, login: str, password: str) -> None:
    """Through the form, as a person does; ends on the person's first page."""
    page.goto(f"{url}/signin")
    page.fill("#login", login)
    page.fill("#password", password)
    page.click("#signin button[type=submit]")
    page.wait_for_url(lambda reached: "/signin" not in reached)
