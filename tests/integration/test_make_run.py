"""`make run` from a fresh clone in an empty folder, as the README tells it."""

import contextlib
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from controller.demo.cluster import LAB_NAMES, TECHNICIAN, THIS_MACHINE_NAME
from controller.demo.farends.faults import PRINTER
from tests.integration.browsing import browsing, sign_in

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("machine"), pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
FIRST_START_S = 180.0
SECOND_START_S = 30.0
"""It takes 10 s at most on a machine that does nothing else; here other tests run beside it."""
STOP_S = 20.0
CPU_SHOWN = ('[data-metric="cpu"] .v', "[data-chart=cpu]")
CHART_IS_LIVE = """([shown, chart]) => {
  const value = parseFloat(document.querySelector(shown).textContent.replace(",", "."));
  return Math.abs(document.querySelector(chart).plot.data[1].at(-1) - value) <= 1;
}"""
"""Whether the newest point of the chart is the value beside it."""
TOLD_WITHIN_S = 15
"""So soon the page shows what this machine does."""


class MakeRun:
    """One `make run` in a clone, with its output."""

    def __init__(self, clone: Path, state: Path) -> None:
        self.clone = clone
        self.state = state
        self.began_s = time.monotonic()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = state.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["make", "run", f"STATE={state}"],
                cwd=clone,
                env={**_plain_environment(), "PORT": str(port)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def await_ready(self, within_s: float) -> float:
        """Seconds until /healthz answered."""
        while True:
            took_s = time.monotonic() - self.began_s
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/healthz", timeout=2.0):
                return took_s
            assert self.process.poll() is None, self.said()[-2000:]
            assert took_s < within_s, f"not ready after {took_s:.0f} s: {self.said()[-2000:]}"
            time.sleep(0.2)

    def password(self) -> str:
        """As it was printed for the person who started it."""
        for _ in range(100):
            found = re.search(rf"^\s+{TECHNICIAN.login}\s+(\S+)", self.said(), re.MULTILINE)
            if found:
                return found[1]
            time.sleep(0.2)
        raise AssertionError(self.said())

    def give_fault(self, machine: str, fault: str) -> None:
        """As the README tells it."""
        program = self.clone / ".venv" / "bin" / "fabfleet"
        command = [str(program), "demo-fault", machine, fault, "--state", str(self.state)]
        subprocess.run(command, env=_plain_environment(), check=True, capture_output=True, timeout=60.0)

    def processes(self) -> list[psutil.Process]:
        """Everything that runs from the clone or on the state."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                words = " ".join(process.cmdline())
                if process.pid != os.getpid() and (str(self.clone) in words or str(self.state) in words):
                    found.append(process)
        return found

    def interrupt(self) -> float:
        """Ctrl-C: the terminal sends it to the whole foreground group. Seconds until the command ended."""
        began_s = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(30.0)
        return time.monotonic() - began_s

    def clean_up(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10.0)
        psutil.wait_procs(self.processes(), timeout=10.0)
        for process in self.processes():
            process.kill()


def _plain_environment() -> dict[str, str]:
    """Without the virtual environment that runs the tests."""
    known = {
        key: value for key, value in os.environ.items() if not key.startswith(("FABFLEET_", "MAKE", "VIRTUAL_ENV"))
    }
    ours = str(Path(sys.executable).parent)
    known["PATH"] = os.pathsep.join(part for part in known["PATH"].split(os.pathsep) if part != ours)
    return {key: value for key, value in known.items() if key not in ("HOST", "PORT", "STATE", "PYTHONPATH")}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("make") / "fabfleet"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    return folder


@pytest.fixture
def first_run(clone: Path, tmp_path: Path) -> Iterator[MakeRun]:
    yield from _running(clone, tmp_path / "state")


@pytest.fixture
def run(clone: Path, tmp_path: Path) -> Iterator[MakeRun]:
    """Not the first in this clone, but with a fresh state."""
    subprocess.run(["make", "prepare"], cwd=clone, env=_plain_environment(), check=True, capture_output=True)
    yield from _running(clone, tmp_path / "state")


def _running(clone: Path, state: Path) -> Iterator[MakeRun]:
    run = MakeRun(clone, state)
    try:
        yield run
    finally:
        run.clean_up()


@contextlib.contextmanager
def loaded() -> Iterator[None]:
    """Every core is busy meanwhile."""
    until_s = time.monotonic() + 60.0
    burners = [multiprocessing.Process(target=_burn, args=(until_s,), daemon=True) for _ in range(os.cpu_count() or 1)]
    for burner in burners:
        burner.start()
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.join()


def _burn(until_s: float) -> None:
    while time.monotonic() < until_s:
        pass


def shown_cpu(page: Page) -> float:
    """The processor load as the page shows it, in per cent."""
    text = page.locator(CPU_SHOWN[0]).inner_text()
    found = re.search(r"\d+(?:[.,]\d+)?", text)
    assert found, text
    return float(found[0].replace(",", "."))


def wait_for_busy(page: Page, within_s: float) -> None:
    """Watch the live page, never reloading it, until it shows that every core is."""
    deadline_s = time.monotonic() + within_s
    while (shown := shown_cpu(page)) < 90.0:
        assert time.monotonic() < deadline_s, f"the page shows {shown} %"
        page.wait_for_timeout(250)


def wait_for_truth(page: Page, within_s: float) -> None:
    """Watch it until it shows the load that is measured here, whatever else this machine does."""
    deadline_s = time.monotonic() + within_s
    measured = deque([psutil.cpu_percent(1.0)], maxlen=TOLD_WITHIN_S)
    while not min(measured) - 5.0 <= (shown := shown_cpu(page)) <= max(measured) + 5.0:
        assert time.monotonic() < deadline_s, f"the page shows {shown} %, measured were {list(measured)}"
        page.wait_for_timeout(50)
        measured.append(psutil.cpu_percent(1.0))


def this_machine(page: Page) -> Locator:
    """Its tile on the fleet page; its network has another."""
    return page.get_by_role("link", name=re.compile(rf"^{THIS_MACHINE_NAME}(?!:)")).first


def tile(page: Page, name: str, state: str) -> Locator:
    """A device on the fleet page, once it is so; a glyph has its name as its title."""
    return page.locator(f'.t[title="{name}"][data-s="{state}"]')


def test_fresh_clone_runs_and_shows_this_machine_s_real_load_live(first_run: MakeRun, chromium: Browser) -> None:
    first_run.await_ready(FIRST_START_S)
    with browsing(chromium) as page:
        sign_in(page, first_run.url, TECHNICIAN.login, first_run.password())
        page.goto(f"{first_run.url}/fleet")
        expect(this_machine(page)).to_be_attached(timeout=60_000)
        page.fill("#search", "may nay")
        this_machine(page).click()
        page.get_by_role("link", name="Mở trang thiết bị").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(THIS_MACHINE_NAME, timeout=30_000)
        expect(page.locator("[data-metric=cpu]")).to_be_visible(timeout=60_000)
        page.evaluate("window.sameDocument = true")
        with loaded():
            wait_for_busy(page, 45.0)
        wait_for_truth(page, 90.0)
        assert page.evaluate("window.sameDocument") is True
        page.wait_for_function(CHART_IS_LIVE, arg=list(CPU_SHOWN), timeout=30_000)
    assert first_run.interrupt() < STOP_S
    assert first_run.processes() == []


def test_second_start_on_a_fresh_state_sets_nothing_up_again(run: MakeRun) -> None:
    run.await_ready(SECOND_START_S)
    assert run.interrupt() < STOP_S
    assert run.processes() == []


def test_printer_and_projector_of_the_lab_come_alive_and_a_fault_is_seen_and_repaired(
    run: MakeRun, chromium: Browser
) -> None:
    run.await_ready(60.0)
    with browsing(chromium) as page:
        sign_in(page, run.url, TECHNICIAN.login, run.password())
        page.goto(run.url)
        for name in LAB_NAMES.values():
            expect(tile(page, name, "ok")).to_have_count(1, timeout=60_000)
        run.give_fault(PRINTER, "thermal-runaway")
        expect(tile(page, LAB_NAMES[PRINTER], "fault")).to_have_count(1, timeout=30_000)
        run.give_fault(PRINTER, "none")
        expect(tile(page, LAB_NAMES[PRINTER], "ok")).to_have_count(1, timeout=60_000)
    assert run.interrupt() < STOP_S
    assert run.processes() == []


def test_nothing_is_left_running_when_the_demo_is_killed(run: MakeRun) -> None:
    run.await_ready(60.0)
    run.password()  # by now all its children run
    demo = next(process for process in run.processes() if "demo" in process.cmdline())
    assert len(demo.children(recursive=True)) >= 6
    demo.kill()
    _, alive = psutil.wait_procs(run.processes(), timeout=STOP_S)
    assert alive == []


def test_nothing_is_left_running_when_make_is_killed(run: MakeRun) -> None:
    run.await_ready(60.0)
    run.password()
    run.process.kill()
    _, alive = psutil.wait_procs(run.processes(), timeout=STOP_S)
    assert alive == []
