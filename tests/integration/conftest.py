"""Both kinds of database. One PostgreSQL for all tests of a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from controller.database import make_engine, sqlite_url
from tests.databases import PostgresServer, fresh
from tests.integration import postgres


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    with postgres.server() as url:
        yield PostgresServer(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def either_empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A new database of each kind, without tables."""
    if request.param == "sqlite":
        url = sqlite_url(tmp_path / "empty.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgresql")
        url = server.empty()
    engine = make_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def either_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A new database of each kind, with all its tables."""
    if request.param == "sqlite":
        engine = fresh(tmp_path / "either.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgresql")
        engine = server.fresh()
    yield engine
    engine.dispose()
