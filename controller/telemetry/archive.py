"""Readings of days that are over, as Parquet files: `2026-11-23/part-0000.parquet`, late ones in a part of their own.

Columns: series, at_ms (since the epoch, UTC), and the value in that of `number`, `whole` (truth values are 0 and 1) and
`text` that its kind has, in none if the device did not know. Sorted by series and time. A part is registered with its
count and checksum when it is safely on disk, and not before.
"""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine

from controller.telemetry import register
from controller.telemetry.days import DAY_MS, Day
from controller.telemetry.register import Part
from controller.telemetry.retention import Limit, surplus
from controller.telemetry.rows import rows_in
from controller.telemetry.thinning import Point
from controller.telemetry.tiers import HOUR_MS, Tier
from controller.telemetry.writing import writing

WRITE: Final = "write"
SUMS: Final = "sums"
READ: Final = "read"
_AT_ONCE: Final = 8
"""Parts that one child makes."""
_PATIENCE_S: Final = 3_600.0
_READING_S: Final = 60.0
log = logging.getLogger(__name__)


class ArchiveError(Exception):
    """A part could not be made or read; the message says why. The database is as it was."""


class Sums(NamedTuple):
    """What proves that rows are all there: how many, and a checksum over series, time and value in their order."""

    row_count: int
    checksum: int


def path_of(folder: Path, part: Part) -> Path:
    """Where a part lies."""
    day = datetime.fromtimestamp(part.day * DAY_MS // 1000, UTC)
    return folder / f"{day:%Y-%m-%d}" / f"part-{part.part:04}.parquet"


class Archive:
    """The archive of one database in one folder."""

    def __init__(self, engine: Engine, folder: Path, seal_hours: int) -> None:
        self._engine = engine
        self._folder = folder
        self._seal_ms = seal_hours * HOUR_MS
        self._reading = threading.Lock()

    def seal(self, now_ms: int) -> int:
        """Archive what is not yet of the days that are over; how many parts. Raises SQLAlchemyError, and ArchiveError
        if some could not be made; the others are.
        """
        with self._engine.connect() as connection:
            days = rows_in(connection).days(connection)
            highest = register.highest_batches(connection)
            uptos = {part.day: part for part in register.parts(connection)}
            ready = [
                day
                for day in days
                if (day + 1) * DAY_MS + self._seal_ms <= now_ms and register.is_rolled_up(connection, day)
            ]
        due = []
        for day in ready:
            last = uptos.get(day)
            after = last.upto_batch if last else 0
            if highest.get(day, 0) > after:
                due.append(Part(day, last.part + 1 if last else 0, after, highest[day], 0, 0, 0))
        made, failures = 0, []
        while due:
            batch = due[:_AT_ONCE]
            done, failure = self._make(batch, now_ms)
            made += done
            if failure:
                failures.append(f"{path_of(self._folder, batch[done])}: {failure}")
            due = due[done + bool(failure) :]
        if failures:
            raise ArchiveError("; ".join(failures))
        return made

    def has_all(self, connection: Connection, day: Day) -> bool:
        """Whether every reading of a day that is rolled up is in a file that is there."""
        parts = register.parts(connection, [day])
        highest = register.highest_batches(connection).get(day, 0)
        return bool(parts) and parts[-1].upto_batch >= highest and all(self._is_there(part) for part in parts)

    def points(self, series: int, from_ms: int, to_ms: int) -> list[Point]:
        """A series' readings between two times, both inclusive. Raises ArchiveError."""
        with self._engine.connect() as connection:
            parts = register.parts(connection, range(from_ms // DAY_MS, to_ms // DAY_MS + 1))
        files = [str(path_of(self._folder, part)) for part in parts if part.row_count]
        if not files:
            return []
        with self._reading:  # one at a time: each takes a processor and some memory
            job = {"do": READ, "files": files, "series": series, "from": from_ms, "to": to_ms}
            return [(at_ms, value) for at_ms, value in _ask(job, _READING_S)]

    def drop(self, limit: Limit, now_ms: int) -> int:
        """Give up the oldest days until the rest is within the limit; how many."""
        with self._engine.connect() as connection:
            parts = register.parts(connection)
        sizes: dict[Day, int] = {}
        for part in parts:
            sizes[part.day] = sizes.get(part.day, 0) + part.size
        today = now_ms // DAY_MS
        going = surplus(sizes, limit, today - limit.days, today)
        for day in going:
            with writing(self._engine) as connection:
                register.remove_parts(connection, day)
                register.dropped(connection, Tier.ARCHIVE, day, now_ms)
            for part in parts:
                if part.day == day:
                    path_of(self._folder, part).unlink(missing_ok=True)
            log.info("history: day %s of the archive is given up", day)
        return len(going)

    def _is_there(self, part: Part) -> bool:
        path = path_of(self._folder, part)
        return not part.row_count or (path.is_file() and path.stat().st_size == part.size)

    def _make(self, parts: Sequence[Part], now_ms: int) -> tuple[int, str]:
        """Make files by one child; how many of them, and why not the next one."""
        paths = [path_of(self._folder, part) for part in parts]
        drafts = [path.with_name(f".{path.name}.draft") for path in paths]
        jobs = []
        for part, draft in zip(parts, drafts, strict=True):
            draft.parent.mkdir(parents=True, exist_ok=True)
            jobs.append({"do": WRITE, "draft": str(draft), "after": part.after_batch, "upto": part.upto_batch})
            jobs[-1] |= {"day": part.day, "database": self._engine.url.render_as_string(hide_password=False)}
        try:
            told, failure = _told(jobs, _PATIENCE_S)
            for part, path, draft, sums in zip(parts, paths, drafts, told, strict=False):
                self._keep(part, path, draft, Sums(*sums), now_ms)
        finally:
            for draft in drafts:
                draft.unlink(missing_ok=True)
        return len(told), failure

    def _keep(self, part: Part, path: Path, draft: Path, sums: Sums, now_ms: int) -> None:
        """Under its name, then registered."""
        size = draft.stat().st_size if sums.row_count else 0
        if sums.row_count:
            _settle(draft, path)
        with writing(self._engine) as connection:
            found = Part(*(part.day, part.part, part.after_batch, part.upto_batch), *sums, size)
            register.add_part(connection, found, now_ms)


def sums_of(folder: Path, parts: Sequence[Part]) -> Iterator[Sums]:
    """What the files of these parts hold, all of which are there. Raises ArchiveError at the first that is none."""
    for told in _ask({"do": SUMS, "files": [str(path_of(folder, part)) for part in parts]}, _PATIENCE_S):
        yield Sums(*told)


def _ask(job: dict[str, Any], patience_s: float) -> list[Any]:
    """What a child of ours answers. Raises ArchiveError."""
    told, failure = _told([job], patience_s)
    if failure:
        raise ArchiveError(failure)
    return told


def _told(jobs: Sequence[dict[str, Any]], patience_s: float) -> tuple[list[Any], str]:
    """The answers of a child, a line each, and why it ended before its last; empty if it did not."""
    command = (sys.executable, "-m", "controller.telemetry.archive_child")
    given = "".join(json.dumps(job) + "\n" for job in jobs)
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, timeout=patience_s * len(jobs)
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], f"the archive did not answer: {error.__class__.__name__}"
    told = [json.loads(line) for line in done.stdout.splitlines()]
    last = done.stderr.strip().rpartition("\n")[2]
    return told, (last or f"the archive's process ended with {done.returncode}") if done.returncode else ""


def _settle(draft: Path, path: Path) -> None:
    """On disk under its name, whatever happens to the machine from now on."""
    _sync(draft, os.O_RDWR)
    draft.replace(path)
    if sys.platform != "win32":  # there a folder cannot be opened
        _sync(path.parent, os.O_RDONLY)
        _sync(path.parent.parent, os.O_RDONLY)


def _sync(path: Path, how: int) -> None:
    descriptor = os.open(path, how)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
