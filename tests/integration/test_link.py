"""The controller's connection to the broker: among few descriptors and many, and when the broker dies or is deaf."""

import itertools
import os
import queue
import resource
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from contract.topics import Address, Channel
from controller.broker.access import BrokerUser, Login, hash_password
from controller.broker.embedded import EmbeddedBroker
from controller.ingest.link import BrokerAddress, Link
from controller.ingest.loop import Loop
from tests.integration.mqtt import WAIT_S, eventually

pytestmark = pytest.mark.integration

ME = Address("alpha", "room-1")
PASSWORD = "secret-one"
SELECT_TAKES = 1_024
CONNACK = bytes((0x20, 2, 0, 0))
SUBACK = bytes((0x90, 5, 0, 1, 1, 1, 1))
REFUSED = bytes((0x90, 5, 0, 1, 1, 0x80, 1))


@contextmanager
def many_descriptors(count: int) -> Iterator[None]:
    """While it lasts, so many more are open in this process, and there is room for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * SELECT_TAKES), hard))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        null = os.open(os.devnull, os.O_RDONLY)
        stack.callback(os.close, null)
        for _ in range(count):
            stack.callback(os.close, os.dup(null))
        yield


@pytest.fixture(name="broker")
def _broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path / "broker", 0)
    broker.set_users([BrokerUser(ME, hash_password(PASSWORD))])
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(name="descriptors", params=[0, 1_100])
def _descriptors(request: pytest.FixtureRequest, broker: EmbeddedBroker) -> Iterator[int]:
    with many_descriptors(request.param):
        yield request.param


class Ear:
    """What a link hears and tells."""

    def __init__(self) -> None:
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.told: list[bool] = []

    def hear(self, topic: str, payload: bytes, _retained: bool) -> None:
        self.heard.put((topic, payload))


@contextmanager
def linked(address: BrokerAddress, ear: Ear, hear: Callable[[str, bytes, bool], None] | None = None) -> Iterator[Link]:
    """A link that runs while it lasts, and whose thread is gone afterwards."""
    before = set(threading.enumerate())
    link = Link(address, hear or ear.hear, ear.told.append)
    link.start()
    try:
        yield link
    finally:
        began = time.monotonic()
        link.stop()
        assert time.monotonic() - began < 3.0
        eventually(lambda: set(threading.enumerate()) <= before, "its thread has ended", 3.0)


def address_of(broker: EmbeddedBroker) -> BrokerAddress:
    return BrokerAddress(broker.host, broker.port, broker.login)


@contextmanager
def echo(broker: EmbeddedBroker) -> Iterator[list[bool]]:
    """An agent that reports every ack it gets. It uses the same loop: paho's own could not be among many descriptors.

    What it yields grows with each subscription that the broker grants it.
    """
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=ME.client_id)
    client.username_pw_set(ME.user, PASSWORD)
    granted: list[bool] = []

    def subscribe(*_: object) -> None:
        client.subscribe(ME.topic(Channel.ACK), 1)

    def answer(_client: object, _data: object, said: paho.MQTTMessage) -> None:
        client.publish(ME.topic(Channel.REPORT), said.payload, qos=1)

    client.on_connect = subscribe
    client.on_message = answer
    client.on_subscribe = lambda *_: granted.append(True)
    client.connect_async(broker.host, broker.port)
    loop = Loop(client)
    loop.start()
    try:
        eventually(lambda: granted, "the agent listens")
        yield granted
    finally:
        loop.stop()


def round_trip_s(link: Link, ear: Ear, word: bytes) -> float:
    """How long it takes until the link hears what the agent answers to this thread's word."""
    began = time.monotonic()
    assert link.say(ME, Channel.ACK, word)
    while ear.heard.get(timeout=WAIT_S) != (ME.topic(Channel.REPORT), word):
        pass
    return time.monotonic() - began


def descriptor(link: Link) -> int:
    sock = link._client.socket()
    assert sock is not None
    return sock.fileno()


def turns(monkeypatch: pytest.MonkeyPatch, seconds: float) -> int:
    """How often the loops of this process turn meanwhile."""
    counted = itertools.count()
    misc = paho.Client.loop_misc

    def counting(client: paho.Client) -> MQTTErrorCode:
        next(counted)
        return misc(client)

    with monkeypatch.context() as patch:
        patch.setattr(paho.Client, "loop_misc", counting)
        time.sleep(seconds)
    return next(counted)


@contextmanager
def pretended(serve: Callable[[socket.socket], object]) -> Iterator[BrokerAddress]:
    """A broker that serves its first caller so, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def run() -> None:
            caller, _ = door.accept()
            with caller, suppress(OSError):
                serve(caller)

        thread = threading.Thread(target=run)
        thread.start()
        yield BrokerAddress("127.0.0.1", door.getsockname()[1], Login("controller", PASSWORD))
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_what_another_thread_says_leaves_at_once(broker: EmbeddedBroker, descriptors: int) -> None:
    ear = Ear()
    with linked(address_of(broker), ear) as link, echo(broker):
        eventually(lambda: ear.told, "connected")
        assert descriptor(link) > descriptors
        taken_s = 0.0
        for number in range(10):
            taken_s += round_trip_s(link, ear, b"%d" % number)
            time.sleep(0.1)  # the link falls asleep
        assert taken_s < 4.0
    assert ear.told == [True, False]


def test_a_broker_that_died_is_found_again(broker: EmbeddedBroker, descriptors: int) -> None:
    ear = Ear()
    with linked(address_of(broker), ear) as link, echo(broker) as granted:
        eventually(lambda: ear.told, "connected")
        round_trip_s(link, ear, b"before")
        assert broker.pid
        os.kill(broker.pid, signal.SIGKILL)
        eventually(lambda: ear.told == [True, False, True], "lost and found")
        assert link.connected
        assert descriptor(link) > descriptors
        eventually(lambda: len(granted) == 2, "the agent is back as well")
        round_trip_s(link, ear, b"after")


def test_a_broker_that_is_not_there_yet_is_told_and_found_when_it_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = EmbeddedBroker(tmp_path / "broker", 0)
    ear = Ear()
    with linked(address_of(broker), ear) as link:
        eventually(lambda: f"no broker at 127.0.0.1:{broker.port}" in caplog.text, "told")
        assert not link.say(ME, Channel.ACK, b"lost")
        broker.start()
        try:
            eventually(lambda: ear.told == [True], "found")
        finally:
            broker.stop()
        eventually(lambda: ear.told == [True, False], "lost")


def test_a_link_is_connected_when_the_broker_has_its_subscriptions() -> None:
    """What an agent says before that, the broker would acknowledge and give to nobody."""
    welcomed, granted = threading.Event(), threading.Event()

    def serve(caller: socket.socket) -> None:
        caller.recv(4096)  # it connects
        caller.sendall(CONNACK)
        caller.recv(4096)  # it subscribes
        welcomed.set()
        granted.wait(WAIT_S)
        caller.sendall(SUBACK)
        caller.recv(4096)

    ear = Ear()
    with pretended(serve) as address, linked(address, ear) as link:
        assert welcomed.wait(WAIT_S)
        time.sleep(0.2)
        assert not link.connected
        assert not ear.told
        granted.set()
        eventually(lambda: ear.told == [True], "connected")
        assert link.connected


def test_a_broker_that_refuses_a_subscription_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    def serve(caller: socket.socket) -> None:
        caller.recv(4096)  # it connects
        caller.sendall(CONNACK)
        caller.recv(4096)  # it subscribes
        caller.sendall(REFUSED)
        caller.recv(4096)

    ear = Ear()
    with pretended(serve) as address, linked(address, ear) as link:
        eventually(lambda: "refuses the controller's subscriptions" in caplog.text, "told of")
        assert not link.connected
    assert not ear.told


def test_a_link_at_rest_hardly_turns(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = Ear()
    with linked(address_of(broker), ear) as link, echo(broker):
        eventually(lambda: ear.told, "connected")
        round_trip_s(link, ear, b"awake")
        assert turns(monkeypatch, 2.0) < 20


def test_a_broker_that_reads_nothing_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def serve(caller: socket.socket) -> None:
        caller.recv(4096)  # it connects
        caller.sendall(CONNACK)
        caller.recv(1)  # it subscribes
        caller.sendall(SUBACK)
        done.wait(WAIT_S)

    ear = Ear()
    with pretended(serve) as address:
        with linked(address, ear) as link:
            eventually(lambda: ear.told, "connected")
            for _ in range(500):
                assert link.say(ME, Channel.CONFIG, bytes(50_000))
            time.sleep(0.5)
            assert turns(monkeypatch, 2.0) < 20
        done.set()
    assert ear.told == [True, False]


def test_an_error_of_who_listens_is_logged_and_the_connection_made_anew(
    broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear()
    bad = [b"bad"]  # once: what was not yet confirmed when the connection broke comes again over the next

    def hear(topic: str, payload: bytes, retained: bool) -> None:
        if payload in bad:
            bad.clear()
            raise ValueError("unforeseen")
        ear.hear(topic, payload, retained)

    with linked(address_of(broker), ear, hear) as link, echo(broker):
        eventually(lambda: ear.told, "connected")
        link.say(ME, Channel.ACK, b"bad")
        eventually(lambda: ear.told == [True, False, True], "anew")
        round_trip_s(link, ear, b"good")
    assert "unforeseen" in caplog.text


def test_all_that_came_in_one_record_of_tls_is_heard(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    name = ("-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run(["openssl", "req", *kind, *name, *files], capture_output=True, timeout=60, check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    topic = ME.topic(Channel.REPORT).encode()
    said = bytes((0x30, len(topic) + 3, 0, len(topic))) + topic + b"x"

    def serve(caller: socket.socket) -> None:
        with context.wrap_socket(caller, server_side=True) as private:
            private.sendall(CONNACK + 100 * said)
            while private.recv(4096):
                pass

    ear, trusting = Ear(), ssl.create_default_context(cafile=str(certificate))
    with pretended(serve) as address, linked(replace(address, tls=trusting), ear):
        eventually(lambda: ear.heard.qsize() == 100, "all heard")


def test_stopping_does_not_wait_for_a_connection_that_does_not_come_about() -> None:
    before = set(threading.enumerate())
    with ExitStack() as stack:
        door = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # fill its queue
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(door.getsockname())
        ear = Ear()
        address = BrokerAddress("127.0.0.1", door.getsockname()[1], Login("controller", PASSWORD))
        link = Link(address, ear.hear, ear.told.append)
        link.start()
        time.sleep(0.5)
        began = time.monotonic()
        link.stop()
        assert time.monotonic() - began < 3.0
    eventually(lambda: set(threading.enumerate()) <= before, "its thread has ended")
