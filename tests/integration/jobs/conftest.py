"""Workshops for the tests of print jobs: on SQLite, and on either kind of database."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from controller.database import make_engine, migrate, sqlite_url
from tests.integration import postgres
from tests.integration.workshop import Clock, Workshop, fill


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(tmp_path: Path, clock: Clock) -> Iterator[Engine]:
    made = make_engine(sqlite_url(tmp_path / "fabfleet.db"))
    migrate(made)
    fill(made, clock())
    yield made
    made.dispose()


@pytest.fixture(scope="package")
def server() -> Iterator[str]:
    """The PostgreSQL of `either`."""
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Workshop]:
    """A workshop on each kind of database."""
    if request.param == "sqlite":
        url = sqlite_url(tmp_path / "fabfleet.db")
    else:
        url = postgres.new_database(request.getfixturevalue("server"), f"jobs_{secrets.token_hex(4)}")
    made = make_engine(url)
    migrate(made)
    fill(made, clock())
    yield Workshop(made, tmp_path / "files", clock)
    made.dispose()


@pytest.fixture
def shop(engine: Engine, tmp_path: Path, clock: Clock) -> Workshop:
    return Workshop(engine, tmp_path / "files", clock)
