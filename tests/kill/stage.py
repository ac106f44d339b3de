"""Controller, broker and simulated agents as processes of their own on one state folder, to be killed at will."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil
from sqlmodel import Session

from controller.database import make_engine, migrate, sqlite_url
from controller.demo.children import Child, Command
from controller.simulation import SimulatedAgent, enrol_all, simulator, write_private

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def eventually(holds: Callable[[], object], within_s: float, what: str) -> None:
    """Raises AssertionError naming what did not come about."""
    deadline_s = time.monotonic() + within_s
    pause_s = 0.005
    while not holds():
        assert time.monotonic() < deadline_s, f"not within {within_s:.0f} s: {what}"
        time.sleep(pause_s)
        pause_s = min(1.5 * pause_s, 0.05)


@dataclass(frozen=True, slots=True)
class Flow:
    """Batches of all outboxes: on the wire and not acked; not acked in all; and acked since the beginning."""

    attempted: int
    unacked: int
    acked: int


class Victim(Child):
    """A child that is killed, and started again, when the test says so."""

    def kill(self) -> None:
        """End it without a word, as a power cut does; what it leaves on disk is what had been written."""
        self._process.kill()
        self._process.wait()

    def start_again(self) -> None:
        """It must have ended."""
        self._process = self._start()


class Stage:
    """`simulate` holds further arguments of the simulator: its tick, speed and so on. Without `database_url` the
    database is `database`, a SQLite file.
    """

    def __init__(
        self,
        state: Path,
        agents: Sequence[SimulatedAgent],
        simulate: Sequence[str] = (),
        *,
        database_url: str = "",
        controller_environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.state = state
        self.port, self.broker_port = free_port(), free_port()
        self.database = state / "controller" / "fabfleet.db"
        self.database_url = database_url or sqlite_url(self.database)
        self.log = state / "values.log"
        self._environment = {
            "FABFLEET_STATE": str(state),
            "FABFLEET_PORT": str(self.port),
            "FABFLEET_BROKER_PORT": str(self.broker_port),
            "FABFLEET_DATABASE_URL": self.database_url,
        }
        self._simulate = tuple(simulate)
        self._more = controller_environment
        self.controller: Victim | None = None
        self.agents: Victim | None = None
        self._enrol(agents)

    def _enrol(self, agents: Sequence[SimulatedAgent]) -> None:
        self.database.parent.mkdir(mode=0o700, parents=True)
        engine = make_engine(self.database_url)
        try:
            migrate(engine)
            with Session(engine) as db:
                write_private(self.plan, enrol_all(db, agents))
                db.commit()
        finally:
            engine.dispose()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def plan(self) -> Path:
        return self.state / "simulate" / "agents.jsonl"

    def start_controller(self, wait: bool = True) -> None:
        environment = {**self._environment, **self._more}
        command = Command("controller", self.cli("serve"), self.state / "controller.log", environment)
        self.controller = Victim(command)
        if wait:
            eventually(self.ready, 60.0, "the controller is ready")

    def ready(self) -> bool:
        assert self.controller is not None
        assert self.controller.running, self.controller.last_words()
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=2.0):
            return True
        return False

    def start_agents(self, *more: str) -> None:
        """Start the simulator; `more` stands after the stage's own arguments."""
        command = (
            *simulator(self.plan, f"{HOST}:{self.broker_port}", "7"),
            *self._simulate,
            "--log",
            str(self.log),
            *more,
        )
        self.agents = Victim(Command("agents", command, self.state / "agents.log", self._environment))

    def broker(self) -> psutil.Process | None:
        """The broker's process, which the controller keeps."""
        assert self.controller is not None
        for child in psutil.Process(self.controller.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.name() == "nats-server":
                    return child
        return None

    def flow(self) -> Flow:
        """Read from the outboxes' own files."""
        attempted = unacked = written = 0
        for path in self.plan.parent.glob("*/outbox.db"):
            with contextlib.suppress(sqlite3.OperationalError), opened(path) as db:
                waiting = dict(db.execute("SELECT state, count(*) FROM batch WHERE state < 2 GROUP BY state"))
                attempted += waiting.get(1, 0)
                unacked += sum(waiting.values())
                written += db.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence").fetchone()[0]
        return Flow(attempted, unacked, written - unacked)

    def newest(self) -> Mapping[Path, int]:
        """The id of the newest batch of each outbox, for `acked_since`."""
        ids: dict[Path, int] = {}
        for path in self.plan.parent.glob("*/outbox.db"):
            with opened(path) as db:
                ids[path] = db.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence").fetchone()[0]
        return ids

    def acked_since(self, newest: Mapping[Path, int]) -> int:
        """How many batches that were made after `newest` was asked for are acked; older ones may still wait."""
        acked = 0
        query = "SELECT count(*) FROM batch WHERE state = 2 AND id > ?"
        for path in self.plan.parent.glob("*/outbox.db"):
            with contextlib.suppress(sqlite3.OperationalError), opened(path) as db:
                acked += db.execute(query, (newest.get(path, 0),)).fetchone()[0]
        return acked

    def drain(self, within_s: float = 120.0) -> None:
        """Have the agents deliver what is left, reading nothing more, and stop."""
        self.stop(self.agents)
        self.start_agents("--quiet")
        eventually(lambda: self.flow().unacked == 0, within_s, "every batch is acked")
        self.stop(self.agents)

    def cli(self, *arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "controller.cli", *arguments)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self._environment}

    def stop(self, child: Child | None) -> None:
        if child is not None:
            child.ask_to_end()
            child.end(15.0)

    def stop_all(self) -> None:
        self.stop(self.agents)
        self.stop(self.controller)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A database of somebody else's, to look into."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
    try:
        yield db
    finally:
        db.close()


def prove(stage: Stage, within_s: float) -> None:
    """Wait until what the agents still replay is there, and all adds up. Raises AssertionError with what does not."""
    deadline_s = time.monotonic() + within_s
    while (told := verify(stage)).returncode != 0:
        assert time.monotonic() < deadline_s, told.stdout + told.stderr


def verify(stage: Stage) -> "subprocess.CompletedProcess[str]":
    """Run `fabfleet verify` on the stage's state."""
    return subprocess.run(stage.cli("verify"), env=stage.environment, capture_output=True, text=True, check=False)
