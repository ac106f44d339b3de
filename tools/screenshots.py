"""Pictures of the running product for README and docs: `python -m tools.screenshots`.

Starts the demo on an empty state of its own, lets it run for a while, and writes docs/images/*.webp.
"""

import argparse
import base64
import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parent.parent / "docs" / "images"
CHROMIUM = "/usr/bin/chromium-headless-shell"
TECHNICIAN, TEACHER, COORDINATOR = "bao", "ha", "lan"


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture. `device` opens the drawer of the tile with that name, `follow` the link with that name."""

    name: str
    path: str
    login: str = TECHNICIAN
    width: int = 1280
    height: int = 800
    dark: bool = False
    english: bool = False
    device: str = ""
    follow: str = ""


SHOTS = (
    Shot("fleet", "/fleet"),
    Shot("fleet-drawer-dark", "/fleet", dark=True, english=True, device="3D-01 Máy in 3D"),
    Shot("fleet-phone", "/fleet", width=390, height=780),
    Shot("this-machine", "/fleet", follow="Máy này"),
    Shot("room", "/my", login=TEACHER, follow="FabLab", height=600),
    Shot("calendar", "/calendar", login=TEACHER, height=760),
    Shot("calendar-phone", "/calendar", login=TEACHER, width=390, height=780),
    Shot("booking-form", "/calendar/new", login=TEACHER, height=900, english=True),
    Shot("my", "/my", login=TEACHER, height=720),
    Shot("check-in", "/c/K7M4Q2", login=TEACHER, width=390, height=780),
    Shot("week", "/rooms/1/week", height=760),
    Shot("planning", "/admin/things", login=COORDINATOR, height=760, english=True),
)


@contextlib.contextmanager
def demo(state: Path) -> Iterator[str]:
    """The demo's address while it runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = (sys.executable, "-m", "controller.cli", "demo", "--port", str(port), "--state", str(state))
    with (state / "demo.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _await(f"{url}/readyz", process)
            yield url
        finally:
            process.send_signal(signal.SIGINT)


def _await(url: str, process: "subprocess.Popen[bytes]", within_s: float = 90) -> None:
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise SystemExit("the demo did not start")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.3)
    raise SystemExit("the demo is not ready")


def take(browser: Browser, url: str, passwords: dict[str, str], shot: Shot) -> bytes:
    """One picture as WebP."""
    phone = shot.width < 500
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        device_scale_factor=2 if phone else 1,
        is_mobile=phone,
        has_touch=phone,
        color_scheme="dark" if shot.dark else "light",
        locale="en-US" if shot.english else "vi-VN",
        timezone_id="Asia/Ho_Chi_Minh",
    )
    page = context.new_page()
    page.goto(f"{url}/signin")
    page.fill("#login", shot.login)
    page.fill("#password", passwords[shot.login])
    page.press("#password", "Enter")
    page.wait_for_url(lambda there: "/signin" not in there)
    answer = page.goto(url + shot.path)
    if answer is None or not answer.ok:
        raise SystemExit(f"{shot.path} is not to be had: {answer and answer.status}")
    _arrange(page, url, shot)
    page.wait_for_timeout(1_500)  # fonts, charts, a few live values
    session = context.new_cdp_session(page)
    taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": 82})
    context.close()
    return base64.b64decode(taken["data"])


def _arrange(page: Page, url: str, shot: Shot) -> None:
    if shot.device:
        page.wait_for_selector("#live[data-c=ok]")
        page.locator(".t", has_text=shot.device).first.click()
        page.wait_for_selector("#drawer canvas")
    if shot.follow:
        link = page.locator("main a", has_text=shot.follow).first
        page.goto(url + (link.get_attribute("href") or "/"))
        page.wait_for_selector("#live[data-c=ok]")


def main() -> int:
    parser = argparse.ArgumentParser(description="Take the pictures of README and docs from the running demo.")
    parser.add_argument("--warm-up", type=float, default=120, help="seconds to let the demo run first (default 120)")
    parser.add_argument("--into", type=Path, default=IMAGES, help="folder (default docs/images)")
    given = parser.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fabfleet-shots-") as folder, demo(Path(folder)) as url:
        print(f"The demo runs; pictures follow in {given.warm_up:.0f} s ...", flush=True)
        time.sleep(given.warm_up)
        passwords = json.loads((Path(folder) / "demo" / "secrets.json").read_text("utf-8"))["passwords"]
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            for shot in SHOTS:
                picture = take(browser, url, passwords, shot)
                (given.into / f"{shot.name}.webp").write_bytes(picture)
                print(f"{shot.name}.webp  {len(picture) / 1024:.0f} kB", flush=True)
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
