"""Proves from the tables that nothing was lost on the way: produced = accepted + quarantined + rejected + given up.

Reads only, from one snapshot, so it may run while the controller does.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text

from controller.ingest.ledger import Counts, numbers_of
from controller.ingest.numbers import Range
from controller.telemetry import checksum
from controller.telemetry.checksum import Row
from controller.telemetry.days import DAY_MS, Day
from controller.telemetry.register import dropped_periods
from controller.telemetry.rows import rows_in
from controller.telemetry.tiers import Tier

SHOWN = 20
"""Most faults of one kind that are named one by one."""

_LEDGERS = text(
    "SELECT ledger.*, agent.name FROM ledger JOIN agent ON agent.id = ledger.agent_id"
    " ORDER BY ledger.school_id, agent.name, ledger.id"
)
_BATCHES = text("SELECT * FROM batch WHERE ledger_id = :ledger ORDER BY number")


class Found(NamedTuple):
    """What the day tables have of one batch."""

    row_count: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What the ledger says of one batch."""

    id: int
    number: int
    counts: Counts
    row_count: int
    checksum: int
    from_ms: int | None
    to_ms: int | None
    received_ms: int


@dataclass(slots=True)
class EpochReport:
    """One epoch of one agent: its sums, and all that is wrong with it. `missing` is not wrong by itself: see `ok`."""

    agent: str
    epoch: str
    counts: Counts
    batches: int
    missing: list[Range]
    highest: int
    conflicts: int
    batches_checked: int = 0
    batches_before: int = 0
    unbalanced: list[int] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        return self.counts.balanced and not self.unbalanced

    @property
    def ok(self) -> bool:
        """Every number up to the highest was taken, every item is accounted for, every row is as it was."""
        return self.balanced and not self.missing and not self.damaged and not self.conflicts


@dataclass(slots=True)
class Verification:
    """All epochs; rows that belong to no batch; readings that came in two batches (a clock was set back)."""

    epochs: list[EpochReport] = field(default_factory=list)
    stray_rows: int = 0
    rows: int = 0
    doubled: int = 0

    @property
    def ok(self) -> bool:
        return not self.stray_rows and all(epoch.ok for epoch in self.epochs)


def verify(engine: Engine) -> Verification:
    """Check every epoch of every agent. Raises SQLAlchemyError."""
    with engine.connect() as connection:
        _one_snapshot(connection)
        result = Verification()
        found = _found(connection, result)
        gone = dropped_periods(connection, Tier.ROWS)
        claimed: set[int] = set()
        for report, batches in _epochs(connection):
            claimed.update(batch.id for batch in batches)
            check(report, batches, found, gone)
            result.epochs.append(report)
        result.stray_rows = sum(each.row_count for batch, each in found.items() if batch not in claimed)
        connection.rollback()
    return result


def check(report: EpochReport, batches: Iterable[Kept], found: Mapping[int, Found], gone: Mapping[Day, int]) -> None:
    """Compare what the ledger says of each batch with its rows. Pure. `gone` says when days were given up: what had
    come before has its rows no more.
    """
    for batch in batches:
        if not batch.counts.balanced:
            report.unbalanced.append(batch.number)
        if _is_gone(batch, gone):
            report.batches_before += 1
            continue
        report.batches_checked += 1
        rows = found.get(batch.id, Found(0, 0))
        if rows.row_count != batch.row_count:
            report.damaged.append(f"batch {batch.number}: {rows.row_count} rows of {batch.row_count}")
        elif rows.checksum != batch.checksum:
            report.damaged.append(f"batch {batch.number}: rows were changed")


def _is_gone(batch: Kept, gone: Mapping[Day, int]) -> bool:
    if batch.from_ms is None or batch.to_ms is None:
        return False
    days = range(batch.from_ms // DAY_MS, batch.to_ms // DAY_MS + 1)
    return any(batch.received_ms <= gone.get(day, -1) for day in days)


def sums(rows: Iterable[Row]) -> tuple[dict[int, Found], int]:
    """Count and checksum of each batch in the rows of one day, which come in the order of the key; and how many have
    series and time of the row before. Pure.
    """
    found: dict[int, Found] = {}
    doubled = 0
    nothing = Found(0, 0)
    before = (0, 0)
    for row in rows:
        count, value = found.get(row[2], nothing)
        found[row[2]] = Found(count + 1, checksum.extended(value, row))
        doubled += row[:2] == before
        before = row[:2]
    return found, doubled


def _one_snapshot(connection: Connection) -> None:
    """Whatever is committed from now on is not seen."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")
    else:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))  # we compute, and lock nothing


def _found(connection: Connection, result: Verification) -> dict[int, Found]:
    """What all day tables have."""
    rows = rows_in(connection)
    total: dict[int, Found] = {}
    for day in rows.days(connection):
        parts, doubled = sums(chain.from_iterable(rows.of_day(connection, day)))
        result.doubled += doubled
        for batch, part in parts.items():
            before = total.get(batch, Found(0, 0))
            both = checksum.combined([before.checksum, part.checksum])
            total[batch] = Found(before.row_count + part.row_count, both)
            result.rows += part.row_count
    return total


def _epochs(connection: Connection) -> Iterator[tuple[EpochReport, list[Kept]]]:
    ledgers = connection.execute(_LEDGERS).all()
    for row in ledgers:
        batches = [
            Kept(
                each.id,
                each.number,
                Counts(each.produced, each.accepted, each.quarantined, each.rejected, each.given_up),
                each.row_count,
                each.checksum,
                each.from_ms,
                each.to_ms,
                each.received_ms,
            )
            for each in connection.execute(_BATCHES, {"ledger": row.id}).all()
        ]
        numbers = numbers_of(row.floor, row.ranges)
        yield (
            EpochReport(
                agent=f"{row.school_id}/{row.name}",
                epoch=row.epoch,
                counts=Counts(row.produced, row.accepted, row.quarantined, row.rejected, row.given_up),
                batches=sum(last - first + 1 for first, last in numbers),
                missing=numbers.missing(),
                highest=numbers.highest,
                conflicts=row.conflicts,
            ),
            batches,
        )


def lines(result: Verification) -> Iterator[str]:
    """The report for a terminal."""
    for each in result.epochs:
        counts = each.counts
        yield (
            f"{'ok ' if each.ok else 'NOT'} {each.agent} {each.epoch} 1..{each.highest}: produced {counts.produced} ="
            f" accepted {counts.accepted} + quarantined {counts.quarantined} + rejected {counts.rejected}"
            f" + given up {counts.given_up}; {each.batches_checked} batches compared with their rows"
        )
        yield from (f"      {fault}" for fault in _faults(each))
    if result.stray_rows:
        yield f"NOT {result.stray_rows} rows belong to no batch"
    if result.doubled:
        yield f"    {result.doubled} readings came twice, in different batches"
    verdict = "nothing is missing" if result.ok else "see the lines that begin with NOT"
    yield f"{len(result.epochs)} epochs, {result.rows} rows: {verdict}"


def _faults(each: EpochReport) -> Iterator[str]:
    if not each.counts.balanced:
        yield "the sums do not balance"
    for what, faults in (
        ("missing numbers", [f"{first}-{last}" if last > first else str(first) for first, last in each.missing]),
        ("batches whose items do not balance", [str(number) for number in each.unbalanced]),
        ("damaged", each.damaged),
    ):
        if faults:
            more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
            yield f"{what}: {', '.join(faults[:SHOWN])}{more}"
    if each.conflicts:
        yield f"numbers that came again with other content: {each.conflicts}"


def main(engine: Engine) -> int:
    """Print the report; 0 if all is well, else 1."""
    result = verify(engine)
    for line in lines(result):
        print(line)
    return 0 if result.ok else 1
