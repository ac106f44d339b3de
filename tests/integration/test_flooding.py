"""An agent that floods the broker is cut off at once, reported, let in again by a person, and hurts nobody else: with
what it may say, and with what is refused it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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

PATIENCE_S = 120.0
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


def publishes(client: Client) -> None:
    for channel in Channel:
        client.say(f"ff/1/binh-minh/pc-1/{channel}", b"forged", 0)


def subscribes(client: Client) -> None:
    for topic in ("ff/#", "$SYS/#", "ff/1/binh-minh/+/command"):
        client.subscribe(topic)


@pytest.mark.parametrize("tries", [publishes, subscribes])
def test_flood_of_what_is_refused_is_cut_off_and_reported_while_others_are_heard(
    site: Running, cluster: Cluster, tries: Callable[[Client], None]
) -> None:
    """It calls itself what the honest one does, almost: by what it claims nobody is judged."""
    rogue, honest = cluster.agents["an-phu"], cluster.agents["binh-minh"]
    with Speaker(honest, site.broker_port) as other:
        other.lists("printer")
        with Client(site.broker_port, rogue.user, rogue.password, f"{honest.address.client_id}/x") as client:
            began, said = time.monotonic(), 0
            while not client.disconnects:
                assert time.monotonic() - began < PATIENCE_S, "it is cut off"
                with suppress(AssertionError):  # of a subscription that is not answered any more
                    tries(client)
                said += 1
                if said % 50 == 0:
                    other.reports("printer", float(said))
            eventually(lambda: client.refused, "it is not let in again")
        other.reports("printer", 1.5)
        assert other.client.disconnects == 0
    with Session(site.services.engine) as db:
        agents = {each.school_id: each.revoked for each in db.exec(select(Agent))}
        assert agents == {"an-phu": True, "binh-minh": False}
        assert db.exec(select(StoredEvent.kind)).all() == ["agent-flooding"]
        actions = [line.action for line in store.audit_lines(db) if line.action in ("agent-flooding", "topic-refused")]
    assert sorted(set(actions)) == ["agent-flooding", "topic-refused"]
    assert actions.count("agent-flooding") == 1


def test_flood_of_wrong_sign_ins_is_reported_and_costs_nobody_his_own(site: Running, cluster: Cluster) -> None:
    named, began = cluster.agents["an-phu"], time.monotonic()
    with Speaker(named, site.broker_port) as speaker:
        speaker.lists("printer")
        with ThreadPoolExecutor(4) as guessers:
            while "broker-sign-in-flood" not in actions(site):
                assert time.monotonic() - began < PATIENCE_S, "it is told"
                list(guessers.map(lambda n: guess(site.broker_port, named.user, f"guess {n}"), range(80)))
        speaker.reports("printer", 20.0)
        assert speaker.client.disconnects == 0
    with Session(site.services.engine) as db:
        assert not any(agent.revoked for agent in db.exec(select(Agent)))


def actions(site: Running) -> set[str]:
    with Session(site.services.engine) as db:
        return {line.action for line in store.audit_lines(db)}


def guess(port: int, user: str, password: str) -> None:
    """Sign in as MQTT 3.1.1 has it, by hand: a client library waits between its tries."""
    texts = b"".join(len(text).to_bytes(2, "big") + text for text in (b"guesser", user.encode(), password.encode()))
    body = b"\0\x04MQTT\x04\xc2\0\x0a" + texts
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(b"\x10" + bytes([len(body)]) + body)
        wire.recv(4)


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
