"""Readings that are on their way to the database while their transaction is still being made up."""

from collections.abc import Iterator
from itertools import chain

import pytest
from sqlalchemy import Connection, Engine, text

from controller.faults import faults_in
from controller.telemetry.checksum import Row
from controller.telemetry.days import DAY_MS, Day
from controller.telemetry.rows import Rows, rows_in

TODAY: Day = 20_000
MANY = 30_000
"""Of all kinds, more than enough to be sent ahead, several times."""


@pytest.fixture(name="connection")
def _connection(either_database: Engine) -> Iterator[Connection]:
    with either_database.connect() as connection:
        connection.begin()
        yield connection


@pytest.fixture(name="rows")
def _rows(either_database: Engine) -> Rows:
    return rows_in(either_database)


def made(day: Day, batch: int = 1, count: int = MANY) -> list[Row]:
    """Of each kind of value, as a report would have them."""
    values = (1.5, 7, "idle", None)
    return [(at % 12 + 1, day * DAY_MS + at, batch, values[at % 12 % 4]) for at in range(count)]


def parts(rows: list[Row], size: int = 120) -> Iterator[list[Row]]:
    for at in range(0, len(rows), size):
        yield rows[at : at + size]


def test_all_that_was_added_is_there_as_what_it_was(connection: Connection, rows: Rows) -> None:
    given = made(TODAY)
    for part in parts(given):
        rows.add(connection, TODAY, part)
    rows.flush(connection)
    connection.commit()
    found = list(chain.from_iterable(rows.of_day(connection, TODAY)))
    assert found == sorted(given, key=lambda row: row[:3])
    assert [row[3].__class__ for row in found[:50]] == [
        row[3].__class__ for row in sorted(given, key=lambda row: row[:3])[:50]
    ]


def test_days_may_take_turns(connection: Connection, rows: Rows) -> None:
    days = (TODAY, TODAY - 1)
    for old, new in zip(parts(made(days[1])), parts(made(days[0])), strict=True):
        rows.add(connection, days[1], old)
        rows.add(connection, days[0], new)
    rows.flush(connection)
    connection.commit()
    assert [len(list(chain.from_iterable(rows.of_day(connection, day)))) for day in days] == [MANY, MANY]


def test_any_statement_may_come_in_between(connection: Connection, rows: Rows) -> None:
    for part in parts(made(TODAY)):
        rows.add(connection, TODAY, part)
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    rows.flush(connection)
    connection.commit()
    assert len(list(chain.from_iterable(rows.of_day(connection, TODAY)))) == MANY


def test_what_is_given_up_on_the_way_is_not_there(connection: Connection, rows: Rows) -> None:
    for part in parts(made(TODAY)):
        rows.add(connection, TODAY, part)
    rows.forget()
    connection.rollback()
    connection.begin()
    rows.add(connection, TODAY, made(TODAY, batch=2, count=10))
    rows.flush(connection)
    connection.commit()
    assert {row[2] for few in rows.of_day(connection, TODAY) for row in few} == {2}


def test_a_fault_in_what_went_ahead_is_told_and_the_connection_goes_on(connection: Connection, rows: Rows) -> None:
    def twice() -> None:
        for part in parts(made(TODAY) + made(TODAY)):
            rows.add(connection, TODAY, part)
        rows.flush(connection)

    with pytest.raises(faults_in(connection.engine).of_the_work, match=r"(?i)unique"):
        twice()
    rows.forget()
    connection.rollback()
    connection.begin()
    rows.add(connection, TODAY, made(TODAY))
    rows.flush(connection)
    connection.commit()
    assert len(list(chain.from_iterable(rows.of_day(connection, TODAY)))) == MANY
