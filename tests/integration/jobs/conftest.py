"""Workshops for the tests of print jobs: on SQLite, and on either kind of database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.databases import fresh
from tests.integration.workshop import Clock, Workshop, fill


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(tmp_path: Path, clock: Clock) -> Iterator[Engine]:
    made = fresh(tmp_path / "fabfleet.db")
    fill(made, clock())
    yield made
    made.dispose()


@pytest.fixture
def either(either_database: Engine, tmp_path: Path, clock: Clock) -> Workshop:
    """A workshop on each kind of database."""
    fill(either_database, clock())
    return Workshop(either_database, tmp_path / "files", clock)


@pytest.fixture
def shop(engine: Engine, tmp_path: Path, clock: Clock) -> Workshop:
    return Workshop(engine, tmp_path / "files", clock)
