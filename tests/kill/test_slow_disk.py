"""A disk that takes its time for every sync, then for some stands still: nothing is lost, and it goes on by itself."""

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from controller.fleet.enrolment import Place
from controller.simulation import SimulatedAgent, SimulatedDevice
from tests.integration import postgres
from tests.kill.reckoning import reckon
from tests.kill.stage import Stage, eventually, verify

pytestmark = [pytest.mark.kill, pytest.mark.xdist_group("machine"), pytest.mark.timeout(600)]

RATE = ("--tick", "0.2", "--speed", "25", "--every-value", "--hurry")
SOURCE = Path(__file__).with_name("slow_disk.c")
SLOW_MS, HANGING_MS = 400, 6_000
"""A card that is worn out; longer than it takes until the controller says that it does not store."""


class Disk:
    """Every sync of a process that was started with `environment` waits as long as was last said."""

    def __init__(self, folder: Path) -> None:
        self._file, library = folder / "slow", folder / "slow_disk.so"
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", str(SOURCE), "-o", str(library), "-ldl"]
        subprocess.run(command, check=True)
        self.takes(0)
        self.environment = {"LD_PRELOAD": str(library), "SLOW_DISK": str(self._file)}

    def takes(self, milliseconds: int) -> None:
        self._file.write_text(str(milliseconds), "ascii")


@pytest.fixture(name="slow", params=["sqlite", "postgresql"])
def _slow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Stage, Disk]]:
    devices = tuple(SimulatedDevice(f"d-{n}", f"D {n}", "demo/classroom-pc") for n in range(3))
    agents = [SimulatedAgent(Place("slow", room), room, devices) for room in ("one", "two")]
    with ExitStack() as stack:
        url = ""
        if request.param == "postgresql":
            server = stack.enter_context(postgres.victim())
            disk = Disk(server.folder)
            server.stop()
            server.environment = disk.environment
            server.start()
            url = server.url
            stack.callback(disk.takes, 0)
        else:
            disk = Disk(tmp_path)
        preloaded = {} if url else disk.environment
        stage = Stage(tmp_path / "state", agents, RATE, database_url=url, controller_environment=preloaded)
        stack.callback(stage.stop_all)
        yield stage, disk


def test_slow_disk_delays_what_is_stored_and_loses_nothing(slow: tuple[Stage, Disk], tmp_path: Path) -> None:
    stage, disk = slow
    stage.start_controller()
    stage.start_agents()
    _more_acked(stage, "batches are acked")

    disk.takes(SLOW_MS)
    _more_acked(stage, "batches are acked, more of them at a time")
    with urllib.request.urlopen(f"{stage.url}/healthz", timeout=10.0) as answer:
        assert answer.status == 200

    disk.takes(HANGING_MS)
    time.sleep(1.0)  # what was on its way is through
    acked, unacked = stage.flow().acked, stage.flow().unacked
    eventually(lambda: stage.flow().unacked >= unacked + 10, 60.0, "the agents keep what they cannot deliver")
    assert stage.flow().unacked - unacked > stage.flow().acked - acked, "nothing is acked that is not on disk"

    disk.takes(0)
    _more_acked(stage, "batches are acked again, with no restart")
    stage.drain()
    reckoning = reckon(stage.database_url, stage.log, tmp_path / "reckoning")
    print(f"\n{reckoning}")
    assert reckoning.holds, reckoning
    assert verify(stage).returncode == 0


def _more_acked(stage: Stage, what: str) -> None:
    before = stage.newest()
    eventually(lambda: stage.acked_since(before) >= 10, 60.0, what)
