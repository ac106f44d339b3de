"""The outbox's file: its table, how it is opened, and how it is told that it is damaged."""

import sqlite3
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

FORMAT = 1
_SCHEMA = """
CREATE TABLE batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch TEXT NOT NULL,
    number INTEGER NOT NULL,
    first INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    level INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL,
    done_ms INTEGER NOT NULL DEFAULT 0,
    payload BLOB NOT NULL
);
CREATE UNIQUE INDEX batch_number ON batch (epoch, number);
CREATE INDEX batch_unsent ON batch (id) WHERE state < 2;
CREATE INDEX batch_unacked ON batch (epoch, number) WHERE state < 2;
CREATE INDEX batch_fresh ON batch (level, id) WHERE state = 0;
CREATE INDEX batch_acked ON batch (epoch, number) WHERE state = 2;
CREATE INDEX batch_kept ON batch (done_ms) WHERE state = 2;
CREATE INDEX batch_refused ON batch (done_ms) WHERE state = 3;
"""
_DAMAGE = ("malformed", "not a database", "file is encrypted")


class BatchState(IntEnum):
    """Never on the wire; perhaps heard, so its bytes stay; committed by the controller; never to be taken by it.

    RECALLED: committed once, and asked for again by a restored controller. Those below ACKED are to be sent.
    """

    RECALLED = -1
    FRESH = 0
    ATTEMPTED = 1
    ACKED = 2
    REFUSED = 3


@dataclass(frozen=True, slots=True)
class Batch:
    """One report as it goes out. `id` orders all batches of an outbox, oldest first."""

    id: int
    epoch: str
    number: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Tally:
    """What the file holds: bytes not acked, bytes kept though acked or refused, batches that went out and were never
    acked."""

    unacked_bytes: int = 0
    kept_bytes: int = 0
    attempted: int = 0

    def moved(self, state: BatchState, batches: int, size: int) -> "Tally":
        """After `batches` of `size` bytes together came to (or, negative, left) `state`."""
        kept = state >= BatchState.ACKED
        return Tally(
            self.unacked_bytes + (0 if kept else size),
            self.kept_bytes + (size if kept else 0),
            self.attempted + (batches if state is BatchState.ATTEMPTED else 0),
        )


def connect(path: Path, *, check: bool) -> sqlite3.Connection:
    """Open the file, make it if there is none. Raises sqlite3.Error or OSError; see `is_damage`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-64", "journal_size_limit=1048576"):
            db.execute(f"PRAGMA {pragma}")
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={FORMAT}; COMMIT;")
        elif found != FORMAT or (check and db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok"):
            raise sqlite3.DatabaseError("malformed")
    except (sqlite3.Error, OSError):
        db.close()
        raise
    return db


def tally(db: sqlite3.Connection) -> Tally:
    unacked, attempted = db.execute(
        "SELECT coalesce(sum(size), 0), count(*) FILTER (WHERE state = 1) FROM batch WHERE state < 2"
    ).fetchone()
    kept = db.execute("SELECT coalesce(sum(size), 0) FROM batch WHERE state >= 2").fetchone()[0]
    return Tally(unacked, kept, attempted)


def epochs(db: sqlite3.Connection) -> list[tuple[str, int, int]]:
    """Each epoch with its first and last number; those with unacked batches first, the oldest of them first."""
    found: list[tuple[bool, int, tuple[str, int, int]]] = []
    epoch = ""
    while True:  # a seek an epoch, not a scan of all batches
        row = db.execute("SELECT min(epoch) FROM batch WHERE epoch > ?", (epoch,)).fetchone()
        if row[0] is None:
            return [entry for _, _, entry in sorted(found)]
        epoch = row[0]
        first = db.execute("SELECT first FROM batch WHERE epoch = ? ORDER BY number LIMIT 1", (epoch,)).fetchone()[0]
        last = db.execute("SELECT max(number) FROM batch WHERE epoch = ?", (epoch,)).fetchone()[0]
        waiting = db.execute(
            "SELECT id FROM batch WHERE state < 2 AND epoch = ? ORDER BY number LIMIT 1", (epoch,)
        ).fetchone()
        found.append((waiting is None, waiting[0] if waiting else 0, (epoch, first, last)))


def is_damage(error: Exception) -> bool:
    """Whether the file itself is broken, so that trying again cannot help."""
    return isinstance(error, sqlite3.DatabaseError) and any(word in str(error) for word in _DAMAGE)


def put_aside(path: Path, at_ms: int) -> None:
    """Rename a damaged file and what belongs to it. Raises OSError."""
    for suffix in ("", "-wal", "-shm"):
        damaged = path.with_name(path.name + suffix)
        if damaged.exists():
            damaged.rename(path.with_name(f"{path.name}.damaged-{at_ms}{suffix}"))
