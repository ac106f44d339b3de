"""Backups made and put back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from controller.backup import bundle
from controller.backup.errors import BackupError
from controller.backup.place import Place
from controller.backup.postgresql import PostgresPlace
from controller.backup.sqlite import SqlitePlace
from controller.config import ControllerConfig
from controller.database import TooNew, check_known, migrate, revision
from controller.durable import private
from controller.identity import store
from controller.ingest.tables import Installation
from controller.lock import StateLock
from controller.scheduling import lost
from controller.scheduling.journal import Journal

_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Restored:
    """`aside` is where the database of before is kept, empty if there was none; `lost` what was booked since, as far as
    there was a `journal`; `damaged` where files beside it are kept that were not as the backup has them.
    """

    generation: int
    aside: str
    files: int
    lost: Sequence[lost.LostBooking]
    journal: bool
    damaged: Sequence[str] = ()


def backup(config: ControllerConfig, target: Path, now_ms: Callable[[], int]) -> int:
    """Write database, job files and archive to `target` (mode 0600); its size in bytes. Raises BackupError.

    Not in it: settings, certificates, the broker's own credentials, and the journal of bookings.
    """
    place = _place(config)
    about = bundle.About(place.kind, place.schema(), now_ms())
    try:
        with private(target) as draft:
            bundle.write(draft, about, place.dump, config.folder)
    except OSError as error:
        raise BackupError(f"{target}: {error.strerror or error}") from None
    return target.stat().st_size


def restore(config: ControllerConfig, source: Path, now_ms: Callable[[], int]) -> Restored:
    """Put a backup in place. Every controller must be stopped. Raises BackupError, lock.InUse.

    A database that is there already is kept beside it. Everybody has to sign in again, and one-time tokens end:
    they may have been used since. The generation rises above every earlier one, so that agents send again what the
    backup has not.
    """
    place = _place(config)
    config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = StateLock(config.folder)
    lock.take()
    try:
        return _restore(config, place, bundle.opened(source), now_ms)
    except OSError as error:
        raise BackupError(f"{source}: {error.strerror or error}") from None
    except SQLAlchemyError as error:
        raise BackupError(
            f"{source}: no sound database of Fabfleet ({getattr(error, 'orig', None) or error})"
        ) from None
    except TooNew as error:
        raise BackupError(f"{source}: {error}") from None
    finally:
        lock.release()


def _restore(config: ControllerConfig, place: Place, found: bundle.Bundle, now_ms: Callable[[], int]) -> Restored:
    if found.about.kind != place.kind:
        raise BackupError(f"the backup is of {found.about.kind}, the settings name {place.kind}")
    check_known(found.about.schema or None)
    place.check_unused()
    journal = Journal(config.folder)
    had_journal = journal.exists()
    with found.database() as dumped, place.draft(dumped) as engine:
        least = max(place.generation(), journal.generation(), _generation(engine)) + 1
        generation = max(least, now_ms() // 1000)
        missing = _renew(engine, generation, journal, now_ms())
        engine.dispose()
        placed = found.place_files(config.folder, now_ms())
        journal.restored(generation)
        aside = place.install(now_ms())
    return Restored(generation, aside, placed.files, missing, had_journal, tuple(map(str, placed.aside)))


def _place(config: ControllerConfig) -> Place:
    """Raises BackupError."""
    if config.database.startswith(_SQLITE):
        return SqlitePlace(Path(config.database.removeprefix(_SQLITE)))
    if config.database.startswith("postgresql"):
        return PostgresPlace(config.database)
    raise BackupError("the database is neither SQLite nor PostgreSQL")


def _generation(engine: Engine) -> int:
    """Raises SQLAlchemyError if it is no database of ours, TooNew."""
    with engine.connect() as connection:
        check_known(revision(connection))
        return int(connection.execute(text("SELECT max(generation) FROM installation")).scalar_one() or 0)


def _renew(engine: Engine, generation: int, journal: Journal, now_ms: int) -> Sequence[lost.LostBooking]:
    """Make the draft fit to be served; what was booked since."""
    migrate(engine)
    with Session(engine) as db:
        store.end_everything(db)
        row = db.get(Installation, 1) or Installation()
        row.generation = generation
        db.add(row)
        store.audit(db, now_ms, "restore", subject=str(generation))
        missing = lost.missing(db.connection(), journal.entries())
        lost.tell(db, missing, now_ms)
        db.commit()
    return missing


def lines(done: Restored, zone: str) -> list[str]:
    """What the command says."""
    told = [f"restored; generation {done.generation}. Agents send again what the backup has not."]
    if done.aside:
        told.append(f"The database of before is kept as {done.aside}.")
    if done.files:
        told.append(f"{done.files} files were put back beside it.")
    told += [f"A damaged file was replaced by the backup's; it is kept as {each}." for each in done.damaged]
    if done.lost:
        told.append(f"{len(done.lost)} bookings were made or changed since the backup and are not in it:")
        told += [f"  {lost.line(each, ZoneInfo(zone))}" for each in done.lost]
    elif done.journal:
        told.append("No booking was made since the backup, as far as the journal knows.")
    else:
        told.append("There is no journal here: which bookings were made since the backup is not known.")
    return told
