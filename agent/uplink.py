"""Keeps a connection to the broker and brings the outbox to the controller: status, inventory, live, then replay."""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from agent import VERSION
from agent.batches import Batch
from agent.clock import Clock
from agent.connection import CONNECT_TIMEOUT_S, Broker, Connection, LinkState
from agent.errors import CannotWrite
from agent.outbox import Outbox
from agent.pace import Budget, Flight, Pace, full_jitter_ms
from agent.roster import Roster
from contract.messages import Ack, Config, LeaseBook, Order, Presence, Status, encode
from contract.model import ContractError, Event
from contract.topics import Address, Channel
from contract.wire import decode

_STOP_MS = 1_500
_WRITE_AGAIN_MS = 2_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who hears what the controller says. Called from the uplink's thread; must not block for long."""

    order: Callable[[Order], None] = lambda _: None
    leases: Callable[[LeaseBook], None] = lambda _: None
    config: Callable[[Config], None] = lambda _: None
    event: Callable[[Event], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class UplinkFigures:
    """`since_ms` is when `online` last changed; `why` tells what is wrong while it is not online."""

    online: bool
    since_ms: int
    connections: int
    in_flight: int
    last_ack_ms: int
    why: str


class Uplink:
    """Two threads: this one and the network's. Call `wake` after each append to the outbox or change of the roster."""

    def __init__(
        self,
        broker: Broker,
        address: Address,
        outbox: Outbox,
        roster: Roster,
        clock: Clock,
        listeners: Listeners = Listeners(),
        pace: Pace = Pace(),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._broker = broker
        self._address = address
        self._outbox = outbox
        self._roster = roster
        self._clock = clock
        self._listeners = listeners
        self._pace = pace
        self._chance = chance
        self._news = threading.Event()
        self._stopping = False
        self._online = False
        self._since_ms = clock.now_ms()
        self._connections: dict[str, int] = {}
        self._last_ack_ms = 0
        self._why = "not connected yet"
        self._flight = Flight(pace, chance)
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    @property
    def online(self) -> bool:
        return self._online

    def figures(self) -> UplinkFigures:
        connections = sum(self._connections.values())
        return UplinkFigures(self._online, self._since_ms, connections, len(self._flight), self._last_ack_ms, self._why)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is something new to send."""
        self._news.set()

    def stop(self) -> None:
        """Say goodbye and end, within two seconds."""
        self._stopping = True
        self._news.set()
        if self._thread.ident:
            self._thread.join(timeout=CONNECT_TIMEOUT_S)
