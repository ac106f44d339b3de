"""Who reads history touches few tables, and those stay until the answer is complete."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from controller.config import HistoryConfig
from controller.telemetry import register
from controller.telemetry.days import DAY_MS
from controller.telemetry.keeper import Keeper
from controller.telemetry.rollup import Bucket
from controller.telemetry.rollups import rollups_in
from controller.telemetry.rows import rows_in
from controller.telemetry.store import History, reading
from controller.telemetry.tiers import FIVE_MINUTES, GRAINS, HOUR, Tier
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


def test_a_day_of_which_the_archive_has_late_readings_alone_is_drawn_from_roll_ups(
    either_database: Engine, tmp_path: Path
) -> None:
    annals = Annals(either_database)
    bare, whole = TODAY - 20, TODAY - 19

    def house(*, archive: bool) -> Keeper:
        settings = HistoryConfig(rows_days=10, archive=archive)
        keeper = Keeper(either_database, settings, tmp_path, lambda: NOW)
        keeper.roll()
        keeper.keep_house()
        return keeper

    annals.take([(1, at, 1.0) for at in range(bare * DAY_MS, whole * DAY_MS, 60_000)])
    house(archive=False)
    annals.take([(1, at, 2.0) for at in range(whole * DAY_MS, (whole + 1) * DAY_MS, 60_000)])
    annals.take([(1, bare * DAY_MS + 1, 9.0)])
    keeper = house(archive=True)
    assert annals.days() == []
    with either_database.connect() as connection:
        assert [(part.day, part.row_count) for part in register.parts(connection)] == [(bare, 1), (whole, 1_440)]
        assert register.archived_days(connection, bare, whole) == {whole}
    line = History(either_database, keeper.archive).line(1, bare * DAY_MS, (whole + 1) * DAY_MS - 1, 5_000)
    assert line.tier is Tier.FIVE_MINUTES
    assert len([at for at, value in line.points if at // DAY_MS == bare and value == 1.0]) >= 288, "no gap is drawn"
    assert len([at for at, value in line.points if at // DAY_MS == whole and value == 2.0]) == 1_440
