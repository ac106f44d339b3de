"""Kits that came back late, or have not come back: they charge and are cleaned from their return on. Reads only."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, func, or_, select

from controller.scheduling.choice import between_uses
from controller.scheduling.kit_tables import KitHandout, KitLack
from controller.scheduling.policy import Resting
from controller.scheduling.school_time import ticks
from controller.scheduling.stock import Item
from controller.scheduling.tables import Assignment, Load, Resource

_MINUTE_MS = 60_000


def resting(db: Session, items: Sequence[Item], now_ms: int) -> Mapping[int, Resting]:
    """By pool, of those that the items name. Kits that came back in time rest while their booking still holds them."""
    wanted = {item.resource_id or 0: item.count for item in items}
    pools = db.exec(select(Resource).where(col(Resource.id).in_(wanted), Resource.kind == "pool")).all()
    found = ((pool, _of_pool(db, pool, wanted[pool.id or 0], now_ms)) for pool in pools)
    return {pool.id or 0: rest for pool, rest in found if rest}


def _of_pool(db: Session, pool: Resource, wanted: int, now_ms: int) -> Resting | None:
    rest_ms = between_uses(pool.charge_min, pool.clean_up_min) * _MINUTE_MS
    if not rest_ms:
        return None
    lacks = (
        select(KitLack.handout_id, func.sum(KitLack.kits).label("kits")).group_by(col(KitLack.handout_id)).subquery()
    )
    asked: Any = (
        select(KitHandout.kits - func.coalesce(lacks.c.kits, 0), KitHandout.returned_ms, Assignment.until_ms)
        .join(
            Assignment,
            (col(Assignment.booking_id) == col(KitHandout.booking_id))
            & (col(Assignment.resource_id) == col(KitHandout.resource_id)),
        )
        .outerjoin(lacks, lacks.c.handout_id == KitHandout.id)
        .where(
            KitHandout.resource_id == pool.id,
            or_(col(KitHandout.returned_ms).is_(None), col(KitHandout.returned_ms) > now_ms - rest_ms),
        )
    )
    late = [
        (kits, held_ms, (now_ms if back_ms is None else back_ms) + rest_ms)
        for kits, back_ms, held_ms in db.execute(asked).all()
        if held_ms < (now_ms if back_ms is None else back_ms) + rest_ms and held_ms - rest_ms < now_ms
    ]
    if not late:
        return None
    from_ms, until_ms = min(held for _, held, _ in late), max(until for _, _, until in late)
    window = ticks(max(from_ms, now_ms), until_ms)
    used = db.exec(
        select(func.max(Load.used)).where(
            Load.resource_id == pool.id, col(Load.tick) >= window.start, col(Load.tick) < window.stop
        )
    ).one()
    ready = pool.capacity - sum(kits for kits, _, _ in late) - (used or 0)
    return Resting(from_ms, until_ms, max(ready, 0), wanted)
