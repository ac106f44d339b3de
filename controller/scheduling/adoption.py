"""Makes machines bookable as they are first seen: each is the thing that was entered under its name, or a new one."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, Select, Table, bindparam, func, insert, select, update

from controller.fleet.live import profile_here
from controller.fleet.tables import Agent, Device
from controller.scheduling.entries import LETTERS
from controller.scheduling.tables import LeaseGrant, Resource
from device_profiles.profile import DeviceProfile

BOOKABLE: Final = frozenset({"printer-3d", "laser", "cnc", "robot"})
"""Families of machines that classes share by booking. What else is to be booked somebody enters."""
CODE_LENGTH: Final = 6
_DEVICE: Table = Device.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_AGENT: Table = Agent.__table__  # type: ignore[attr-defined]
_GRANT: Table = LeaseGrant.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]
_LENT = select(_GRANT.c.device_id).where(_GRANT.c.revoked_ms.is_(None), _GRANT.c.until_ms > bindparam("now"))
"""Devices that stand in a lease book for now or later."""


class Adopted(NamedTuple):
    """How many devices got a thing, and how many wait: somebody has them by a lease that no booking stands for."""

    things: int
    waiting: int


def adopt(
    connection: Connection, now_ms: int, profile: Callable[[str], DeviceProfile | None] = profile_here
) -> Adopted:
    """Give every device that classes share a thing that can be booked. The caller commits.

    A new one is its own school's alone, with what its profile says of hazard, certificate, power and minutes.
    """
    adopted = waiting = 0
    lent = set(connection.execute(_LENT, {"now": now_ms}).scalars())
    for device in _without(connection):
        if device.id in lent:
            waiting += 1
            continue
        entered = _entered(connection, device)
        if entered is not None:
            connection.execute(update(_RESOURCE).where(_RESOURCE.c.id == entered).values(device_id=device.id))
        elif (model := profile(device.profile_slug)) is not None and model.family in BOOKABLE:
            connection.execute(insert(_RESOURCE).values(_thing(connection, device, model)))
        else:
            continue
        adopted += 1
    return Adopted(adopted, waiting)


def new_code(connection: Connection) -> str:
    """One that stands on no label yet."""
    while True:
        code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
        if not connection.execute(select(_RESOURCE.c.id).where(_RESOURCE.c.code == code)).first():
            return code


def _without(connection: Connection) -> Sequence[Row[Any]]:
    """Devices that are there and are behind no thing yet."""
    asked: Select[Any] = (
        select(
            _DEVICE.c.id,
            _DEVICE.c.school_id,
            _DEVICE.c.name,
            _DEVICE.c.profile_slug,
            func.coalesce(_DEVICE.c.room_id, _AGENT.c.room_id).label("room_id"),
        )
        .join(_AGENT, _AGENT.c.id == _DEVICE.c.agent_id)
        .outerjoin(_RESOURCE, _RESOURCE.c.device_id == _DEVICE.c.id)
        .where(_RESOURCE.c.id.is_(None), _DEVICE.c.present)
        .order_by(_DEVICE.c.id)
    )
    return connection.execute(asked).all()


def _entered(connection: Connection, device: Row[Any]) -> int | None:
    """The unit of its name in its room that no device is behind."""
    asked = select(_RESOURCE.c.id).where(
        _RESOURCE.c.school_id == device.school_id,
        _RESOURCE.c.room_id == device.room_id,
        _RESOURCE.c.name == device.name,
        _RESOURCE.c.kind == "unit",
        _RESOURCE.c.device_id.is_(None),
    )
    found: int | None = connection.execute(asked).scalars().first()
    return found


def _thing(connection: Connection, device: Row[Any], model: DeviceProfile) -> dict[str, object]:
    defaults = model.booking
    return {
        "school_id": device.school_id,
        "room_id": device.room_id,
        "device_id": device.id,
        "kind": "unit",
        "class_name": model.family,
        "name": device.name,
        "code": new_code(connection),
        "capacity": 1,
        "setup_min": defaults.setup_min,
        "clean_up_min": defaults.clean_up_min,
        "charge_min": 0,
        "watts": defaults.power_w,
        "hazard": defaults.hazard,
        "certificate": defaults.certificate,
        "shared": False,
        "approval": False,
        "retired": False,
    }
