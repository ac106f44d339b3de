"""What there is of a counted pool's kits now: with whom, for whom, and what is out of use. Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlmodel import Session, col, func, select

from controller.identity.policy import Permission, Principal, may
from controller.identity.tables import User
from controller.scheduling import wiring
from controller.scheduling.choice import between_uses
from controller.scheduling.kit_tables import KitHandout, KitLack, KitPart
from controller.scheduling.tables import Assignment, Booking, Resource
from controller.scheduling.views import HOLDING

EARLY_MS: Final = 30 * 60_000
"""So long before its time a booking's kits may be taken out."""


class LackState(StrEnum):
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Part:
    """Of each kit: `count` of it."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Due:
    """A booking for which `kits` may be taken out now, and when it is (ms)."""

    booking_id: str
    title: str
    holder: str
    start_ms: int
    end_ms: int
    kits: int


@dataclass(frozen=True, slots=True)
class Out:
    """`kits` that somebody has; `overdue` once their booking has ended. `mine`: the asker may bring them back."""

    id: int
    title: str
    holder: str
    kits: int
    end_ms: int
    overdue: bool
    mine: bool


@dataclass(frozen=True, slots=True)
class Open:
    """What is out of use."""

    id: int
    part: str
    state: LackState
    kits: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Pool:
    """`usable` kits there are, `out` of them with somebody. `short` is how many more the bookings ahead want.

    Between two uses they charge `charge_min` and are cleaned `hygiene_min`, at the same time: `rest_min` in all.
    """

    id: int
    name: str
    school_id: str
    usable: int
    short: int
    parts: tuple[Part, ...]
    due: tuple[Due, ...]
    outs: tuple[Out, ...]
    lacks: tuple[Open, ...]
    charge_min: int = 0
    hygiene_min: int = 0

    @property
    def rest_min(self) -> int:
        return between_uses(self.charge_min, self.hygiene_min)

    @property
    def out(self) -> int:
        return sum(each.kits for each in self.outs)

    @property
    def unusable(self) -> int:
        return sum(each.kits for each in self.lacks)


def read(db: Session, who: Principal, row: Resource, now_ms: int) -> Pool:
    pool_id = row.id or 0
    parts = db.exec(select(KitPart).where(KitPart.resource_id == pool_id).order_by(KitPart.name)).all()
    lacks = db.exec(
        select(KitLack)
        .where(KitLack.resource_id == pool_id, col(KitLack.mended_ms).is_(None))
        .order_by(col(KitLack.at_ms), col(KitLack.id))
    ).all()
    return Pool(
        id=pool_id,
        name=row.name,
        school_id=row.school_id,
        usable=row.capacity,
        short=wiring.short(db.connection(), pool_id, row.capacity, now_ms),
        parts=tuple(Part(each.name, each.count) for each in parts),
        due=tuple(_due(db, who, row, now_ms)),
        outs=tuple(_outs(db, who, row, now_ms)),
        lacks=tuple(Open(e.id or 0, e.part, LackState(e.state), e.kits, e.at_ms) for e in lacks),
        charge_min=row.charge_min,
        hygiene_min=row.clean_up_min,
    )


def _due(db: Session, who: Principal, pool: Resource, now_ms: int) -> Sequence[Due]:
    """The bookings of now and soon that have not all of their kits yet."""
    taken = (
        select(KitHandout.booking_id, func.sum(KitHandout.kits).label("kits"))
        .where(KitHandout.resource_id == pool.id)
        .group_by(KitHandout.booking_id)
        .subquery()
    )
    asked: Any = (
        select(Booking, Assignment.quantity, func.coalesce(taken.c.kits, 0), User.name)
        .join(Assignment, col(Assignment.booking_id) == col(Booking.id))
        .outerjoin(User, col(User.id) == col(Booking.holder))
        .outerjoin(taken, taken.c.booking_id == Booking.id)
        .where(
            Assignment.resource_id == pool.id,
            col(Booking.state).in_(HOLDING - {"requested"}),
            Booking.start_ms <= now_ms + EARLY_MS,
            Booking.end_ms > now_ms,
        )
        .order_by(col(Booking.start_ms), col(Booking.id))
    )
    return [
        Due(booking.id, booking.title, name or "", booking.start_ms, booking.end_ms, quantity - had)
        for booking, quantity, had, name in db.execute(asked).all()
        if quantity > had and handles(who, pool, booking)
    ]


def _outs(db: Session, who: Principal, pool: Resource, now_ms: int) -> Sequence[Out]:
    asked: Any = (
        select(KitHandout, Booking, User.name)
        .join(Booking, col(Booking.id) == col(KitHandout.booking_id))
        .outerjoin(User, col(User.id) == col(Booking.holder))
        .where(KitHandout.resource_id == pool.id, col(KitHandout.returned_ms).is_(None))
        .order_by(col(KitHandout.at_ms), col(KitHandout.id))
    )
    return [
        Out(
            row.id or 0,
            booking.title,
            (name or "") if handles(who, pool, booking) else "",
            row.kits,
            booking.end_ms,
            overdue=booking.end_ms < now_ms,
            mine=handles(who, pool, booking),
        )
        for row, booking, name in db.execute(asked).all()
    ]


def reaches(db: Session, who: Principal, pool: Resource) -> bool:
    if who.scope.covers(pool.school_id):
        return True
    booked = (
        select(Booking.id)
        .join(Assignment, col(Assignment.booking_id) == col(Booking.id))
        .where(Assignment.resource_id == pool.id, Booking.holder == who.id)
    )
    return db.exec(booked.limit(1)).first() is not None


def handles(who: Principal, pool: Resource, booking: Booking) -> bool:
    manages = may(who, Permission.MANAGE_BOOKINGS) and who.scope.covers(pool.school_id)
    return manages or booking.holder == who.id
