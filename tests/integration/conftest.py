"""Both kinds of database. One PostgreSQL for all tests of a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.databases import PostgresServer, fresh
from tests.integration import postgres


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    with postgres.server() as url:
        yield PostgresServer(url)


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
