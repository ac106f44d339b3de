"""Who reads history touches few tables, and those stay until the answer is complete."""

import pytest
from sqlalchemy import Engine, text

from controller.telemetry.days import DAY_MS
from controller.telemetry.rollup import Bucket
from controller.telemetry.rollups import rollups_in
from controller.telemetry.rows import rows_in
from controller.telemetry.store import reading
from controller.telemetry.tiers import FIVE_MINUTES, GRAINS, HOUR
from controller.telemetry.writing import InUse, dropping, writing
from tests.integration.archive import NOW, TODAY, Annals

pytestmark = pytest.mark.integration

DAYS = 30


@pytest.fixture(name="annals")
def _annals(either_database: Engine) -> Annals:
    annals = Annals(either_database)
    for day in range(TODAY - DAYS, TODAY + 1):
        annals.take([(1, day * DAY_MS, float(day))])
    with writing(either_database) as connection:
        for grain in GRAINS:
            made = [
                Bucket(1, day * DAY_MS, 1, 1.0, 1.0, 1.0, day * DAY_MS, day * DAY_MS, 0)
                for day in range(TODAY - DAYS, TODAY + 1)
            ]
            rollups_in(either_database).put(connection, grain, made)
    return annals


def test_a_question_about_a_day_locks_that_days_tables_alone(annals: Annals) -> None:
    rows, rollups = rows_in(annals.engine), rollups_in(annals.engine)
    with reading(annals.engine) as connection:
        assert rows.days_within(connection, TODAY - 1, TODAY) == [TODAY - 1, TODAY]
        assert [value for _, value in rows.of_series(connection, TODAY, 1, 0, NOW)] == [float(TODAY)]
        for grain in GRAINS:
            found = rollups.of_series(connection, grain, [1], TODAY * DAY_MS, NOW)
            assert [each.at_ms for each in found] == [TODAY * DAY_MS]
        if annals.engine.dialect.name == "sqlite":
            return
        asked = text(
            "SELECT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation WHERE pid = pg_backend_pid()"
            " AND relkind IN ('r', 'p') AND (relname LIKE 'reading%' OR relname LIKE 'rollup%')"
        )
        locked = set(connection.execute(asked).scalars())
    assert locked == {FIVE_MINUTES.table(TODAY), HOUR.table(HOUR.period(NOW)), "reading_20241004"}


def test_a_question_about_all_time_finds_all_there_is_and_one_beside_it_nothing(annals: Annals) -> None:
    rows, rollups = rows_in(annals.engine), rollups_in(annals.engine)
    with reading(annals.engine) as connection:
        assert rows.days_within(connection, 0, 2 * TODAY) == rows.days(connection)
        for grain in GRAINS:
            assert len(rollups.of_series(connection, grain, [1], 0, 2 * NOW)) == DAYS + 1
            assert len(rollups.of_series(connection, grain, [1], (TODAY - 9) * DAY_MS, NOW)) == 10
            assert rollups.of_series(connection, grain, [1], 2 * NOW, 2 * NOW + DAY_MS) == []


def test_nothing_is_dropped_while_somebody_reads(annals: Annals) -> None:
    if annals.engine.dialect.name == "sqlite":  # what a reader sees there stays as it was
        return
    rows = rows_in(annals.engine)
    with reading(annals.engine), pytest.raises(InUse), dropping(annals.engine) as connection:
        rows.drop(connection, TODAY - DAYS)
    with dropping(annals.engine) as connection:
        rows.drop(connection, TODAY - DAYS)
    with annals.engine.connect() as connection:
        assert rows.days(connection)[0] == TODAY - DAYS + 1
