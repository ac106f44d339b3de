"""Every query of print jobs, their log and their files. The caller commits."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, CursorResult, delete, func, true, update
from sqlmodel import Session, col, select

from controller.jobs.states import NEXT, JobState
from controller.jobs.tables import JobFile, JobStep, PrintJob
from controller.notifications.bulletins import Word, enqueue
from controller.scope import Scope

ACTIVE: Final = (JobState.RELEASED, JobState.PRINTING)
"""The machine is, or may be, at work on it."""
OPEN: Final = tuple(state for state in JobState if not state.final)
DETAIL: Final = 1024
_TOLD: Final[Mapping[JobState, str]] = {
    JobState.DONE: "job-done",
    JobState.FAILED: "job-failed",
    JobState.UNKNOWN: "job-failed",
    JobState.REFUSED: "job-failed",
}
"""The ends that people hear of: the others are somebody's own doing."""


def job(db: Session, scope: Scope, job_id: int) -> PrintJob | None:
    found = db.get(PrintJob, job_id)
    return found if found is not None and scope.covers(found.school_id) else None


def of_device(db: Session, scope: Scope, device_id: int, limit: int) -> Sequence[PrintJob]:
    """Open ones first, then the newest."""
    is_open = col(PrintJob.state).in_(OPEN)
    asked = select(PrintJob).where(PrintJob.device_id == device_id, _covered(scope))
    return db.exec(asked.order_by(is_open.desc(), col(PrintJob.id).desc()).limit(limit)).all()


def open_jobs(db: Session, scope: Scope, limit: int) -> Sequence[PrintJob]:
    """Newest first."""
    asked = select(PrintJob).where(col(PrintJob.state).in_(OPEN), _covered(scope))
    return db.exec(asked.order_by(col(PrintJob.id).desc()).limit(limit)).all()


def active(db: Session) -> Sequence[PrintJob]:
    """Every job that a machine is or may be at work on."""
    return db.exec(select(PrintJob).where(col(PrintJob.state).in_(ACTIVE)).order_by(col(PrintJob.id))).all()


def next_to_read(db: Session) -> PrintJob | None:
    """The one that has waited longest to be read."""
    asked = select(PrintJob).where(PrintJob.state == JobState.CHECKING)
    return db.exec(asked.order_by(col(PrintJob.id)).limit(1)).first()


def steps(db: Session, job_id: int) -> Sequence[JobStep]:
    """In order."""
    return db.exec(select(JobStep).where(JobStep.job_id == job_id).order_by(col(JobStep.id))).all()


def released_with(db: Session, digest: str) -> Sequence[int]:
    """The devices for which a job with that file was released and has not ended."""
    asked = select(PrintJob.device_id).where(PrintJob.digest == digest, col(PrintJob.state).in_(ACTIVE))
    return db.exec(asked.distinct()).all()


def add(db: Session, added: PrintJob, size: int) -> int:
    """A new job with its file; the id."""
    if db.get(JobFile, added.digest) is None:
        db.add(JobFile(digest=added.digest, size=size, created_ms=added.created_ms))
        db.flush()
    db.add(added)
    db.flush()
    if added.id is None:
        raise RuntimeError("a row without a key")
    return added.id


def log(db: Session, job_id: int, at_ms: int, kind: str, *, by_id: str = "", detail: str = "") -> None:
    """A line of the job's log."""
    db.add(JobStep(job_id=job_id, at_ms=at_ms, kind=kind, by_id=by_id, detail=detail[:DETAIL]))


def move(
    db: Session, job_id: int, before: JobState, after: JobState, *, now_ms: int, detail: str = "", **values: Any
) -> bool:
    """Take the job from one state to the next, with other columns; False if it was in another state by then.

    Of two that try at once, one is told True: the database says which.
    """
    if after not in NEXT[before]:
        raise ValueError(f"no job goes from {before} to {after}")
    ended = {"ended_ms": now_ms} if after.final else {}
    changed = db.execute(
        update(PrintJob)
        .where(col(PrintJob.id) == job_id, col(PrintJob.state) == before)
        .values({"state": after.value, "state_ms": now_ms, "detail": detail[:DETAIL]} | ended | values)
        .execution_options(synchronize_session=False)
    )
    db.expire_all()
    moved = _count(changed) == 1
    if moved and after in _TOLD:
        _tell(db, job_id, after, now_ms)
    return moved


def _tell(db: Session, job_id: int, state: JobState, now_ms: int) -> None:
    """Who sent it and who released it hear how it ended. The file's name may be a pupil's: it is not told."""
    ended = db.get_one(PrintJob, job_id)
    detail = {"device_id": ended.device_id, "state": state.value}
    for user_id in sorted({ended.by_id, ended.released_by} - {""}):
        enqueue(db, Word(_TOLD[state], str(job_id), ended.school_id, user_id, detail=detail), now_ms)


def set_stop(
    db: Session, job_id: int, state: JobState, before: str | None, after: str | None, *, detail: str = ""
) -> bool:
    """Put another command in the place of the one that is to end the job; False if the job has gone on meanwhile."""
    same = col(PrintJob.stop_id).is_(None) if before is None else col(PrintJob.stop_id) == before
    changed = db.execute(
        update(PrintJob)
        .where(col(PrintJob.id) == job_id, col(PrintJob.state) == state, same)
        .values(stop_id=after, detail=detail[:DETAIL])
        .execution_options(synchronize_session=False)
    )
    db.expire_all()
    return _count(changed) == 1


def set_command(db: Session, job_id: int, command_id: str) -> None:
    """The command that is to start it. In the transaction that released it."""
    db.execute(
        update(PrintJob)
        .where(col(PrintJob.id) == job_id)
        .values(command_id=command_id)
        .execution_options(synchronize_session=False)
    )


def lock_device(db: Session, device_id: int) -> None:
    """Have others wait who would release a job of the device. SQLite has one writer anyway."""
    db.exec(select(PrintJob.id).where(PrintJob.device_id == device_id).order_by(col(PrintJob.id)).with_for_update())


def at_work(db: Session, device_id: int, but: int) -> int | None:
    """Another job that the device is or may be at work on."""
    asked = select(PrintJob.id).where(PrintJob.device_id == device_id, PrintJob.id != but)
    return db.exec(asked.where(col(PrintJob.state).in_(ACTIVE)).limit(1)).first()


# files


def size_of(db: Session, digest: str) -> int:
    found = db.get(JobFile, digest)
    return found.size if found else 0


def room_used(db: Session, school_id: str, but: str) -> int:
    """Bytes of the school's files, each content once, without the one of digest `but`."""
    mine = select(PrintJob.digest).where(PrintJob.school_id == school_id, PrintJob.digest != but).distinct()
    return int(db.exec(select(func.coalesce(func.sum(JobFile.size), 0)).where(col(JobFile.digest).in_(mine))).one())


def forget_ended(db: Session, before_ms: int) -> None:
    """Remove the jobs that ended before, with their logs."""
    _forget(db, col(PrintJob.ended_ms) < before_ms)


def make_room(db: Session, school_id: str, but: str, most: int) -> Sequence[PrintJob]:
    """Remove ended jobs of the school, the oldest first, until what `room_used` counts is `most`; those removed.

    None is removed if that is not enough.
    """
    mine = select(PrintJob).where(PrintJob.school_id == school_id)
    ended = db.exec(mine.where(col(PrintJob.ended_ms).is_not(None)).order_by(col(PrintJob.ended_ms))).all()
    sizes = {row.digest: row.size for row in db.exec(select(JobFile))}
    needed = Counter(db.exec(select(PrintJob.digest).where(PrintJob.school_id == school_id)).all())
    used = sum(sizes[digest] for digest in needed if digest != but)
    gone: list[PrintJob] = []
    for each in ended:
        if used <= most:
            break
        gone.append(each)
        needed[each.digest] -= 1
        if not needed[each.digest] and each.digest != but:
            used -= sizes[each.digest]
    if used > most:
        return ()
    _forget(db, col(PrintJob.id).in_([each.id for each in gone]))
    return gone


def _forget(db: Session, which: ColumnElement[bool]) -> None:
    ended = select(PrintJob.id).where(which)
    db.execute(delete(JobStep).where(col(JobStep.job_id).in_(ended)))
    db.execute(delete(PrintJob).where(which).execution_options(synchronize_session=False))


def forget_unused_files(db: Session) -> None:
    """Remove the rows of files that no job has."""
    used = select(PrintJob.digest).distinct()
    db.execute(delete(JobFile).where(col(JobFile.digest).not_in(used)))


def known_files(db: Session, digests: Iterable[str]) -> Collection[str]:
    """Those of `digests` that have a row."""
    known = set(db.exec(select(JobFile.digest)).all())
    return known.intersection(digests)


def _covered(scope: Scope) -> ColumnElement[bool]:
    return true() if scope.school_id is None else col(PrintJob.school_id) == scope.school_id


def _count(result: object) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0
