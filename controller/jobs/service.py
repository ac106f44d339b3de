"""What pages, API and agents ask for: take a file, release it, cancel it, hand it to the agent that prints it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from sqlalchemy import Engine
from sqlmodel import Session

from contract.lease import STOP
from controller.commands.errors import CommandError, NoSuchDevice, NotAllowed, WrongCommand
from controller.commands.service import Commands, CommandView, Wanted
from controller.config import MB, JobsConfig
from controller.fleet.live import LiveFleet
from controller.fleet.picture import DeviceView
from controller.identity import store as people
from controller.identity.policy import Permission, Principal, may
from controller.ingest.observer import Fresh, Told
from controller.jobs import content, store
from controller.jobs.errors import NoRoom, NoSuchJob, NotInThisState, WrongFile
from controller.jobs.evidence import print_name
from controller.jobs.files import FileStore, Incoming, free_bytes
from controller.jobs.inspector import Inspector
from controller.jobs.states import JobState
from controller.jobs.tables import PrintJob
from controller.jobs.watcher import Watcher
from controller.jobs.work import Work, taking, work_of
from controller.scope import CLUSTER, Scope

LEASE_MARGIN = 1.3
"""A print takes longer than its file says: heating up, and a slow machine."""
LEASE_MORE_S = 15 * 60
LEASE_PROGRAM_S = 45 * 60
"""A program does not say how long it runs: for a period."""
_WORDS = {"title": 128, "group": 64, "why": 500}
"""Letters of what people write beside a file."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it comes in, or has come in by `Jobs.incoming`. `digest`, if given, is what its SHA-256 must be."""

    device_id: int
    file: BinaryIO | Incoming
    file_name: str
    title: str = ""
    group: str = ""
    digest: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class JobLine:
    """A line of the log. `by` is a name, empty if nobody did it.

    Kinds: `sent`, `checked`, `refused`, `released`, `not-started` (the command came to nothing), `started`,
    `stopping`, `not-stopped` (the stop came to nothing), `done`, `failed`, `cancelled`, `returned`, `unknown`.
    """

    at_ms: int
    kind: str
    by: str
    detail: str


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as pages and API show it. `review` and `preview` are None until the file was read.

    `progress` is in percent, None if the machine does not say.

    `detail` belongs to the state. Of `refused`: the first line that is wrong (all are in `review`), or `no-commands`,
    `file-lost`, `no-limits`, `too-long`, `unreadable`. Of `waiting`: why the last release came to nothing, a command's
    detail. Of `released` and `printing`: why the last stop came to nothing. Of `returned`: what is to be mended. Of
    `failed`: the machine's own words, or `lost` (it no longer knows the job). Of `unknown`: `lost`, `not-seen` (it
    never named the job), `silent` (nothing heard of it for a day).
    """

    id: int
    device_id: int
    work: Work
    file_name: str
    title: str
    group: str
    by: str
    created_ms: int
    state: JobState
    state_ms: int
    detail: str
    size: int
    review: Mapping[str, Any] | None
    preview: Mapping[str, Any] | None
    progress: float | None
    started_ms: int | None
    ended_ms: int | None
    command: CommandView | None
    log: tuple[JobLine, ...]


class _Taking(NamedTuple):
    """A machine, and what it does with a file."""

    device: DeviceView
    work: Work


class _Act(NamedTuple):
    """Somebody's doing, as the audit log names it."""

    who: Principal
    name: str
    address: str


class Jobs:
    """Safe to use from any thread. An ingest Observer: a job's end is what the machine says of it."""

    def __init__(
        self,
        engine: Engine,
        live: LiveFleet,
        commands: Commands,
        folder: Path,
        now_ms: Callable[[], int],
        *,
        room: JobsConfig,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._engine = engine
        self._live = live
        self._commands = commands
        self._now_ms = now_ms
        self._quota = room.school_quota_mb * MB
        self._files = FileStore(folder, max_bytes=room.max_bytes, min_free_bytes=room.min_free_mb * MB, free=free)
        self._inspector = Inspector(engine, live, self._files, now_ms)
        self._watcher = Watcher(engine, live, commands, self._files, keep_days=room.keep_days, now_ms=now_ms)

    def start(self) -> None:
        """Begin to read files that wait for it, and to look after jobs that run."""
        self._files.prepare()
        self._inspector.start()
        self._watcher.start()

    def stop(self) -> None:
        """May be called without a start."""
        self._inspector.stop()
        self._watcher.stop()

    # files in

    def incoming(self, who: Principal, device_id: int) -> Incoming:
        """A place for a file that comes in pieces, to be given to `take`. Raises JobError's and CommandError's leaves.

        Leave its block to have it removed if it is not taken.
        """
        return self._files.incoming(self._taking(who, device_id).work)

    def take(self, who: Principal, upload: Upload) -> JobView:
        """Store a file and queue it for reading; durable on return. Raises JobError's and CommandError's leaves."""
        device, work = self._taking(who, upload.device_id)
        content.check_whole_name(upload.file_name)
        name = content.clean_name(upload.file_name)
        content.check_name(name, work)
        if isinstance(upload.file, Incoming):
            return self._keep(who, device, name, upload, upload.file)
        with self._files.incoming(work) as incoming:
            incoming.read(upload.file)
            return self._keep(who, device, name, upload, incoming)

    def _keep(self, who: Principal, device: DeviceView, name: str, upload: Upload, incoming: Incoming) -> JobView:
        incoming.seal()
        if upload.digest and upload.digest.lower() != incoming.digest:
            raise WrongFile("digest", "the file has changed on its way: send it again")
        now_ms = self._now_ms()
        job = PrintJob(
            school_id=device.school_id,
            device_id=device.id,
            digest=incoming.digest,
            file_name=name,
            title=_words(upload.title, "title"),
            group_name=_words(upload.group, "group"),
            by_id=who.id,
            created_ms=now_ms,
            state=JobState.CHECKING.value,
            state_ms=now_ms,
        )
        act = _Act(who, "job-send", upload.address)
        with self._files.placing, Session(self._engine) as db:
            made_room = self._make_room(db, job, incoming.size, act)
            incoming.place()
            job_id = store.add(db, job, incoming.size)
            store.log(db, job_id, now_ms, "sent", by_id=who.id)
            self._audit(db, act, job, f"device {device.id}")
            db.commit()
        if made_room:
            self._watcher.sweep()
        self._inspector.wake()
        return self._changed(device.id, job_id)

    def most_bytes(self, work: Work) -> int:
        """The largest file that is taken for such work."""
        return self._files.most_bytes(work)

    def _make_room(self, db: Session, job: PrintJob, size: int, act: _Act) -> bool:
        """Have jobs that ended make way, if there is no room else. Raises NoRoom if those that are open need it all."""
        if store.room_used(db, job.school_id, but=job.digest) + size <= self._quota:
            return False
        gone = store.make_room(db, job.school_id, job.digest, self._quota - size)
        if not gone:
            most = self._quota // MB
            raise NoRoom("quota", f"the school's {most} MB for job files are used up by jobs that have not ended")
        for each in gone:
            self._audit(db, _Act(act.who, "job-forget", act.address), each, "made room for a new one")
        return True

    def _taking(self, who: Principal, device_id: int) -> "_Taking":
        """A machine that takes files, and what it does with them. Raises CommandError's leaves."""
        if not may(who, Permission.HANDLE_JOBS):
            raise NotAllowed("not-allowed", "your account may not handle jobs")
        try:
            device, profile = self._live.device(who.scope, device_id), self._live.profile(who.scope, device_id)
        except KeyError:
            raise NoSuchDevice("no-such-device", "no such device") from None
        action = taking(profile)
        if action is None:
            raise WrongCommand("no-such-action", "this machine takes no files")
        return _Taking(device, Work(action.name))

    # what there is

    def find(self, scope: Scope, job_id: int) -> JobView | None:
        """One job with everything, None if there is none of that id in the scope."""
        with Session(self._engine) as db:
            job = store.job(db, scope, job_id)
            return None if job is None else self._view(db, job, whole=True)

    def of_device(self, scope: Scope, device_id: int, limit: int = 8) -> Sequence[JobView]:
        """Open jobs first, then the newest. Without preview and log; the command of open ones only."""
        with Session(self._engine) as db:
            return [self._view(db, job) for job in store.of_device(db, scope, device_id, limit)]

    def open_jobs(self, scope: Scope, limit: int = 50) -> Sequence[JobView]:
        """Every job of the scope that is not at its end, newest first. Without preview and log."""
        with Session(self._engine) as db:
            return [self._view(db, job) for job in store.open_jobs(db, scope, limit)]

    def _view(self, db: Session, job: PrintJob, *, whole: bool = False) -> JobView:
        job_id, state = job.id or 0, JobState(job.state)
        steps = store.steps(db, job_id) if whole else ()
        command_id = job.command_id if whole or not state.final else None
        names = people.names(db, {job.by_id, *(step.by_id for step in steps)})
        return JobView(
            id=job_id,
            device_id=job.device_id,
            work=self._work(job),
            file_name=job.file_name,
            title=job.title,
            group=job.group_name,
            by=names.get(job.by_id, ""),
            created_ms=job.created_ms,
            state=state,
            state_ms=job.state_ms,
            detail=job.detail,
            size=store.size_of(db, job.digest),
            review=job.review,
            preview=job.preview if whole else None,
            progress=self._progress(job),
            started_ms=job.started_ms,
            ended_ms=job.ended_ms,
            command=self._commands.find(CLUSTER, command_id) if command_id else None,
            log=tuple(JobLine(step.at_ms, step.kind, names.get(step.by_id, ""), step.detail) for step in steps),
        )

    def _work(self, job: PrintJob) -> Work:
        kind = (job.review or {}).get("kind")
        try:
            return work_of(self._live.profile(CLUSTER, job.device_id), kind)
        except KeyError:
            return work_of(None, kind)

    def _progress(self, job: PrintJob) -> float | None:
        if job.state == JobState.DONE:
            return 100.0
        if job.state != JobState.PRINTING:
            return None
        try:
            values = {each.metric: each.value for each in self._live.values(CLUSTER, job.device_id)}
        except KeyError:
            return None
        told = values.get("progress")
        mine = values.get("job") == print_name(job.file_name, job.id or 0)
        return float(told) if mine and isinstance(told, int | float) else None

    # what people decide

    def release(self, who: Principal, job_id: int, *, bed_clear: bool, address: str = "") -> JobView:
        """Have it printed: gives the command. Raises JobError's and CommandError's leaves."""
        job = self._mine(who, job_id)
        if not bed_clear:
            raise NotInThisState(
                "bed", "look at the machine first: whether its bed is empty, and nothing is in its way"
            )
        if self._files.path(job.digest) is None:
            raise NotInThisState("file-lost", "the file is no longer here: send it again")
        _, work = self._taking(who, job.device_id)
        lasts_s = round(float((job.review or {}).get("duration_s", 0.0)) * LEASE_MARGIN) + LEASE_MORE_S
        wanted = Wanted(
            device_id=job.device_id,
            action=work.value,
            args={"digest": job.digest, "name": print_name(job.file_name, job_id)},
            lease_s=LEASE_PROGRAM_S if work is Work.RUN else lasts_s,
            address=address,
        )
        try:
            with Session(self._engine) as db:
                self._release_in(db, who, job, wanted)
                db.commit()
        except CommandError as error:
            self._commands.refused(who, wanted, error)
            raise
        self._commands.committed(job.device_id)
        self._watcher.wake()
        return self._changed(job.device_id, job_id)

    def _release_in(self, db: Session, who: Principal, job: PrintJob, wanted: Wanted) -> None:
        """The state first: of two who release at once, the other waits here and finds it released."""
        job_id, now_ms = job.id or 0, self._now_ms()
        store.lock_device(db, job.device_id)
        if not store.move(
            db,
            job_id,
            JobState.WAITING,
            JobState.RELEASED,
            now_ms=now_ms,
            released_by=who.id,
            started_ms=None,
            stop_id=None,
        ):
            raise _gone_on()
        if (other := store.at_work(db, job.device_id, but=job_id)) is not None:
            raise NotInThisState("machine-busy", f"this machine is at work on job {other}")
        command_id = self._commands.give_in(db, who, wanted)
        store.set_command(db, job_id, command_id)
        store.log(db, job_id, now_ms, "released", by_id=who.id)
        self._audit(db, _Act(who, "job-release", wanted.address), job, f"command {command_id}")

    def hand_back(self, who: Principal, job_id: int, why: str, *, address: str = "") -> JobView:
        """To the group, to be mended. Raises as `release`."""
        job = self._mine(who, job_id)
        self._end(_Act(who, "job-return", address), job, JobState.WAITING, JobState.RETURNED, _words(why, "why"))
        return self._changed(job.device_id, job_id)

    def cancel(self, who: Principal, job_id: int, *, address: str = "") -> JobView:
        """One that waits ends at once; one that prints when the machine has stopped. Raises as `release`."""
        job = self._mine(who, job_id)
        state = JobState(job.state)
        if state in (JobState.CHECKING, JobState.WAITING):
            self._end(_Act(who, "job-cancel", address), job, state, JobState.CANCELLED)
        elif state in store.ACTIVE:
            self._stop(who, job, state, address)
        else:
            raise _gone_on()
        return self._changed(job.device_id, job_id)

    def _end(self, act: _Act, job: PrintJob, before: JobState, after: JobState, detail: str = "") -> None:
        now_ms, job_id = self._now_ms(), job.id or 0
        with Session(self._engine) as db:
            if not store.move(db, job_id, before, after, now_ms=now_ms, detail=detail):
                raise _gone_on()
            store.log(db, job_id, now_ms, after.value, by_id=act.who.id, detail=detail)
            self._audit(db, act, job)
            db.commit()

    def _stop(self, who: Principal, job: PrintJob, state: JobState, address: str) -> None:
        """Tell the machine, once: while a stop is under way there is nothing more to ask for."""
        under_way = self._commands.find(CLUSTER, job.stop_id) if job.stop_id else None
        if under_way is not None and not under_way.status.final:
            return
        now_ms, job_id = self._now_ms(), job.id or 0
        wanted = Wanted(device_id=job.device_id, action=STOP, address=address)
        try:
            with Session(self._engine) as db:
                stop_id = self._commands.give_in(db, who, wanted)
                if not store.set_stop(db, job_id, state, job.stop_id, stop_id):
                    raise _gone_on()
                store.log(db, job_id, now_ms, "stopping", by_id=who.id)
                self._audit(db, _Act(who, "job-cancel", address), job, f"command {stop_id}")
                db.commit()
        except CommandError as error:
            self._commands.refused(who, wanted, error)
            raise
        self._commands.committed(job.device_id)
        self._watcher.wake()

    def _mine(self, who: Principal, job_id: int) -> PrintJob:
        """A job in the asker's scope. Raises NoSuchJob, NotAllowed."""
        with Session(self._engine) as db:
            job = store.job(db, who.scope, job_id)
        if job is None:
            raise NoSuchJob("no-such-job", "no such job")
        if not may(who, Permission.HANDLE_JOBS):
            raise NotAllowed("not-allowed", "your account may not handle jobs")
        return job

    def _changed(self, device_id: int, job_id: int) -> JobView:
        self._live.touch(device_id)
        with Session(self._engine) as db:
            job = store.job(db, CLUSTER, job_id)
            if job is None:
                raise NoSuchJob("no-such-job", "no such job")
            return self._view(db, job, whole=True)

    def _audit(self, db: Session, act: _Act, job: PrintJob, detail: str = "") -> None:
        people.audit(
            db,
            self._now_ms(),
            act.name,
            actor=act.who.id,
            subject=f"job {job.id}",
            school_id=job.school_id,
            address=act.address,
            detail=detail,
        )

    # for agents

    def file_for_agent(self, agent_id: int, digest: str) -> Path | None:
        """The file, if a job that was released for one of the agent's devices has it; else None."""
        with Session(self._engine) as db:
            devices = store.released_with(db, digest)
        return self._files.path(digest) if any(self._agent_of(each) == agent_id for each in devices) else None

    def _agent_of(self, device_id: int) -> int | None:
        try:
            return self._live.device(CLUSTER, device_id).agent_id
        except KeyError:
            return None

    # observer: the watcher asks the live fleet, which is told the same

    def registry_changed(self, agent_id: int) -> None:
        pass

    def values_committed(self, values: Sequence[Fresh]) -> None:
        pass

    def outcomes_committed(self, outcomes: Sequence[Told]) -> None:
        pass

    def broker_connected(self, connected: bool) -> None:
        pass


def _gone_on() -> NotInThisState:
    return NotInThisState("state", "this cannot be done to the job as it is now: look again")


def _words(text: str, what: str) -> str:
    """What somebody wrote, in one line, cut to fit."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[: _WORDS[what]]
