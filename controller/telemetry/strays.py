"""Files in the archive that the register does not know: made in a life of the database that a restore has undone, or
left by a crash.

What such a file has and the database has not comes in as late readings do: a batch in the ledger, of an epoch of its
own, then roll-ups and a new part. Nothing is taken from a file before it is committed; only then does the file go.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, text

from controller.ingest.ledger import Counts, Entry, LedgerBook
from controller.telemetry import checksum, register
from controller.telemetry.archive import PATIENCE_S, STRAY, folder_of, folders, path_of
from controller.telemetry.checksum import Row
from controller.telemetry.child import ArchiveError, Child
from controller.telemetry.days import DAY_MS, Day
from controller.telemetry.register import Stray
from controller.telemetry.rows import Rows, rows_in
from controller.telemetry.thinning import Point
from controller.telemetry.tiers import HOUR_MS
from controller.telemetry.writing import another_writer, writing

EPOCH: Final = "0" * 16
"""Of the batches that come back from files. No agent has it: theirs are random."""
UNKNOWN: Final = ".unknown"
"""How the name of a file ends in which readings are left whose series nobody knows any more."""
REPLAYED_MS: Final = 48 * HOUR_MS
"""So long do agents keep what was acknowledged: of such days they may themselves send again what the database lacks.
What is in a file of them is taken in when that is over, or it would be there twice."""
_AT_ONCE: Final = 5_000
_OWNERS: Final = text(
    "SELECT series.id, device.agent_id, agent.school_id FROM series JOIN device ON device.id = device_id"
    " JOIN agent ON agent.id = device.agent_id"
)
log = logging.getLogger(__name__)


class Owner(NamedTuple):
    """Whose a series is."""

    agent_id: int
    school_id: str


def found(connection: Connection, folder: Path) -> list[tuple[Day, str]]:
    """Day and name of each file that is no part."""
    known = {(part.day, part.file) for part in register.parts(connection)}
    files = [(day, file.name) for day, there in folders(folder) for file in sorted(there.glob("*.parquet"))]
    return [each for each in files if each not in known]


def note(engine: Engine, folder: Path, now_ms: int) -> int:
    """Remember the files that are no parts; how many are new. Before anything new comes in: a series that is made from
    then on is none of theirs. Raises SQLAlchemyError.
    """
    with engine.connect() as connection:
        noted = {(stray.day, stray.file) for stray in register.strays(connection)}
        strays = [each for each in found(connection, folder) if each not in noted]
    if strays:
        with writing(engine) as connection:
            for day, name in strays:
                register.note_stray(connection, day, name, now_ms)
        log.warning("history: %s files of the archive are not in the register; they will be taken in", len(strays))
    return len(strays)


class Strays:
    """What was noted, of one database."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._rows = rows_in(engine)

    def take_in(self, now_ms: int) -> int:
        """Take in what the database lacks of these files; how many readings. Raises SQLAlchemyError, and ArchiveError
        if some could not be read: they stay as they are.
        """
        with self._engine.connect() as connection:
            noted = register.strays(connection)
            known = {(part.day, part.file) for part in register.parts(connection)} if noted else set()
        taken, failures = 0, []
        with Child(PATIENCE_S) as child:
            for stray in noted:
                if _may_still_come(stray, now_ms):
                    continue
                file = folder_of(self._folder, stray.day) / stray.file
                if (stray.day, stray.file) in known or not file.exists():
                    self._forget(stray)
                    continue
                try:
                    taken += self._take(child, stray, file, now_ms)
                except (ArchiveError, OSError) as error:
                    failures.append(f"{file}: {error}")
        if failures:
            raise ArchiveError("; ".join(failures))
        return taken

    def _take(self, child: Child, stray: Stray, file: Path, now_ms: int) -> int:
        with self._engine.connect() as connection:
            parts = register.parts(connection, stray.day, stray.day)
            owners = {series: Owner(*owner) for series, *owner in connection.execute(_OWNERS)}
        kept = [str(path_of(self._folder, part)) for part in parts if part.row_count]
        asked = {"do": STRAY, "file": str(file), "parts": kept, "upto": stray.upto_series}
        count, unknown = 0, False
        for answer in child.ask(asked):
            if answer is None:
                unknown = True
                continue
            for at in range(0, len(answer), _AT_ONCE):
                portion = [(series, at_ms, value) for series, at_ms, value in answer[at : at + _AT_ONCE]]
                unknown = unknown or any(series not in owners for series, _, _ in portion)
                count += self._store(stray.day, portion, owners, now_ms)
        self._forget(stray)
        if unknown:
            file.replace(file.with_name(file.name + UNKNOWN))
        else:
            file.unlink()
        log.info("history: %s readings came back from %s", count, file)
        return count

    def _store(
        self,
        day: Day,
        readings: Sequence[tuple[int, int, float | str | None]],
        owners: Mapping[int, Owner],
        now_ms: int,
    ) -> int:
        """A batch for each agent, of what is not there yet; how many readings. The readings come by series and time."""
        book, count = LedgerBook(), 0
        with writing(self._engine) as connection:
            another_writer(connection)
            there = day in self._rows.days_within(connection, day, day)
            lacking: dict[Owner, list[Row]] = {}
            for series, group in groupby(readings, key=lambda each: each[0]):
                own = [(at_ms, value) for _, at_ms, value in group]
                if series in owners:
                    missing = _missing(self._rows if there else None, connection, day, series, own)
                    lacking.setdefault(owners[series], []).extend(missing)
            for owner, rows in lacking.items():
                if rows:
                    epoch = book.epoch(connection, owner.agent_id, owner.school_id, EPOCH)
                    batch = book.new_batch(connection)
                    mine = [(series, at_ms, batch, value) for series, at_ms, _, value in rows]
                    self._rows.add(connection, day, mine)
                    book.enter(epoch, _entry(batch, epoch.numbers.highest + 1, mine, now_ms))
                    count += len(rows)
            self._rows.flush(connection)
            book.flush(connection, self._rows)
        return count

    def _forget(self, stray: Stray) -> None:
        with writing(self._engine) as connection:
            register.forget_stray(connection, stray)


def _may_still_come(stray: Stray, now_ms: int) -> bool:
    ended_ms = (stray.day + 1) * DAY_MS
    return ended_ms > stray.noted_ms - REPLAYED_MS and now_ms < stray.noted_ms + REPLAYED_MS


def _entry(batch: int, number: int, rows: list[Row], now_ms: int) -> Entry:
    times = [row[1] for row in rows]
    return Entry(
        *(batch, number, number, "", now_ms, Counts(produced=len(rows), accepted=len(rows)), len(rows)),
        *(checksum.of_rows(rows), min(times), max(times)),
    )


def _missing(
    stored: Rows | None, connection: Connection, day: Day, series: int, readings: Sequence[Point]
) -> Iterator[Row]:
    """Those whose time has no row yet; their batch is 0."""
    first, last = readings[0][0], readings[-1][0]
    times = {at_ms for at_ms, _ in stored.of_series(connection, day, series, first, last)} if stored else set()
    return ((series, at_ms, 0, value) for at_ms, value in readings if at_ms not in times)
