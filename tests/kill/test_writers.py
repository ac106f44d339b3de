"""Two controllers take in on one PostgreSQL database and one broker, while one of them is killed or frozen at work."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from controller.broker.embedded import EmbeddedBroker
from controller.database import make_engine
from controller.demo.children import Command
from controller.fleet.enrolment import Place, broker_users
from controller.ingest.turn import Turns
from controller.simulation import SimulatedAgent, SimulatedDevice
from tests.databases import PostgresServer
from tests.kill.reckoning import reckon
from tests.kill.stage import Stage, Victim, eventually, verify

pytestmark = [pytest.mark.kill, pytest.mark.xdist_group("machine"), pytest.mark.timeout(600)]

RATE = ("--tick", "0.2", "--speed", "25", "--every-value", "--hurry")
IDLE_S, WAIT_S = 2, 4
OPTIONS = f"?options=-c%20idle_in_transaction_session_timeout%3D{IDLE_S}s%20-c%20lock_timeout%3D{WAIT_S}s"
"""The bounds of controller.database, shorter."""
KILLS = 5


class Crew:
    """A broker, agents, and two writers."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        self.stage = stage
        engine = make_engine(stage.database_url)
        self.broker = EmbeddedBroker(folder / "broker", stage.broker_port)
        self.broker.set_users(broker_users(engine))
        engine.dispose()
        self.broker.start()
        login = self.broker.login
        environment = {"BROKER_USER": login.user, "BROKER_PASSWORD": login.password}
        run = (sys.executable, "-m", "tests.kill.writer", stage.database_url, str(stage.broker_port))
        self.writers = [
            Victim(Command(f"writer-{name}", run, folder / f"writer-{name}.log", environment)) for name in "ab"
        ]
        self._observer = create_engine(stage.database_url.partition("?")[0], poolclass=NullPool)

    def stop(self) -> None:
        for each in self.writers:
            each.kill()
        self.stage.stop_all()
        self.broker.stop()

    def more_acked(self, what: str, within_s: float = 60.0) -> None:
        acked = self.stage.flow().acked
        eventually(lambda: self.stage.flow().acked >= acked + 12, within_s, what)

    def counts(self, writer: Victim) -> dict[str, int]:
        """The last line of what it says; before it says anything nothing."""
        lines = [line for line in writer.command.log.read_text("utf-8").splitlines() if line.startswith("{")]
        found: dict[str, int] = json.loads(lines[-1]) if lines else {}
        return found

    def connected(self, pid: int) -> bool:
        with self._observer.connect() as connection:
            asked = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
            return bool(connection.execute(asked, {"pid": pid}).scalar_one())

    def writing(self) -> int:
        """How many have a transaction open that has taken its turn."""
        with self._observer.connect() as connection:
            return int(
                connection.execute(
                    text(
                        "SELECT count(*) FROM pg_locks WHERE relation = 'installation'::regclass"
                        " AND mode = 'RowShareLock' AND granted"
                    )
                ).scalar_one()
            )


@pytest.fixture(name="crew")
def _crew(tmp_path: Path, postgresql: PostgresServer) -> Iterator[Crew]:
    devices = tuple(SimulatedDevice(f"d-{n}", f"D {n}", "demo/classroom-pc") for n in range(6))
    agents = [SimulatedAgent(Place("several", room), room, devices) for room in ("one", "two", "three", "four")]
    stage = Stage(tmp_path / "state", agents, RATE, database_url=postgresql.empty() + OPTIONS)
    crew = Crew(tmp_path, stage)
    try:
        stage.start_agents()
        yield crew
    finally:
        crew.stop()


def test_two_writers_store_each_batch_once_and_go_on_when_one_is_killed_or_frozen(crew: Crew, tmp_path: Path) -> None:
    one, other = crew.writers
    eventually(lambda: crew.counts(one).get("batches", 0) > 5, 60.0, "one stores batches")
    eventually(lambda: crew.counts(other).get("batches", 0) > 5, 60.0, "so does the other")

    for _ in range(KILLS):
        eventually(lambda: crew.writing() > 0, 30.0, "somebody writes")
        one.kill()
        crew.more_acked("the other goes on")
        one.start_again()
    crew.more_acked("both go on")

    for _ in range(KILLS):  # whenever it is: in mid-transaction, in mid-COPY, or waiting
        eventually(lambda: crew.writing() > 0, 30.0, "somebody writes")
        os.kill(one.pid, signal.SIGSTOP)
        crew.more_acked("the other goes on in spite of the frozen one")
        os.kill(one.pid, signal.SIGCONT)
    crew.more_acked("both go on")

    crew.stage.drain()
    conflicts = [crew.counts(each).get("conflicts", 0) for each in crew.writers]
    assert conflicts == [0, 0]
    reckoning = reckon(crew.stage.database_url.partition("?")[0], crew.stage.log, tmp_path / "reckoning")
    print(f"\n{reckoning}")
    assert reckoning.holds, reckoning
    verified = verify(crew.stage)
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize("copying", [False, True], ids=["between two statements", "in the middle of a COPY"])
def test_turn_that_a_frozen_writer_holds_is_taken_from_it(crew: Crew, copying: bool) -> None:
    crew.more_acked("batches are acked")
    frozen = make_engine(crew.stage.database_url)
    with frozen.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        eventually(lambda: _taken(connection), 60.0, "it is our turn")
        if copying:
            cursor = connection.connection.cursor()
            cursor.execute("CREATE TEMPORARY TABLE half (whole int8)")
            pending = cursor.copy("COPY half FROM STDIN")
            pending.__enter__().write_row((1,))
        began_s = time.monotonic()
        eventually(lambda: not crew.connected(pid), 30.0, "the server has ended it")
        print(f"\nafter {time.monotonic() - began_s:.1f} s")
        crew.more_acked("the others go on")
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.close()
        connection.invalidate()
    frozen.dispose()


def _taken(connection: Connection) -> bool:
    """Whether we had our turn within the time that one waits for it."""
    try:
        Turns().take(connection)
    except OperationalError:
        connection.rollback()
        return False
    return True
