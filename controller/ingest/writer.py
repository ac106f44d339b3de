"""The one thread that writes what agents say: gather, decode, commit, then acknowledge and tell."""

import logging
import threading
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from contract.messages import Ack
from contract.topics import Address
from controller.faults import faults_in
from controller.ingest.inbox import Inbox
from controller.ingest.intake import Intake, Settled
from controller.ingest.messages import Arrival, decode
from controller.ingest.observer import Observer
from controller.ingest.portion import Portion
from controller.ingest.stats import IngestStats
from controller.ingest.turn import Turns
from controller.telemetry.rows import rows_in

log = logging.getLogger(__name__)

GATHER_S: Final = 0.1
"""How long a transaction waits for company; with its own length this stays well below a quarter of a second."""
_IDLE_S: Final = 1.0
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0


class _Unwritable(Exception):
    """The database takes nothing just now, whatever is written: wait and try the same again."""


class Writer:
    """Runs until `stop`. A database that fails costs nothing but time: what is not committed is not acknowledged."""

    def __init__(
        self,
        engine: Engine,
        inbox: Inbox,
        observer: Observer,
        stats: IngestStats,
        *,
        now_ms: Callable[[], int],
        acknowledge: Callable[[Address, Ack], None],
    ) -> None:
        self._engine = engine
        self._inbox = inbox
        self._observer = observer
        self._stats = stats
        self._now_ms = now_ms
        self._acknowledge = acknowledge
        self._intake = Intake(rows_in(engine))
        self._turns = Turns()
        self._faults = faults_in(engine)
        self._portion = Portion()
        self._loaded = False
        self._generation = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest-writer", daemon=True)
        self.connected_ms: int | None = None
        """Since when we hear the broker; None while we do not."""

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Write what has come, then end."""
        self._stopping.set()
        self._inbox.close()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._inbox.closed:
            try:
                arrivals = self._inbox.take(_IDLE_S, GATHER_S, self._portion.size)
                self._stats.queue_depth = len(self._inbox)
                if arrivals:
                    self._write(arrivals)
                self._watch()
            except Exception:
                log.exception("ingest goes on after an error")
                self._loaded = False
                self._stopping.wait(_FIRST_PAUSE_S)

    def _write(self, arrivals: list[Arrival]) -> None:
        """Commit them together; if one of them makes that fail, each by itself."""
        began = perf_counter()
        if self._attempt(partial(self._take_all, arrivals)):
            self._portion.written(sum([len(arrival.payload) for arrival in arrivals]), perf_counter() - began)
            return
        for arrival in arrivals:
            if not self._attempt(partial(self._take_all, [arrival])):
                self._attempt(partial(self._set_aside, arrival))

    def _take_all(self, arrivals: list[Arrival], connection: Connection) -> None:
        for arrival in arrivals:
            self._intake.take(connection, decode(arrival))  # at once: what is decoded is still in the processor's cache

    def _set_aside(self, arrival: Arrival, _connection: Connection) -> None:
        self._intake.set_aside(decode(arrival), "the controller failed on it; its log says how")

    def _attempt(self, work: Callable[[Connection], None]) -> bool:
        """Do `work` in a transaction, as often as the database needs; False if the fault is in the work itself."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                self._commit(work)
            except _Unwritable as error:
                self._unwritable(error)
                if self._stopping.is_set():
                    return True  # not acknowledged: its agent has it
                self._stopping.wait(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            except Exception:
                log.exception("a transaction failed")
                self._stats.commit_failures += 1
                return False
            else:
                self._stats.writable = True
                return True

    def _unwritable(self, error: Exception) -> None:
        self._stats.commit_failures += 1
        if self._stats.writable:
            log.error("the database takes nothing: %s; trying again", error)
        self._stats.writable = False

    def _commit(self, work: Callable[[Connection], None]) -> None:
        self._stats.began_s = began = perf_counter()
        try:
            with self._engine.connect() as connection:
                turn = self._turns.take(connection)
                try:
                    if not (self._loaded and turn.again):
                        self._intake.load(connection)
                        self._loaded = True
                    self._generation = turn.generation
                    work(connection)
                    self._intake.flush(connection)
                    connection.commit()
                except BaseException:
                    self._loaded = False
                    self._intake.forget()
                    connection.rollback()
                    raise
        except self._faults.any as error:
            if not self._faults.unavailable(error):
                raise
            raise _Unwritable(str(error.orig if isinstance(error, DBAPIError) else error)) from error
        finally:
            self._stats.began_s = None
        self._stats.commits += 1
        self._stats.commit_seconds += perf_counter() - began
        self._tell(self._intake.settle())

    def _tell(self, settled: Settled) -> None:
        """After the commit, and only then."""
        self._stats.add(settled.counted)
        for address, ack in self._intake.acks.drain(self._generation, self._now_ms()):
            self._acknowledge(address, ack)
        for agent_id in settled.changed_agents:
            self._observer.registry_changed(agent_id)
        if settled.fresh:
            self._observer.values_committed(settled.fresh)
        if settled.told:
            self._observer.outcomes_committed(settled.told)

    def _watch(self) -> None:
        connected_ms, now_ms = self.connected_ms, self._now_ms()
        if not self._loaded:
            self._attempt(lambda _connection: None)
        if connected_ms is not None and self._intake.anyone_overdue(now_ms, connected_ms):
            self._attempt(lambda connection: self._intake.watch(connection, now_ms, connected_ms))
