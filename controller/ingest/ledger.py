"""The ledger in memory and in its tables: which numbers were taken, and what became of their items."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Table, bindparam, insert, select, update

from contract.messages import Refusal
from controller.ingest.numbers import Numbers, Range, parse_ranges, text_of
from controller.ingest.tables import Batch, Ledger
from controller.telemetry.rows import Rows

_LEDGER: Table = Ledger.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_BATCH: Table = Batch.__table__  # type: ignore[attr-defined]


_SUM = update(_LEDGER).where(_LEDGER.c.id == bindparam("ledger"))

_REMEMBERED = 20_000
"""Epochs kept in memory; an agent has a new one with each start."""


@dataclass(slots=True)
class Counts:
    """What became of items. produced = accepted + quarantined + rejected + given_up."""

    produced: int = 0
    accepted: int = 0
    quarantined: int = 0
    rejected: int = 0
    given_up: int = 0

    def add(self, other: "Counts") -> None:
        self.produced += other.produced
        self.accepted += other.accepted
        self.quarantined += other.quarantined
        self.rejected += other.rejected
        self.given_up += other.given_up

    @property
    def balanced(self) -> bool:
        return self.produced == self.accepted + self.quarantined + self.rejected + self.given_up


@dataclass(slots=True)
class Epoch:
    """One epoch of one agent."""

    id: int
    agent_id: int
    epoch: str
    numbers: Numbers
    counts: Counts
    conflicts: int = 0
    heard_ms: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A batch as the ledger keeps it."""

    id: int
    first: int
    number: int
    digest: str
    received_ms: int
    counts: Counts
    row_count: int = 0
    checksum: int = 0
    from_ms: int | None = None
    to_ms: int | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """Which batch it is, and why it was refused if it was."""

    first: int
    number: int
    digest: str
    refused: str = ""


class LedgerBook:
    """The only writer of the ledger. Call `forget` after a rollback: memory then comes from the tables again."""

    def __init__(self) -> None:
        self._epochs: dict[tuple[int, str], Epoch] = {}
        self._next_batch = 0
        self._touched: dict[int, Epoch] = {}
        self._entries: list[tuple[Epoch, Entry]] = []

    def forget(self) -> None:
        self._epochs.clear()
        self._next_batch = 0
        self.settle()

    def settle(self) -> None:
        """After the commit."""
        self._touched.clear()
        self._entries.clear()
        if len(self._epochs) > _REMEMBERED:
            self._epochs.clear()

    def new_batch(self, connection: Connection) -> int:
        """A batch id never used before."""
        if not self._next_batch:
            highest = connection.exec_driver_sql("SELECT max(id) FROM batch").scalar()
            self._next_batch = (highest or 0) + 1
        self._next_batch += 1
        return self._next_batch - 1

    def epoch(self, connection: Connection, agent_id: int, school_id: str, epoch: str) -> Epoch:
        """The account of that epoch, opened if it is new."""
        key = (agent_id, epoch)
        found = self._epochs.get(key)
        if found is None:
            found = self._load(connection, agent_id, epoch) or self._open(connection, agent_id, school_id, epoch)
            self._epochs[key] = found
        return found

    def known_epoch(self, connection: Connection, agent_id: int, epoch: str) -> Epoch | None:
        """The account of that epoch if there is one."""
        found = self._epochs.get((agent_id, epoch)) or self._load(connection, agent_id, epoch)
        if found is not None:
            self._epochs[agent_id, epoch] = found
        return found

    def seen(self, connection: Connection, epoch: Epoch, first: int, number: int) -> Seen | None:
        """What the ledger knows of numbers that it has taken; None if it keeps their batches no more."""
        for owner, entry in reversed(self._entries):
            if owner.id == epoch.id and entry.first <= number and entry.number >= first:
                return Seen(entry.first, entry.number, entry.digest, entry.refused)
        found = connection.execute(
            select(_BATCH.c.first, _BATCH.c.number, _BATCH.c.digest, _BATCH.c.refused)
            .where(_BATCH.c.ledger_id == epoch.id, _BATCH.c.number >= first, _BATCH.c.first <= number)
            .order_by(_BATCH.c.number == number)
        ).all()
        return Seen(*found[-1]) if found else None

    def enter(self, epoch: Epoch, entry: Entry) -> None:
        """Take the numbers of a batch and account for its items."""
        epoch.numbers.add(entry.first, entry.number)
        epoch.counts.add(entry.counts)
        epoch.heard_ms = entry.received_ms
        self._touched[epoch.id] = epoch
        self._entries.append((epoch, entry))

    def conflict(self, epoch: Epoch) -> None:
        """Count a number that came again with other content."""
        epoch.conflicts += 1
        self._touched[epoch.id] = epoch

    def flush(self, connection: Connection, rows: Rows) -> None:
        """Write what was entered."""
        if self._entries:
            rows.put(connection, _BATCH, [_batch_row(epoch, entry) for epoch, entry in self._entries])
        if self._touched:
            connection.execute(_SUM, [{"ledger": epoch.id} | _ledger_row(epoch) for epoch in self._touched.values()])

    def refusals(self, connection: Connection, epoch: Epoch, most: int) -> tuple[Refusal, ...]:
        """The newest batches of an epoch that were refused, as far as they are kept."""
        if not epoch.counts.quarantined:
            return ()
        found = connection.execute(
            select(_BATCH.c.number, _BATCH.c.refused)
            .where(_BATCH.c.ledger_id == epoch.id, _BATCH.c.refused != "")
            .order_by(_BATCH.c.number.desc())
            .limit(most)
        ).all()
        return tuple(Refusal(number, reason) for number, reason in reversed(found))

    def _load(self, connection: Connection, agent_id: int, epoch: str) -> Epoch | None:
        row = connection.execute(
            select(_LEDGER).where(_LEDGER.c.agent_id == agent_id, _LEDGER.c.epoch == epoch)
        ).one_or_none()
        if row is None:
            return None
        counts = Counts(row.produced, row.accepted, row.quarantined, row.rejected, row.given_up)
        return Epoch(row.id, agent_id, epoch, numbers_of(row.floor, row.ranges), counts, row.conflicts, row.heard_ms)

    def _open(self, connection: Connection, agent_id: int, school_id: str, epoch: str) -> Epoch:
        made = connection.execute(
            insert(_LEDGER).values(
                Ledger(school_id=school_id, agent_id=agent_id, epoch=epoch).model_dump(exclude={"id"})
            )
        )
        assert made.inserted_primary_key is not None  # noqa: S101 - for the type checker: a single-row insert has one
        return Epoch(made.inserted_primary_key[0], agent_id, epoch, Numbers(), Counts())


def numbers_of(floor: int, ranges: str) -> Numbers:
    """The set as a ledger row has it."""
    return Numbers([*([(1, floor)] if floor else []), *parse_ranges(ranges)])


def _above(numbers: Numbers) -> Iterable[Range]:
    return (each for each in numbers if each[0] != 1)


def _ledger_row(epoch: Epoch) -> dict[str, object]:
    counts = epoch.counts
    return {
        "floor": epoch.numbers.floor,
        "ranges": text_of(_above(epoch.numbers)),
        "produced": counts.produced,
        "accepted": counts.accepted,
        "quarantined": counts.quarantined,
        "rejected": counts.rejected,
        "given_up": counts.given_up,
        "conflicts": epoch.conflicts,
        "heard_ms": epoch.heard_ms,
    }


def _batch_row(epoch: Epoch, entry: Entry) -> tuple[object, ...]:
    """In the order of the table's columns."""
    counts = entry.counts
    return (
        entry.id,
        epoch.id,
        entry.first,
        entry.number,
        entry.digest,
        entry.received_ms,
        counts.produced,
        counts.accepted,
        counts.quarantined,
        counts.rejected,
        counts.given_up,
        entry.row_count,
        entry.checksum,
        entry.from_ms,
        entry.to_ms,
        entry.refused,
    )
