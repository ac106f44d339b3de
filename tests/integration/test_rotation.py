"""Everything that can be rotated is, while four real agents send: nothing that they produced is missing afterwards."""

import os
import re
import signal
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from agent.batches import BatchState
from agent.enrol import Enrolled
from agent.settle import settle
from contract.messages import Report
from contract.topics import Address
from contract.wire import decode
from controller.tls.authority import anchor, signed_by
from controller.tls.store import AUTHORITY, NEXT, SERVER, TlsStore
from tests.integration.mqtt import Client, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

AGENTS = 4
PATIENCE_S = 60.0


class Site:
    """A controller with TLS and its agents, each a process of its own, on one state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.environment = os.environ | {"FABFLEET_OWN_TLS": "true", "FABFLEET_BROKER_TLS_PORT": "0"}
        self.store = TlsStore(state / "controller")
        self.agents: list[subprocess.Popen[bytes]] = []
        self.enrolled: list[Enrolled] = []

    def folder(self, number: int) -> Path:
        return self.state / f"desk-{number}" / "agent"

    def fabfleet(self, *arguments: str) -> str:
        command = (sys.executable, "-m", "controller.cli", *arguments, "--state", str(self.state))
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env=self.environment
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    @contextmanager
    def serving(self) -> Iterator[None]:
        command = (sys.executable, "-m", "controller.cli", "serve", "--port", "0", "--state", str(self.state))
        log = self.state / "controller.log"
        with log.open("wb") as output:
            child = subprocess.Popen(command, stdout=output, stderr=output, env=self.environment)
        try:
            eventually(lambda: "listening on" in log.read_text() or child.poll() is not None, "it listens", PATIENCE_S)
            found = re.search(r"listening on (https://\S+)", log.read_text())
            assert found, log.read_text()
            self.url = found[1]
            yield
        finally:
            child.send_signal(signal.SIGTERM)
            assert child.wait(30) == 0
        assert "Traceback" not in log.read_text(), log.read_text()

    def enrol(self) -> None:
        token = self.fabfleet("enrol-token", "--school", "alpha", "--uses", str(AGENTS))
        trusting = ssl.create_default_context(cadata=self.fabfleet("ca", "show"))
        for number in range(AGENTS):
            asked = {"token": token, "agent": f"desk-{number}"}
            given = httpx.post(f"{self.url}/api/v1/enrol", json=asked, verify=trusting).json()
            made = Enrolled(
                url=self.url,
                address=Address(given["school"], given["agent"]),
                broker_host=given["broker_host"],
                broker_port=given["broker_port"],
                broker_tls=given["broker_tls"],
                user=given["user"],
                password=given["password"],
                lease_key=given["lease_key"],
                number=given["credentials"],
                authority=given["authority"],
            )
            assert made.broker_tls
            self.enrolled.append(made)
            config = self.folder(number) / "agent.toml"
            settle(made, config, self.folder(number))
            text = config.read_text().replace("\n[controller]", "\nflush_s = 0.2\n\n[controller]", 1)
            config.write_text(text)

    @contextmanager
    def sending(self) -> Iterator[None]:
        with (self.state / "agents.log").open("wb") as output:
            for number in range(AGENTS):
                command = (sys.executable, "-m", "agent", "run", "--state", str(self.folder(number).parent))
                self.agents.append(subprocess.Popen(command, stdout=output, stderr=output))
        try:
            yield
        finally:
            for agent in self.agents:
                agent.terminate()
            for agent in self.agents:
                assert agent.wait(30) == 0

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.state / "controller" / "fabfleet.db", timeout=20)) as connection:
            return connection.execute(sql).fetchall()

    def all_are(self, condition: str) -> bool:
        return self.rows(f"SELECT count(*) FROM agent WHERE presence = 'online' AND {condition}") == [(AGENTS,)]

    def outbox(self, number: int) -> list[tuple[str, int, int, bytes]]:
        """(epoch, number, state, payload) of all batches on the agent's disk, also of those acknowledged."""
        with closing(sqlite3.connect(self.folder(number) / "outbox.db", timeout=20)) as connection:
            return connection.execute("SELECT epoch, number, state, payload FROM batch").fetchall()

    def welcome(self, made: Enrolled) -> bool:
        """Whether the broker still lets in who comes with what enrolment gave."""
        trusting = ssl.create_default_context(cadata=self.store.bundle())
        with Client(made.broker_port, made.user, made.password, "rotated", tls=trusting) as client:
            return not client.refused


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    with site.serving():
        site.enrol()
        with site.sending():
            eventually(lambda: site.all_are("login_number = 0"), "all agents are there", PATIENCE_S)
            yield site
            made = batches(site, (BatchState.FRESH, BatchState.ATTEMPTED, BatchState.ACKED))
            eventually(
                lambda: made <= batches(site, (BatchState.ACKED,)), "all that was produced is acknowledged", PATIENCE_S
            )
        proven(site)
    assert site.fabfleet("verify")


def batches(site: Site, states: Collection[BatchState]) -> set[tuple[int, str, int]]:
    """(agent, epoch, number) of those on the agents' disks."""
    return {
        (agent, epoch, number)
        for agent in range(AGENTS)
        for epoch, number, state, _ in site.outbox(agent)
        if state in states
    }


def proven(site: Site) -> None:
    """What each agent has on its own disk is in the controller's tables, each reading once."""
    stored: set[tuple[object, ...]] = set()
    for (table,) in site.rows("SELECT name FROM sqlite_master WHERE name GLOB 'reading_*'"):
        found = site.rows(
            f"SELECT agent.name, device.slug, metric, at_ms FROM {table} JOIN series ON series.id = series"
            " JOIN device ON device.id = device_id JOIN agent ON agent.id = agent_id"
        )
        assert not stored & set(found)
        stored |= set(found)
    for number in range(AGENTS):
        said = set()
        for _, _, state, payload in site.outbox(number):
            if state != BatchState.ACKED:
                continue  # the farewell's own, after the controller had heard all else
            report = decode(Report, payload)
            said |= {
                (f"desk-{number}", device, metric, report.base_ms + dt)
                for device, metrics in report.series.items()
                for metric, points in metrics.items()
                for dt, _ in points
            }
        assert said
        assert said <= stored


def test_everything_is_rotated_while_agents_send(site: Site) -> None:
    # credentials: password, user name and lease key
    assert f"{AGENTS} agents are asked" in site.fabfleet("renew")
    eventually(lambda: site.all_are("login_number = 1"), "all use their new credentials", PATIENCE_S)
    assert site.rows("SELECT count(*) FROM renewal") == [(0,)]
    eventually(lambda: not any(site.welcome(made) for made in site.enrolled), "the old ones are good no more")

    # the server's certificate
    broker = site.enrolled[0].broker_port
    before = ssl.get_server_certificate(("127.0.0.1", broker))
    site.store.file(SERVER).unlink()
    pages = int(site.url.rpartition(":")[2])
    for port in (broker, pages):
        eventually(lambda port=port: ssl.get_server_certificate(("127.0.0.1", port)) != before, "it is another one")  # type: ignore[misc]

    # the authority
    old = site.store.anchor()
    new = site.fabfleet("ca", "rotate").split()[0]
    eventually(lambda: site.all_are(f"trusted = '{new}'"), "all trust the new authority", PATIENCE_S)
    eventually(lambda: site.store.read(NEXT) is None, "it takes over", PATIENCE_S)
    assert site.fabfleet("ca", "fingerprint") == new
    authority = site.store.read(AUTHORITY)
    assert authority is not None
    for port in (broker, pages):
        eventually(
            lambda port=port: signed_by(
                ssl.get_server_certificate(("127.0.0.1", port)).encode(), authority.certificate
            ),  # type: ignore[misc]
            "the server's certificate is of the new authority",
        )
    eventually(lambda: site.all_are("login_number = 3"), "all were told to forget the old one", PATIENCE_S)
    for number in range(AGENTS):
        trusted = (site.folder(number) / "ca.pem").read_text()
        assert trusted.count("BEGIN CERTIFICATE") == 1
        assert anchor(trusted.encode()).fingerprint == new
    assert old is not None
    assert old.fingerprint != new
