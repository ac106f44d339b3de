"""From a click to a pin and from a pin to the chart: the real StandardFirmata in simavr, two boards of one kind.

What the pins do is asked of the simulator, never of the bridge.
"""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from controller.fleet.enrolment import Place, enrol
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.main import wall_ms
from hil.farends.board import Board, MissingFarEnd
from hil.lab import missing
from tests.browser import records
from tests.browser.agent_process import AgentProcess, Machine
from tests.browser.conftest import visits
from tests.browser.permit import FOLLOW, GRAIN_C, PATIENT, SOON_MS, expect_celsius, feel, line, relay, shown
from tests.browser.stage import PASSWORD, Stage
from tests.databases import fresh
from tests.integration.mqtt import eventually
from tests.passwords import quick

pytestmark = [pytest.mark.hil, pytest.mark.sim_only, pytest.mark.xdist_group("simavr")]

WARM_AT_FIRST, WARM_LATER = 25.0, 40.0
COOL_AT_FIRST, COOL_LATER = 35.0, 15.0


@dataclass(frozen=True, slots=True)
class Bench:
    """Two boards with the same firmware, the same profile and the same wiring, at one agent."""

    stage: Stage
    warm: Board
    cool: Board

    def path(self, name: str) -> str:
        return f"/devices/{self.stage.device_id(name)}"


@contextmanager
def bench(state: Path) -> Iterator[Bench]:
    stage = Stage(state)
    stage.config.folder.mkdir(parents=True)
    engine = fresh(stage.config.folder / "fabfleet.db")
    credentials = enrol(engine, Place("canh-buom", "fablab", "THCS Cánh Buồm", "Cánh Buồm", "FabLab"), "pi-fablab")
    Admin(engine, quick(), wall_ms).add_user(NewUser("bao", "Trần Quốc Bảo", Role.TECHNICIAN, None), PASSWORD)
    engine.dispose()
    with ExitStack() as opened:
        boards = [_board(opened, state, name) for name in ("warm", "cool")]
        for board, celsius in zip(boards, (WARM_AT_FIRST, COOL_AT_FIRST), strict=True):
            feel(board, celsius)
            board.tell("watch D 7")
        machines = [
            Machine(name, name, "arduino/machine-permit", board.endpoint, PATIENT)
            for name, board in zip(("warm", "cool"), boards, strict=True)
        ]
        agent = AgentProcess(state / "room", credentials, stage, machines)
        opened.callback(stage.stop)
        stage.start()
        opened.callback(agent.stop)
        agent.start()
        eventually(lambda: all(stage.bridge_open(each.name) for each in machines), "both boards have reported", 60)
        yield Bench(stage, *boards)


def _board(opened: ExitStack, folder: Path, name: str) -> Board:
    try:
        board = Board(folder, name=name, speed=0.5)
    except (MissingFarEnd, OSError, subprocess.SubprocessError) as error:
        missing("simulated Arduino", error)
    opened.callback(board.close)
    return board


@contextmanager
def halted(board: Board) -> Iterator[None]:
    """What is sent to it meanwhile waits at its port."""
    board.child.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        board.child.process.send_signal(signal.SIGCONT)


def test_a_click_moves_the_pin_of_its_board_and_a_voltage_the_line_of_its_chart(
    chromium: Browser, tmp_path: Path
) -> None:
    with bench(tmp_path) as found, visits(chromium, found.stage.url) as visit:
        browser = visit().signed_in("bao")
        warm, cool = (browser.live(found.path(name)) for name in ("warm", "cool"))
        for page in (warm, cool):
            page.evaluate(FOLLOW)
        expect_celsius(warm, WARM_AT_FIRST)
        expect_celsius(cool, COOL_AT_FIRST)
        one_is_switched_on(found, warm, cool)
        the_other_is_switched_on_and_the_first_one_off(found, warm, cool)
        each_feels_its_own_voltage(found, warm, cool)
        for page, name, given in ((warm, "warm", ["unlock", "lock"]), (cool, "cool", ["unlock"])):
            assert page.evaluate("window.sameDocument") is True
            kept = records.commands(found.stage, found.stage.device_id(name))
            assert [each.action for each in kept] == given
            assert {each.steps for each in kept} == {records.WAY}


def one_is_switched_on(found: Bench, warm: Page, cool: Page) -> None:
    """While its processor is halted the page knows that the command came to the agent, and claims no more than that."""
    since, since_beside = found.warm.child.mark(), found.cool.child.mark()
    with halted(found.warm):
        warm.locator("#do-unlock").click()
        expect(warm.locator(".cmd")).to_have_attribute("data-status", re.compile("accepted|running"), timeout=SOON_MS)
        expect(shown(warm, "unlocked")).to_have_text("không")
    expect(warm.locator(".cmd")).to_have_attribute("data-status", "done", timeout=SOON_MS)
    assert relay(found.warm)
    assert [high for high, _ in found.warm.edges("D", 7, since)] == [True]
    expect(shown(warm, "unlocked")).to_have_text("có", timeout=SOON_MS)
    seen = warm.evaluate("window.seen")
    assert seen[-1] == "done"
    assert seen == [status for status in records.WAY if status in seen]
    steps = warm.locator(".cmd .steps li")
    assert steps.evaluate_all("all => all.map(each => each.dataset.at)") == ["done"] * 5
    times = [re.findall(r"\d\d:\d\d:\d\d", text)[0] for text in steps.all_text_contents()]
    assert times == sorted(times)
    assert not relay(found.cool)
    assert found.cool.edges("D", 7, since_beside) == []
    expect(shown(cool, "unlocked")).to_have_text("không")
    expect(cool.locator(".cmd")).to_have_count(0)


def the_other_is_switched_on_and_the_first_one_off(found: Bench, warm: Page, cool: Page) -> None:
    since = found.warm.child.mark()
    cool.locator("#do-unlock").click()
    expect(cool.locator(".cmd")).to_have_attribute("data-status", "done", timeout=SOON_MS)
    assert relay(found.cool)
    assert found.warm.edges("D", 7, since) == []
    since = found.cool.child.mark()
    warm.locator("#do-lock").click()
    warm.locator("#ask-lock [data-command]").click()
    expect(warm.locator(".cmd")).to_have_count(2)
    expect(warm.locator(".cmd").first).to_have_attribute("data-status", "done", timeout=SOON_MS)
    assert not relay(found.warm)
    assert relay(found.cool)
    assert found.cool.edges("D", 7, since) == []
    expect(shown(warm, "unlocked")).to_have_text("không", timeout=SOON_MS)
    expect(shown(cool, "unlocked")).to_have_text("có", timeout=SOON_MS)


def each_feels_its_own_voltage(found: Bench, warm: Page, cool: Page) -> None:
    assert line(warm) == pytest.approx([WARM_AT_FIRST] * len(line(warm)), abs=GRAIN_C)
    feel(found.warm, WARM_LATER)
    expect_celsius(warm, WARM_LATER)
    assert line(cool) == pytest.approx([COOL_AT_FIRST] * len(line(cool)), abs=GRAIN_C)
    feel(found.cool, COOL_LATER)
    expect_celsius(cool, COOL_LATER)
    assert line(warm)[-1] == pytest.approx(WARM_LATER, abs=GRAIN_C)
    assert all(between(WARM_AT_FIRST, point, WARM_LATER) for point in line(warm))
    assert all(between(COOL_LATER, point, COOL_AT_FIRST) for point in line(cool))
    assert None not in line(warm, "current"), "commands leave no gap in what is measured"


def between(low: float, point: float | None, high: float) -> bool:
    return point is not None and low - GRAIN_C <= point <= high + GRAIN_C
