"""Make room in a full outbox: thin the oldest telemetry, merge neighbours, then drop it to a declared gap.

Only batches that were never on the wire are touched, and never their outcomes or events.
"""

import sqlite3
from dataclasses import dataclass

from agent.draft import Draft, given_up, halved, merged, read_draft
from contract.messages import MAX_PAYLOAD, encode
from contract.model import ContractError

COMPACTED = 1
HALVED_OUT = COMPACTED + 4
"""The level at which four halvings are done, one point in sixteen is left, and the readings are dropped next."""
DROPPED = 99
REASON = "outbox-full"
_RUN = 32
_COLUMNS = "SELECT id, epoch, first, number, level, payload FROM batch WHERE state = 0"
_MERGED_PAYLOAD = MAX_PAYLOAD // 8


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    epoch: str
    first: int
    number: int
    level: int
    payload: bytes

    @property
    def content(self) -> Draft:
        return read_draft(self.payload)


def thin_oldest(db: sqlite3.Connection) -> int | None:
    """Take one step inside the caller's transaction. Bytes that were freed; None when nothing is left to give up.

    The steps, the gentlest first: many small batches become one, which loses nothing; two become one with every
    second point; a batch becomes a gap.
    """
    raw = _rows(db, 0, 0, _RUN)
    compacted = _rows(db, COMPACTED, HALVED_OUT - 1, 2) if len(raw) < _RUN else []
    rows = compacted or raw or _rows(db, HALVED_OUT, HALVED_OUT, 1)
    if not rows:
        return None
    try:
        if rows[0].level == 0:
            return _compact(db, rows)
        return _halve(db, rows) if rows[0].level < HALVED_OUT else _drop(db, rows[0])
    except ContractError:  # written by another version of the agent: left as it is, for the controller to judge
        db.execute("UPDATE batch SET level = ? WHERE id = ?", (DROPPED, rows[0].id))
        return 0


def _rows(db: sqlite3.Connection, least: int, most: int, limit: int) -> list[_Row]:
    """Fresh batches of these levels, the least thinned first, of those the oldest first."""
    query = f"{_COLUMNS} AND level BETWEEN ? AND ? ORDER BY level, id LIMIT ?"
    return [_Row(*each) for each in db.execute(query, (least, most, limit)).fetchall()]


def _compact(db: sqlite3.Connection, rows: list[_Row]) -> int:
    """Make one batch of the neighbours at the head of `rows`, as many as fit."""
    together, used, size = rows[0].content, rows[:1], len(rows[0].payload)
    for row in rows[1:]:
        size += len(row.payload)
        larger = merged(together, row.content) if _adjacent(used[-1], row) and size <= _MERGED_PAYLOAD else None
        if larger is None:
            break
        together, used = larger, [*used, row]
    return _replace(db, used, together, COMPACTED)


def _halve(db: sqlite3.Connection, rows: list[_Row]) -> int:
    """Keep every second point of two neighbours together, else of the older one alone."""
    level = rows[0].level + 1
    together = _together(rows) if len(rows) == 2 and rows[1].level == rows[0].level else None
    if together is not None:
        return _replace(db, rows, halved(together, REASON), level)
    return _replace(db, rows[:1], halved(rows[0].content, REASON), level)


def _drop(db: sqlite3.Connection, row: _Row) -> int:
    """Give up a batch's readings, and merge it with an emptied one just before it."""
    emptied = given_up(row.content, REASON)
    query = f"{_COLUMNS} AND level = ? AND epoch = ? AND number = ?"
    before = [_Row(*each) for each in db.execute(query, (DROPPED, row.epoch, row.first - 1)).fetchall()]
    together = merged(before[0].content, emptied) if before else None
    if together is not None:
        return _replace(db, [*before, row], together, DROPPED)
    return _replace(db, [row], emptied, DROPPED)


def _together(rows: list[_Row]) -> Draft | None:
    if not _adjacent(rows[0], rows[1]) or len(rows[0].payload) + len(rows[1].payload) > _MERGED_PAYLOAD:
        return None
    return merged(rows[0].content, rows[1].content)


def _adjacent(early: _Row, late: _Row) -> bool:
    return early.epoch == late.epoch and early.number + 1 == late.first


def _replace(db: sqlite3.Connection, rows: list[_Row], draft: Draft, level: int) -> int:
    """Put one batch in place of neighbours; bytes freed."""
    last = rows[-1]
    payload = encode(draft.numbered(last.epoch, rows[0].first, last.number))
    for row in rows[:-1]:
        db.execute("DELETE FROM batch WHERE id = ?", (row.id,))
    db.execute(
        "UPDATE batch SET first = ?, level = ?, size = ?, payload = ? WHERE id = ?",
        (rows[0].first, level, len(payload), payload, last.id),
    )
    return sum(len(row.payload) for row in rows) - len(payload)
