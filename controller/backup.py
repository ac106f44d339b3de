"""Backup into one file while the controller runs, and restore from it. SQLite; PostgreSQL has tools of its own."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlmodel import Session

from controller.config import ControllerConfig
from controller.database import make_engine, migrate, sqlite_url
from controller.identity import store
from controller.ingest.tables import Installation
from controller.lock import StateLock

_PAGES = 2_000
"""Pages copied at a time: the writer gets its turn in between."""


class BackupError(Exception):
    """It was not done; the message says why."""


def backup(config: ControllerConfig, target: Path) -> int:
    """Write a consistent copy of the database to `target` (mode 0600); its size in bytes. Raises BackupError."""
    source = _database_file(config)
    if not source.is_file():
        raise BackupError(f"{source}: there is no database yet")
    draft = target.with_name(f".{target.name}.part")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(draft)) as copy:
            live.backup(copy, pages=_PAGES, sleep=0.01)
            copy.execute("PRAGMA journal_mode=DELETE")
        _sync(draft)
        draft.replace(target)
    except (OSError, sqlite3.Error) as error:
        draft.unlink(missing_ok=True)
        raise BackupError(f"{target}: {error}") from None
    return target.stat().st_size


def restore(config: ControllerConfig, source: Path, now_ms: Callable[[], int]) -> int:
    """Put a backup in place; the new generation. The controller must be stopped. Raises BackupError, lock.InUse.

    A database that is there already is kept beside it. Everybody has to sign in again, and one-time tokens end:
    they may have been used since. The generation rises above every earlier one, so that agents send again what the
    backup has not.
    """
    target = _database_file(config)
    config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = StateLock(config.folder)
    lock.take()
    try:
        backed_up = _generation(source)
        before = _generation(target) if target.is_file() else 0
        draft = target.with_name(f".{target.name}.restore")
        shutil.copyfile(source, draft)
        draft.chmod(0o600)
        generation = max(backed_up + 1, before + 1, now_ms() // 1000)
        _renew(draft, generation, now_ms())
        _put_aside(target, now_ms())
        _sync(draft)
        draft.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{source}: {error}") from None
    finally:
        lock.release()
    return generation


def _database_file(config: ControllerConfig) -> Path:
    if not config.database.startswith("sqlite:///"):
        raise BackupError("the database is not SQLite: use its own tools, for PostgreSQL pg_dump and pg_restore")
    return Path(config.database.removeprefix("sqlite:///"))


def _generation(file: Path) -> int:
    """Raises BackupError unless it is one of our databases and sound."""
    if not file.is_file():
        raise BackupError(f"{file}: no such file")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise BackupError(f"{file}: the database is damaged")
            row = database.execute("SELECT max(generation) FROM installation").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"{file}: not a database of Fabfleet ({error})") from None
    return int(row[0] or 0)


def _renew(file: Path, generation: int, now_ms: int) -> None:
    engine = make_engine(sqlite_url(file))
    try:
        migrate(engine)
        with Session(engine) as db:
            store.end_everything(db)
            row = db.get(Installation, 1) or Installation()
            row.generation = generation
            db.add(row)
            store.audit(db, now_ms, "restore", subject=str(generation))
            db.commit()
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        engine.dispose()


def _put_aside(target: Path, now_ms: int) -> None:
    for suffix in ("-wal", "-shm", ""):
        old = target.with_name(target.name + suffix)
        if old.exists():
            old.replace(target.with_name(f"{target.name}.before-restore-{now_ms}{suffix}"))


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
