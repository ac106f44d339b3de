"""Changing school years: as a whole, in one transaction, with what that means for bookings said beforehand."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from sqlmodel import Session

from controller.identity.policy import Principal
from controller.scheduling.ahead import Ahead
from controller.timetable.plan import YearPlan

CALENDAR_CHANGED = "calendar-changed"
"""The kind of notice that holders get; its subject is the booking."""


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

    def __init__(self, engine: Engine, zone: ZoneInfo, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._zone = zone
        self._now_ms = now_ms

    def years(self, who: Principal, school_id: str) -> Sequence[StoredYear]:
        """All of a school, by name."""
        raise NotImplementedError

    def find(self, who: Principal, year_id: int) -> StoredYear:
        raise NotImplementedError

    def foresee(self, who: Principal, changes: Iterable[YearChange]) -> Sequence[Ahead]:
        """The bookings that lie within periods now and then would not: in what becomes a holiday, or beside the bells.

        Changes nothing. By start. Raises as `apply`.
        """
        raise NotImplementedError

    def change(self, who: Principal, changes: Iterable[YearChange]) -> Sequence[Ahead]:
        """`apply` in a transaction of its own, in which it is also all or nothing."""
        raise NotImplementedError

    def apply(self, db: Session, who: Principal, changes: Iterable[YearChange]) -> Sequence[Ahead]:
        """All of it, in its order, with a line each in the audit log; the bookings that `foresee` tells of stay, and
        their holders get a notice. The caller has begun a transaction that writes (`claims.begin`), and commits.

        Raises NoSuchYear, YearNameTaken, ChangedMeanwhile; the caller then rolls back.
        """
        raise NotImplementedError
