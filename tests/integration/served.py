"""A real controller in a process of its own, as it is installed, with what its tables say."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from controller.database import make_engine
from controller.identity.tables import AuditLine
from tests.integration.mqtt import eventually
from tests.integration.running import PASSWORD, Cluster, csrf_of, free_port, settings

MB = 1_000_000


@dataclass(frozen=True)
class Served:
    """The process, where it answers, and what its tables say."""

    url: str
    process: psutil.Process
    engine: Engine
    cluster: Cluster
    broker_port: int
    log: Path
    clients: contextlib.ExitStack

    @property
    def state(self) -> Path:
        """The state folder."""
        return Path(str(self.engine.url.database)).parents[1]

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def client(self) -> httpx.Client:
        return self.clients.enter_context(httpx.Client(base_url=self.url, timeout=60))

    def signed_in(self, login: str) -> httpx.Client:
        browser = self.client()
        form = {"login": login, "password": PASSWORD, "csrf": csrf_of(browser)}
        answer = browser.post("/signin", data=form)
        assert "error" not in answer.headers["location"], answer.headers["location"]
        return browser

    def lines(self, action: str) -> list[AuditLine]:
        with Session(self.engine) as db:
            found = db.exec(select(AuditLine).where(AuditLine.action == action).order_by(col(AuditLine.id))).all()
            db.expunge_all()
            return list(found)

    def memory_mb(self) -> float:
        """Of the controller and its broker."""
        return sum(each.memory_info().rss for each in (self.process, *self.process.children())) / MB


@contextmanager
def serving(state: Path, cluster: Cluster, environment: Mapping[str, str] = {}) -> Iterator[Served]:
    """Serve until the block ends; `environment` is settings of its own."""
    log, broker_port = state.with_name(f"{state.name}.log"), free_port()
    command = (sys.executable, "-m", "controller.cli", "serve", "--port", "0", "--state", str(state))
    broker_port = int(environment.get("FABFLEET_BROKER_PORT", broker_port))
    ours = {"FABFLEET_BROKER_PORT": str(broker_port)}
    with log.open("wb") as output:
        child = subprocess.Popen(command, stderr=output, env={**os.environ, **ours, **environment})
    try:
        eventually(lambda: b"listening on" in log.read_bytes(), "it is up", 60)
        found = re.search(r"listening on (https?://\S+)", log.read_text())
        assert found is not None
        engine = make_engine(settings(state).database)
        with contextlib.ExitStack() as clients:
            yield Served(found[1], psutil.Process(child.pid), engine, cluster, broker_port, log, clients)
        engine.dispose()
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
