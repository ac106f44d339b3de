"""The parts of the controller that run beside the web server: database, broker, ingest, dispatcher, jobs, clockwork,
the sender of notifications, what tells Home Assistant and webhooks, the sealer of the audit log, and what looks after
history.
"""

import logging
import os
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from contract.topics import Address
from controller.broker.access import Member
from controller.broker.embedded import EmbeddedBroker
from controller.broker.external import BrokerFilesError, ExternalBroker
from controller.broker.log_tail import LogTail
from controller.broker.mosquitto_log import MosquittoLog
from controller.broker.offences import Offence, offences
from controller.broker.write import external_login
from controller.commands.dispatcher import Dispatcher
from controller.config import ControllerConfig
from controller.database import migrate, quick_check
from controller.fleet import renewals
from controller.fleet.enrolment import broker_users
from controller.fleet.live import LiveFleet
from controller.fleet.renewals import Authorities, Renewals
from controller.home_assistant import store as home_assistant
from controller.home_assistant.publisher import ECHOES, Publisher
from controller.identity.refusals import Refusals
from controller.identity.sealer import Sealer
from controller.identity.store import audit
from controller.ingest import link
from controller.ingest.floods import Floods
from controller.ingest.observer import Observers
from controller.ingest.service import Ingest
from controller.ingest.stats import IngestStats
from controller.jobs.service import Jobs
from controller.lock import StateLock
from controller.notifications.sender import Sender
from controller.scheduling import lost
from controller.scheduling.clockwork import Clockwork
from controller.scheduling.journal import Journal
from controller.scope import Scope
from controller.telemetry.keeper import HistoryStats, Keeper
from controller.tls.authority import BadCertificate
from controller.tls.keeper import keeper as keeper_of_certificates
from controller.trespassers import Trespassers
from controller.webhooks.sender import WebhookSender
from controller.webhooks.watcher import Watcher

_log = logging.getLogger(__name__)
_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - as above
"""How the controller itself reaches a broker that listens everywhere."""


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
    """The parts that run, as this module names them. Made, started and stopped once."""

    def __init__(
        self,
        config: ControllerConfig,
        engine: Engine,
        live: LiveFleet,
        *,
        dispatcher: Dispatcher,
        jobs: Jobs,
        clockwork: Clockwork,
        sender: Sender,
        keeper: Keeper,
        journal: Journal,
        refusals: Refusals,
        publisher: Publisher,
        watcher: Watcher,
        webhooks: WebhookSender,
        now_ms: Callable[[], int],
    ) -> None:
        self._config = config
        self._engine = engine
        self._live = live
        self._dispatcher = dispatcher
        self._jobs = jobs
        self._clockwork = clockwork
        self._sender = sender
        self._keeper = keeper
        self._journal = journal
        self._refusals = refusals
        self._publisher = publisher
        self._watcher = watcher
        self._webhooks = webhooks
        self._now_ms = now_ms
        self.certificates = keeper_of_certificates(config, now_ms)
        self._floods = Floods(engine, now_ms, self.admit, live.registry_changed)
        self.renewals = Renewals(
            engine,
            now_ms,
            admit=self.admit,
            authorities=self.authorities,
        )
        self._sealer = Sealer(engine, now_ms)
        self._lock = StateLock(config.folder)
        self._broker: EmbeddedBroker | None = None
        self._admits: EmbeddedBroker | ExternalBroker | None = None
        self._trespassers: Trespassers | None = None
        self._ingest: Ingest | None = None
        self._admitted: list[Member] | None = None
        self._objection = ""
        self._admitting = threading.Lock()

    def start(self) -> None:
        """Raises what the database or the broker raises when it cannot be used; nothing is left running then."""
        self._config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.take()
        try:
            migrate(self._engine)
            if self._encrypts:
                self.certificates.look()
            self._tell_lost()
            self._live.load()
            endpoint = self._start_broker()
            observers = Observers((self._live, self._dispatcher, self._jobs, self._clockwork, self._publisher))
            self._ingest = Ingest(
                self._engine,
                endpoint,
                observers,
                self._now_ms,
                flooded=self._cut_off,
                echoes=ECHOES,
                echo=self._publisher.echo,
            )
            self._live.ask_storing(lambda: self.storing)
            self._dispatcher.start(self._ingest.say)
            self._jobs.start()
            self._clockwork.start()
            self._sender.start()
            self._publisher.start(self._ingest.tell)
            self._watcher.start()
            self._webhooks.start()
            self._sealer.start()
            self._keeper.start()
            self._ingest.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what was started, the last first."""
        self._webhooks.stop()
        self._watcher.stop()
        self._publisher.stop()
        self._sender.stop()
        self._keeper.stop()
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
        """Have the broker let in exactly the agents and readers of the tables. Quiet if nothing changed.

        A broker of somebody else's that cannot be told now is told at the next call.
        """
        if self._admits is None:
            return
        with self._admitting:
            users: list[Member] = [*broker_users(self._engine), *home_assistant.readers(self._engine)]
            if users == self._admitted:
                return
            try:
                self._admits.set_users(users)
            except BrokerFilesError as error:
                if str(error) != self._objection:
                    _log.error("the broker does not know yet who may come in; it is tried again: %s", error)
                self._objection = str(error)
                return
            self._admitted, self._objection = users, ""

    def authorities(self) -> Authorities:
        """Whom agents are to trust now."""
        if not self._encrypts or not self.certificates.own:
            return Authorities()
        return Authorities(self.certificates.bundle(), self.certificates.newest())

    def look_after_credentials(self) -> None:
        """Ask those agents for whom there are new ones. Once all trust the next authority, it takes over."""
        if self._ingest is not None:
            self._ingest.wanted = self.renewals.wanted()
        following = self.certificates.store.following()
        if following is not None and self.renewals.all_trust(following.fingerprint):
            self.succeed()

    def readmit(self, scope: Scope, agent_id: int, actor: str, source: str) -> None:
        """Let an agent in again that said too much. Raises NotCutOff."""
        self._forgive(self._floods.readmit(scope, agent_id, actor, source))

    def _cut_off(self, address: Address) -> None:
        try:
            if not self._floods.cut_off(address):
                self._forgive(address)  # whatever is still on its way: it is not in, or nobody of ours
        except SQLAlchemyError as error:
            _log.error("%s cannot be cut off now: %s", address, error)
            self._forgive(address)  # it will be noticed again

    def _forgive(self, address: Address) -> None:
        for each in (self._ingest, self._trespassers):
            if each is not None:
                each.forgive(address)

    def succeed(self) -> None:
        """The next authority signs from now on; agents are asked to forget the former."""
        self.certificates.store.succeed()
        with Session(self._engine) as db:
            audit(db, self._now_ms(), "authority-succeeded", subject=self.authorities().newest)
            renewals.ask(db, self._now_ms())
            db.commit()

    def look_after_broker(self) -> None:
        """Audit what the broker refused: topics of others, logins that are not good, far too much at once."""
        if self._trespassers is not None:
            self._trespassers.look()

    def look_after_certificates(self) -> None:
        """Renew what is due, take over what was given anew. A disk that takes nothing now is tried again later."""
        if not self._encrypts:
            return
        try:
            self.certificates.look()
        except (OSError, BadCertificate) as error:
            _log.error("the server's certificate cannot be looked after: %s", error)

    @property
    def _encrypts(self) -> bool:
        return self._config.tls or self._config.broker_tls

    @property
    def stats(self) -> IngestStats:
        """What the ingest counts; zeros before the start."""
        return self._ingest.stats if self._ingest is not None else IngestStats()

    def roll(self) -> None:
        """Roll up what has come by now, without waiting for the keeper's next turn."""
        self._keeper.roll()

    @property
    def history(self) -> HistoryStats:
        """What the keeper of history counts."""
        return self._keeper.stats

    @property
    def storing(self) -> bool:
        """Whether what agents say is written down."""
        return self._ingest is not None and self._ingest.storing

    @property
    def broker_pid(self) -> int | None:
        """The embedded broker's process; None if it is not ours or not up."""
        return self._broker.pid if self._broker is not None else None

    def address(self) -> BrokerAddress:
        config, asked = self._config, self._config.broker
        port = self._broker.port if self._broker is not None else config.broker_port
        host = asked.public_host or ("" if config.broker_host in _ANY else config.broker_host)
        return BrokerAddress(host, port, config.broker_tls or asked.ca is not None)

    def ready(self) -> Ready:
        try:
            with self._engine.connect() as connection:
                quick_check(connection)
            database = True
        except SQLAlchemyError:
            database = False
        return Ready(database, self._live.broker, self.storing)

    def _tell_lost(self) -> None:
        """However an older database came to be here: by `fabfleet restore`, or by somebody's own means."""
        self._journal.trim(self._now_ms())
        with Session(self._engine) as db:
            missing = lost.missing(db.connection(), self._journal.entries())
            for each in missing:
                _log.warning("not in the database: %s", lost.line(each, ZoneInfo(self._config.zone)))
            if lost.tell(db, missing, self._now_ms()):
                db.commit()

    def _start_broker(self) -> link.BrokerAddress:
        config, asked = self._config, self._config.broker
        if not asked.embedded:
            login = external_login(config)
            if asked.files is not None:
                self._admits = ExternalBroker(asked.kind, asked.files, login, asked.reload)
                self.admit()
            if asked.log is not None:
                self._watch_log_of_others(asked.log, asked.kind)
            tls = ssl.create_default_context(cafile=str(asked.ca)) if asked.ca else None
            return link.BrokerAddress(config.broker_host, asked.port, login, tls)
        certificate = self.certificates.file if config.broker_tls else None
        broker = EmbeddedBroker(config.folder / "broker", config.broker_port, config.broker_host, certificate)
        self._broker = self._admits = broker
        tail, monitor = LogTail(broker.log), broker.monitor
        self._watch(lambda: offences(tail.lines()), lambda each: monitor.user(each.process, each.connection))
        self.admit()
        broker.start()
        if certificate is not None:
            self.certificates.follow(lambda _file: broker.reload())
        return link.BrokerAddress(
            _LOOPBACK.get(broker.host, broker.host),
            broker.port,
            broker.login,
            self.certificates.trust() if certificate is not None else None,
        )

    def _watch_log_of_others(self, file: Path, kind: str) -> None:
        if not os.access(file, os.R_OK):
            _log.warning("broker.log: %s cannot be read; what the broker refuses is not known here", file)
        tail, words = LogTail(file), MosquittoLog()
        read = words.offences if kind == "mosquitto" else offences
        self._watch(lambda: read(tail.lines()), lambda each: each.user)

    def _watch(self, read: Callable[[], Iterable[Offence]], who: Callable[[Offence], str]) -> None:
        self._trespassers = Trespassers(read, who, self._refusals, self._cut_off)
