"""Kits of counted pools: taken out for a booking, brought back, and out of use until what is missing is mended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from controller.identity.policy import Permission, Principal, may
from controller.identity.store import audit
from controller.scheduling import claims, wiring
from controller.scheduling.kit_pools import LackState, Part, Pool, handles, reaches, read
from controller.scheduling.kit_tables import KitHandout, KitLack, KitPart
from controller.scheduling.tables import Booking, Resource

MOST_PARTS: Final = 40
MOST_NAME: Final = 64
MOST_COUNT: Final = 999


class KitFault(StrEnum):
    """Why it cannot be. Each goes with the field that `WrongKit` names."""

    TOO_MANY = "too-many"
    NOT_NOW = "not-now"
    BACK_ALREADY = "back-already"
    NO_PART = "no-part"


class WrongKit(Exception):
    """Nothing was written: mend `field` and try again (422). `most` is what TOO_MANY may be at most."""

    def __init__(self, fault: KitFault, at: str, most: int = 0) -> None:
        super().__init__(f"{at}: {fault}" + (f" (most {most})" if fault is KitFault.TOO_MANY else ""))
        self.fault = fault
        self.field = at
        self.most = most


class NoSuchKit(Exception):
    """There is none of that id within the asker's reach: look again (404)."""


@dataclass(frozen=True, slots=True)
class Lack:
    """What came back: in so many `kits` the `part` is missing or broken; an empty part is the whole kit."""

    part: str
    state: LackState
    kits: int


class Kits:
    """Safe to use from any thread and any process. `changed` is called after a commit that changes a capacity.

    A teacher reaches the pools of their school and those that they have booked, and handles their own bookings;
    whoever manages bookings handles those of others too, mends, and says what is in a kit.
    """

    def __init__(self, engine: Engine, now_ms: Callable[[], int], changed: Callable[[], None]) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._changed = changed

    def pools(self, who: Principal) -> Sequence[Pool]:
        """By school and name."""
        with Session(self._engine) as db:
            asked = select(Resource).where(Resource.kind == "pool", col(Resource.retired).is_(False))
            rows = db.exec(asked.order_by(Resource.school_id, Resource.name, col(Resource.id))).all()
            return [read(db, who, row, self._now_ms()) for row in rows if reaches(db, who, row)]

    def pool(self, who: Principal, pool_id: int) -> Pool:
        """Raises NoSuchKit."""
        with Session(self._engine) as db:
            return read(db, who, _reached(db, who, pool_id), self._now_ms())

    def hand_out(self, who: Principal, pool_id: int, booking_id: str, kits: int) -> int:
        """Take kits out for a booking; the hand-out's id. Raises NoSuchKit, WrongKit."""
        now_ms = self._now_ms()
        with Session(self._engine) as db:
            pool = _locked(db, who, pool_id)
            found = read(db, who, pool, now_ms)
            due = next((each for each in found.due if each.booking_id == booking_id), None)
            if due is None:
                raise WrongKit(KitFault.NOT_NOW, "booking")
            most = min(due.kits, found.usable - found.out)
            if not 1 <= kits <= most:
                raise WrongKit(KitFault.TOO_MANY, "kits", most)
            row = KitHandout(
                school_id=pool.school_id,
                resource_id=pool_id,
                booking_id=booking_id,
                kits=kits,
                by_id=who.id,
                at_ms=now_ms,
            )
            db.add(row)
            db.flush()
            self._audit(db, who, "kit-hand-out", pool, f"{kits} for {booking_id}")
            db.commit()
            return row.id or 0

    def give_back(self, who: Principal, handout_id: int, lacks: Sequence[Lack]) -> None:
        """They are back, but for what is lacking, which is out of use from now on. Raises NoSuchKit, WrongKit."""
        with Session(self._engine) as db:
            row, pool = self._handout(db, who, handout_id)
            if row.returned_ms is not None:
                raise WrongKit(KitFault.BACK_ALREADY, "handout")
            known = {"", *db.exec(select(KitPart.name).where(KitPart.resource_id == pool.id)).all()}
            for at, each in enumerate(lacks):
                if each.part not in known:
                    raise WrongKit(KitFault.NO_PART, f"part-{at}")
                if not 1 <= each.kits <= row.kits:
                    raise WrongKit(KitFault.TOO_MANY, f"kits-{at}", row.kits)
            if sum(each.kits for each in lacks) > row.kits:
                raise WrongKit(KitFault.TOO_MANY, "kits-0", row.kits)
            row.returned_ms, row.returned_by = self._now_ms(), who.id
            db.add(row)
            for each in lacks:
                db.add(
                    KitLack(
                        school_id=pool.school_id,
                        resource_id=row.resource_id,
                        handout_id=handout_id,
                        part=each.part,
                        state=each.state,
                        kits=each.kits,
                        at_ms=self._now_ms(),
                        by_id=who.id,
                    )
                )
            told = ", ".join(f"{each.kits} {each.state} {each.part or 'kit'}" for each in lacks)
            self._resize(db, pool, -sum(each.kits for each in lacks))
            self._audit(db, who, "kit-give-back", pool, f"{row.kits} of {row.booking_id}; {told or 'complete'}")
            db.commit()
        if lacks:
            self._changed()

    def mend(self, who: Principal, lack_id: int) -> None:
        """They can be used again. Mended twice is mended once. Raises NoSuchKit."""
        with Session(self._engine) as db:
            found = db.get(KitLack, lack_id)
            if found is None or not may(who, Permission.MANAGE_BOOKINGS):
                raise NoSuchKit(f"no lack {lack_id}")
            pool = _locked(db, who, found.resource_id)
            row = db.get_one(KitLack, lack_id, populate_existing=True)
            if row.mended_ms is not None:
                return
            row.mended_ms, row.mended_by = self._now_ms(), who.id
            db.add(row)
            self._resize(db, pool, row.kits)
            self._audit(db, who, "kit-mend", pool, f"{row.kits} {row.state} {row.part or 'kit'}")
            db.commit()
        self._changed()

    def write_parts(self, who: Principal, pool_id: int, parts: Sequence[Part]) -> None:
        """What is in each kit of the pool, instead of what was said before. Raises NoSuchKit, WrongKit."""
        names = [each.name for each in parts]
        wrong = len(set(names)) < len(names) or not all(
            0 < len(each.name) <= MOST_NAME and 1 <= each.count <= MOST_COUNT for each in parts
        )
        if wrong or len(parts) > MOST_PARTS:
            raise WrongKit(KitFault.NO_PART, "parts")
        with Session(self._engine) as db:
            pool = _locked(db, who, pool_id)
            if not may(who, Permission.MANAGE_BOOKINGS):
                raise NoSuchKit(f"no pool {pool_id}")
            for row in db.exec(select(KitPart).where(KitPart.resource_id == pool_id)).all():
                db.delete(row)
            db.flush()
            db.add_all(
                KitPart(school_id=pool.school_id, resource_id=pool_id, name=each.name, count=each.count)
                for each in parts
            )
            self._audit(db, who, "kit-parts", pool, ", ".join(f"{each.count} {each.name}" for each in parts)[:500])
            db.commit()

    def _handout(self, db: Session, who: Principal, handout_id: int) -> tuple[KitHandout, Resource]:
        """It and its pool, which nobody else changes until the transaction ends. Raises NoSuchKit."""
        found = db.get(KitHandout, handout_id)
        if found is None:
            raise NoSuchKit(f"no hand-out {handout_id}")
        pool = _locked(db, who, found.resource_id)
        row = db.get_one(KitHandout, handout_id, populate_existing=True)
        if not handles(who, pool, db.get_one(Booking, row.booking_id)):
            raise NoSuchKit(f"no hand-out {handout_id}")
        return row, pool

    def _resize(self, db: Session, pool: Resource, more: int) -> None:
        if more:
            pool.capacity = max(0, pool.capacity + more)
            db.add(pool)
            db.flush()
            wiring.follow(db.connection(), pool.id or 0, pool.capacity, self._now_ms())

    def _audit(self, db: Session, who: Principal, action: str, pool: Resource, detail: str) -> None:
        audit(
            db,
            self._now_ms(),
            action,
            actor=who.id,
            subject=str(pool.id),
            school_id=pool.school_id,
            detail=detail,
        )


def _reached(db: Session, who: Principal, pool_id: int) -> Resource:
    row = db.get(Resource, pool_id, populate_existing=True)
    if row is None or row.kind != "pool" or row.retired or not reaches(db, who, row):
        raise NoSuchKit(f"no pool {pool_id}")
    return row


def _locked(db: Session, who: Principal, pool_id: int) -> Resource:
    """The pool, which nobody else changes until the transaction ends."""
    db.rollback()
    claims.begin(db.connection())
    claims.lock(db.connection(), [pool_id])
    return _reached(db, who, pool_id)
