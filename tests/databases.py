"""A database of the newest tables, for tests that want one each: migrated once a process, then copied."""

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import Engine

from controller.database import make_engine, migrate, sqlite_url


@cache
def _migrated() -> bytes:
    """What lies in the file when nobody has it open."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fabfleet.db"
        engine = make_engine(sqlite_url(file))
        migrate(engine)
        engine.dispose()
        return file.read_bytes()


def fresh(file: Path) -> Engine:
    """A new SQLite database in that file, as `migrate` leaves one."""
    file.write_bytes(_migrated())
    return make_engine(sqlite_url(file))
