"""Readings lie in one table a day. Names and bounds of those tables. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from controller.database import DAY_TABLE_PREFIX

DAY_MS: Final = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(rf"{DAY_TABLE_PREFIX}(\d{{8}})")
Day: TypeAlias = int
"""Days since the Unix epoch, UTC."""


def table_of(day: Day) -> str:
    return f"{DAY_TABLE_PREFIX}{_EPOCH + timedelta(days=day):%Y%m%d}"


def day_of(table: str) -> Day | None:
    """The day whose readings a table holds; None for any other table."""
    found = _NAME.fullmatch(table)
    return (datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC) - _EPOCH).days if found else None


def days_in(tables: list[str]) -> list[Day]:
    """The days of those tables that hold readings, oldest first."""
    return sorted(day for day in map(day_of, tables) if day is not None)
