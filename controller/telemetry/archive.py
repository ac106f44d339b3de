"""Readings of days that are over, as Parquet files: `2026-11-23/part-0000-1440-0b1c2d3e.parquet`, late ones in a part
of their own, and many in several, each of some series.

Columns: series, at_ms (since the epoch, UTC), and the value in that of `number`, `whole` (truth values are 0 and 1) and
`text` that its kind has, in none if the device did not know. Sorted by series and time. A part is registered with its
count and checksum when it is safely on disk, and not before. Both are in its name: no file takes another's place,
unless it is the same.
"""

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine

from controller.durable import PART, sync, sync_folder
from controller.telemetry import register
from controller.telemetry.child import ArchiveError, Child
from controller.telemetry.days import DAY_MS, Day
from controller.telemetry.register import Part
from controller.telemetry.retention import Limit, surplus
from controller.telemetry.rows import rows_in
from controller.telemetry.sealing import due, following, is_complete
from controller.telemetry.thinning import Point
from controller.telemetry.tiers import HOUR_MS, Tier
from controller.telemetry.writing import writing

WRITE: Final = "write"
SUMS: Final = "sums"
READ: Final = "read"
STRAY: Final = "stray"
PIECE: Final = 2_000_000
"""Rows of one file, about. What is done of a day stays, whatever becomes of the rest."""
PATIENCE_S: Final = 900.0
"""Who makes no step for so long is given up. A step is a portion of rows, or at most a piece."""
_READING_S: Final = 60.0
log = logging.getLogger(__name__)


class Sums(NamedTuple):
    """What proves that rows are all there: how many, and a checksum over series, time and value in their order."""

    row_count: int
    checksum: int


def folder_of(folder: Path, day: Day) -> Path:
    """Where the parts of a day lie."""
    return folder / f"{datetime.fromtimestamp(day * DAY_MS // 1000, UTC):%Y-%m-%d}"


def path_of(folder: Path, part: Part) -> Path:
    """Where a part lies."""
    return folder_of(folder, part.day) / part.file


def folders(folder: Path) -> Iterator[tuple[Day, Path]]:
    """The days that have a folder, oldest first, and where."""
    for each in sorted(folder.glob("????-??-??")):
        with suppress(ValueError):
            at = datetime.strptime(each.name, "%Y-%m-%d").replace(tzinfo=UTC)
            yield round(at.timestamp() * 1000) // DAY_MS, each


class Archive:
    """The archive of one database in one folder."""

    def __init__(self, engine: Engine, folder: Path, seal_hours: int, piece: int = PIECE) -> None:
        self._engine = engine
        self._folder = folder
        self._seal_ms = seal_hours * HOUR_MS
        self._piece = piece
        self._reading = threading.Lock()

    def seal(self, now_ms: int) -> int:
        """Archive what is not yet of the days that are over; how many parts. Raises SQLAlchemyError, and ArchiveError
        if some could not be made; the others are.
        """
        with self._engine.connect() as connection:
            ready = [
                day
                for day in rows_in(connection).days(connection)
                if (day + 1) * DAY_MS + self._seal_ms <= now_ms and register.is_rolled_up(connection, day)
            ]
            gone = [register.dropped_periods(connection, tier).keys() for tier in (Tier.ROWS, Tier.ARCHIVE)]
            highest = register.highest_batches(connection)
            first = due(ready, highest, register.parts(connection), gone[0] | gone[1])
        self._sweep()
        made, failures = 0, []
        with Child(PATIENCE_S) as child:
            for part in first:
                try:
                    for _ in self._made(child, part, now_ms):
                        made += 1
                except ArchiveError as error:
                    failures.append(f"{folder_of(self._folder, part.day)}: {error}")
        if failures:
            raise ArchiveError("; ".join(failures))
        return made

    def has_all(self, connection: Connection, day: Day) -> bool:
        """Whether every reading of a day that is rolled up is in a file that is there."""
        parts = register.parts(connection, day, day)
        highest = register.highest_batches(connection).get(day, 0)
        return (
            bool(parts)
            and is_complete(parts[-1])
            and parts[-1].upto_batch >= highest
            and all(self._is_there(part) for part in parts)
        )

    def points(self, series: int, from_ms: int, to_ms: int) -> list[Point]:
        """A series' readings between two times, both inclusive. Raises ArchiveError."""
        with self._engine.connect() as connection:
            parts = register.parts(connection, from_ms // DAY_MS, to_ms // DAY_MS)
        holding = [part for part in parts if part.row_count and part.after_series < series <= part.upto_series]
        if not holding:
            return []
        files = [str(path_of(self._folder, part)) for part in holding]
        job = {"do": READ, "files": files, "series": series, "from": from_ms, "to": to_ms}
        with self._reading, Child(_READING_S) as child:  # one at a time: each takes a processor and some memory
            return [(at_ms, value) for portion in child.ask(job) for at_ms, value in portion]

    def drop(self, limit: Limit, now_ms: int) -> int:
        """Give up the oldest days until the rest is within the limit; how many. All that lies in a day's folder counts
        and goes with it. First nobody asks for the day, then its files go, then the register forgets them: what a crash
        leaves is given up the next time.
        """
        with self._engine.connect() as connection:
            sizes = dict.fromkeys((part.day for part in register.parts(connection)), 0)
        for day, folder in folders(self._folder):
            sizes[day] = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        today = now_ms // DAY_MS
        going = surplus(sizes, limit, today - limit.days, today)
        for day in going:
            with writing(self._engine) as connection:
                register.dropped(connection, Tier.ARCHIVE, day, now_ms)
            _remove(folder_of(self._folder, day))
            with writing(self._engine) as connection:
                register.remove_parts(connection, day)
            log.info("history: day %s of the archive is given up", day)
        return len(going)

    def _sweep(self) -> None:
        """Remove what a crash left half written. Nobody else writes: see `writing.alone`."""
        for _, folder in folders(self._folder):
            for file in folder.glob(f"*{PART}"):
                with suppress(OSError):
                    file.unlink()

    def _is_there(self, part: Part) -> bool:
        path = path_of(self._folder, part)
        return not part.row_count or (path.is_file() and path.stat().st_size == part.size)

    def _made(self, child: Child, part: Part | None, now_ms: int) -> Iterator[Part]:
        """This part and those of the series behind it, one after the other."""
        while part is not None:
            part = self._make(child, part, now_ms)
            yield part
            part = following(part)

    def _make(self, child: Child, part: Part, now_ms: int) -> Part:
        """On disk under its name, then registered."""
        folder = folder_of(self._folder, part.day)
        draft = folder / f".part-{part.part:04}-{os.getpid()}{PART}"  # a child that outlives its controller has its own
        folder.mkdir(parents=True, exist_ok=True)
        try:
            [(count, checksum, upto_series)] = child.ask(self._job(part, draft))
            made = replace(part, row_count=count, checksum=checksum, upto_series=upto_series)
            if count:
                name = f"part-{part.part:04}-{count}-{checksum:08x}.parquet"
                made = replace(made, size=draft.stat().st_size, file=name)
                _settle(draft, folder / name)
        except OSError as error:
            raise ArchiveError(str(error)) from None
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
        with writing(self._engine) as connection:
            register.add_part(connection, made, now_ms)
        return made

    def _job(self, part: Part, draft: Path) -> dict[str, str | int]:
        return {
            "do": WRITE,
            "draft": str(draft),
            "database": self._engine.url.render_as_string(hide_password=False),
            "day": part.day,
            "after": part.after_batch,
            "upto": part.upto_batch,
            "after_series": part.after_series,
            "most": self._piece,
        }


def _remove(folder: Path) -> None:
    """A day's folder with its files."""
    for file in folder.glob("*"):
        file.unlink()
    with suppress(FileNotFoundError):
        folder.rmdir()


def sums_of(folder: Path, parts: Sequence[Part]) -> Iterator[Sums]:
    """What the files of these parts hold, all of which are there. Raises ArchiveError at the first that is none."""
    with Child(PATIENCE_S) as child:
        for told in child.ask({"do": SUMS, "files": [str(path_of(folder, part)) for part in parts]}):
            yield Sums(*told)


def _settle(draft: Path, path: Path) -> None:
    """On disk under its name, whatever happens to the machine from now on."""
    sync(draft)
    draft.replace(path)
    sync_folder(path.parent)
    sync_folder(path.parent.parent)
