"""Reports on disk until the controller has committed them.

SQLite in WAL mode, each append synced before it returns. What the states of a batch mean: agent.batches.
"""

import contextlib
import secrets
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent import batches
from agent.batches import Batch, BatchState, Tally
from agent.draft import Draft, given_up, merged
from agent.errors import CannotWrite
from agent.thinning import thin_oldest
from contract.messages import MAX_PAYLOAD, Ack, Held, Refusal, encode
from contract.model import ContractError, Event

MAX_HELD = 256
_STEPS_AN_APPEND = 64
_USEFUL_STEPS_AN_APPEND = 8
_WAITING_READINGS = 20_000
_REFUSED_KEPT = 500


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes for what is not acked yet; bytes and time for what is acked and kept for a restored controller."""

    budget_bytes: int = 64 << 20
    kept_bytes: int = 32 << 20
    kept_ms: int = 48 * 3_600_000


@dataclass(frozen=True, slots=True)
class AckResult:
    """What an ack changed: batches now known to be committed, batches to be sent again, refusals newly set aside."""

    acked: int = 0
    again: int = 0
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class OutboxFigures:
    """`waiting` counts drafts that the disk does not take at the moment, since `stalled_ms` (0: it does)."""

    epoch: str
    fresh: int
    attempted: int
    recalled: int
    acked: int
    refused: int
    unacked_bytes: int
    waiting: int
    stalled_ms: int
    stalled_why: str


def random_epoch() -> str:
    return secrets.token_hex(8)


class Outbox:
    """The agent's reports on disk. Safe to use from several threads.

    `append`, `settle`, `figures` and `close` work also while the disk takes nothing; all else raises CannotWrite then,
    with nothing changed.
    """

    def __init__(
        self,
        path: Path,
        now_ms: Callable[[], int],
        limits: Limits = Limits(),
        new_epoch: Callable[[], str] = random_epoch,
    ) -> None:
        self._path = path
        self._now_ms = now_ms
        self.limits = limits
        """May be changed at any time."""
        self._new_epoch = new_epoch
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._checked = False
        self._waiting: deque[Draft] = deque()
        self._stalled_ms = 0
        self._stalled_why = ""
        self._tally = Tally()
        self._epoch, self._number = new_epoch(), 0
        with contextlib.suppress(CannotWrite), self._transaction():
            pass

    @property
    def epoch(self) -> str:
        """The epoch of new batches. It changes when a damaged file had to be replaced."""
        return self._epoch

    @property
    def attempted(self) -> int:
        """How many batches went out and were never acked."""
        return self._tally.attempted

    @property
    def stalled(self) -> bool:
        """Whether drafts wait in memory because the disk takes nothing."""
        return bool(self._waiting)

    def append(self, draft: Draft) -> int | None:
        """Number the draft and write it down; on return it is on disk. None: the disk takes nothing, so it waits in
        memory, and beyond a bound its readings become a gap. Raises ContractError for a draft no report may hold."""
        with self._lock:
            self._waiting.append(draft)
            return self.settle()

    def settle(self) -> int | None:
        """Write down what waits in memory, if the disk takes it. The last number written, None if none was."""
        number = None
        with self._lock:
            while self._waiting:
                epoch = self._epoch
                try:
                    number = self._write(self._waiting[0])
                except ValueError as error:  # ContractError, or what JSON cannot say
                    self._waiting.popleft()
                    raise ContractError(str(error)) from None
                except CannotWrite:
                    if epoch != self._epoch:
                        continue  # the file was damaged; its successor is tried at once
                    self._shrink_waiting()
                    return None
                self._waiting.popleft()
                if not self._waiting and self._stalled_ms:
                    self._waiting.append(self._end_of_stall())
        return number

    def last_id(self) -> int:
        """The id of the newest batch; 0 if there was never one."""
        with self._transaction() as db:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batch'").fetchone()
        return int(row[0]) if row else 0

    def take_live(self, after: int, limit: int) -> list[Batch]:
        """Fresh batches of ids above `after`, the newest first, marked attempted for good before this returns."""
        return self._take("state = 0 AND id > ? ORDER BY id DESC LIMIT ?", (after, limit))

    def take_replay(self, after: int, upto: int, limit: int, epochs: Collection[str]) -> list[Batch]:
        """Unacked batches of ids above `after`, not above `upto`, the oldest first, marked attempted for good.

        Ends before the first one whose epoch is not among `epochs`.
        """
        return self._take("state < 2 AND id > ? AND id <= ? ORDER BY id LIMIT ?", (after, upto, limit), epochs)

    def take_again(self, batch_id: int) -> Batch | None:
        """A batch that was taken before; None if it is no longer to be sent."""
        query = "SELECT id, epoch, number, payload FROM batch WHERE id = ? AND state IN (-1, 1)"
        with self._transaction() as db:
            row = db.execute(query, (batch_id,)).fetchone()
        return Batch(*row) if row else None

    def unacked(self) -> list[Batch]:
        """All batches that are not acked, oldest first, left as they are: for looking, not for sending."""
        with self._transaction() as db:
            rows = db.execute("SELECT id, epoch, number, payload FROM batch WHERE state < 2 ORDER BY id").fetchall()
        return [Batch(*row) for row in rows]

    def take_ack(self, ack: Ack) -> AckResult:
        """Enter what the controller said."""
        acked = again = 0
        with self._transaction(synced=False) as db:  # an ack that a power cut takes back is told again
            refused = tuple(
                each
                for each in ack.refused
                if self._move(db, ack.epoch, (each.number, each.number), "state < 2", BatchState.REFUSED)
            )
            for first, last in ack.committed:
                acked += self._move(db, ack.epoch, (first, last), "state < 2", BatchState.ACKED, least_first=first)
            if ack.complete:
                for missing in _others(ack.committed):
                    again += self._move(db, ack.epoch, missing, "state = 2", BatchState.RECALLED)
            self._prune(db)
        return AckResult(acked, again, refused)

    def held(self) -> tuple[Held, ...]:
        """The epochs on disk with their numbers, those with batches to send first; at most MAX_HELD."""
        with self._transaction() as db:
            return tuple(Held(*each) for each in batches.epochs(db)[:MAX_HELD])

    def figures(self) -> OutboxFigures:
        counts = dict.fromkeys(BatchState, 0)
        with self._lock:
            with contextlib.suppress(CannotWrite), self._transaction() as db:
                for state, count in db.execute("SELECT state, count(*) FROM batch GROUP BY state"):
                    counts[BatchState(state)] = count
            return OutboxFigures(
                epoch=self._epoch,
                fresh=counts[BatchState.FRESH],
                attempted=counts[BatchState.ATTEMPTED],
                recalled=counts[BatchState.RECALLED],
                acked=counts[BatchState.ACKED],
                refused=counts[BatchState.REFUSED],
                unacked_bytes=self._tally.unacked_bytes,
                waiting=len(self._waiting),
                stalled_ms=self._stalled_ms,
                stalled_why=self._stalled_why,
            )

    def close(self) -> None:
        """Write what waits, if the disk takes it, and let go of the file."""
        with self._lock:
            self.settle()
            self._disconnect()

    @contextlib.contextmanager
    def _transaction(self, *, synced: bool = True) -> Iterator[sqlite3.Connection]:
        """All or nothing, alone; on disk at its end if `synced`. Raises CannotWrite when disk or file will not."""
        with self._lock:
            before: Tally | None = None
            try:
                db = self._db or self._connect()
                before = self._tally
                db.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException as error:
                self._tally = before or self._tally
                self._undo()
                if not isinstance(error, sqlite3.Error | OSError):
                    raise
                self._note_trouble(error)
                raise CannotWrite(str(error)) from None

    def _undo(self) -> None:
        if self._db and self._db.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    def _connect(self) -> sqlite3.Connection:
        self._db = batches.connect(self._path, check=not self._checked)
        self._checked = True
        self._tally = batches.tally(self._db)
        return self._db

    def _disconnect(self) -> None:
        if self._db:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
        self._db = None

    def _note_trouble(self, error: Exception) -> None:
        if not batches.is_damage(error):
            self._stalled_ms = self._stalled_ms or self._now_ms()
            self._stalled_why = str(error)
            return
        self._disconnect()
        at_ms = max(0, self._now_ms())
        try:
            batches.put_aside(self._path, at_ms)
        except OSError as renaming:
            self._stalled_ms = self._stalled_ms or at_ms
            self._stalled_why = f"damaged, and cannot be renamed: {renaming}"
            return
        self._epoch, self._number, self._tally = self._new_epoch(), 0, Tally()
        self._waiting.append(Draft(at_ms, events=(Event("outbox-damaged", at_ms, detail=str(error)[:200]),)))

    def _shrink_waiting(self) -> None:
        """Keep what waits in memory within its bound: the oldest readings become a gap, emptied drafts become one."""
        excess = sum(draft.readings for draft in self._waiting) - _WAITING_READINGS
        for i, draft in enumerate(self._waiting):
            if excess <= 0:
                break
            excess -= draft.readings
            self._waiting[i] = given_up(draft, "disk-full")
        settled: deque[Draft] = deque()
        for draft in self._waiting:
            emptied = settled and not settled[-1].readings and not draft.readings
            together = merged(settled[-1], draft) if emptied else None
            if together is not None:
                settled[-1] = together
            else:
                settled.append(draft)
        self._waiting = settled

    def _end_of_stall(self) -> Draft:
        now_ms = max(0, self._now_ms())
        seconds = max(0, now_ms - self._stalled_ms) // 1000
        event = Event("disk-writable-again", now_ms, detail=f"{seconds} s: {self._stalled_why}"[:200])
        self._stalled_ms, self._stalled_why = 0, ""
        return Draft(now_ms, events=(event,))

    def _write(self, draft: Draft) -> int:
        number = self._number + 1
        payload = encode(draft.numbered(self._epoch, number, number))
        if len(payload) > MAX_PAYLOAD:
            raise ContractError(f"payload: {len(payload)} bytes, at most {MAX_PAYLOAD} are taken")
        with self._transaction() as db:
            db.execute(
                "INSERT INTO batch (epoch, number, first, size, payload) VALUES (?, ?, ?, ?, ?)",
                (self._epoch, number, number, len(payload), payload),
            )
            self._tally = self._tally.moved(BatchState.FRESH, 1, len(payload))
            self._thin(db)
        self._number = number
        return number

    def _thin(self, db: sqlite3.Connection) -> None:
        """Bounded, so that no append takes long: over several appends it catches up with any excess."""
        useful = 0
        for _ in range(_STEPS_AN_APPEND):
            if self._tally.unacked_bytes <= self.limits.budget_bytes or useful >= _USEFUL_STEPS_AN_APPEND:
                return
            freed = thin_oldest(db)
            if freed is None:
                return
            useful += freed > 0
            self._tally = self._tally.moved(BatchState.FRESH, 0, -freed)

    def _take(self, condition: str, values: tuple[int, ...], epochs: Collection[str] | None = None) -> list[Batch]:
        taken: list[Batch] = []
        with self._transaction() as db:
            query = f"SELECT id, epoch, number, payload, state FROM batch WHERE {condition}"  # noqa: S608 - own words
            for batch_id, epoch, number, payload, state in db.execute(query, values).fetchall():
                if epochs is not None and epoch not in epochs:
                    break
                if state == BatchState.FRESH:
                    db.execute("UPDATE batch SET state = 1 WHERE id = ?", (batch_id,))
                    self._tally = self._tally.moved(BatchState.ATTEMPTED, 1, 0)
                taken.append(Batch(batch_id, epoch, number, payload))
        return taken

    def _move(
        self,
        db: sqlite3.Connection,
        epoch: str,
        numbers: tuple[int, int],
        condition: str,
        state: BatchState,
        *,
        least_first: int = 0,
    ) -> int:
        """Give `state` to the batches of a range that meet `condition`, and whose `first` is not below; how many."""
        # Numbers are never part of the text: each text is a statement that SQLite keeps prepared, 128 of them.
        wanted = f"{condition} AND epoch = ? AND number BETWEEN ? AND ? AND first >= ?"
        query = f"SELECT id, state, size FROM batch WHERE {wanted}"  # noqa: S608 - own words
        rows = db.execute(query, (epoch, *numbers, least_first)).fetchall()
        for batch_id, before, size in rows:
            db.execute("UPDATE batch SET state = ?, done_ms = ? WHERE id = ?", (state, self._now_ms(), batch_id))
            self._tally = self._tally.moved(BatchState(before), -1, -size).moved(state, 1, size)
        return len(rows)

    def _prune(self, db: sqlite3.Connection) -> None:
        """Let go of acked batches by age, else by size, oldest first; of refused ones by number."""
        aged = (self._now_ms() - self.limits.kept_ms,)
        doomed = db.execute(
            "SELECT id, size FROM batch WHERE state = 2 AND done_ms < ? ORDER BY done_ms LIMIT 500", aged
        ).fetchall()
        if not doomed and self._tally.kept_bytes > self.limits.kept_bytes:
            doomed = db.execute("SELECT id, size FROM batch WHERE state = 2 ORDER BY done_ms LIMIT 100").fetchall()
        doomed += db.execute(
            "SELECT id, size FROM batch WHERE state = 3 ORDER BY done_ms DESC LIMIT 100 OFFSET ?", (_REFUSED_KEPT,)
        ).fetchall()
        for batch_id, size in doomed:
            db.execute("DELETE FROM batch WHERE id = ?", (batch_id,))
            self._tally = self._tally.moved(BatchState.ACKED, -1, -size)


def _others(ranges: tuple[tuple[int, int], ...]) -> Iterator[tuple[int, int]]:
    """The ranges of numbers that lie in none of `ranges`."""
    start = 1
    for first, last in sorted(ranges):
        if first > start:
            yield start, first - 1
        start = max(start, last + 1)
    yield start, 2**53
