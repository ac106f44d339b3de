"""Proves from the tables that nothing was lost on the way: produced = accepted + quarantined + rejected + given up.

Reads only, from one snapshot, so it may run while the controller does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, TextClause, bindparam, text

from controller.ingest.ledger import Counts, numbers_of
from controller.ingest.numbers import Range
from controller.telemetry import checksum
from controller.telemetry.checksum import Row
from controller.telemetry.days import DAY_MS, Day
from controller.telemetry.register import dropped_periods
from controller.telemetry.rows import ALL, Span, rows_in
from controller.telemetry.tiers import Tier

T = TypeVar("T")
SHOWN = 20
"""Most faults of one kind that are named one by one."""

_LEDGERS = text(
    "SELECT ledger.*, agent.name FROM ledger JOIN agent ON agent.id = ledger.agent_id"
    " ORDER BY ledger.school_id, agent.name, ledger.agent_id, ledger.id"
)
_OWNERS = text("SELECT series.id, device.agent_id FROM series JOIN device ON device.id = device_id")
_BATCHES = text("SELECT * FROM batch WHERE ledger_id = :ledger ORDER BY number")
_SOME = text("SELECT * FROM batch WHERE id IN :ids ORDER BY id")
_AGAIN: Final = 10_000
"""Batches that are asked for at a time."""


class Found(NamedTuple):
    """What the day tables have of one batch."""

    row_count: int
    checksum: int


_NOTHING: Final = Found(0, 0)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the ledger says of one batch."""

    id: int
    ledger_id: int
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
    """Check every epoch of every agent, an agent at a time: no more is held than its batches' counts. Raises
    SQLAlchemyError.
    """
    with engine.connect() as connection:
        _one_snapshot(connection)
        result = Verification()
        proof = _Proof(connection, result)
        owners: dict[int, list[int]] = {}
        for series, agent in connection.execute(_OWNERS):
            owners.setdefault(agent, []).append(series)
        ledgers = {agent: list(rows) for agent, rows in groupby(connection.execute(_LEDGERS), lambda row: row.agent_id)}
        for agent in [*ledgers, *(owners.keys() - ledgers.keys())]:
            proof.agent(ledgers.get(agent, []), spans(owners.get(agent, [])))
        proof.rest(between(spans(series for mine in owners.values() for series in mine)))
        connection.rollback()
    return result


class _Proof:
    """One look at a database. Rows are read by the series of an agent; what does not fit is looked at again by the
    numbers of its batches, wherever its rows are: a device may have gone to another agent.
    """

    def __init__(self, connection: Connection, result: Verification) -> None:
        self._connection = connection
        self._result = result
        self._rows = rows_in(connection)
        self._days = self._rows.days(connection)
        self._gone = dropped_periods(connection, Tier.ROWS)
        self._reports: dict[int, EpochReport] = {}
        self._again: set[int] = set()
        self._left: dict[int, int] = {}

    def agent(self, ledgers: Sequence[Any], series: Sequence[Span]) -> None:
        found = self._found(series)
        for ledger in ledgers:
            report = _report(ledger)
            self._result.epochs.append(report)
            self._reports[ledger.id] = report
            doubtful = []
            for batch in self._batches(_BATCHES, {"ledger": ledger.id}):
                rows = found.pop(batch.id, _NOTHING)
                if check(report, batch, rows, self._gone):
                    doubtful.append(batch)
            self._look_again(report, doubtful)
        for batch_id, rows in found.items():
            self._left[batch_id] = self._left.get(batch_id, 0) + rows.row_count

    def rest(self, series: Sequence[Span]) -> None:
        """Rows of series that nobody has, and those that were in no ledger of their agent."""
        self.agent([], series)
        for few in _slices(sorted(self._left.keys() - self._again)):
            asked = _SOME.bindparams(bindparam("ids", expanding=True))
            for batch in self._batches(asked, {"ids": few}):
                self._again.add(batch.id)
                if not _is_gone(batch, self._gone):
                    self._look_again(self._reports[batch.ledger_id], [batch])
        self._result.stray_rows = sum(count for batch, count in self._left.items() if batch not in self._again)

    def _found(self, series: Sequence[Span]) -> dict[int, Found]:
        """What all day tables have of some series, by batch."""
        total: dict[int, Found] = {}
        for day in self._days:
            rows = chain.from_iterable(
                chain.from_iterable(self._rows.of_day(self._connection, day, each) for each in series)
            )
            parts, doubled = sums(rows)
            self._result.doubled += doubled
            self._result.rows += sum(part.row_count for part in parts.values())
            _add(total, parts)
        return total

    def _look_again(self, report: EpochReport, doubtful: Sequence[Kept]) -> None:
        for few in _slices(doubtful):
            ids = {batch.id for batch in few}
            batches = Span(min(ids) - 1, max(ids))
            days = {day for batch in few for day in _days_of(batch)}
            found: dict[int, Found] = {}
            for day in sorted(days.intersection(self._days)):
                rows = chain.from_iterable(self._rows.of_day(self._connection, day, batches=batches))
                parts, _ = sums(row for row in rows if row[2] in ids)
                _add(found, parts)
            self._again |= ids
            report.damaged += [fault for each in few if (fault := fault_of(each, found.get(each.id, _NOTHING)))]

    def _batches(self, asked: TextClause, values: dict[str, Any]) -> Iterator[Kept]:
        found = self._connection.execute(asked, values, execution_options={"yield_per": _AGAIN})
        for each in found:
            counts = Counts(each.produced, each.accepted, each.quarantined, each.rejected, each.given_up)
            about = (each.row_count, each.checksum, each.from_ms, each.to_ms, each.received_ms)
            yield Kept(each.id, each.ledger_id, each.number, counts, *about)


def check(report: EpochReport, batch: Kept, rows: Found, gone: Mapping[Day, int]) -> bool:
    """Count a batch of the ledger; whether these are not its rows. Pure but for the report. `gone` says when days were
    given up: what had come before has its rows no more.
    """
    if not batch.counts.balanced:
        report.unbalanced.append(batch.number)
    if _is_gone(batch, gone):
        report.batches_before += 1
        return False
    report.batches_checked += 1
    return bool(fault_of(batch, rows))


def fault_of(batch: Kept, rows: Found) -> str:
    """What is wrong with the rows of a batch; empty if nothing is. Pure."""
    if rows.row_count != batch.row_count:
        return f"batch {batch.number}: {rows.row_count} rows of {batch.row_count}"
    return "" if rows.checksum == batch.checksum else f"batch {batch.number}: rows were changed"


def spans(series: Iterable[int]) -> list[Span]:
    """Stretches of numbers that follow each other. Pure."""
    found: list[Span] = []
    for each in sorted(series):
        if found and found[-1].upto == each - 1:
            found[-1] = Span(found[-1].after, each)
        else:
            found.append(Span(each - 1, each))
    return found


def between(taken: Sequence[Span]) -> list[Span]:
    """What is before, between and behind the stretches. Pure."""
    ends = [ALL.after, *(each.upto for each in taken)]
    begins = [*(each.after for each in taken), ALL.upto]
    return [Span(after, upto) for after, upto in zip(ends, begins, strict=True) if after < upto]


def _is_gone(batch: Kept, gone: Mapping[Day, int]) -> bool:
    return any(batch.received_ms <= gone.get(day, -1) for day in _days_of(batch))


def _days_of(batch: Kept) -> range:
    if batch.from_ms is None or batch.to_ms is None:
        return range(0)
    return range(batch.from_ms // DAY_MS, batch.to_ms // DAY_MS + 1)


def sums(rows: Iterable[Row]) -> tuple[dict[int, Found], int]:
    """Count and checksum of each batch in the rows of one day, which come in the order of the key; and how many have
    series and time of the row before. Pure.
    """
    found: dict[int, Found] = {}
    doubled = 0
    before = (0, 0)
    for row in rows:
        count, value = found.get(row[2], _NOTHING)
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


def _slices(many: Sequence[T]) -> Iterator[Sequence[T]]:
    return (many[at : at + _AGAIN] for at in range(0, len(many), _AGAIN))


def _add(total: dict[int, Found], parts: Mapping[int, Found]) -> None:
    """What one more day has of batches."""
    for batch, part in parts.items():
        before = total.get(batch, _NOTHING)
        both = checksum.combined([before.checksum, part.checksum])
        total[batch] = Found(before.row_count + part.row_count, both)


def _report(ledger: Any) -> EpochReport:
    numbers = numbers_of(ledger.floor, ledger.ranges)
    return EpochReport(
        agent=f"{ledger.school_id}/{ledger.name}",
        epoch=ledger.epoch,
        counts=Counts(ledger.produced, ledger.accepted, ledger.quarantined, ledger.rejected, ledger.given_up),
        batches=sum(last - first + 1 for first, last in numbers),
        missing=numbers.missing(),
        highest=numbers.highest,
        conflicts=ledger.conflicts,
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
