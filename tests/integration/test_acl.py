"""Who may say and hear what, on both brokers, by what arrives and what does not: a confirmation proves nothing.

Allowed is this alone: an agent says its own upward channels and hears its own downward ones; a foreign reader hears
what is told of its school, and says nothing. Everything else of every channel, in each way there is, must be seen by
nobody; what is allowed arrives in the same run, so silence means no. All by TLS, with the very configuration that the
controller writes: mosquitto takes one connection an account there, so each actor has as many accounts as connections.
"""

import json
import os
import queue
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import psutil
import pytest

from contract.topics import CONTROLLER, DOWN, UP, Address, Channel
from controller.broker import embedded, mosquitto, nats
from controller.broker.access import BrokerUser, Login, Member, Reader, hash_password, mosquitto_hash, user_name
from controller.tls.authority import anchor, make_authority
from tests.integration.mqtt import Client, eventually
from tests.tls import now, signed, write

pytestmark = pytest.mark.integration

VICTIM = Address("alpha", "room-1")
ACTORS = {"itself": VICTIM, "same-school": Address("alpha", "room-2"), "other-school": Address("beta", "room-1")}
SCHOOLS = ("alpha", "beta")
"""With a reader each."""
PASSWORD = "right"
ADMIN = "watcher"
ADMINS = 4
ACCOUNTS = 40
"""Of each actor: so many connections it has at once, or fewer."""
_NUMBERS = count()
HUB = Login(CONTROLLER, "hub-password")
SETTLE_S = 0.5
WILDCARDS = (
    "#", "+/+/+/+/+", "ff/#", "ff/1/#", "ff/1/+/#", "ff/1/alpha/#", "ff/1/alpha/+/#", "ff/1/alpha/room-1/#",
    "ff/1/alpha/room-1/+", "$SYS/#", "$MQTT/#", "$JS/#",
    *(f"ff/1/+/+/{channel}" for channel in Channel), *(f"ff/1/alpha/+/{channel}" for channel in Channel),
)  # fmt: skip
"""All reach beyond what one agent may hear."""
STRAY = (
    "ff/1/alpha/room-1/status/more",
    "ff/2/alpha/room-1/report",
    "ff/1/alpha/room-1",
    "other",
    "$SYS/broker/uptime",
)


@dataclass(frozen=True, slots=True)
class Broker:
    """One that runs, with users who may see and say everything."""

    kind: str
    port: int
    trust: ssl.SSLContext

    def client(self, address: Address, number: int = 0, will: tuple[str, bytes] | None = None) -> Client:
        """An agent, by its `number`-th account: all have the same rights."""
        return self.anybody(user_name(address, number), f"{address.client_id}/{number}", will=will)

    def anybody(
        self, user: str, client_id: str, password: str = PASSWORD, will: tuple[str, bytes] | None = None
    ) -> Client:
        return Client(self.port, user, password, client_id, will, tls=self.trust)

    def admin(self) -> Client:
        number = next(_NUMBERS) % ADMINS
        return self.anybody(f"{ADMIN}{number}", f"{ADMIN}/{time.monotonic_ns()}")


def users() -> list[Member]:
    secret = (hash_password(PASSWORD), mosquitto_hash(PASSWORD))
    numbers = range(ACCOUNTS)
    readers = (Reader(f"ha_{school}{each}", f"fabfleet/{school}", *secret) for school in SCHOOLS for each in numbers)
    return [*(BrokerUser(address, *secret, each) for address in ACTORS.values() for each in numbers), *readers]


def nats_command(folder: Path, port: int, certificate: Path, key: Path) -> list[str]:
    settings = nats.NatsSettings(folder, "127.0.0.1", port, certificate, key)
    told = json.loads(nats.render(settings, hash_password(HUB.password), users()))
    everything = {"publish": {"allow": [">"]}, "subscribe": {"allow": [">"]}}
    for number in range(ADMINS):
        admin = {"user": f"{ADMIN}{number}", "password": PASSWORD, "permissions": everything}
        told["authorization"]["users"].append(admin)
    settings.file.write_text(json.dumps(told))
    return [embedded._binary(), "-c", str(settings.file)]


def mosquitto_command(folder: Path, port: int, certificate: Path, key: Path) -> list[str]:
    settings = mosquitto.MosquittoSettings(folder, port, "127.0.0.1", certificate, key)
    made = mosquitto.render_users(HUB, mosquitto_hash(HUB.password), users())
    made[mosquitto.CONF] = mosquitto.render_conf(settings)
    for number in range(ADMINS):
        made[mosquitto.ACL] += f"\nuser {ADMIN}{number}\ntopic readwrite #\n"
        made[mosquitto.PASSWORDS] += f"{ADMIN}{number}:{mosquitto_hash(PASSWORD)}\n"
    if os.getuid() == 0:  # it would become a user who may not read its own files
        made[mosquitto.CONF] += "user root\n"
    for name, text in made.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    found = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, "mosquitto is missing: tools/debian-packages.sh installs it"
    return [found, "-c", str(folder / mosquitto.CONF)]


COMMANDS = {"nats": nats_command, "mosquitto": mosquitto_command}


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Broker]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    authority = make_authority(now())
    files = write(signed(authority), folder)
    trust = ssl.create_default_context(cadata=anchor(authority.certificate).pem)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(COMMANDS[kind](folder, port, *files), stdout=output, stderr=output)
    try:
        eventually(lambda: embedded._listening("127.0.0.1", port), f"{kind} listens")
        yield Broker(kind, port, trust)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module", params=list(COMMANDS))
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture(params=list(ACTORS))
def actor(request: pytest.FixtureRequest) -> Address:
    return ACTORS[request.param]


def may_say(actor: Address, channel: Channel) -> bool:
    return actor == VICTIM and channel in UP


def may_hear(actor: Address, channel: Channel) -> bool:
    return actor == VICTIM and channel in DOWN


def all_heard(client: Client) -> list[tuple[str, bytes]]:
    """What came so far; waits for stragglers."""
    time.sleep(SETTLE_S)
    found = []
    while True:
        try:
            found.append(client.heard.get_nowait())
        except queue.Empty:
            return found


def expected(actor: Address, kind: bytes) -> set[tuple[str, bytes]]:
    return {(VICTIM.topic(channel), kind) for channel in Channel if may_say(actor, channel)}


@pytest.mark.parametrize("retain", [False, True], ids=["publish", "retained"])
def test_agent_is_heard_on_its_own_upward_channels_and_nowhere_else(
    broker: Broker, actor: Address, retain: bool
) -> None:
    said = f"{actor} {retain} {time.monotonic_ns()}".encode()
    with broker.admin() as watcher:
        assert watcher.subscribe("#")
        for topic in (*(VICTIM.topic(channel) for channel in Channel), *STRAY):
            with broker.client(actor) as speaker:  # a broker may disconnect whoever tries
                speaker.say(topic, said, 0, retain=retain)
                speaker.shout(topic, said, retain=retain)
                mark = f"after {topic} {said!r}".encode()
                eventually(lambda: speaker.connects, "it is there")
                speaker.say(actor.topic(Channel.REPORT), mark)
        eventually(partial(hears, watcher, mark), "what is allowed arrives")
        assert {each for each in all_heard(watcher) if each[1] == said} == expected(actor, said)
    with broker.admin() as later:
        assert later.subscribe("#")
        kept = {each for each in all_heard(later) if each[1] == said}
        assert kept == (expected(actor, said) if retain else set())
        clear(later)


def test_agent_leaves_a_will_on_its_own_upward_channels_and_nowhere_else(broker: Broker, actor: Address) -> None:
    will = f"will of {actor} {time.monotonic_ns()}".encode()
    with broker.admin() as watcher:
        assert watcher.subscribe("#")
        wills = [(topic, will) for topic in (*(VICTIM.topic(channel) for channel in Channel), *STRAY)]
        wills.append((actor.topic(Channel.STATUS), b"its own " + will))
        with ExitStack() as stack, ThreadPoolExecutor() as pool:
            clients = [stack.enter_context(broker.client(actor, number, each)) for number, each in enumerate(wills)]
            list(pool.map(Client.vanish, (each for each in clients if not each.refused)))
        eventually(partial(hears, watcher, b"its own " + will), "a will comes")
        assert {each for each in all_heard(watcher) if each[1] == will} == expected(actor, will)
    with broker.admin() as later:
        assert later.subscribe("#")
        kept = {topic for topic, payload in all_heard(later) if payload.endswith(will)}
        assert kept == {actor.topic(Channel.STATUS), *(topic for topic, _ in expected(actor, will))}
        clear(later)


@pytest.mark.parametrize("retain", [False, True], ids=["live", "retained"])
def test_agent_hears_its_own_downward_channels_and_nothing_else(broker: Broker, actor: Address, retain: bool) -> None:
    told = f"for {VICTIM} {time.monotonic_ns()}".encode()
    mark = b"yours " + told
    with broker.admin() as teller, ExitStack() as stack:
        if retain:
            for channel in Channel:
                teller.say(VICTIM.topic(channel), told, retain=True)
        ears: list[Client] = []
        for wanted in (*(VICTIM.topic(channel) for channel in Channel), *WILDCARDS):
            ear = stack.enter_context(broker.client(actor, len(ears)))
            ear.subscribe(wanted)
            ear.subscribe(actor.topic(Channel.ACK))
            ears.append(ear)
        if not retain:
            for channel in Channel:
                teller.say(VICTIM.topic(channel), told)
        teller.say(actor.topic(Channel.ACK), mark)
        for ear in ears:
            eventually(partial(hears, ear, mark), "what is allowed comes")
        time.sleep(SETTLE_S)
        heard = {each for ear in ears for each in list(ear.heard.queue) if each[1] == told}
        assert heard == {(VICTIM.topic(channel), told) for channel in Channel if may_hear(actor, channel)}
        clear(teller)


def hears(client: Client, payload: bytes) -> bool:
    return payload in {each for _, each in list(client.heard.queue)}


def clear(admin: Client) -> None:
    """Have the broker keep nothing."""
    for address in ACTORS.values():
        for channel in Channel:
            admin.say(address.topic(channel), b"", retain=True)


@pytest.mark.parametrize(
    ("user", "password"),
    [("", ""), (VICTIM.user, "wrong"), (VICTIM.user, ""), ("alpha.gone", PASSWORD), (CONTROLLER, PASSWORD)],
    ids=["no-credential", "wrong-password", "no-password", "revoked", "as-the-controller"],
)
def test_whoever_has_no_valid_credential_is_not_let_in(broker: Broker, user: str, password: str) -> None:
    said = f"{user} {password} {time.monotonic_ns()}".encode()
    with broker.admin() as watcher:
        assert watcher.subscribe("#")
        with broker.anybody(user, "stranger", password, (VICTIM.topic(Channel.STATUS), said)) as stranger:
            assert stranger.refused
            stranger.shout(VICTIM.topic(Channel.STATUS), said)
        assert said not in {payload for _, payload in all_heard(watcher)}


def test_controller_hears_all_agents_and_tells_each(broker: Broker) -> None:
    with broker.anybody(HUB.user, "hub", HUB.password) as hub, broker.client(VICTIM) as mine:
        for channel in UP:
            assert hub.subscribe(f"ff/1/+/+/{channel}")
        for channel in DOWN:
            assert mine.subscribe(VICTIM.topic(channel))
        for channel in UP:
            mine.say(VICTIM.topic(channel), channel.encode())
            assert hub.next() == (VICTIM.topic(channel), channel.encode())
        for channel in DOWN:
            hub.say(VICTIM.topic(channel), channel.encode())
            assert mine.next() == (VICTIM.topic(channel), channel.encode())


TOLD = ("sensor/room-1_lamp/power/config", "room-1_lamp/available", "room-1_lamp/state")
"""Below a school's prefix."""


@pytest.mark.parametrize("retain", [False, True], ids=["live", "retained"])
def test_reader_hears_what_is_told_of_its_school_and_nothing_else(broker: Broker, retain: bool) -> None:
    said = f"told {retain} {time.monotonic_ns()}".encode()
    others = ("fabfleet/alphabet/x/state", "fabfleet/status", *(VICTIM.topic(channel) for channel in Channel))
    below = {school: {f"fabfleet/{school}/{topic}" for topic in TOLD} for school in SCHOOLS}
    wanted = ("fabfleet/alpha/#", "fabfleet/beta/#", "fabfleet/+/+/state", "fabfleet/#", *WILDCARDS)
    with broker.admin() as teller, ExitStack() as stack:
        everything = (*below["alpha"], *below["beta"], *others)
        if retain:
            for topic in everything:
                teller.say(topic, said, retain=True)
        ears = []
        for number, topic in enumerate(wanted):
            ear = stack.enter_context(broker.anybody(f"ha_alpha{number}", f"ha/{number}"))
            ear.subscribe(topic)
            ears.append(ear)
        for topic in () if retain else everything:
            teller.say(topic, said)
        all_heard(teller)  # time for stragglers
        heard = [{topic for topic, payload in list(ear.heard.queue) if payload == said} for ear in ears]
        assert heard[0] == below["alpha"]
        assert set().union(*heard) == below["alpha"]
        for topic in everything:
            teller.say(topic, b"", retain=True)


def test_reader_says_nothing_to_anybody(broker: Broker) -> None:
    said = f"by a reader {time.monotonic_ns()}".encode()
    topics = (
        "fabfleet/alpha/room-1_lamp/state",
        "fabfleet/alpha",
        "homeassistant/status",
        VICTIM.topic(Channel.COMMAND),
    )
    with broker.admin() as watcher:
        assert watcher.subscribe("#")
        for topic in topics:
            with broker.anybody("ha_alpha0", "ha/speaker") as speaker:
                speaker.say(topic, said, 0, retain=True)
                speaker.shout(topic, said)
                time.sleep(0.1)
        watcher.say("fabfleet/alpha/x/state", b"after " + said)
        eventually(partial(hears, watcher, b"after " + said), "what is allowed arrives")
        assert not [each for each in all_heard(watcher) if each[1] == said]
    with broker.admin() as later:
        assert later.subscribe("#")
        assert not [each for each in all_heard(later) if each[1] == said]


def test_broker_speaks_tls_alone_and_listens_nowhere_else(broker: Broker) -> None:
    """Not even on 1883, which mosquitto opens by itself for whatever is set above its listener."""
    [process] = [each for each in psutil.Process().children() if broker.kind in each.name()]
    listens = {way.laddr.port for way in process.net_connections("tcp") if way.status == psutil.CONN_LISTEN}
    own = {broker.port} if broker.kind == "mosquitto" else listens - {1883}  # NATS has one that nobody may use
    assert broker.port in listens <= own
    with socket.create_connection(("127.0.0.1", broker.port), timeout=20) as plain:
        plain.sendall(b"\x10\x10\0\x04MQTT\x04\x02\0\x0a\0\x04test")
        with suppress(ConnectionError):
            assert not plain.recv(4).startswith(b"\x20"), "nobody comes in in the clear"


def test_agent_cannot_end_anothers_connection_by_its_client_id(broker: Broker) -> None:
    """mosquitto binds ids to accounts; on NATS an agent's id is a secret (agent.connection.client_id)."""
    victim, other = ACTORS["itself"], ACTORS["same-school"]
    claimed = f"{victim.client_id}/0" if broker.kind == "mosquitto" else f"{victim.client_id}/guess"
    with broker.client(victim) as mine, broker.anybody(user_name(other, 1), claimed) as thief:
        assert not thief.refused
        assert mine.subscribe(victim.topic(Channel.ACK))
        assert mine.disconnects == 0
