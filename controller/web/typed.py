"""What was typed into a field for a number or a date: anybody can send anything. Pure."""

from datetime import date
from typing import Final

from controller.api.ids import LARGEST

_YEARS: Final = range(2000, 2200)
"""Around every day of these years instants can be counted."""


def whole(text: str) -> int | None:
    """A number of digits alone, as large as databases count at most; None for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST))):
        return None
    return found if (found := int(text)) <= LARGEST else None


def day(text: str) -> date | None:
    """A date that somebody may mean, like 2026-09-01; None for anything else."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.year in _YEARS else None
