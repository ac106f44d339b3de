"""An agent that floods the broker is cut off at once, reported, let in again by a person, and hurts nobody else."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlmodel import Session, select

from contract.topics import Channel
from controller.alerts.rules import DeviceState
from controller.fleet.live import Selection
from controller.fleet.tables import Agent
from controller.identity import store
from controller.ingest.tables import StoredEvent
from controller.ingest.verify import main as verify
from controller.scope import CLUSTER
from tests.integration.mqtt import Client, eventually
from tests.integration.running import Cluster, Running, Speaker, csrf_of, running, seed

pytestmark = pytest.mark.integration

DELAY_S = 10.0
"""An ack that takes longer than this would be somebody else's hurt; it takes a third of a second where all is calm."""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return seed(tmp_path)


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as site:
        yield site


def flood(client: Client, topic: str, over: threading.Event) -> None:
    """As fast as the client can, at QoS 0: nothing holds it back."""
    while not over.is_set() and not client.disconnects:
        for _ in range(200):
            client.say(topic, b'{"nonsense": true}', 0)
        time.sleep(0.001)


def test_flood_is_cut_off_reported_and_let_in_again_while_others_are_heard(site: Running, cluster: Cluster) -> None:
    rogue, honest = cluster.agents["an-phu"], cluster.agents["binh-minh"]
    engine, live = site.services.engine, site.services.live
    with Speaker(rogue, site.broker_port) as first:
        first.lists("printer")
        first.reports("printer", 20.0)
    with Speaker(honest, site.broker_port) as other:
        other.lists("printer")
        over = threading.Event()
        with Client(site.broker_port, rogue.user, rogue.password, rogue.address.client_id) as client:
            thread = threading.Thread(target=flood, args=(client, rogue.address.topic(Channel.REPORT), over))
            thread.start()
            delays: list[float] = []
            while not client.disconnects:
                began = time.monotonic()
                other.reports("printer", float(len(delays)))
                delays.append(time.monotonic() - began)
            over.set()
            thread.join()
            eventually(lambda: client.refused, "it is not let in again")
        assert max(delays) < DELAY_S
        for value in (1.5, 2.5):
            other.reports("printer", value)
        assert other.client.disconnects == 0
    assert site.services.plant.stats.flooded > 0
    assert site.services.plant.stats.shed == 0

    with Session(engine) as db:
        agent = db.exec(select(Agent).where(Agent.school_id == "an-phu")).one()
        assert agent.revoked
        assert db.exec(select(StoredEvent.kind).where(StoredEvent.agent_id == agent.id)).all() == ["agent-flooding"]
        assert [line.subject for line in store.audit_lines(db) if line.action == "agent-flooding"] == ["an-phu/pc-1"]
    device = live.devices(CLUSTER, Selection(school_id="an-phu"))[0].id
    eventually(lambda: live.device(CLUSTER, device).state is DeviceState.FAULT, "the page shows a fault")

    teacher, technician = site.signed_in("ha"), site.signed_in("ky")
    assert "đã bị ngắt" in technician.get(f"/devices/{device}").text
    assert "Cho agent kết nối lại" in technician.get(f"/devices/{device}/panel").text
    assert "Cho agent kết nối lại" not in teacher.get(f"/devices/{device}").text
    for word in ("replace", "revoke"):
        form = f'action="/agents/{agent.id}/{word}"'
        assert form in technician.get(f"/devices/{device}").text
        assert form not in teacher.get(f"/devices/{device}").text
    path = f"/devices/{device}/agent/readmit"
    assert teacher.post(path, data={"csrf": csrf_of(teacher)}).status_code == 403
    assert technician.post(path, data={}).status_code == 403
    assert site.signed_in("minh").post(path, data={"csrf": csrf_of(site.signed_in("minh"))}).status_code in (403, 404)
    assert technician.post(path, data={"csrf": csrf_of(technician)}).status_code == 303
    with suppress(AssertionError), Speaker(rogue, site.broker_port, "00000000000000ab"):
        pass  # the broker may need a moment
    with Speaker(rogue, site.broker_port, "00000000000000ac") as again:
        again.lists("printer")
        again.reports("printer", 21.0)
    with Session(engine) as db:
        line = next(line for line in store.audit_lines(db) if line.action == "agent-readmitted")
        assert (line.subject, bool(line.actor)) == ("an-phu/pc-1", True)
    assert verify(engine) == 0
