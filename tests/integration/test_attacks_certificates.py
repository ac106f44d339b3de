"""Somebody in the server's place, with a certificate that has ended or of an authority of their own.

A real agent gives them nothing, and the real controller hears of them from it and audits it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from agent.control import ask
from agent.errors import NotRunning
from controller.broker.embedded import EmbeddedBroker
from controller.tls.authority import KeyPair, issue, make_authority
from controller.tls.store import AUTHORITY, TlsStore
from tests.integration.agent_process import AgentProcess
from tests.integration.mqtt import eventually
from tests.integration.running import free_port, seed
from tests.integration.served import serving
from tests.tls import LOCAL, now

pytestmark = pytest.mark.integration
OURS = make_authority(now())
BAD = {
    "certificate-expired": issue(OURS, LOCAL, now() - timedelta(days=100)),
    "certificate-authority": issue(make_authority(now()), LOCAL, now()),
    "certificate-name": issue(OURS, ("elsewhere",), now()),
}


@contextmanager
def impostor(folder: Path, port: int, shown: KeyPair) -> Iterator[EmbeddedBroker]:
    """Listens where the agent expects its broker."""
    store = TlsStore(folder)
    store.write("impostor", shown)
    broker = EmbeddedBroker(folder / "broker", port, certificate=store.file("impostor"))
    broker.start()
    yield broker
    broker.stop()


def says(folder: Path) -> str:
    """Why the agent is not in touch."""
    try:
        return str(ask(folder, "status", 10.0)["uplink"]["why"])
    except NotRunning:
        return ""


def test_server_with_a_bad_certificate_is_refused_told_to_the_real_one_and_audited(tmp_path: Path) -> None:
    state, port = tmp_path / "state", free_port()
    cluster = seed(state)
    TlsStore(state / "controller").write(AUTHORITY, OURS)
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(OURS.certificate)
    mine = cluster.agents["an-phu"]
    agent = AgentProcess(tmp_path / "desk", mine, port, tls_ca=trusted)
    agent.start()
    try:
        for kind, shown in BAD.items():
            with impostor(tmp_path / kind, port, shown) as broker:
                eventually(lambda kind=kind: kind in says(tmp_path / "desk" / "agent"), f"{kind} is told", 60)  # type: ignore[misc]
                assert mine.user not in broker.log.read_text(), "not even its name was told"
        environment = {"FABFLEET_OWN_TLS": "true", "FABFLEET_BROKER_TLS_PORT": str(port)}
        with serving(state, cluster, environment) as served:
            for kind in BAD:
                eventually(lambda kind=kind: served.lines(kind), f"{kind} is audited", 60)  # type: ignore[misc]
                [line] = served.lines(kind)
                assert line.school_id == "an-phu"
                assert f"127.0.0.1:{port}: {kind}" in line.detail
    finally:
        agent.stop()
