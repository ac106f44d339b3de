"""A time, and perhaps other things than were wished, as the value of a form's field. Pure."""

import re
from typing import Final

from controller.scheduling.stock import Item

_PICK: Final = re.compile(r"(\d{12,13})-(\d{12,13})((?:[.]\d{1,9}x\d{1,4}){0,20})")
_LONGEST_MS: Final = 86_400_000


class WrongPick(ValueError):
    """No page of ours has such a field."""


def written(span_ms: range, items: tuple[Item, ...] = ()) -> str:
    """`items` are things by id; none: as it was wished."""
    return f"{span_ms.start}-{span_ms.stop}" + "".join(f".{each.resource_id}x{each.count}" for each in items)


def read(text: str) -> tuple[range, tuple[Item, ...]]:
    """Raises WrongPick."""
    found = _PICK.fullmatch(text)
    span = range(int(found[1]), int(found[2])) if found else range(0)
    if found is None or not 0 < len(span) <= _LONGEST_MS:
        raise WrongPick(f"no time and things: {text[:40]!r}")
    pairs = (each.split("x") for each in found[3].split(".")[1:])
    return span, tuple(Item(int(thing), count=int(count)) for thing, count in pairs)
