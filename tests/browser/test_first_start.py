"""What somebody sees who starts it for the first time: an empty fleet, or the demo with this very machine in it."""

import json
import multiprocessing
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.conftest import Visit, visits
from tests.browser.stage import empty, free_port
from tests.browser.test_accessibility import violations
from tests.integration.mqtt import eventually


def test_an_empty_fleet_tells_the_one_next_step(chromium: Browser, tmp_path: Path) -> None:
    with empty(tmp_path) as stage, visits(chromium, stage.url) as visit:
        page = visit().signed_in("bao").live("/fleet")
        expect(page.get_by_role("heading", name="Chưa có thiết bị nào gửi số liệu")).to_be_visible()
        expect(page.locator(".code")).to_contain_text("fabfleet enrol-token")
        expect(page.get_by_text("Hiện không có gì cần xử lý")).to_be_visible()
        assert violations(page) == []


def _busy(until_s: float) -> None:
    while time.monotonic() < until_s:
        sum(range(10_000))


@contextmanager
def loaded(seconds: float) -> Iterator[None]:
    """Every core of this machine is busy."""
    until_s = time.monotonic() + seconds
    workers = [multiprocessing.Process(target=_busy, args=(until_s,)) for _ in range(multiprocessing.cpu_count())]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


@contextmanager
def demo(state: Path) -> Iterator[str]:
    """The demo as `make run` starts it; its address."""
    port = free_port()
    command = (sys.executable, "-m", "controller.cli", "demo", "--port", str(port), "--state", str(state))
    with (state / "demo.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            eventually(lambda: _answers(f"http://127.0.0.1:{port}/readyz"), "the demo is ready", 90)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0, (state / "demo.log").read_text("utf-8")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def _processor(visit: Visit) -> float:
    return float(visit.context.pages[-1].locator("[data-metric=cpu] .v").inner_text().split()[0].replace(",", "."))


def test_this_machines_processor_moves_on_the_demo_page_when_it_is_loaded(chromium: Browser, tmp_path: Path) -> None:
    with demo(tmp_path) as url, visits(chromium, url) as visit:
        passwords = json.loads((tmp_path / "demo" / "secrets.json").read_text("utf-8"))["passwords"]
        browser = visit().signed_in("bao", passwords["bao"])
        page = browser.live("/fleet")
        expect(page.locator(".school")).to_have_count(3)
        expect(page.locator(".t", has_text="Máy này").first).to_be_attached(timeout=60_000)
        page.fill("#search", "may nay")
        page.locator(".t:visible", has_text="Máy này").first.click()
        page.get_by_role("link", name="Mở trang thiết bị").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Máy này")
        expect(page.locator("[data-metric=cpu]")).to_be_visible(timeout=60_000)
        page.evaluate("window.sameDocument = true")
        with loaded(90):
            eventually(lambda: _processor(browser) >= 80, "the load is seen", 80)
        high = _processor(browser)
        eventually(lambda: _processor(browser) < high, "its end is seen", 120)
        assert page.evaluate("window.sameDocument") is True
        assert page.evaluate("document.querySelector('[data-chart=cpu]').plot.data[1].length") >= 2
