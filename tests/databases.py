"""Databases of the newest tables, for tests that want one each: migrated once, then copied."""

import tempfile
from functools import cache
from itertools import count
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from controller.database import make_engine, migrate, sqlite_url

_TEMPLATE = "migrated"


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


class PostgresServer:
    """A server at `url`, the address of any of its databases."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = count(1)
        self._has_template = False

    def empty(self, name: str = "") -> str:
        """The URL of a new database without tables."""
        name = name or f"test_{next(self._numbers)}"
        self._create(name)
        return self._address(name)

    def fresh(self) -> Engine:
        """A new database as `migrate` leaves one."""
        if not self._has_template:
            engine = make_engine(self.empty(_TEMPLATE))
            migrate(engine)
            engine.dispose()
            self._has_template = True
        name = f"test_{next(self._numbers)}"
        self._create(f"{name} TEMPLATE {_TEMPLATE}")
        return make_engine(self._address(name))

    def _create(self, what: str) -> None:
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {what}"))
        engine.dispose()

    def _address(self, name: str) -> str:
        return self._url.rsplit("/", 1)[0] + f"/{name}"
