"""From a click to a pin and back, with every part that lies between: the whole way, and nothing on it is a stand-in.

Chromium, the controller, its broker, the agent as a process on a Linux of its own (QEMU, with Debian's kernel), its
USB serial port, and behind that a simulated Arduino with the real StandardFirmata. What the pin does is asked of the
processor.
"""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from controller.fleet.enrolment import Credentials, Place, enrol
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.main import wall_ms
from hil.farends.board import Board, MissingFarEnd
from hil.guest import inside, usb
from hil.guest.kernel import MissingGuest
from hil.guest.machine import Guest, GuestLost
from hil.lab import missing
from tests.browser import records
from tests.browser.agent_process import Machine, agent_files
from tests.browser.conftest import visits
from tests.browser.permit import FOLLOW, PATIENT, SOON_MS, expect_celsius, feel, line, relay, shown
from tests.browser.stage import PASSWORD, Stage
from tests.databases import fresh
from tests.integration.mqtt import eventually
from tests.passwords import quick

pytestmark = [pytest.mark.hil, pytest.mark.sim_only, pytest.mark.xdist_group("guest")]

NAME = "Khóa quyền dùng"
OURS, OTHER = "HIL0001", "HIL0002"
STATE = Path("/run/room")
"""In the guest."""
LONGEST_S = 90.0
BACK_MS = 90_000
"""A lost device is tried again after 1, 2, 4, ... seconds."""


@dataclass(frozen=True, slots=True)
class Chain:
    """All the parts. The board is plugged into the guest, and the agent there has contact with it."""

    stage: Stage
    board: Board
    guest: Guest
    agent: int
    """The agent's process, in the guest."""

    @property
    def device(self) -> int:
        return self.stage.device_id(NAME)

    def in_contact(self) -> bool:
        return self.stage.bridge_open(NAME)

    def agent_runs(self) -> bool:
        return self.guest.ask(Path.exists, Path(f"/proc/{self.agent}/fd"))


@contextmanager
def chain(folder: Path) -> Iterator[Chain]:
    stage = Stage(folder / "controller")
    credentials = _seed(stage)
    with ExitStack() as opened, ThreadPoolExecutor(1) as beside:
        booting = beside.submit(Guest, folder)
        opened.callback(_close, booting)
        opened.callback(stage.stop)
        stage.start()
        board = _board(opened, folder)
        try:
            guest = booting.result()
        except (MissingGuest, GuestLost, OSError, subprocess.SubprocessError) as error:
            missing("Linux in QEMU", error)
        guest.load(*usb.MODULES)
        guest.ask(usb.begin)
        guest.plug("board", Path(board.endpoint), OURS, port=1)
        agent = _agent(guest, credentials, stage)
        found = Chain(stage, board, guest, agent)
        try:
            eventually(found.in_contact, "the agent has contact with the board", LONGEST_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{guest.ask(Path.read_text, STATE / 'agent.log')[-2000:]}") from None
        yield found


def _close(booting: Future[Guest]) -> None:
    if booting.exception() is None:
        booting.result().close()


def _seed(stage: Stage) -> Credentials:
    stage.config.folder.mkdir(parents=True)
    engine = fresh(stage.config.folder / "fabfleet.db")
    credentials = enrol(engine, Place("canh-buom", "fablab", "THCS Cánh Buồm", "Cánh Buồm", "FabLab"), "pi-fablab")
    Admin(engine, quick(), wall_ms).add_user(NewUser("bao", "Trần Quốc Bảo", Role.TECHNICIAN, None), PASSWORD)
    engine.dispose()
    return credentials


def _board(opened: ExitStack, folder: Path) -> Board:
    try:
        board = Board(folder, speed=0.5)
    except (MissingFarEnd, OSError, subprocess.SubprocessError) as error:
        missing("simulated Arduino", error)
    opened.callback(board.close)
    feel(board, 25.0)
    board.tell("watch D 7")
    return board


def _agent(guest: Guest, credentials: Credentials, stage: Stage) -> int:
    """Started in the guest; its process number there."""
    machine = Machine("permit", NAME, "arduino/machine-permit", usb.BY_ID.format(serial=OURS), PATIENT)
    for name, content in agent_files(credentials, stage, [machine], inside.HOST).items():
        guest.ask(inside.write, STATE / "agent" / name, content)
    command = [sys.executable, "-m", "agent", "run", "--state", str(STATE)]
    return guest.ask(inside.launch, command, STATE / "agent.log")


def test_click_sets_a_pin_and_a_voltage_comes_to_the_chart_over_usb_that_is_unplugged_between(
    chromium: Browser, tmp_path: Path
) -> None:
    with chain(tmp_path) as found, visits(chromium, found.stage.url) as visit:
        page = visit().signed_in("bao").live(f"/devices/{found.device}")
        page.evaluate(FOLLOW)
        expect(page.locator("#about")).to_contain_text(OURS)
        click_sets_the_pin(found, page)
        voltage_moves_the_line(found, page, before=25.0, after=40.0)
        unplugged_board_is_lost(found, page)
        board_is_back_at_another_port_and_under_another_number(found, page)
        voltage_moves_the_line(found, page, before=18.0, after=31.0)
        click_sets_the_pin(found, page)
        assert page.evaluate("window.sameDocument") is True
        kept = records.commands(found.stage, found.device)
        assert [each.action for each in kept] == ["unlock"] * 2
        assert all(sorted(each.steps) == sorted(records.WAY) for each in kept)  # the guest has a clock of its own


def click_sets_the_pin(found: Chain, page: Page) -> None:
    before, since = page.locator(".cmd").count(), found.board.child.mark()
    assert not relay(found.board)
    page.locator("#do-unlock").click()
    expect(page.locator(".cmd")).to_have_count(before + 1)
    expect(page.locator(".cmd").first).to_have_attribute("data-status", "done", timeout=SOON_MS)
    assert relay(found.board)
    assert [high for high, _ in found.board.edges("D", 7, since)] == [True]
    expect(shown(page, "unlocked")).to_have_text("có", timeout=SOON_MS)


def voltage_moves_the_line(found: Chain, page: Page, before: float, after: float) -> None:
    expect_celsius(page, before)
    feel(found.board, after)
    expect_celsius(page, after)
    assert line(page)[-1] == pytest.approx(after, abs=1.0)


def unplugged_board_is_lost(found: Chain, page: Page) -> None:
    """And without power its pin falls off."""
    found.guest.unplug("board")
    found.board.tell("reset")
    expect(page.locator("#do-unlock")).to_have_attribute("aria-disabled", "true", timeout=SOON_MS)
    expect(page.locator("#about")).to_contain_text("mất liên lạc", timeout=SOON_MS)
    eventually(lambda: not found.in_contact(), "the controller knows of it")
    assert not relay(found.board)


def board_is_back_at_another_port_and_under_another_number(found: Chain, page: Page) -> None:
    """Another adapter has its number by then, and nobody restarts the agent."""
    feel(found.board, 18.0)
    found.guest.plug("other", None, OTHER, port=2)
    eventually(lambda: len(found.guest.ask(usb.ports)) == 1, "the other adapter is there", LONGEST_S)
    found.guest.plug("board", Path(found.board.endpoint), OURS, port=3)
    expect(page.locator("#do-unlock")).not_to_have_attribute("aria-disabled", "true", timeout=BACK_MS)
    expect_celsius(page, 18.0)
    ports = {port.serial: port.device for port in found.guest.ask(usb.ports)}
    assert ports == {OTHER: "/dev/ttyUSB0", OURS: "/dev/ttyUSB1"}
    assert found.agent_runs()
    assert None in line(page), "while it was away nothing was measured"
