"""The embedded broker with real clients. It confirms what it drops, so only what is not delivered proves anything."""

import os
import shutil
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from contract.messages import MAX_PAYLOAD
from contract.topics import DOWN, UP, Address, Channel, filter_for
from controller.broker.access import BrokerUser, hash_password
from controller.broker.embedded import BrokerError, EmbeddedBroker
from tests.integration.mqtt import Client, eventually

pytestmark = pytest.mark.integration

ME = Address("alpha", "room-1")
OTHER = Address("alpha", "room-2")
PASSWORDS = {ME: "secret-one", OTHER: "secret-two"}
USERS = [BrokerUser(address, hash_password(password)) for address, password in PASSWORDS.items()]


@pytest.fixture(name="broker")
def _broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path / "broker", 0)
    broker.set_users(USERS)
    broker.start()
    yield broker
    broker.stop()


def agent(
    broker: EmbeddedBroker, address: Address, will: tuple[str, bytes] | None = None, client_id: str = ""
) -> Client:
    return Client(broker.port, address.user, PASSWORDS[address], client_id or address.client_id, will)


def controller(broker: EmbeddedBroker) -> Client:
    return Client(broker.port, broker.login.user, broker.login.password)


def hear_all(client: Client) -> None:
    for channel in UP:
        assert client.subscribe(filter_for(channel))


def test_agent_reaches_the_controller_and_the_controller_the_agent(broker: EmbeddedBroker) -> None:
    with controller(broker) as hub, agent(broker, ME) as mine:
        hear_all(hub)
        for channel in DOWN:
            assert mine.subscribe(ME.topic(channel))
        for channel in UP:
            mine.say(ME.topic(channel), channel.encode())
            assert hub.next() == (ME.topic(channel), channel.encode())
        for channel in DOWN:
            hub.say(ME.topic(channel), channel.encode())
            assert mine.next() == (ME.topic(channel), channel.encode())


def forged_topics() -> list[str]:
    """What an agent must not be able to say: for another, as the controller, and into the broker's own store."""
    foreign = [OTHER.topic(channel) for channel in Channel]
    own = [ME.topic(channel) for channel in DOWN]
    inner = [f"$MQTT/msgs/{OTHER.topic(channel)}" for channel in (Channel.REPORT, Channel.ACK)]
    inner += [f"$MQTT/rmsgs/{OTHER.topic(Channel.LEASES)}", "$JS/API/STREAM/DELETE/$MQTT_msgs", "$SYS/REQ/SERVER/PING"]
    return foreign + own + inner


@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("qos", [0, 1])
def test_forged_messages_are_not_delivered(broker: EmbeddedBroker, qos: int, retain: bool) -> None:
    with controller(broker) as hub, agent(broker, ME) as mine, agent(broker, OTHER) as other:
        hear_all(hub)
        for address, client in ((ME, mine), (OTHER, other)):
            for channel in DOWN:
                assert client.subscribe(address.topic(channel))
        for topic in forged_topics():
            mine.say(topic, b"forged", qos, retain=retain)
        mine.say(ME.topic(Channel.REPORT), b"true")
        other.say(OTHER.topic(Channel.REPORT), b"true")
        hub.say(ME.topic(Channel.ACK), b"true")
        hub.say(OTHER.topic(Channel.ACK), b"true")
        assert sorted([hub.next(), hub.next()]) == [
            (ME.topic(Channel.REPORT), b"true"),
            (OTHER.topic(Channel.REPORT), b"true"),
        ]
        assert mine.next() == (ME.topic(Channel.ACK), b"true")
        assert other.next() == (OTHER.topic(Channel.ACK), b"true")
        assert hub.heard.empty()
        assert mine.heard.empty()
        assert other.heard.empty()
    with agent(broker, OTHER) as later:  # nothing forged was kept for whoever subscribes later
        assert later.subscribe(OTHER.topic(Channel.LEASES))
        assert later.subscribe(OTHER.topic(Channel.CONFIG))
        assert later.subscribe(OTHER.topic(Channel.ACK))
        with controller(broker) as hub:
            hub.say(OTHER.topic(Channel.ACK), b"true")
            assert later.next() == (OTHER.topic(Channel.ACK), b"true")
        assert later.heard.empty()


def test_a_will_for_someone_else_is_not_delivered(broker: EmbeddedBroker) -> None:
    with controller(broker) as hub:
        hear_all(hub)
        with agent(broker, ME, will=(OTHER.topic(Channel.STATUS), b"forged")) as mine:
            mine.vanish()
        with agent(broker, ME, will=(ME.topic(Channel.STATUS), b"true")) as mine:
            mine.vanish()
        assert hub.next() == (ME.topic(Channel.STATUS), b"true")
        assert hub.heard.empty()


@pytest.mark.parametrize(
    "topic",
    ["#", "+/#", "ff/#", "ff/1/+/+/report", "$SYS/#", "$MQTT/#", "$MQTT/msgs/#", OTHER.topic(Channel.ACK)]
    + [ME.topic(channel) for channel in UP],
)
def test_a_forbidden_subscription_is_refused_and_hears_nothing(broker: EmbeddedBroker, topic: str) -> None:
    with controller(broker) as hub, agent(broker, ME) as mine, agent(broker, OTHER) as other:
        assert not mine.subscribe(topic, 1)
        assert not mine.subscribe(topic, 0)
        assert mine.subscribe(ME.topic(Channel.ACK))
        hub.say(OTHER.topic(Channel.ACK), b"not for me")
        other.say(OTHER.topic(Channel.REPORT), b"not for me")
        hub.say(ME.topic(Channel.ACK), b"for me")
        assert mine.next() == (ME.topic(Channel.ACK), b"for me")
        assert mine.heard.empty()


def test_strangers_and_wrong_passwords_are_turned_away(broker: EmbeddedBroker) -> None:
    for user, password in ((ME.user, "wrong"), ("nobody", "secret-one"), ("", "")):
        with Client(broker.port, user, password, "someone") as client:
            assert client.refused


def test_users_come_and_go_without_dropping_the_others(broker: EmbeddedBroker) -> None:
    newcomer = Address("beta", "room-9")
    PASSWORDS[newcomer] = "secret-nine"
    with controller(broker) as hub, agent(broker, ME) as mine, agent(broker, OTHER) as other:
        hear_all(hub)
        hub_connects = hub.connects
        broker.set_users([*USERS[:1], BrokerUser(newcomer, hash_password("secret-nine"))])
        eventually(lambda: other.disconnects, "the removed agent is dropped")
        with agent(broker, newcomer) as third:
            third.say(newcomer.topic(Channel.REPORT), b"hello")
            assert hub.next() == (newcomer.topic(Channel.REPORT), b"hello")
        mine.say(ME.topic(Channel.REPORT), b"still here")
        assert hub.next() == (ME.topic(Channel.REPORT), b"still here")
        assert mine.disconnects == 0
        assert hub.disconnects == 0
        assert hub.connects == hub_connects


def test_a_killed_broker_is_back_soon_even_with_its_store_wiped(broker: EmbeddedBroker) -> None:
    with controller(broker) as hub, agent(broker, ME) as mine:
        hear_all(hub)
        mine.say(ME.topic(Channel.STATUS), b"kept", retain=True)
        assert hub.next() == (ME.topic(Channel.STATUS), b"kept")
        assert broker.pid
        os.kill(broker.pid, signal.SIGKILL)
        shutil.rmtree(broker.store)
        eventually(lambda: broker.restarts == 1 and broker.pid, "the broker runs again")
        eventually(lambda: hub.connects == 2 and mine.connects == 2, "both are connected again")
        hear_all(hub)
        mine.say(ME.topic(Channel.STATUS), b"said again", retain=True)
        assert hub.next() == (ME.topic(Channel.STATUS), b"said again")


def test_a_broker_whose_store_fails_is_started_anew(broker: EmbeddedBroker) -> None:
    """A store that failed once takes nothing more by itself, be it a full disk or, as here, one that was deleted."""
    with controller(broker) as hub, agent(broker, ME) as mine:
        hear_all(hub)
        mine.say(ME.topic(Channel.REPORT), b"before")
        shutil.rmtree(broker.store)
        eventually(lambda: mine.shout(ME.topic(Channel.REPORT), b"lost") or broker.restarts, "it is started anew", 30)
        eventually(lambda: hub.connects == 2 and mine.connects >= 2, "both are connected again")
        hear_all(hub)
        mine.say(ME.topic(Channel.REPORT), b"here again")
        eventually(lambda: hub.next() == (ME.topic(Channel.REPORT), b"here again"), "it takes messages")


def test_the_largest_message_of_the_contract_passes_and_a_huge_one_harms_its_sender_only(
    broker: EmbeddedBroker,
) -> None:
    with controller(broker) as hub, agent(broker, ME) as mine, agent(broker, OTHER) as other:
        hear_all(hub)
        largest = b"x" * MAX_PAYLOAD
        mine.say(ME.topic(Channel.REPORT), largest)
        assert hub.next() == (ME.topic(Channel.REPORT), largest)
        mine.say(ME.topic(Channel.REPORT), b"x" * (4 * MAX_PAYLOAD), qos=0)
        eventually(lambda: mine.disconnects, "the sender is cut off")
        other.say(OTHER.topic(Channel.REPORT), b"fine")
        assert hub.next() == (OTHER.topic(Channel.REPORT), b"fine")
        assert hub.disconnects == 0
        assert other.disconnects == 0


def test_files_with_secrets_are_for_the_owner_only_and_hold_hashes(broker: EmbeddedBroker, tmp_path: Path) -> None:
    config = tmp_path / "broker" / "nats.conf"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.parent.stat().st_mode) == 0o700
    text = config.read_text()
    assert broker.login.password not in text
    assert PASSWORDS[ME] not in text


def test_the_store_does_not_grow_with_what_was_delivered(broker: EmbeddedBroker) -> None:
    def size() -> int:
        return sum(file.stat().st_size for file in broker.store.rglob("*") if file.is_file())

    payload = os.urandom(8 * 1024)
    with controller(broker) as hub, agent(broker, ME) as mine:
        hear_all(hub)
        for _ in range(4000):
            mine.say(ME.topic(Channel.REPORT), payload)
        for _ in range(4000):
            hub.next()
        eventually(lambda: size() < 20 * 1024 * 1024, f"the store is small again, is {size()}")


def test_a_taken_port_is_said_at_once(broker: EmbeddedBroker, tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="taken"):
        EmbeddedBroker(tmp_path / "second", broker.port).start()


def test_more_than_250_agents_are_heard_and_told_at_once(broker: EmbeddedBroker) -> None:
    """What a server allows of itself would end there: each agent subscribes to four channels."""
    addresses = [Address("alpha", f"desk-{number}") for number in range(260)]
    broker.set_users([BrokerUser(address, USERS[0].password_hash) for address in addresses])
    eventually(lambda: _welcome(broker, addresses[-1]), "the last of them may come in")
    with ExitStack() as stack:
        for address in addresses:
            wire = stack.enter_context(socket.create_connection((broker.host, broker.port), timeout=30.0))
            assert _subscribed(wire, address) == [1, 1, 1, 1], address


def _welcome(broker: EmbeddedBroker, address: Address) -> bool:
    with socket.create_connection((broker.host, broker.port), timeout=30.0) as wire:
        return _connected(wire, address)


def _connected(wire: socket.socket, address: Address) -> bool:
    """Sign in, in MQTT's own bytes: with hundreds of clients these are lighter than a library's threads."""
    told = b"\x00\x04MQTT\x04\xc2\x00\x3c" + b"".join(
        _text(each) for each in (address.client_id, address.user, PASSWORDS[ME])
    )
    wire.sendall(bytes([0x10, len(told)]) + told)
    return wire.recv(4) == b"\x20\x02\x00\x00"


def _subscribed(wire: socket.socket, address: Address) -> list[int]:
    """What the broker grants of each channel to the agent: 1 is what was asked for, 128 a refusal."""
    assert _connected(wire, address)
    asked = b"\x00\x01" + b"".join(_text(address.topic(channel)) + b"\x01" for channel in DOWN)
    wire.sendall(bytes([0x82, len(asked)]) + asked)
    answer = b""
    while len(answer) < 4 + len(DOWN):
        answer += wire.recv(64)
    return list(answer[4:])


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()
