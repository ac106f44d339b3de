"""Keeps the times in which machines were at work, from their telemetry, and tells of uses that nobody had booked."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, Table, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, or_
from sqlmodel import select as rows

from controller.alerts.rules import GRACE_S, heartbeat_s
from controller.fleet.live import profile_here
from controller.fleet.tables import Device, Series
from controller.ingest.observer import Fresh
from controller.ingest.tables import Batch, Ledger, StoredEvent
from controller.scheduling.notices import Kind, News, post
from controller.scheduling.tables import LeaseGrant, Notice, Resource, UseSpan
from controller.scheduling.turns import LEEWAY_MS
from controller.scheduling.uses import Reading, Use, uses
from controller.telemetry.store import Asked, readings
from device_profiles.profile import DeviceProfile

SWEEP_MS: Final = 60_000
"""So often it is looked for machines that fell silent at work, and for readings that came late."""
BACK_MS: Final = 26 * 3_600_000
"""At a start so much of the past is looked at anew."""
_TOGETHER: Final = 50
"""So many machines are looked at in one transaction."""
_LATE_MS: Final = 2 * 60_000
_ONE_USE_MS: Final = 15 * 60_000
"""Two words of a use without a booking within this time are about the same one."""
_TOLD_BY_AGENTS: Final = "use-without-lease"
_BATCH: Table = Batch.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_LEDGER: Table = Ledger.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class _Worker:
    """A machine that says whether it is at work: in which metric, and how long such a word is worth."""

    device_id: int
    agent_id: int
    school_id: str
    slug: str
    metric: str
    lasts_ms: int


class Usage:
    """`notes` and `registry_changed` may be called from any thread and return at once; `turn` by one thread.

    What is kept is what the readings say: it is worked out anew from there after a restart, and when readings come
    late.
    """

    def __init__(
        self,
        engine: Engine,
        now_ms: Callable[[], int],
        profile: Callable[[str], DeviceProfile | None] = profile_here,
    ) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._profile = profile
        self._lock = threading.Lock()
        self._workers: Mapping[int, _Worker] = {}
        self._said: dict[int, bool] = {}
        self._since: dict[int, int] = {}
        self._registry = True
        self._swept_ms: int | None = None

    def registry_changed(self, agent_id: int) -> None:  # noqa: ARG002 - all are read anew
        self._registry = True

    def notes(self, values: Sequence[Fresh]) -> bool:
        """Whether a machine began or ended work by these values, so that a turn is due."""
        news = False
        with self._lock:
            for each in values:
                worker = self._workers.get(each.device_id)
                if worker is None or worker.metric != each.metric or each.value is None:
                    continue
                working = bool(each.value)
                if self._said.get(each.device_id) is not working:
                    self._said[each.device_id] = working
                    self._note(each.device_id, each.at_ms)
                    news = True
        return news

    def turn(self) -> None:
        """Write down what is known now. Raises SQLAlchemyError."""
        now_ms = self._now_ms()
        if self._registry:
            self._registry = False
            self._read_registry(now_ms)
        if self._swept_ms is None or not 0 <= now_ms - self._swept_ms < SWEEP_MS:
            self._sweep(now_ms, self._swept_ms)
            self._swept_ms = now_ms
        with self._lock:
            since, self._since = self._since, {}
        waiting = [(self._workers[each], from_ms) for each, from_ms in since.items() if each in self._workers]
        for at in range(0, len(waiting), _TOGETHER):
            try:
                self._follow(waiting[at : at + _TOGETHER], now_ms)
            except SQLAlchemyError:
                with self._lock:
                    for worker, from_ms in waiting[at:]:
                        self._note(worker.device_id, from_ms)
                raise

    def _note(self, device_id: int, from_ms: int) -> None:
        self._since[device_id] = min(from_ms, self._since.get(device_id, from_ms))

    def _read_registry(self, now_ms: int) -> None:
        """Machines that are new here are looked at from some time ago."""
        with Session(self._engine) as db:
            found = [_worker(each, self._profile(each.profile_slug)) for each in db.exec(rows(Device))]
        workers = {each.device_id: each for each in found if each is not None}
        with self._lock:
            for device_id in workers.keys() - self._workers.keys():
                self._note(device_id, now_ms - BACK_MS)
            self._workers = workers

    def _sweep(self, now_ms: int, since_ms: int | None) -> None:
        with Session(self._engine) as db:
            asked = rows(UseSpan.device_id, UseSpan.from_ms).where(col(UseSpan.until_ms).is_(None))
            at_work = db.exec(asked).all()
            late = _late(db, now_ms - SWEEP_MS if since_ms is None else since_ms)
            self._hear_agents(db, now_ms - BACK_MS if since_ms is None else since_ms - SWEEP_MS)
            db.commit()
        with self._lock:
            for device_id, from_ms in at_work:
                self._note(device_id, from_ms)
            for worker in self._workers.values():
                if worker.agent_id in late:
                    self._note(worker.device_id, late[worker.agent_id])

    def _follow(self, waiting: Sequence[tuple[_Worker, int]], now_ms: int) -> None:
        """Have what is kept of each machine from its time on be what its readings say."""
        with Session(self._engine) as db:
            series = _series(db, [worker for worker, _ in waiting])
            kept = _kept(db, waiting)
            due = [
                (worker, min([from_ms, *(each.from_ms for each in kept[worker.device_id])]))
                for worker, from_ms in waiting
                if worker.device_id in series
            ]
            asked = [Asked(series[worker.device_id], begin_ms - worker.lasts_ms, now_ms) for worker, begin_ms in due]
            for (worker, begin_ms), found in zip(due, readings(self._engine, asked), strict=True):
                said = (Reading(at_ms, None if value is None else bool(value)) for at_ms, value in found)
                true = [each for each in uses(said, worker.lasts_ms, now_ms) if _touches(each, begin_ms)]
                self._mend(db, worker, kept[worker.device_id], true)
            db.commit()

    def _mend(self, db: Session, worker: _Worker, kept: Sequence[UseSpan], found: Sequence[Use]) -> None:
        true = {each.from_ms: each for each in found}
        for span in kept:
            use = true.pop(span.from_ms, None)
            if use is None:
                db.delete(span)
            elif use.until_ms != span.until_ms:
                span.until_ms = use.until_ms
        for use in true.values():
            self._begin(db, worker, use)

    def _begin(self, db: Session, worker: _Worker, use: Use) -> None:
        grant = _lease(db, worker.device_id, use.from_ms)
        db.add(
            UseSpan(
                school_id=worker.school_id,
                device_id=worker.device_id,
                from_ms=use.from_ms,
                until_ms=use.until_ms,
                booking_id=grant.booking_id if grant else None,
            )
        )
        if grant is None:
            self._tell(db, worker, use.from_ms)

    def _hear_agents(self, db: Session, since_ms: int) -> None:
        """Agents notice such a use as well, also while nobody hears them."""
        asked = rows(StoredEvent).where(StoredEvent.kind == _TOLD_BY_AGENTS, StoredEvent.received_ms >= since_ms)
        by_name = {(each.agent_id, each.slug): each for each in self._workers.values()}
        for event in db.exec(asked):
            worker = by_name.get((event.agent_id, event.device))
            if worker is not None and _lease(db, worker.device_id, event.at_ms) is None:
                self._tell(db, worker, event.at_ms)

    def _tell(self, db: Session, worker: _Worker, at_ms: int) -> None:
        """The technicians, once a use; of machines that can be booked alone."""
        bookable = db.exec(
            rows(Resource).where(Resource.device_id == worker.device_id, col(Resource.retired).is_(False))
        ).first()
        if bookable is None or _told_before(db, worker.device_id, at_ms):
            return
        now_ms = self._now_ms()
        detail = {"device_id": worker.device_id, "thing": bookable.name, "use_ms": at_ms}
        post(db, News(Kind.USE_WITHOUT_BOOKING, str(worker.device_id), worker.school_id, detail=detail), now_ms)
        db.add(
            StoredEvent(
                school_id=worker.school_id,
                agent_id=worker.agent_id,
                device=worker.slug,
                kind=Kind.USE_WITHOUT_BOOKING,
                at_ms=at_ms,
                received_ms=now_ms,
            )
        )
        db.flush()


def _worker(device: Device, profile: DeviceProfile | None) -> _Worker | None:
    if profile is None or not profile.in_use or device.id is None:
        return None
    lasts_ms = int((2 * heartbeat_s(profile, profile.in_use) + GRACE_S) * 1000)
    return _Worker(device.id, device.agent_id, device.school_id, device.slug, profile.in_use, lasts_ms)


def _series(db: Session, workers: Sequence[_Worker]) -> Mapping[int, int]:
    """By device: the series of the metric that says whether it is at work."""
    metric_of = {worker.device_id: worker.metric for worker in workers}
    asked = rows(Series.device_id, Series.metric, Series.id).where(
        col(Series.device_id).in_(metric_of), col(Series.metric).in_(set(metric_of.values()))
    )
    return {device: series or 0 for device, metric, series in db.exec(asked) if metric_of[device] == metric}


def _kept(db: Session, waiting: Sequence[tuple[_Worker, int]]) -> Mapping[int, list[UseSpan]]:
    """By device: those that reach to its time or may turn out to, and all after them."""
    reach_ms = {worker.device_id: from_ms - worker.lasts_ms for worker, from_ms in waiting}
    asked = rows(UseSpan).where(
        col(UseSpan.device_id).in_(reach_ms),
        or_(col(UseSpan.until_ms).is_(None), col(UseSpan.until_ms) >= min(reach_ms.values())),
    )
    kept: dict[int, list[UseSpan]] = {device: [] for device in reach_ms}
    for span in db.exec(asked):
        if span.until_ms is None or span.until_ms >= reach_ms[span.device_id]:
            kept[span.device_id].append(span)
    return kept


def _touches(use: Use, begin_ms: int) -> bool:
    return use.from_ms >= begin_ms or use.until_ms is None or use.until_ms > begin_ms


def _late(db: Session, since_ms: int) -> Mapping[int, int]:
    """The agents that sent old readings since then, and from when the oldest is."""
    asked = (
        select(_LEDGER.c.agent_id, func.min(_BATCH.c.from_ms).label("oldest_ms"))
        .join(_LEDGER, _LEDGER.c.id == _BATCH.c.ledger_id)
        .where(_BATCH.c.received_ms >= since_ms, _BATCH.c.from_ms < _BATCH.c.received_ms - _LATE_MS)
        .group_by(_LEDGER.c.agent_id)
    )
    return {row.agent_id: row.oldest_ms for row in db.connection().execute(asked)}


def _lease(db: Session, device_id: int, at_ms: int) -> LeaseGrant | None:
    """The lease in which a use began, one of a booking before any other."""
    asked = rows(LeaseGrant).where(
        LeaseGrant.device_id == device_id, LeaseGrant.from_ms - LEEWAY_MS <= at_ms, LeaseGrant.until_ms > at_ms
    )
    standing = [each for each in db.exec(asked) if each.revoked_ms is None or at_ms < each.revoked_ms + LEEWAY_MS]
    return max(standing, key=lambda each: (each.booking_id is not None, each.from_ms), default=None)


def _told_before(db: Session, device_id: int, at_ms: int) -> bool:
    asked = rows(Notice).where(Notice.kind == Kind.USE_WITHOUT_BOOKING, Notice.subject == str(device_id))
    return any(abs(int(each.detail["use_ms"]) - at_ms) < _ONE_USE_MS for each in db.exec(asked))
