"""A controller as a service runs it, and the agents of a room, each a process of its own, on one state folder."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from agent.config import Credentials, read_credentials
from contract.topics import Address
from controller.tls.store import TlsStore
from tests.integration.mqtt import eventually
from tests.unit.test_machine import computer

PATIENCE_S = 60.0
SCHOOL = "alpha"


class Site:
    """`agents` of them, once they are enrolled; `settings` are the controller's, as its environment has them."""

    def __init__(self, state: Path, agents: int, settings: Mapping[str, str]) -> None:
        self.state = state
        self.count = agents
        self.environment = os.environ | settings
        self.store = TlsStore(state / "controller")
        self.url = ""

    def folder(self, number: int) -> Path:
        return self.state / f"desk-{number}" / "agent"

    def fabfleet(self, *arguments: str) -> str:
        return _done(("controller.cli", *arguments, "--state", str(self.state)), self.environment)

    def agent(self, number: int, *arguments: str) -> str:
        words = ("agent", *arguments, "--state", str(self.folder(number).parent))
        return _done(words, self._computer(number))

    def _computer(self, number: int) -> Mapping[str, str]:
        """Of which this agent is: each has one of its own, made when it is first asked for."""
        root = self.folder(number).parent / "root"
        if not root.exists():
            computer(root, f"PF{number:04}", f"52:54:00:00:00:{number:02x}", f"{number + 1:032x}")
        return os.environ | {"FABFLEET_HOST_ROOT": str(root), "LANG": "C"}

    @contextmanager
    def serving(self, port: int = 0) -> Iterator[None]:
        command = (sys.executable, "-m", "controller.cli", "serve", "--port", str(port), "--state", str(self.state))
        log = self.state / "controller.log"
        with log.open("wb") as output:
            child = subprocess.Popen(command, stdout=output, stderr=output, env=self.environment)
        try:
            eventually(lambda: "listening on" in log.read_text() or child.poll() is not None, "it listens", PATIENCE_S)
            found = re.search(r"listening on (https?)://\S+:(\d+)", log.read_text())
            assert found, log.read_text()
            self.url = f"{found[1]}://127.0.0.1:{found[2]}"
            yield
        finally:
            child.send_signal(signal.SIGTERM)
            assert child.wait(30) == 0
        assert "Traceback" not in log.read_text(), log.read_text()

    @property
    def port(self) -> int:
        """Of the pages."""
        return int(self.url.rpartition(":")[2])

    def enrol(self, url: str, token: str) -> None:
        """By the command that people type; the second time as well."""
        for number in range(self.count):
            self.agent(number, "enrol", url, token, "--name", f"desk-{number}")
            config = self.folder(number) / "agent.toml"
            text = config.read_text()
            if "flush_s" not in text:
                config.write_text(text.replace("\n[controller]", "\nflush_s = 0.2\n\n[controller]", 1))

    @contextmanager
    def sending(self) -> Iterator[None]:
        agents = []
        with (self.state / "agents.log").open("wb") as output:
            for number in range(self.count):
                command = (sys.executable, "-m", "agent", "run", "--state", str(self.folder(number).parent))
                agents.append(subprocess.Popen(command, stdout=output, stderr=output, env=self._computer(number)))
        try:
            yield
        finally:
            for agent in agents:
                agent.terminate()
            for agent in agents:
                assert agent.wait(30) == 0

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.state / "controller" / "fabfleet.db", timeout=20)) as connection:
            return connection.execute(sql).fetchall()

    def all_are(self, condition: str) -> bool:
        return self.rows(f"SELECT count(*) FROM agent WHERE presence = 'online' AND {condition}") == [(self.count,)]

    def outbox(self, number: int) -> list[tuple[str, int, int, bytes]]:
        """(epoch, number, state, payload) of all batches on the agent's disk, also of those acknowledged."""
        with closing(sqlite3.connect(self.folder(number) / "outbox.db", timeout=20)) as connection:
            return connection.execute("SELECT epoch, number, state, payload FROM batch").fetchall()

    def credentials(self, number: int) -> Credentials:
        return read_credentials(self.folder(number), Address(SCHOOL, f"desk-{number}"))


def _done(words: tuple[str, ...], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        (sys.executable, "-m", *words), capture_output=True, text=True, timeout=120, check=False, env=dict(environment)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()
