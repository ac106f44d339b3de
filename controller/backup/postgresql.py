"""A database of a PostgreSQL server: written by pg_dump, read by pg_restore, put in place by renaming.

Both programs are told where and who by their environment alone, so that no password stands on a command line.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from psycopg import pq
from sqlalchemy import Connection, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from controller.backup.errors import BackupError
from controller.database import DUMPING, make_engine, revision

_MOST_NAME: Final = 63
"""Bytes of a name on PostgreSQL."""
_UNRESTRICTED: Final = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
_OTHERS = text(
    "SELECT DISTINCT coalesce(nullif(application_name, ''), 'unnamed') FROM pg_stat_activity"
    " WHERE datname = :name AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY 1"
)


def program(name: str) -> str:
    """Where a program of the newest PostgreSQL here lies. Debian keeps them out of PATH. Raises BackupError."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version)
    where = str(found[-1]) if found else shutil.which(name)
    if where is None:
        raise BackupError(f"the program {name} is missing: apt install postgresql-client")
    return where


def _version(file: Path) -> int:
    number = file.parts[-3]
    return int(number) if number.isdecimal() else 0


def environment(url: str, database: str | None = None) -> dict[str, str]:
    """What libpq's programs need to reach the database of `url`, or another one of its server. Raises BackupError."""
    engine = create_engine(url, poolclass=NullPool)
    _, asked = engine.dialect.create_connect_args(engine.url)
    variables = {each.keyword.decode(): (each.envvar or b"").decode() for each in pq.Conninfo.get_defaults()}
    asked = {name: value for name, value in asked.items() if name in variables}
    asked |= {"options": _UNRESTRICTED} | ({"dbname": database} if database else {})
    told = {}
    for name, value in asked.items():
        if not variables[name]:
            raise BackupError(f"database_url: {name} cannot be told to pg_dump and pg_restore")
        told[variables[name]] = str(value)
    kept = {name: value for name, value in os.environ.items() if name not in variables.values()}
    return {**kept, **told}


class PostgresPlace:
    """Implements place.Place. The role must own the database, and may make databases."""

    kind = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = url
        self._name = make_url(url).database or ""
        self._draft = _cut(self._name, "_restore")

    def dump(self, into: BinaryIO) -> None:
        command = (program("pg_dump"), "--format=custom", "--no-owner", "--no-privileges", "--no-password")
        keep = text(f"SELECT pg_advisory_lock_shared({DUMPING})")
        unbound = self._connected(self._url, isolation_level="AUTOCOMMIT")
        with unbound as connection, tempfile.TemporaryFile() as told:
            connection.execute(keep)
            child = subprocess.Popen(command, env=environment(self._url), stdout=subprocess.PIPE, stderr=told)
            try:
                assert child.stdout is not None  # noqa: S101 - for the type alone
                shutil.copyfileobj(child.stdout, into)
            finally:
                _end(child)
            _check(child.returncode, "pg_dump", told)

    def schema(self) -> str:
        with self._connected(self._url) as connection:
            found = revision(connection)
        if not found:
            raise BackupError(f"{self._name}: there is no database of Fabfleet yet")
        return found

    def generation(self) -> int:
        with suppress(BackupError), self._connected(self._url) as connection:
            return int(connection.execute(text("SELECT max(generation) FROM installation")).scalar_one() or 0)
        return 0

    def check_unused(self) -> None:
        with self._connected(self._server) as connection:
            others = connection.execute(_OTHERS, {"name": self._name}).scalars().all()
        if others:
            raise BackupError(f"{self._name} is in use by {', '.join(others)}: stop every controller on it first")

    @contextmanager
    def draft(self, source: BinaryIO) -> Iterator[Engine]:
        self._remove_draft()
        self._run(f"CREATE DATABASE {_quoted(self._draft)} TEMPLATE template0 ENCODING 'UTF8'")
        engine = make_engine(_address(self._url, self._draft))
        try:
            self._load(source)
            yield engine
        finally:
            engine.dispose()
            self._remove_draft()

    def install(self, now_ms: int) -> str:
        aside = _cut(self._name, f"_before_restore_{now_ms}")
        with self._connected(self._server) as connection:
            kept = _exists(connection, self._name)
            if kept:
                connection.execute(text(f"ALTER DATABASE {_quoted(self._name)} RENAME TO {_quoted(aside)}"))
            connection.execute(text(f"ALTER DATABASE {_quoted(self._draft)} RENAME TO {_quoted(self._name)}"))
            connection.commit()  # both or none
        return aside if kept else ""

    def _load(self, source: BinaryIO) -> None:
        command = (
            *(program("pg_restore"), "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"),
            *("--no-password", f"--dbname={self._draft}"),
        )
        with tempfile.TemporaryFile() as told:
            env = environment(self._url, self._draft)
            child = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=told, stderr=told)
            try:
                assert child.stdin is not None  # noqa: S101 - for the type alone
                with suppress(BrokenPipeError):  # it has ended, and says why
                    shutil.copyfileobj(source, child.stdin)
                    child.stdin.close()
                child.wait()
            finally:
                _end(child)
            _check(child.returncode, "pg_restore", told)

    @property
    def _server(self) -> str:
        """A database that is always there and is not the one in question."""
        return _address(self._url, "template1" if self._name == "postgres" else "postgres")

    def _remove_draft(self) -> None:
        self._run(f"DROP DATABASE IF EXISTS {_quoted(self._draft)}")

    def _run(self, command: str) -> None:
        """What cannot be within a transaction."""
        with self._connected(self._server, isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(command))

    @contextmanager
    def _connected(self, url: str, **more: Any) -> Iterator[Connection]:
        engine = create_engine(url, poolclass=NullPool, **more)
        try:
            with engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise BackupError(_reason(error)) from None
        finally:
            engine.dispose()


def _address(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace(":", "\\:") + '"'


def _cut(name: str, suffix: str) -> str:
    """A name with that end which PostgreSQL does not cut itself."""
    return name.encode()[: _MOST_NAME - len(suffix)].decode(errors="ignore") + suffix


def _exists(connection: Connection, name: str) -> bool:
    found = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
    return found.scalar_one_or_none() is not None


def _reason(error: SQLAlchemyError) -> str:
    """What the server says, without the statement."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def _end(child: "subprocess.Popen[bytes]") -> None:
    """It has ended afterwards, whatever happened to us."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    try:
        child.wait(timeout=60)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _check(code: int, name: str, told: Any) -> None:
    """Raises BackupError with what the program said."""
    if code != 0:
        told.seek(0)
        words = " ".join(told.read(4_000).decode("utf-8", "replace").split())
        raise BackupError(f"{name}: {words or f'ended with {code}'}")
