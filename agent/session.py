"""What is said over one connection, from the greeting to its end. No threads, no waiting: see agent.uplink."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent import VERSION
from agent.batches import Batch
from agent.clock import Clock
from agent.connection import Broker, Connection
from agent.errors import CannotWrite
from agent.leases import NO_BOOK, Edition
from agent.outbox import Outbox
from agent.pace import Budget, Flight, Pace
from agent.roster import Roster
from contract.desired import ConfigStand
from contract.messages import Ack, Config, LeaseBook, Order, Presence, Status, encode
from contract.model import ContractError, Event
from contract.topics import Address, Channel
from contract.wire import decode

_DISK_AGAIN_MS = 2_000
_SILENT_BEATS = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who hears what the controller says. Called from the uplink's thread; must not block for long."""

    order: Callable[[Order], None] = lambda _: None
    leases: Callable[[LeaseBook], None] = lambda _: None
    config: Callable[[Config], None] = lambda _: None
    event: Callable[[Event], None] = lambda _: None
    credentials: Callable[[int], None] = lambda _: None
    answered: Callable[[Broker], None] = lambda _: None
    """The controller acknowledged something over this broker: it is there, and hears us."""


@dataclass(frozen=True, slots=True)
class Login:
    """How to sign in next: `of` puts it into the broker's address, `number` counts it, `refused` was not let in."""

    of: Callable[[Broker], Broker] = lambda broker: broker
    number: Callable[[], int] = lambda: 0
    refused: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Copy:
    """Which copy of the agent this is: see contract.messages.Status."""

    instance: str = ""
    machine: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Station:
    """What a session speaks for. `book` tells which lease book is on disk now, `login` who signs in with what,
    `config` what became of what the controller wants.
    """

    address: Address
    outbox: Outbox
    roster: Roster
    clock: Clock
    listeners: Listeners
    book: Callable[[], Edition]
    pace: Pace
    chance: Callable[[], float]
    login: Login
    copy: Copy
    config: Callable[[], ConfigStand]


def status(station: Station, presence: Presence, connection: int, since_ms: int) -> Status:
    """The status message as of now. The will tells nothing of what is on disk: it is written before it is true."""
    clock = station.clock
    online = presence is Presence.ONLINE
    book = station.book() if online else NO_BOOK
    return Status(
        epoch=station.outbox.epoch,
        presence=presence,
        connection=connection,
        agent_version=VERSION,
        since_ms=max(0, since_ms),
        boot=clock.boot,
        clock_certain=clock.certain,
        held=station.outbox.held() if online else (),
        lease_generation=book.generation,
        lease_number=book.number,
        credentials=station.login.number(),
        instance=station.copy.instance,
        machine=station.copy.machine if online else (),
        config=station.config() if online else ConfigStand(),
    )


class Session:
    """One conversation. The owner calls `step` whenever there is news, and at the latest when it asked for it."""

    def __init__(self, station: Station, connection: Connection, number: int) -> None:
        self._station = station
        self._outbox = station.outbox
        self._pace = station.pace
        self._connection = connection
        self._number = number
        self._since_ms = station.clock.now_ms()
        now_ms = station.clock.mono_ms()
        self.epoch = station.outbox.epoch
        self.flight = Flight(station.pace, station.chance)
        self.last_ack_ms = 0
        self._answered_ms: int | None = None
        """When the controller said something last, by the monotonic clock."""
        self._budget = Budget(station.pace.replay_per_s, now_ms)
        self._floor = station.outbox.last_id()
        """Batches up to this id are replayed, oldest first; later ones are live."""
        self._cursor = 0
        self._cleared: set[str] = set()
        """Epochs of which the controller told all that it has: before that, replay could repeat or contradict."""
        self._replaying = True
        self._live = True
        self._inventory = 0
        self._status_due_ms = now_ms
        self._book = NO_BOOK
        self._config = ConfigStand()

    @property
    def in_touch(self) -> bool:
        """Whether the controller has answered one of the last statuses: the broker may be there without it."""
        answered_ms, now_ms = self._answered_ms, self._station.clock.mono_ms()
        return answered_ms is not None and now_ms - answered_ms < _SILENT_BEATS * self._pace.status_beat_ms

    def appended(self) -> None:
        """The outbox may have something fresh."""
        self._live = True

    def step(self) -> int:
        """Hear and say all that can be now. When to call again at the latest, by the monotonic clock."""
        now_ms = self._station.clock.mono_ms()
        try:
            self._hear()
            self._say_status(now_ms)
            self._say_inventory()
            self._say_live(now_ms)
            self._say_replay(now_ms)
            self._say_again(now_ms)
        except CannotWrite as error:
            _log.warning("the outbox cannot be used now: %s", error)
            return now_ms + _DISK_AGAIN_MS
        return self._next_ms(now_ms)

    def farewell(self) -> None:
        now_ms = self._station.clock.now_ms()
        offline = status(self._station, Presence.OFFLINE, self._number, now_ms)
        self._connection.publish(Channel.STATUS, encode(offline), retain=True)

    def _next_ms(self, now_ms: int) -> int:
        times = [self._status_due_ms]
        overdue = self.flight.next_ms()
        if overdue is not None:
            times.append(overdue)
        if self._replaying and self._room(self._pace.replay_window):
            times.append(max(now_ms + 1, self._budget.next_ms(now_ms)))
        return min(times)

    def _room(self, window: int) -> int:
        """How many more batches may go out now. Zero is no loss: an ack or a confirmation calls `step` again."""
        return min(window - len(self.flight), self._pace.unconfirmed - self._connection.unconfirmed)

    def _say_status(self, now_ms: int) -> None:
        """At its beat, and at once when another lease book or configuration counts than was last said."""
        said = (self._book, self._config)
        if now_ms >= self._status_due_ms or (self._station.book(), self._station.config()) != said:
            online = status(self._station, Presence.ONLINE, self._number, self._since_ms)
            self._connection.publish(Channel.STATUS, encode(online), retain=True)
            self._book = Edition(online.lease_generation, online.lease_number)
            self._config = online.config
            self._status_due_ms = now_ms + self._pace.status_beat_ms
            self._replaying = True

    def _say_inventory(self) -> None:
        number = self._station.roster.number
        if number != self._inventory:
            inventory = self._station.roster.inventory(self.epoch)
            self._connection.publish(Channel.INVENTORY, encode(inventory), retain=True)
            self._inventory = inventory.number

    def _say_live(self, now_ms: int) -> None:
        room = min(self._room(self._pace.live_window), self._pace.live_window - self._outbox.attempted)
        if self._live and room > 0:
            batches = self._outbox.take_live(self._floor, room)
            self._live = len(batches) == room
            self._send(batches, now_ms)

    def _say_replay(self, now_ms: int) -> None:
        room = min(self._room(self._pace.replay_window), self._budget.available(now_ms))
        if not self._replaying or room <= 0:
            return
        batches = self._outbox.take_replay(self._cursor, self._floor, room, self._cleared)
        if not batches:
            self._replaying = False  # until the controller says more, or the next status asks it to
            return
        self._cursor = batches[-1].id
        new = [batch for batch in batches if (batch.epoch, batch.number) not in self.flight]
        self._budget.spend(len(new))
        self._send(new, now_ms)

    def _say_again(self, now_ms: int) -> None:
        for epoch, number, batch_id in self.flight.overdue(now_ms):
            if self._connection.unconfirmed >= self._pace.unconfirmed:
                return
            batch = self._outbox.take_again(batch_id)
            if batch is None:
                self.flight.forget(epoch, number)
            else:
                self._send([batch], now_ms)

    def _send(self, batches: Sequence[Batch], now_ms: int) -> None:
        for batch in batches:
            self.flight.sent(batch.epoch, batch.number, batch.id, now_ms)
            self._connection.publish(Channel.REPORT, batch.payload)

    def _hear(self) -> None:
        while self._connection.inbox:
            channel, payload = self._connection.inbox.popleft()
            try:
                self._take(channel, payload)
            except ContractError as error:
                _log.warning("message on %s refused: %s", channel, error)
                self._tell("message-refused", f"{channel}: {error}")

    def _take(self, channel: Channel, payload: bytes) -> None:
        listeners = self._station.listeners
        if channel is Channel.ACK:
            self._take_ack(decode(Ack, payload))
        elif not payload:
            return  # a retained message was cleared
        elif channel is Channel.COMMAND:
            listeners.order(decode(Order, payload))
        elif channel is Channel.LEASES:
            listeners.leases(decode(LeaseBook, payload))
        elif channel is Channel.CONFIG:
            listeners.config(decode(Config, payload))

    def _take_ack(self, ack: Ack) -> None:
        self._station.clock.heard(ack.at_ms)
        self.last_ack_ms = self._station.clock.now_ms()
        self._answered_ms = self._station.clock.mono_ms()
        self._station.listeners.answered(self._connection.broker)
        result = self._outbox.take_ack(ack)
        self.flight.landed(ack.epoch, (*ack.committed, *((each.number, each.number) for each in ack.refused)))
        for refusal in result.refused:
            self._tell("report-refused", f"{ack.epoch}/{refusal.number}: {refusal.reason}")
        if result.again:
            self._cursor = 0
            self._floor = max(self._floor, self._outbox.last_id())
        if result.again or (ack.complete and ack.epoch not in self._cleared):
            self._replaying = True
        if ack.complete:
            self._cleared.add(ack.epoch)
            self._station.listeners.credentials(ack.credentials)

    def _tell(self, kind: str, detail: str) -> None:
        now_ms = max(0, self._station.clock.now_ms())
        self._station.listeners.event(Event(kind, now_ms, detail=detail.replace("\0", " ")[:500]))
