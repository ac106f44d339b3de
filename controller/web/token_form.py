"""Reading the form of a new token."""

from collections.abc import Mapping
from typing import Final

from controller.identity.policy import Permission
from controller.identity.tokens import Fault, Wish

FIELDS: Final[Mapping[Fault, str]] = {
    Fault.NAME: "name",
    Fault.DAYS: "days",
    Fault.PERMISSIONS: "permissions",
    Fault.TOO_MANY: "name",
}
"""Beside which field a fault is told."""


def wish_of(given: Mapping[str, str]) -> Wish:
    """What cannot be read as days is none, which is a fault."""
    days = given.get("days", "").strip()
    return Wish(
        name=given.get("token-name", ""),
        days=int(days) if days.isascii() and days.isdigit() and len(days) < 6 else 0,
        permissions=[each for each in Permission if given.get(f"may-{each.value}")],
        read_only=bool(given.get("read-only")),
    )
