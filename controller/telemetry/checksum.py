"""A checksum of a batch's rows that can be recomputed from the day tables. Pure."""

from collections.abc import Iterable
from typing import TypeAlias
from zlib import crc32

import msgspec

Row: TypeAlias = tuple[int, int, int, float | str | None]
"""(series, at_ms, batch, value as stored)."""

_encode = msgspec.msgpack.Encoder().encode


def of_rows(rows: list[Row], before: int = 0) -> int:
    """The checksum of one batch's rows of one day, which follow those of the checksum `before`. They must be in the
    order of the day table's key.
    """
    encoded = _encode(rows)
    return crc32(memoryview(encoded)[_header(len(rows)) :], before)


def combined(parts: Iterable[int]) -> int:
    """The checksum of a batch over the days its rows fall in."""
    return sum(parts) & 0xFFFF_FFFF


def extended(checksum: int, row: Row) -> int:
    """`of_rows` one row at a time, from 0 on."""
    return crc32(_encode(row), checksum)


def _header(count: int) -> int:
    """How many bytes MessagePack says the length of an array in."""
    if count < 16:
        return 1
    return 3 if count < 65_536 else 5
