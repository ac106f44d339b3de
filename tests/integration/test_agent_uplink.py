"""The uplink over the embedded broker: everything arrives once, in the right order, whatever breaks on the way."""

import gc
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from agent.clock import Clock
from agent.connection import Broker, Connection, LinkState, refusal_of
from agent.draft import Draft
from agent.leases import Edition, LeaseKeeper
from agent.outbox import Outbox
from agent.pace import Pace
from agent.roster import Roster, profile_entry
from agent.session import Listeners
from agent.uplink import Uplink
from contract.lease import sign
from contract.messages import Ack, BridgeState, Config, DeviceEntry, LeaseBook, Order, Presence, Refusal, Status, encode
from contract.model import Command, Event
from contract.topics import Address, Channel
from controller.broker.access import BrokerUser, hash_password
from controller.broker.embedded import EmbeddedBroker
from device_profiles.profile import load
from tests.fakes import FakeController

pytestmark = pytest.mark.integration

ADDRESS = Address("school", "agent")
NOW_MS = 1_795_000_000_000
WAIT_S = 20.0
BRISK = Pace(
    status_beat_ms=1_000,
    replay_per_s=500.0,
    ack_timeout_ms=700,
    ack_timeout_most_ms=1_500,
    retry_ms=50,
    retry_most_ms=300,
)


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {WAIT_S} s: {what}"
        time.sleep(0.01)


def draft(value: float) -> Draft:
    return Draft(NOW_MS + int(value) * 1000, series={"d": {"m": ((0, value),)}})


class Scene:
    """A broker, a controller that acks, and an agent's outbox with its uplink."""

    def __init__(self, folder: Path, broker: EmbeddedBroker) -> None:
        self.folder = folder
        self.embedded = broker
        self.broker = Broker("127.0.0.1", broker.port, ADDRESS.user, "pw", keepalive_s=2)
        self.controller = FakeController("127.0.0.1", broker.port, broker.login.user, broker.login.password)
        self.clock = Clock()
        self.roster = Roster()
        self.heard: list[object] = []
        self.events: list[Event] = []
        self.outbox = self.opened()
        self.listeners = Listeners(self.heard.append, self.heard.append, self.heard.append, self.events.append)
        self.leases = self.keeper()
        self.uplinks: list[Uplink] = []

    def opened(self) -> Outbox:
        return Outbox(self.folder / "outbox.db", self.clock.now_ms)

    def keeper(self) -> LeaseKeeper:
        return LeaseKeeper(self.folder / "leases.json", ADDRESS, b"key", lambda _kind, _detail: None)

    def books_said(self) -> list[Edition]:
        """What the statuses so far named, online and offline, each once in a row."""
        named = [Edition(each.lease_generation, each.lease_number) for each in self.controller.statuses]
        return [book for i, book in enumerate(named) if i == 0 or named[i - 1] != book]

    def await_book(self, book: Edition) -> None:
        until(lambda: self.books_said()[-1:] == [book], f"{book} is named")

    def uplink(self, pace: Pace = BRISK) -> Uplink:
        uplink = Uplink(
            self.broker,
            ADDRESS,
            outbox=self.outbox,
            roster=self.roster,
            clock=self.clock,
            listeners=self.listeners,
            book=self.leases.held,
            pace=pace,
        )
        self.roster.changed = uplink.wake
        self.uplinks.append(uplink)
        uplink.start()
        return uplink

    def append(self, *values: float) -> None:
        for value in values:
            self.outbox.append(draft(value))
            for uplink in self.uplinks:
                uplink.wake()

    def values(self) -> list[float]:
        found = [report.series["d"]["m"][0][1] for report in self.controller.reports.values() if report.series]
        return sorted(value for value in found if isinstance(value, float))

    def settled(self) -> bool:
        return not self.outbox.unacked()

    def close(self) -> None:
        for uplink in self.uplinks:
            uplink.stop()
        self.controller.stop()
        self.outbox.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path_factory.mktemp("broker"), 0)
    broker.start()
    broker.set_users([BrokerUser(ADDRESS, hash_password("pw"))])
    yield broker
    broker.stop()


@pytest.fixture
def scene(tmp_path: Path, broker: EmbeddedBroker) -> Iterator[Scene]:
    scene = Scene(tmp_path, broker)
    scene.controller.start()
    yield scene
    scene.close()


def test_uplink_brings_status_and_inventory_before_the_first_report(scene: Scene) -> None:
    profile = load("demo/projector")
    scene.roster.declare(DeviceEntry("d", "D", profile.digest, BridgeState.OPEN), profile_entry(profile))
    scene.uplink()
    scene.append(1.0, 2.0, 3.0)
    until(scene.settled, "all acked")
    online = [status for status in scene.controller.statuses if status.epoch == scene.outbox.epoch]
    assert (online[0].presence, online[0].connection) == (Presence.ONLINE, 1)
    mine = [each for each in scene.controller.inventories if each.epoch == scene.outbox.epoch]
    assert [device.id for device in mine[0].devices] == ["d"]
    assert (scene.values(), scene.controller.resent) == ([1.0, 2.0, 3.0], 0)


def test_uplink_says_each_change_of_the_roster(scene: Scene) -> None:
    profile = load("demo/projector")
    scene.roster.declare(DeviceEntry("d", "D", profile.digest, BridgeState.OPEN), profile_entry(profile))
    scene.uplink()
    until(lambda: scene.controller.inventories, "the first inventory")
    scene.roster.report("d", BridgeState.PARKED, NOW_MS, "no contact")
    until(lambda: scene.controller.inventories[-1].devices[0].state is BridgeState.PARKED, "the second")
    assert scene.controller.inventories[-1].devices[0].since_ms == NOW_MS


def test_uplink_replays_an_outage_with_live_first(scene: Scene) -> None:
    for value in range(200):
        scene.outbox.append(draft(float(value)))
    scene.uplink(Pace(replay_per_s=100.0))
    until(lambda: scene.controller.reports, "replay began")
    scene.append(1_000.0)
    until(lambda: 1_000.0 in scene.values(), "the live value")
    arrived = len(scene.controller.order)
    until(scene.settled, "all acked")
    assert arrived < 150, "live waited for the replay"
    assert scene.values() == [*map(float, range(200)), 1_000.0]
    replayed = [number for _, number in scene.controller.order if number != 201]
    assert replayed == sorted(replayed)


def test_uplink_sends_again_what_is_not_acked_and_never_more_than_its_window(scene: Scene) -> None:
    scene.controller.acking = False
    scene.uplink()
    scene.append(*map(float, range(150)))
    until(lambda: scene.outbox.attempted == BRISK.live_window, "the window is full")
    time.sleep(0.3)
    assert scene.outbox.attempted == BRISK.live_window
    scene.controller.acking = True
    until(scene.settled, "all acked")
    assert scene.values() == list(map(float, range(150)))
    assert scene.controller.conflicts == []


def test_uplink_knows_a_controller_that_answers_from_a_broker_alone(scene: Scene) -> None:
    scene.append(1.0)
    scene.controller.acking = False
    uplink = scene.uplink()
    until(lambda: scene.controller.statuses and uplink.online, "online")
    assert not uplink.in_touch
    scene.controller.acking = True
    until(lambda: uplink.in_touch, "a status is answered")
    scene.controller.acking = False
    until(lambda: not uplink.in_touch, "silent for three beats")
    assert uplink.online


def test_uplink_gets_over_a_broker_that_is_killed(scene: Scene) -> None:
    uplink = scene.uplink()
    scene.append(*map(float, range(5)))
    until(scene.settled, "the first acked")
    for round_ in range(3):
        until(lambda: scene.embedded.pid and uplink.online, "broker and uplink are there")
        before = uplink.figures().connections
        os.kill(scene.embedded.pid or 0, signal.SIGKILL)
        scene.append(*(float(100 * (round_ + 1) + i) for i in range(5)))
        until(partial(lambda before: uplink.figures().connections > before, before), "the loss is noticed")
    until(scene.settled, "all acked")
    assert len(scene.values()) == len(set(scene.values())) == 20
    connections = [each.connection for each in scene.controller.statuses if each.epoch == scene.outbox.epoch]
    assert max(connections) > 1
    assert scene.controller.conflicts == []


def test_uplink_clears_up_after_a_crash_in_the_old_epoch_and_goes_on_in_a_new_one(scene: Scene) -> None:
    scene.append(1.0, 2.0)
    scene.outbox.take_live(0, 1)  # on the wire when the agent was killed; nobody knows whether it arrived
    scene.outbox._disconnect()
    scene.outbox = scene.opened()
    scene.uplink()
    scene.append(3.0)
    until(scene.settled, "all acked")
    assert scene.values() == [1.0, 2.0, 3.0]
    assert len({epoch for epoch, _ in scene.controller.reports}) == 2


def test_uplink_gives_a_restored_controller_what_it_lost(scene: Scene) -> None:
    scene.uplink()
    scene.append(*map(float, range(10)))
    until(scene.settled, "all acked")
    for key in list(scene.controller.reports)[4:]:
        del scene.controller.reports[key]
    scene.controller.generation = 2
    until(lambda: len(scene.controller.reports) == 10, "sent again after the next status")
    assert scene.values() == list(map(float, range(10)))
    assert scene.controller.conflicts == []


def test_uplink_lets_live_go_before_what_a_restored_controller_lost(scene: Scene) -> None:
    lost = 3 * BRISK.live_window
    scene.uplink(replace(BRISK, replay_per_s=100.0))
    scene.append(*map(float, range(lost)))
    until(scene.settled, "all acked")
    scene.controller.reports.clear()
    scene.controller.generation = 2
    until(lambda: scene.controller.reports, "replay began")
    scene.append(1_000.0)
    until(lambda: 1_000.0 in scene.values(), "the live value")
    assert len(scene.values()) < lost / 2, "live waited for the replay"
    until(lambda: len(scene.values()) == lost + 1, "all sent again")
    assert scene.controller.conflicts == []


def test_uplink_sets_aside_what_the_controller_refuses(scene: Scene) -> None:
    scene.controller.acking = False
    uplink = scene.uplink()
    until(lambda: uplink.online, "online")
    scene.append(1.0)
    until(lambda: scene.outbox.attempted, "on its way")
    refusing = Ack(1, 1, scene.outbox.epoch, refused=(Refusal(1, "conflict"),))
    scene.controller.publish(ADDRESS, Channel.ACK, encode(refusing))
    until(lambda: scene.events, "told")
    assert (scene.events[0].kind, scene.events[0].detail) == ("report-refused", f"{scene.outbox.epoch}/1: conflict")
    assert scene.outbox.figures().refused == 1


def test_uplink_hands_on_what_the_controller_says_and_counts_nonsense(scene: Scene) -> None:
    scene.uplink()
    until(lambda: scene.controller.statuses, "online")
    order = Order(Command("c-1", "d", "stop"))
    book = sign(LeaseBook(str(ADDRESS), 1, 1, NOW_MS), b"key")
    config = Config(1, 1, {"flush_s": 2.0})
    scene.controller.publish(ADDRESS, Channel.COMMAND, encode(order))
    scene.controller.publish(ADDRESS, Channel.LEASES, encode(book))
    scene.controller.publish(ADDRESS, Channel.CONFIG, encode(config))
    for nonsense in (b"{", b"\xff", b"[" * 5_000, b'{"v": 2}', b'{"command": {"id": "' + b"9" * 400 + b'"}}'):
        scene.controller.publish(ADDRESS, Channel.COMMAND, nonsense)
    until(lambda: len(scene.events) == 5 and len(scene.heard) == 3, "all heard")
    assert sorted(scene.heard, key=str) == sorted((order, book, config), key=str)
    assert {event.kind for event in scene.events} == {"message-refused"}
    for channel in (Channel.LEASES, Channel.CONFIG):
        scene.controller.publish(ADDRESS, channel, b"")


def test_uplink_says_a_new_lease_book_at_once_and_not_only_at_the_next_beat(scene: Scene) -> None:
    def take(book: LeaseBook) -> None:
        scene.leases.take(book)

    scene.listeners = replace(scene.listeners, leases=take)
    scene.uplink(replace(BRISK, status_beat_ms=600_000))
    until(lambda: scene.controller.statuses, "online")
    assert scene.books_said() == [Edition(0, 0)]
    for number in (1, 2):
        scene.controller.publish(ADDRESS, Channel.LEASES, encode(sign(LeaseBook(str(ADDRESS), 1, number, 1), b"key")))
        scene.await_book(Edition(1, number))
        assert scene.keeper().held() == Edition(1, number), "and on disk"
    forged = sign(LeaseBook(str(ADDRESS), 1, 3, 1), b"other")
    scene.controller.publish(ADDRESS, Channel.LEASES, encode(forged))
    newest = sign(LeaseBook(str(ADDRESS), 2, 0, 1), b"key")
    scene.controller.publish(ADDRESS, Channel.LEASES, encode(newest))
    scene.await_book(Edition(2, 0))
    assert scene.books_said() == [Edition(0, 0), Edition(1, 1), Edition(1, 2), Edition(2, 0)]
    scene.controller.publish(ADDRESS, Channel.LEASES, b"")


def test_uplink_names_the_lease_book_on_disk_when_it_connects_and_none_when_it_goes(scene: Scene) -> None:
    scene.leases.take(sign(LeaseBook(str(ADDRESS), 4, 2, 1), b"key"))
    scene.leases = scene.keeper()
    uplink = scene.uplink()
    scene.await_book(Edition(4, 2))
    uplink.stop()
    until(lambda: scene.controller.statuses[-1].presence is Presence.OFFLINE, "the goodbye")
    assert scene.books_said()[-1] == Edition(0, 0)


def test_uplink_learns_the_controllers_clock(scene: Scene) -> None:
    scene.uplink()
    scene.append(1.0)
    until(scene.settled, "acked")
    offset_ms = scene.clock.offset_ms
    assert offset_ms is not None
    assert abs(scene.clock.true_ms() - 1) < WAIT_S * 1000
    assert scene.clock.certain


def test_uplink_says_goodbye_and_is_declared_gone_when_it_does_not(scene: Scene) -> None:
    uplink = scene.uplink()
    until(lambda: uplink.online and scene.controller.statuses, "online")
    began = time.monotonic()
    uplink.stop()
    assert time.monotonic() - began < 3
    until(lambda: scene.controller.statuses[-1].presence is Presence.OFFLINE, "the goodbye")
    second = scene.uplink()
    until(lambda: scene.controller.statuses[-1].presence is Presence.ONLINE, "online again")
    connection = scene.controller.statuses[-1].connection
    session = second._session
    assert session
    network = session._connection._client.socket()
    assert isinstance(network, socket.socket)
    network.shutdown(socket.SHUT_RDWR)
    until(
        lambda: (Presence.OFFLINE, connection) in [(s.presence, s.connection) for s in scene.controller.statuses],
        "will",
    )
    until(lambda: scene.controller.statuses[-1].connection > connection, "back")


def test_uplink_that_is_not_let_in_says_why_and_keeps_trying(scene: Scene) -> None:
    right = scene.broker
    scene.broker = Broker("127.0.0.1", right.port, ADDRESS.user, "wrong")
    assert "refused" in refusal_of(scene.broker, ADDRESS)
    assert refusal_of(right, ADDRESS) == ""
    uplink = scene.uplink()
    until(lambda: uplink.figures().connections >= 2, "a second attempt")
    assert "the broker refused" in uplink.figures().why
    scene.append(1.0)
    assert not uplink.online


def test_uplink_waits_for_a_disk_that_takes_nothing(scene: Scene) -> None:
    scene.uplink()
    scene.append(1.0)
    until(scene.settled, "the first acked")
    db = scene.outbox._db
    assert db
    db.execute("PRAGMA query_only=ON")
    scene.append(2.0, 3.0)
    assert scene.outbox.stalled
    db.execute("PRAGMA query_only=OFF")
    scene.append(4.0)
    until(lambda: scene.settled() and not scene.outbox.stalled, "all acked")
    assert scene.values() == [1.0, 2.0, 3.0, 4.0]
    assert [event.kind for report in scene.controller.reports.values() for event in report.events] == [
        "disk-writable-again"
    ]


def test_controller_of_the_tests_would_notice_a_conflict(scene: Scene) -> None:
    scene.controller._take(ADDRESS, encode(draft(1.0).numbered("0" * 16, 1, 1)))
    scene.controller._take(ADDRESS, encode(draft(2.0).numbered("0" * 16, 1, 1)))
    assert scene.controller.conflicts == [("0" * 16, 1)]
    assert Ack(1, 1, "0" * 16).committed == ()


def test_connection_leaves_no_descriptor_behind_whatever_ended_it(scene: Scene) -> None:
    will = Status("0" * 16, Presence.OFFLINE, 1, "test", NOW_MS)
    nobody = Broker("127.0.0.1", 1)
    refused = Broker("127.0.0.1", scene.broker.port, ADDRESS.user, "wrong")

    def connect(broker: Broker) -> None:
        connection = Connection(broker, ADDRESS, will, lambda: None)
        try:
            connection.open()
            until(lambda: connection.state is not LinkState.OPENING, "an answer")
        except OSError:
            assert broker is nobody
        finally:
            connection.close()

    descriptors = Path("/proc/self/fd")
    gc.collect()
    gc.disable()
    try:
        before = len(list(descriptors.iterdir()))
        for broker in (scene.broker, refused, nobody) * 5:
            connect(broker)
        assert len(list(descriptors.iterdir())) <= before
    finally:
        gc.enable()
