"""Keeps a connection to the broker and brings the outbox to the controller: status, inventory, live, then replay."""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.certificates import Fault, fault_of, words_for
from agent.clock import Clock
from agent.connection import CONNECT_TIMEOUT_S, Broker, Connection, LinkState
from agent.leases import NO_BOOK, Edition
from agent.outbox import Outbox
from agent.pace import NORMAL, Pace, full_jitter_ms
from agent.roster import Roster
from agent.session import Copy, Listeners, Login, Session, Station, status
from contract.desired import ConfigStand
from contract.messages import Presence
from contract.model import Event
from contract.topics import Address

_GREETING_MS = 10_000
_FAREWELL_MS = 1_000
_FAREWELL_STEP_S = 0.01
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UplinkFigures:
    """`since_ms` is when `online` last changed; `why` says what is wrong while it is not online."""

    online: bool
    since_ms: int
    connections: int
    in_flight: int
    last_ack_ms: int
    why: str


class Uplink:
    """Two threads: this one and the network's.

    Call `wake` after each append to the outbox, and after a change of the roster or of what `book` or `config` tells.
    """

    def __init__(
        self,
        broker: Broker,
        address: Address,
        *,
        outbox: Outbox,
        roster: Roster,
        clock: Clock,
        listeners: Listeners = Listeners(),  # noqa: B008 - frozen
        book: Callable[[], Edition] = lambda: NO_BOOK,
        copy: Copy = Copy(),  # noqa: B008 - frozen
        pace: Pace = NORMAL,
        chance: Callable[[], float] = random.random,
        login: Login = Login(),  # noqa: B008 - frozen
        config: Callable[[], ConfigStand] = ConfigStand,
    ) -> None:
        self._broker = broker
        self._station = Station(address, outbox, roster, clock, listeners, book, pace, chance, login, copy, config)
        self._news = threading.Event()
        self._stopping = False
        self._anew = False
        self._hurry = False
        self._online = False
        self._was_up = False
        self._refused = False
        self._since_ms = clock.now_ms()
        self._connections: dict[str, int] = {}
        self._last_ack_ms = 0
        self._why = "not connected yet"
        self._fault: Fault | None = None
        self._session: Session | None = None
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    @property
    def online(self) -> bool:
        """Whether the broker has taken us in."""
        return self._online

    @property
    def refused(self) -> bool:
        """Whether the broker, when last asked, did not know us."""
        return self._refused

    @property
    def in_touch(self) -> bool:
        """Whether the controller hears us and answers."""
        session = self._session
        return session is not None and session.in_touch

    def figures(self) -> UplinkFigures:
        session = self._session
        return UplinkFigures(
            online=self._online,
            since_ms=self._since_ms,
            connections=sum(self._connections.values()),
            in_flight=len(session.flight) if session else 0,
            last_ack_ms=max(self._last_ack_ms, session.last_ack_ms if session else 0),
            why=self._why,
        )

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is something new to send."""
        session = self._session
        if session:
            session.appended()
        self._news.set()

    def reconnect(self) -> None:
        """End this connection in an orderly way and make another: there is another way to sign in."""
        self._anew = True
        self._news.set()

    def move(self, broker: Broker) -> None:
        """Be connected to another broker from now on, or to the same one in another way."""
        moved = not broker.same_way(self._broker)
        self._broker = broker
        if moved:
            self._hurry = True
            self.reconnect()

    def stop(self) -> None:
        """Say goodbye and end, within two seconds when the network answers."""
        self._stopping = True
        self._news.set()
        if self._thread.ident:
            self._thread.join(timeout=CONNECT_TIMEOUT_S)

    def _run(self) -> None:
        failures = 0
        pace = self._station.pace
        while not self._stopping:
            began_ms = self._station.clock.mono_ms()
            try:
                self._connect()
            except OSError as error:
                self._why = f"there is no way to {self._broker.host}:{self._broker.port}: {words_for(error)}"
                self._complain(error)
            except Exception as error:  # noqa: BLE001 - outermost loop: the next connection starts afresh
                _log.exception("the connection ended by a fault of ours")
                self._why = f"{type(error).__name__}: {error}"
            lasted_ms = self._station.clock.mono_ms() - began_ms
            failures = 0 if lasted_ms >= pace.settled_ms else failures + 1
            if not self._stopping:
                _log.info("offline: %s", self._why)
                self._pause(max(self._place_ms(), full_jitter_ms(failures, pace, self._station.chance)))

    def _place_ms(self) -> int:
        """A connection was lost, not by our own wish and probably not by us alone: each agent has its own moment."""
        return round(1000 * self._broker.spread_s * self._broker.place) if self._was_up and not self._anew else 0

    def _complain(self, error: OSError) -> None:
        """A certificate that does not hold is told once, until the agent was online or it is another fault."""
        fault = fault_of(error)
        if fault is not None and fault is not self._fault:
            _log.warning("%s", self._why)
            now_ms = max(0, self._station.clock.now_ms())
            self._station.listeners.event(Event(fault, now_ms, detail=self._why[:500]))
        self._fault = fault or self._fault

    def _pause(self, wait_ms: int) -> None:
        """Wait, whatever is appended meanwhile; not for a broker that is no longer the one to wait for."""
        self._hurry = False
        until_ms = self._station.clock.mono_ms() + wait_ms
        while not self._stopping and not self._hurry and (left_ms := until_ms - self._station.clock.mono_ms()) > 0:
            self._news.wait(left_ms / 1000)
            self._news.clear()

    def _connect(self) -> None:
        """One connection from beginning to end."""
        epoch = self._station.outbox.epoch
        number = self._connections.get(epoch, 0) + 1
        self._connections[epoch] = number
        will = status(self._station, Presence.OFFLINE, number, self._station.clock.now_ms())
        self._anew = self._was_up = False
        broker = self._station.login.of(self._broker)
        connection = Connection(broker, self._station.address, will, self._news.set)
        try:
            connection.open()
            if self._greeted(connection):
                self._was_up = True
                self._talk(connection, number)
        finally:
            self._set_online(online=False)
            self._refused = connection.refused
            connection.close()
        self._why = connection.why or self._why
        if connection.refused:
            self._station.login.refused()

    def _greeted(self, connection: Connection) -> bool:
        until_ms = self._station.clock.mono_ms() + _GREETING_MS
        while connection.state is LinkState.OPENING and not self._stopping:
            left_ms = until_ms - self._station.clock.mono_ms()
            if left_ms <= 0:
                connection.why = "the broker did not answer"
                return False
            self._news.wait(left_ms / 1000)
            self._news.clear()
        return connection.state is LinkState.UP

    def _talk(self, connection: Connection, number: int) -> None:
        session = Session(self._station, connection, number)
        self._session = session
        self._set_online(online=True)
        try:
            while connection.state is LinkState.UP and session.epoch == self._station.outbox.epoch:
                self._news.clear()
                if self._anew:
                    return
                due_ms = session.step()
                if self._stopping:
                    self._say_farewell(session, connection)
                    return
                self._news.wait(max(0, due_ms - self._station.clock.mono_ms()) / 1000)
        finally:
            self._last_ack_ms = max(self._last_ack_ms, session.last_ack_ms)
            self._session = None

    def _say_farewell(self, session: Session, connection: Connection) -> None:
        session.farewell()
        until_ms = self._station.clock.mono_ms() + _FAREWELL_MS
        while connection.unconfirmed and connection.state is LinkState.UP:
            if self._station.clock.mono_ms() >= until_ms:
                return
            time.sleep(_FAREWELL_STEP_S)

    def _set_online(self, *, online: bool) -> None:
        if online is not self._online:
            self._online = online
            self._since_ms = self._station.clock.now_ms()
            self._why = "" if online else self._why
            self._fault = None if online else self._fault
            _log.info("online" if online else "connection lost")
