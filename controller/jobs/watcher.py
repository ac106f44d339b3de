"""Follows the jobs that were released until their machines have ended them; puts away what nobody needs any more."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from contract.model import CommandStatus
from controller.commands.service import Commands
from controller.fleet.live import LiveFleet
from controller.jobs import store
from controller.jobs.evidence import Case, Finding, Machine, Order, Sighting, judge, print_name
from controller.jobs.files import FileStore
from controller.jobs.states import JobState
from controller.jobs.tables import PrintJob
from controller.scope import CLUSTER

TURN_S: Final = 0.5
_IDLE_S: Final = 60.0
_PAUSE_S: Final = 5.0
_SWEEP_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
_log = logging.getLogger(__name__)


class Watcher:
    """One thread. All it goes by is in the tables and in the live values, so that a restart changes nothing."""

    def __init__(
        self,
        engine: Engine,
        live: LiveFleet,
        commands: Commands,
        files: FileStore,
        *,
        keep_days: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._live = live
        self._commands = commands
        self._files = files
        self._keep_ms = keep_days * _DAY_MS
        self._now_ms = now_ms
        self._final_since: dict[str, int] = {}
        self._swept_ms: int | None = None
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs-watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        if self._thread.ident:
            self._thread.join(10)

    def wake(self) -> None:
        """A job was released. From any thread."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._sweep_now_and_then()
                self._wake.wait(TURN_S if self.turn() else _IDLE_S)
            except SQLAlchemyError as error:
                _log.warning("the print jobs cannot be followed now: %s", type(error).__name__)
                self._stopping.wait(_PAUSE_S)
            except Exception:  # noqa: BLE001 - outermost loop: one bad job must not end the others
                _log.exception("the watcher of print jobs goes on after an error")
                self._stopping.wait(_PAUSE_S)

    def turn(self) -> bool:
        """Look at every job that a machine may be at work on; whether there is any."""
        with Session(self._engine) as db:
            jobs = store.active(db)
        self._final_since = {
            each: self._final_since[each]
            for job in jobs
            for each in (job.command_id, job.stop_id)
            if each in self._final_since
        }
        for job in jobs:
            self._follow(job)
        return bool(jobs)

    def sweep(self) -> None:
        """Forget jobs that ended long ago, and files that no job has. Nothing that a job has is touched."""
        with self._files.placing:
            with Session(self._engine) as db:
                store.forget_ended(db, self._now_ms() - self._keep_ms)
                store.forget_unused_files(db)
                db.commit()
                found = set(self._files.digests())
                unused = found.difference(store.known_files(db, found))
            for digest in unused:
                self._files.remove(digest)

    def _sweep_now_and_then(self) -> None:
        now_ms = self._now_ms()
        if self._swept_ms is None or now_ms - self._swept_ms >= _SWEEP_MS:
            self.sweep()
            self._swept_ms = now_ms

    def _follow(self, job: PrintJob) -> None:
        now_ms = self._now_ms()
        state = JobState(job.state)
        begun = job.started_ms if state is JobState.PRINTING and job.started_ms is not None else job.state_ms
        case = Case(
            state=state,
            name=print_name(job.file_name, job.id or 0),
            since_ms=begun,
            estimate_ms=round(1000 * float((job.review or {}).get("duration_s", 0.0))),
            order=self._order(job.command_id or "", now_ms),
            stop=self._order(job.stop_id, now_ms) if job.stop_id else None,
        )
        finding = judge(case, self._machine(job.device_id), now_ms)
        if finding is not None:
            self._settle(job, state, finding)

    def _order(self, command_id: str, now_ms: int) -> Order:
        view = self._commands.find(CLUSTER, command_id)
        status, detail = (view.status, view.detail) if view else (CommandStatus.UNKNOWN, "")
        if not status.final:
            self._final_since.pop(command_id, None)
            return Order(status)
        return Order(status, detail, self._final_since.setdefault(command_id, now_ms))

    def _machine(self, device_id: int) -> Machine:
        try:
            values = {each.metric: each for each in self._live.values(CLUSTER, device_id)}
        except KeyError:
            return Machine()

        def sighting(metric: str) -> Sighting | None:
            found = values.get(metric)
            return Sighting(found.value, found.true_ms) if found and found.true_ms is not None else None

        at_work = sighting("printing") or sighting("cutting") or sighting("running")
        return Machine(sighting("job"), at_work, sighting("job-result"), sighting("fault") or sighting("job-error"))

    def _settle(self, job: PrintJob, before: JobState, finding: Finding) -> None:
        job_id, now_ms = job.id or 0, self._now_ms()
        with Session(self._engine) as db:
            if finding.state is before:
                done = store.set_stop(db, job_id, before, job.stop_id, None, detail=finding.detail)
            else:
                done = store.move(
                    db, job_id, before, finding.state, now_ms=now_ms, detail=finding.detail, **_times(finding)
                )
            if done:
                store.log(db, job_id, finding.at_ms, finding.kind, detail=finding.detail)
                if finding.state not in store.ACTIVE:
                    self._leave_machine(db, job)
            db.commit()
        self._commands.committed(job.device_id)

    def _leave_machine(self, db: Session, job: PrintJob) -> None:
        """Somebody else may have it as soon as the job is off it."""
        if store.at_work(db, job.device_id, but=job.id or 0) is None:
            self._commands.over_in(db, job.device_id, job.released_by, job.command_id or "")


def _times(finding: Finding) -> dict[str, int | str | None]:
    """The columns beside the state that go with it."""
    if finding.state is JobState.PRINTING:
        return {"started_ms": finding.at_ms}
    if finding.state is JobState.WAITING:
        return {"stop_id": None}
    return {"ended_ms": finding.at_ms}
