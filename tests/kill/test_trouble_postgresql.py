"""What goes wrong with a PostgreSQL server, end to end: nothing is lost, the controller is never started again."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import NullPool, create_engine, text

from controller.database import make_engine
from controller.fleet.enrolment import Place
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.main import wall_ms
from controller.simulation import SimulatedAgent, SimulatedDevice
from tests.integration import postgres
from tests.kill.reckoning import Reckoning, reckon
from tests.kill.stage import HOST, Stage, eventually, verify
from tests.passwords import quick

pytestmark = [pytest.mark.kill, pytest.mark.xdist_group("machine"), pytest.mark.timeout(900)]

RATE = ("--tick", "0.2", "--speed", "25", "--every-value", "--hurry")
AWAY_S, LONG_AWAY_S = 8.0, 60.0
FROZEN_S, LONG_FROZEN_S = 3.0, 40.0
"""Short of the time after which a page tells it, and beyond what any client waits for."""
DISK_MB = 48
SLACK = 4
"""So many more threads and descriptors than before may be there by chance: pooled connections, requests under way."""


class Trouble:
    """A stage on a server of its own, whose tables lie on a small disk if there may be one."""

    def __init__(self, server: postgres.Server, stage: Stage, disk: Path | None) -> None:
        self.server = server
        self.stage = stage
        self.disk = disk
        self.observer = create_engine(stage.database_url, poolclass=NullPool)

    def more_acked(self, what: str) -> None:
        acked = self.stage.flow().acked
        eventually(lambda: self.stage.flow().acked >= acked + 6, 60.0, what)

    def not_stored(self, what: str) -> None:
        """The controller says that it is not ready, the agents keep what they have, nothing is acked."""
        eventually(lambda: not self.stage.ready(), 40.0, what)
        acked, unacked = self.stage.flow().acked, self.stage.flow().unacked
        eventually(lambda: self.stage.flow().unacked >= unacked + 6, 60.0, "the agents keep what they cannot deliver")
        assert self.stage.flow().acked == acked

    def back(self, what: str) -> None:
        eventually(self.stage.ready, 60.0, f"it is ready again after {what}")
        self.more_acked(f"batches are acked again after {what}")

    def ask(self, query: str) -> object:
        with self.observer.connect() as connection:
            found = connection.execute(text(query)).scalar()
            connection.commit()
        return found

    def footprint(self) -> tuple[int, int]:
        assert self.stage.controller is not None
        process = psutil.Process(self.stage.controller.pid)
        return process.num_threads(), process.num_fds()


@pytest.fixture(name="trouble")
def _trouble(tmp_path: Path) -> Iterator[Trouble]:
    devices = tuple(SimulatedDevice(f"d-{n}", f"D {n}", "demo/classroom-pc") for n in range(3))
    agents = [SimulatedAgent(Place("trouble", room), room, devices) for room in ("one", "two")]
    with ExitStack() as stack:
        server = stack.enter_context(postgres.victim())
        disk = _small_disk(stack, server)
        admin = create_engine(server.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with admin.connect() as connection:
            if disk:
                connection.execute(text(f"CREATE TABLESPACE small LOCATION '{disk}'"))
            connection.execute(text("CREATE DATABASE trouble" + (" TABLESPACE small" if disk else "")))
        url = server.url.rsplit("/", 1)[0] + "/trouble"
        stage = Stage(tmp_path / "state", agents, RATE, database_url=url)
        stack.callback(stage.stop_all)
        yield Trouble(server, stage, disk)


def _small_disk(stack: ExitStack, server: postgres.Server) -> Path | None:
    """A file system of DISK_MB that belongs to the server; None if we may not mount one."""
    disk = server.folder / "small"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0777", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        return None
    stack.callback(lambda: subprocess.run(["umount", "-l", disk], check=True))
    inside = disk / "tables"
    inside.mkdir()
    os.chown(inside, server.folder.stat().st_uid, server.folder.stat().st_gid)
    return inside


def test_controller_outlives_all_that_happens_to_its_server(trouble: Trouble, tmp_path: Path, soak: bool) -> None:
    stage, server = trouble.stage, trouble.server
    stage.start_controller()
    stage.start_agents()
    trouble.more_acked("batches are acked")
    pid = stage.controller.pid if stage.controller else 0
    before = trouble.footprint()

    for _ in range(3):
        trouble.ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'fabfleet' AND pid <> pg_backend_pid()"
        )
        trouble.back("its connections were ended")

    with server.frozen():
        time.sleep(LONG_FROZEN_S if soak else FROZEN_S)
    trouble.back("the server stood still")

    server.stop()
    server.start()
    trouble.back("the server was restarted")

    server.stop()
    trouble.not_stored("the server is gone")
    time.sleep(LONG_AWAY_S if soak else AWAY_S)
    server.start()
    trouble.back("the server was away")

    server.kill()
    server.start()
    trouble.back("the server was killed")

    if os.getuid() == 0:
        _fill_disk(trouble)

    eventually(lambda: _is_as_before(before, trouble.footprint()), 60.0, f"threads and descriptors are {before} again")
    assert stage.controller is not None
    assert (stage.controller.pid, stage.controller.starts) == (pid, 1)
    stage.drain()
    reckoning = _reckoning(trouble, tmp_path, 1)
    print(f"\n{before} {trouble.footprint()} {reckoning}")
    assert reckoning.holds, reckoning
    assert verify(stage).returncode == 0

    _lose_a_partition(trouble, tmp_path, reckoning)


def _is_as_before(before: tuple[int, int], now: tuple[int, int]) -> bool:
    return all(one <= other + SLACK for one, other in zip(now, before, strict=True))


def _fill_disk(trouble: Trouble) -> None:
    assert trouble.disk is not None, "root may mount a small disk"
    ballast = trouble.disk.parent / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 16)):
                pass
    except OSError:  # it is full
        pass
    trouble.not_stored("the disk is full")
    ballast.unlink()
    trouble.back("the disk was full")


def _lose_a_partition(trouble: Trouble, tmp_path: Path, before: Reckoning) -> None:
    """Somebody drops a day's table by hand, which the controller believes to be there: it makes a new one.

    What was in it is named by `verify`, and that alone is missing.
    """
    stage = trouble.stage
    table = trouble.ask(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'reading'::regclass ORDER BY 1 DESC LIMIT 1"
    )
    stage.start_agents()
    trouble.more_acked("readings come to the newest day's table")
    with trouble.observer.begin() as connection:
        connection.execute(text("SELECT id FROM installation FOR UPDATE"))  # while nobody writes
        lost = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        connection.execute(text(f"DROP TABLE {table}"))
    trouble.back("a partition was dropped")
    stage.drain()

    after = _reckoning(trouble, tmp_path, 2)
    assert (after.doubled, after.changed) == (0, 0)
    assert after.logged > before.logged
    assert after.undeclared == lost > 0, "the rows of the table, and no other"
    assert trouble.ask("SELECT count(*) FROM quarantine") == 0
    told = verify(stage)
    assert told.returncode == 1
    assert "damaged: batch" in told.stdout


def _reckoning(trouble: Trouble, folder: Path, number: int) -> Reckoning:
    return reckon(trouble.stage.database_url, trouble.stage.log, folder / f"reckoning-{number}")


def test_page_tells_that_nothing_is_stored_and_that_it_is_again(trouble: Trouble) -> None:
    stage = trouble.stage
    engine = make_engine(stage.database_url)
    admin = Admin(engine, quick(), wall_ms)
    admin.add_user(NewUser("ky", "Person ky", Role.TECHNICIAN, None), "a long password of ky")
    token = admin.add_api_token("ky", "test", None)
    engine.dispose()
    stage.start_controller()
    stage.start_agents()
    trouble.more_acked("batches are acked")
    headers = {"authorization": f"Bearer {token}"}
    with (
        httpx.Client(base_url=f"http://{HOST}:{stage.port}", headers=headers, timeout=60) as client,
        client.stream("GET", "/api/v1/stream") as stream,
    ):
        lines = stream.iter_lines()
        assert '"storing":true' in next(line for line in lines if line.startswith("data:"))
        with trouble.server.frozen():
            next(line for line in lines if '"storing":false' in line)
        next(line for line in lines if '"storing":true' in line)
