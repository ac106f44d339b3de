"""The parts of the controller that run beside the web server, from the database to the sealer of the audit log."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from controller.broker.access import Login
from controller.broker.embedded import EmbeddedBroker
from controller.commands.dispatcher import Dispatcher
from controller.config import ControllerConfig
from controller.database import migrate, quick_check
from controller.fleet.enrolment import broker_users
from controller.fleet.live import LiveFleet
from controller.identity.sealer import Sealer
from controller.ingest import link
from controller.ingest.observer import Observers
from controller.ingest.service import Ingest
from controller.ingest.stats import IngestStats
from controller.jobs.service import Jobs
from controller.lock import StateLock
from controller.scheduling.clockwork import Clockwork

_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where agents find the broker. `host` is empty if it is the name under which the controller was asked."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """Which parts work: the database answers, the broker is reached, commits are being made."""

    database: bool
    broker: bool
    writer: bool


class Plant:
    """Database, broker, ingest, dispatcher, jobs, clockwork, sealer. Made, started and stopped once."""

    def __init__(
        self,
        config: ControllerConfig,
        engine: Engine,
        live: LiveFleet,
        *,
        dispatcher: Dispatcher,
        jobs: Jobs,
        clockwork: Clockwork,
        now_ms: Callable[[], int],
    ) -> None:
        self._config = config
        self._engine = engine
        self._live = live
        self._dispatcher = dispatcher
        self._jobs = jobs
        self._clockwork = clockwork
        self._now_ms = now_ms
        self._sealer = Sealer(engine, now_ms)
        self._lock = StateLock(config.folder)
        self._broker: EmbeddedBroker | None = None
        self._ingest: Ingest | None = None
        self._admitted: list[object] = []
        self._admitting = threading.Lock()

    def start(self) -> None:
        """Raises what the database or the broker raises when it cannot be used; nothing is left running then."""
        self._config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.take()
        try:
            migrate(self._engine)
            self._live.load()
            endpoint = self._start_broker()
            observers = Observers((self._live, self._dispatcher, self._jobs, self._clockwork))
            self._ingest = Ingest(self._engine, endpoint, observers, self._now_ms)
            self._dispatcher.start(self._ingest.say)
            self._jobs.start()
            self._clockwork.start()
            self._sealer.start()
            self._ingest.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what was started, the last first."""
        self._clockwork.stop()
        self._jobs.stop()
        self._dispatcher.stop()
        if self._ingest is not None:
            self._ingest.stop()
        if self._broker is not None:
            self._broker.stop()
        self._sealer.stop()
        self._engine.dispose()
        self._lock.release()

    def admit(self) -> None:
        """Have the broker let in exactly the agents of the table. Quiet if nothing changed."""
        if self._broker is None:
            return
        with self._admitting:
            users = broker_users(self._engine)
            if users != self._admitted:
                self._broker.set_users(users)
                self._admitted = list(users)

    @property
    def stats(self) -> IngestStats:
        """What the ingest counts; zeros before the start."""
        return self._ingest.stats if self._ingest is not None else IngestStats()

    @property
    def broker_pid(self) -> int | None:
        """The embedded broker's process; None if it is not ours or not up."""
        return self._broker.pid if self._broker is not None else None

    def address(self) -> BrokerAddress:
        asked = self._config.broker
        port = self._broker.port if self._broker is not None else asked.port
        host = asked.public_host or ("" if asked.host in _ANY else asked.host)
        return BrokerAddress(host, port, asked.ca is not None)

    def ready(self) -> Ready:
        try:
            with self._engine.connect() as connection:
                quick_check(connection)
            database = True
        except SQLAlchemyError:
            database = False
        return Ready(database, self._live.broker, self._ingest is not None and self._ingest.stats.writable)

    def _start_broker(self) -> link.BrokerAddress:
        asked = self._config.broker
        if not asked.embedded:
            return link.BrokerAddress(asked.host, asked.port, Login(asked.user, asked.password), asked.ca)
        broker = EmbeddedBroker(self._config.folder / "broker", asked.port, asked.host)
        self._broker = broker
        self.admit()
        broker.start()
        return link.BrokerAddress(broker.host, broker.port, broker.login)
