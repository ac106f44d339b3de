"""Agents, broker, controller and PostgreSQL are killed with batches in flight; a value is stored once, or declared."""

import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from controller.fleet.enrolment import Place
from controller.simulation import SimulatedAgent, SimulatedDevice
from tests.integration import postgres
from tests.kill.reckoning import reckon
from tests.kill.stage import Stage, eventually, verify

pytestmark = [pytest.mark.kill, pytest.mark.xdist_group("machine")]  # one such test at a time is load enough

SEED = 20_261_121
KILLS = 30
"""Of each part, at least, each with a batch in flight."""
VALUES = 100_000
FEW_KILLS, FEW_VALUES = 3, 10_000
"""With PostgreSQL, in continuous integration: that a kill loses nothing is shown at full size with SQLite."""
SOAK_S = 3_600.0
PROFILES = ("demo/classroom-pc", "demo/printer-3d", "demo/projector", "demo/air-sensor")
RATE = ("--tick", "0.2", "--speed", "25", "--every-value", "--hurry")
"""Every device is read at each tick of 0.2 s, and everything that is read is reported."""


def fleet() -> list[SimulatedAgent]:
    """Four agents with ten devices each: about 1,600 values a second."""
    return [
        SimulatedAgent(
            Place("kill", f"room-{number}"),
            f"room-{number}",
            tuple(SimulatedDevice(f"d-{n}", f"D {n}", PROFILES[n % len(PROFILES)]) for n in range(10)),
        )
        for number in range(4)
    ]


@dataclass(frozen=True, slots=True)
class Scene:
    """A stage; `server` is its PostgreSQL, which is killed as well, None with SQLite."""

    stage: Stage
    server: postgres.Server | None


@pytest.fixture(params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        server = stack.enter_context(postgres.victim()) if request.param == "postgresql" else None
        stage = Stage(tmp_path / "state", fleet(), RATE, database_url=server.url if server else "")
        stack.callback(stage.stop_all)
        yield Scene(stage, server)


class Killer:
    """Kills one part at a time, and counts the kills that hit a batch in flight."""

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        self._stage = scene.stage
        self._server = scene.server
        self._chance = chance
        self.hits: Counter[str] = Counter()
        self.parts: dict[str, Callable[[], bool]] = {
            "agents": self._kill_agents,
            "broker": self._kill_broker,
            "controller": self._kill_controller,
        }
        if scene.server is not None:
            self.parts["database"] = self._kill_database

    def kill(self, part: str) -> None:
        """Once the flow is whole again, wait a moment by chance, and kill when a batch is on the wire."""
        eventually(
            self._stage.ready, 60.0, "the controller is ready"
        )  # one that still starts ends without its database
        before = self._stage.flow().acked
        eventually(lambda: self._stage.flow().acked > before, 60.0, "batches are acked again")
        time.sleep(self._chance.random() * 0.3)
        eventually(lambda: self._stage.flow().attempted > 0, 30.0, "a batch is in flight")
        if self.parts[part]():
            self.hits[part] += 1

    def _in_flight(self) -> bool:
        """Looked up after the kill: the batch was not acked when its carrier died."""
        return self._stage.flow().attempted > 0

    def _kill_agents(self) -> bool:
        agents = self._stage.agents
        assert agents is not None
        agents.kill()
        hit = self._in_flight()
        agents.start_again()
        return hit

    def _kill_broker(self) -> bool:
        broker = self._broker_other_than(0)
        broker.kill()
        hit = self._in_flight()
        self._broker_other_than(broker.pid)
        return hit

    def _broker_other_than(self, pid: int) -> psutil.Process:
        """The controller keeps one running."""
        deadline_s = time.monotonic() + 30.0
        while (broker := self._stage.broker()) is None or broker.pid == pid:
            assert time.monotonic() < deadline_s, "no new broker"
            time.sleep(0.05)
        return broker

    def _kill_controller(self) -> bool:
        controller = self._stage.controller
        assert controller is not None
        controller.kill()
        hit = self._in_flight()
        controller.start_again()
        return hit

    def _kill_database(self) -> bool:
        assert self._server is not None
        self._server.kill()
        hit = self._in_flight()
        self._server.start()
        return hit


def wipe_broker(stage: Stage) -> None:
    """The broker loses all that it ever wrote, while batches are in flight."""
    eventually(lambda: stage.flow().attempted > 0, 30.0, "a batch is in flight")
    assert stage.controller is not None
    stage.controller.kill()  # its broker dies with it
    store = stage.state / "controller" / "broker"
    eventually(lambda: not _uses(store), 5.0, "the broker is gone")
    shutil.rmtree(store)
    stage.controller.start_again()


def _uses(folder: Path) -> bool:
    return subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, check=False).returncode == 0


@pytest.mark.timeout(7_200)
def test_kill_of_any_part_loses_nothing_and_stores_nothing_twice(scene: Scene, tmp_path: Path, soak: bool) -> None:
    stage, chance = scene.stage, random.Random(SEED)
    kills, values = (KILLS, VALUES) if soak or scene.server is None else (FEW_KILLS, FEW_VALUES)
    began_s = time.monotonic()
    stage.start_controller()
    stage.start_agents()
    killer = Killer(scene, chance)
    wiped = False
    while min(killer.hits[part] for part in killer.parts) < kills or (soak and time.monotonic() - began_s < SOAK_S):
        order = [part for part in killer.parts if soak or killer.hits[part] < kills]
        chance.shuffle(order)
        for part in order:
            killer.kill(part)
        if not wiped and killer.hits["broker"] >= kills // 2:
            wipe_broker(stage)
            wiped = True
    assert wiped
    assert {part: hits for part, hits in killer.hits.items() if hits < kills} == {}

    stage.drain()
    reckoning = reckon(stage.database_url, stage.log, tmp_path / "reckoning.db")
    print(f"\n{time.monotonic() - began_s:.0f} s, kills that hit {dict(killer.hits)}, {reckoning}")
    assert reckoning.logged >= values
    assert reckoning.holds, reckoning

    stage.stop(stage.controller)
    verified = verify(stage)
    assert verified.returncode == 0, verified.stdout + verified.stderr
