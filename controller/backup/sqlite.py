"""A SQLite file, copied while it is written to, and put in place by renaming."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy import Engine

from controller.backup.errors import BackupError
from controller.database import make_engine, sqlite_url
from controller.durable import private, sync, sync_folder

_PAGES: Final = 2_000
"""Pages copied at a time: the writer gets its turn in between."""


class SqlitePlace:
    """Implements place.Place."""

    kind = "sqlite"

    def __init__(self, file: Path) -> None:
        self._file = file
        self._draft = file.with_name(f".{file.name}.restore")

    def dump(self, into: BinaryIO) -> None:
        self._check_there()
        copied = self._file.with_name(f".{self._file.name}.copy")
        try:
            with private(copied) as draft:
                self._copy(draft)
            with copied.open("rb") as source:
                shutil.copyfileobj(source, into)
        except sqlite3.Error as error:
            raise BackupError(f"{self._file}: {error}") from None
        finally:
            copied.unlink(missing_ok=True)

    def _copy(self, draft: Path) -> None:
        with closing(sqlite3.connect(self._file)) as live, closing(sqlite3.connect(draft)) as copy:
            live.backup(copy, pages=_PAGES, sleep=0.01)
            copy.execute("PRAGMA journal_mode=DELETE")

    def schema(self) -> str:
        self._check_there()
        return str(_ask(self._file, "SELECT version_num FROM alembic_version") or "")

    def generation(self) -> int:
        if not self._file.is_file():
            return 0
        try:
            return int(str(_ask(self._file, "SELECT max(generation) FROM installation") or 0))
        except BackupError:  # that is why it is restored
            return 0

    def check_unused(self) -> None:
        """The lock of the state folder says it."""

    @contextmanager
    def draft(self, source: BinaryIO) -> Iterator[Engine]:
        self._remove_draft()
        engine = make_engine(sqlite_url(self._draft))
        try:
            with os.fdopen(os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as into:
                shutil.copyfileobj(source, into)
            if _ask(self._draft, "PRAGMA quick_check(1)") != "ok":
                raise BackupError("the database in the backup is damaged")
            yield engine
        finally:
            engine.dispose()
            self._remove_draft()

    def install(self, now_ms: int) -> str:
        with closing(sqlite3.connect(self._draft)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("PRAGMA journal_mode=DELETE")
        sync(self._draft)
        aside = self._file.with_name(f"{self._file.name}.before-restore-{now_ms}")
        kept = self._file.exists()
        if kept:
            self._put_aside(aside)
        self._draft.replace(self._file)
        sync_folder(self._file.parent)
        return str(aside) if kept else ""

    def _put_aside(self, aside: Path) -> None:
        """Under a second name, so that there is a database at every moment."""
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._file)) as database:  # it may be damaged
            database.execute("PRAGMA journal_mode=DELETE")
        try:
            os.link(self._file, aside)
        except OSError:  # the file system has none
            self._file.replace(aside)
        for suffix in ("-wal", "-shm"):
            old = self._file.with_name(self._file.name + suffix)
            if old.exists():
                old.replace(aside.with_name(aside.name + suffix))

    def _check_there(self) -> None:
        if not self._file.is_file():
            raise BackupError(f"{self._file}: there is no database yet")

    def _remove_draft(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            self._draft.with_name(self._draft.name + suffix).unlink(missing_ok=True)


def _ask(file: Path, query: str) -> object:
    """One value. Raises BackupError unless it is a database of ours and sound."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as database:
            row = database.execute(query).fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"{file}: not a database of Fabfleet ({error})") from None
    return row[0] if row else None
