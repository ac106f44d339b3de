"""Changing school years: as a whole, in one transaction, with what that means for bookings said beforehand."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import TypeAlias

from sqlalchemy import Engine
from sqlmodel import Session

from controller.fleet.tables import School
from controller.identity.policy import Principal
from controller.identity.store import audit
from controller.scheduling import ahead, claims
from controller.scheduling.ahead import Ahead
from controller.scheduling.notices import Kind, post_to_holder
from controller.timetable import store
from controller.timetable.errors import ChangedMeanwhile, NoSuchYear, YearNameTaken
from controller.timetable.plan import Calendar, YearPlan
from controller.timetable.tables import Year


@dataclass(frozen=True, slots=True)
class StoredYear:
    id: int
    plan: YearPlan


@dataclass(frozen=True, slots=True)
class WriteYear:
    """Have a year be as `plan`: that of `year_id`, which may thereby get another name; with None the school's year of
    the plan's name, or a new one if there is none.

    `was` is the fingerprint of the plan that the writer has read, empty: whatever it is by now.
    """

    plan: YearPlan
    year_id: int | None = None
    was: str = ""


@dataclass(frozen=True, slots=True)
class RemoveYear:
    year_id: int


YearChange: TypeAlias = WriteYear | RemoveYear


class Timetables:
    """Safe to use from any thread and any process. Each asker reads and changes schools of their scope alone.

    What is outside of it or not there raises NoSuchYear. What cannot be never gets here: a `YearPlan` is checked as it
    is made. That the asker has the permission PLAN is for the caller to see to.
    """

    def __init__(self, engine: Engine, zone: tzinfo, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._zone = zone
        self._now_ms = now_ms

    def years(self, who: Principal, school_id: str) -> Sequence[StoredYear]:
        """All of a school, by name."""
        with Session(self._engine) as db:
            _reach(db, who, school_id)
            return [StoredYear(year_id, plan) for year_id, plan in store.plans(db, school_id).items()]

    def find(self, who: Principal, year_id: int) -> StoredYear:
        with Session(self._engine) as db:
            return StoredYear(year_id, store.plan(db, _year(db, who, year_id)))

    def foresee(self, who: Principal, changes: Iterable[YearChange]) -> Sequence[Ahead]:
        """The bookings that lie within periods now and then would not: in what becomes a holiday, or beside the bells.

        Changes nothing. By start. Raises as `apply`.
        """
        with Session(self._engine) as db:
            return self._foresee(db, [self._step(db, who, each) for each in changes])

    def change(self, who: Principal, changes: Iterable[YearChange]) -> Sequence[Ahead]:
        """`apply` in a transaction of its own, in which it is also all or nothing."""
        with Session(self._engine) as db:
            claims.begin(db.connection())
            found = self.apply(db, who, changes)
            db.commit()
            return found

    def apply(self, db: Session, who: Principal, changes: Iterable[YearChange]) -> Sequence[Ahead]:
        """All of it, in its order, with a line each in the audit log; the bookings that `foresee` tells of stay, and
        their holders get a notice. The caller has begun a transaction that writes (`claims.begin`), and commits.

        Raises NoSuchYear, YearNameTaken, ChangedMeanwhile; the caller then rolls back.
        """
        found: dict[str, Ahead] = {}
        for change in changes:
            step = self._step(db, who, change)
            found |= {each.id: each for each in self._foresee(db, [step])}
            self._write(db, who, step)
        for each in found.values():
            post_to_holder(db, Kind.CALENDAR_CHANGED, each.id, self._now_ms())
        return sorted(found.values(), key=lambda each: (each.start_ms, each.id))

    def _step(self, db: Session, who: Principal, change: YearChange) -> "_Step":
        """What a change comes to, as the years are now."""
        if isinstance(change, RemoveYear):
            return _Step(_year(db, who, change.year_id).school_id, change.year_id, None)
        plan = change.plan
        _reach(db, who, plan.school_id)
        named = next((each.id for each in store.years(db, plan.school_id) if each.name == plan.name), None)
        if change.year_id is None:
            return _Step(plan.school_id, named, plan)
        year = _year(db, who, change.year_id)
        if year.school_id != plan.school_id:
            raise NoSuchYear(f"year {change.year_id} is another school's")
        if named not in (None, change.year_id):
            raise YearNameTaken(f"there is a year {plan.name} already")
        if change.was and change.was != store.plan(db, year).fingerprint:
            raise ChangedMeanwhile(f"year {plan.name} was changed meanwhile")
        return _Step(plan.school_id, change.year_id, plan)

    def _foresee(self, db: Session, steps: Sequence["_Step"]) -> Sequence[Ahead]:
        lost: list[Ahead] = []
        for school_id in {each.school_id for each in steps}:
            after = dict(store.plans(db, school_id))
            before = Calendar.of(after.values(), self._zone)
            for step in steps:
                if step.school_id == school_id:
                    step.follow(after)
            then = Calendar.of(after.values(), self._zone)
            lost += [
                each
                for each in ahead.of_school(db.connection(), school_id, self._now_ms())
                if before.teaches_at(each.span_ms) and not then.teaches_at(each.span_ms)
            ]
        return sorted(lost, key=lambda each: (each.start_ms, each.id))

    def _write(self, db: Session, who: Principal, step: "_Step") -> None:
        year_id = step.year_id
        if step.plan is None:
            store.remove(db, year_id or 0)
        elif year_id is None:
            year_id = store.add(db, step.plan)
        else:
            store.replace(db, year_id, step.plan)
        audit(
            db,
            self._now_ms(),
            "year-remove" if step.plan is None else "year-write",
            actor=who.id,
            subject=str(year_id),
            school_id=step.school_id,
            detail="" if step.plan is None else _told(step.plan),
        )


@dataclass(frozen=True, slots=True)
class _Step:
    """What is to become of one year; `plan` None: it goes, `year_id` None: it is new."""

    school_id: str
    year_id: int | None
    plan: YearPlan | None

    def follow(self, years: dict[int, YearPlan]) -> None:
        """Have these years, by id, be as they are after it."""
        year_id = -len(years) - 1 if self.year_id is None else self.year_id
        if self.plan is None:
            years.pop(year_id, None)
        else:
            years[year_id] = self.plan


def _told(plan: YearPlan) -> str:
    parts = f"{len(plan.terms)} terms {len(plan.bells)} bells {len(plan.holidays)} holidays {len(plan.make_up)} made up"
    return f"{plan.name} {plan.fingerprint}: {parts}"


def _reach(db: Session, who: Principal, school_id: str) -> None:
    """Raises NoSuchYear."""
    if not who.scope.covers(school_id) or db.get(School, school_id) is None:
        raise NoSuchYear(f"no school {school_id}")


def _year(db: Session, who: Principal, year_id: int) -> Year:
    """Raises NoSuchYear."""
    found = db.get(Year, year_id)
    if found is None or not who.scope.covers(found.school_id):
        raise NoSuchYear(f"no year {year_id}")
    return found
