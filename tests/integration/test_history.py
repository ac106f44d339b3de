"""History that stays small: what is given up and when, the archive, and one answer from all that is left."""

import os
import random
import threading
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest
from sqlalchemy import Engine, text

from controller.config import HistoryConfig
from controller.ingest.verify import verify
from controller.telemetry import register
from controller.telemetry.archive import Archive, folder_of, path_of
from controller.telemetry.checksum import Row
from controller.telemetry.child import ArchiveError
from controller.telemetry.days import DAY_MS
from controller.telemetry.keeper import Keeper
from controller.telemetry.register import Part
from controller.telemetry.rollups import rollups_in
from controller.telemetry.rows import rows_in
from controller.telemetry.store import History
from controller.telemetry.tiers import FIVE_MINUTES, HOUR, HOUR_MS, Tier
from controller.telemetry.verify import faults
from tests.databases import fresh
from tests.integration.archive import NOW, TODAY, Annals

SETTINGS = HistoryConfig(rows_days=10, five_minutes_days=40, hours_days=400, archive_days=100)


@pytest.fixture(name="annals")
def _annals(either_database: Engine) -> Annals:
    return Annals(either_database)


@pytest.fixture(name="alone")
def _alone(tmp_path: Path) -> Annals:
    """For what is the same with every database."""
    return Annals(fresh(tmp_path / "alone.db"))


def keeper(annals: Annals, folder: Path, settings: HistoryConfig = SETTINGS, now_ms: int = NOW) -> Keeper:
    return Keeper(annals.engine, settings, folder, lambda: now_ms)


def parts(annals: Annals) -> list[Part]:
    with annals.engine.connect() as connection:
        return register.parts(connection)


def minutes(day: int, series: int = 1, every_ms: int = 60_000) -> list[tuple[int, int, float | str | None]]:
    """A day of a series, with a value that tells its day."""
    return [(series, at, float(day)) for at in range(day * DAY_MS, (day + 1) * DAY_MS, every_ms)]


def awkward(day: int, count: int = 400) -> list[tuple[int, int, float | str | None]]:
    """Values of all kinds, also those that formats like to lose."""
    chance = random.Random(day)
    odd: list[float | str | None] = [
        *(0.1, -0.0, 1.0, 1e-300, 5e-324, 1.7976931348623157e308, 1 / 3, 1e22, None),
        *(0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63)),
        *("", " ", "idle", 'a "quoted", text', "Máy đang in\r\nnghỉ", "NULL", "\\N", "x", "1", "🖨"),
    ]
    return [
        (series, day * DAY_MS + chance.randrange(DAY_MS), odd[at % len(odd)])
        for at, series in enumerate(chance.choices(range(1, 5), k=count))
    ]


def exact(rows: list[Row], series: int) -> list[tuple[int, str]]:
    """Times and values of a series, told apart by type and sign."""
    return [(row[1], repr(row[3])) for row in sorted(rows) if row[0] == series]


def test_every_value_comes_back_from_the_archive_as_what_it_was(annals: Annals, tmp_path: Path) -> None:
    day = TODAY - 2
    rows = annals.take(awkward(day))
    ours = keeper(annals, tmp_path / "archive", replace(SETTINGS, rows_days=1))
    ours.roll()
    ours.keep_house()
    [part] = parts(annals)
    assert (part.day, part.part, part.row_count) == (day, 0, len(rows))
    assert annals.days() == [], "the rows went only after"
    late = annals.take(awkward(day + 0, 30), received_ms=NOW)
    ours.roll()
    ours.keep_house()
    assert [(each.part, each.row_count) for each in parts(annals)] == [(0, len(rows)), (1, len(late))]
    assert sorted(file.name[:10] for file in (tmp_path / "archive").rglob("*.*")) == ["part-0000-", "part-0001-"]
    for series in range(1, 5):
        found = ours.archive.points(series, day * DAY_MS, (day + 1) * DAY_MS)
        assert sorted((at, repr(value)) for at, value in found) == sorted(exact([*rows, *late], series))
    assert list(faults(annals.engine, tmp_path / "archive")) == []
    assert verify(annals.engine).ok


def test_a_day_is_archived_some_hours_after_its_end_and_late_readings_open_a_part(
    annals: Annals, tmp_path: Path
) -> None:
    annals.take(minutes(TODAY - 1))
    early = (TODAY * DAY_MS) + 5 * HOUR_MS
    archive = Archive(annals.engine, tmp_path, seal_hours=6)
    assert archive.seal(early) == 0, "too soon"
    assert archive.seal(NOW) == 0, "not rolled up"
    keeper(annals, tmp_path).roll()
    assert archive.seal(NOW) == 1
    assert archive.seal(NOW) == 0
    annals.take([(2, (TODAY - 1) * DAY_MS + 5, 7)])
    annals.take([(2, NOW, 8)])
    keeper(annals, tmp_path).roll()
    assert archive.seal(NOW) == 1
    assert [(part.part, part.row_count) for part in parts(annals)] == [(0, 1_440), (1, 1)]


def test_a_crash_while_archiving_leaves_the_day_to_be_archived_again(
    alone: Annals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone.take(minutes(TODAY - 1))
    ours = keeper(alone, tmp_path)
    ours.roll()

    def fails(*_: object) -> None:
        raise ArchiveError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(register, "add_part", fails)
        with pytest.raises(ArchiveError):
            ours.archive.seal(NOW)
    assert parts(alone) == [], "the file is there, but nobody counts on it"
    with alone.engine.connect() as connection:
        assert not ours.archive.has_all(connection, TODAY - 1)
    assert ours.archive.seal(NOW) == 1
    assert list(faults(alone.engine, tmp_path)) == []


def test_a_day_that_cannot_be_archived_does_not_hold_up_the_others(alone: Annals, tmp_path: Path) -> None:
    for day in (TODAY - 3, TODAY - 2, TODAY - 1):
        alone.take(minutes(day, every_ms=600_000))
    ours = keeper(alone, tmp_path)
    ours.roll()
    where = folder_of(tmp_path, TODAY - 2)
    (where / f".part-0000-{os.getpid()}.csv.part" / "in the way").mkdir(parents=True)
    with pytest.raises(ArchiveError, match=where.name):
        ours.archive.seal(NOW)
    assert [part.day for part in parts(alone)] == [TODAY - 3, TODAY - 1]
    assert list(faults(alone.engine, tmp_path)) == []


def test_verify_names_files_that_are_gone_or_changed(alone: Annals, tmp_path: Path) -> None:
    for day in (TODAY - 3, TODAY - 2, TODAY - 1):
        alone.take(minutes(day, every_ms=600_000))
    ours = keeper(alone, tmp_path)
    ours.roll()
    ours.keep_house()
    one, two, three = (path_of(tmp_path, part) for part in parts(alone))
    one.unlink()
    two.write_bytes(three.read_bytes())
    assert list(faults(alone.engine, tmp_path)) == [
        f"{one}: the file is missing",
        f"{two}: its rows were changed",
    ]
    two.unlink()
    three.write_bytes(b"PAR1")
    assert f"{three}: the file cannot be read" in list(faults(alone.engine, tmp_path))


def test_rows_stay_until_they_are_rolled_up_and_archived(annals: Annals, tmp_path: Path) -> None:
    old = TODAY - 20
    annals.take(minutes(old, every_ms=600_000))
    annals.take(minutes(TODAY, every_ms=600_000))
    ours = keeper(annals, tmp_path)
    ours.keep_house()
    assert annals.days() == [old, TODAY], "not rolled up"
    ours.roll()
    keeper(annals, tmp_path, SETTINGS)._retention.apply(NOW)
    assert annals.days() == [old, TODAY], "not archived"
    ours.keep_house()
    assert annals.days() == [TODAY]
    assert ours.stats.dropped[Tier.ROWS] == 1
    assert verify(annals.engine).ok
    with annals.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM batch")).scalar() == 1, "its batch went with it"


def test_what_is_too_much_goes_oldest_first_in_each_tier(annals: Annals, tmp_path: Path) -> None:
    for day in range(TODAY - 70, TODAY + 1, 10):
        annals.take(minutes(day, every_ms=600_000))
    ours = keeper(annals, tmp_path, replace(SETTINGS, rows_days=35, archive=False))
    ours.roll()
    ours.keep_house()
    assert annals.days() == [TODAY - 30, TODAY - 20, TODAY - 10, TODAY]
    with annals.engine.connect() as connection:
        rollups = rollups_in(annals.engine)
        assert rollups.periods(connection, FIVE_MINUTES)[0] == TODAY - 40
        assert len(rollups.periods(connection, HOUR)) >= 3
    assert {name for name in _tables(annals) if name.startswith("dropped_")} == set()
    little = keeper(annals, tmp_path, replace(SETTINGS, rows_mb=0, five_minutes_mb=0, hours_mb=0, archive=False))
    little.keep_house()
    assert annals.days() == [TODAY], "what is written today stays in any case"
    assert little.stats.dropped[Tier.ROWS] == 3
    assert little.stats.size[Tier.ROWS] > 0


def _tables(annals: Annals) -> set[str]:
    catalogue = "sqlite_master WHERE type = 'table'" if annals.engine.dialect.name == "sqlite" else "pg_class"
    column = "name" if annals.engine.dialect.name == "sqlite" else "relname"
    with annals.engine.connect() as connection:
        return {name for (name,) in connection.execute(text(f"SELECT {column} FROM {catalogue}"))}


def test_late_readings_of_a_day_that_was_given_up_change_no_bucket(annals: Annals, tmp_path: Path) -> None:
    old = TODAY - 20
    annals.take(minutes(old)[:60])
    ours = keeper(annals, tmp_path)
    ours.roll()
    ours.keep_house()
    before = annals.buckets(FIVE_MINUTES)
    assert annals.days() == []
    annals.take([(1, old * DAY_MS + 1, 99.0), (1, old * DAY_MS + 2 * HOUR_MS, 5.0)], received_ms=NOW)
    ours.roll()
    after = annals.buckets(FIVE_MINUTES)
    assert after[: len(before)] == before, "made of more readings than there are now"
    assert [each.low for each in after[len(before) :]] == [5.0]
    assert [each.known for each in annals.buckets(HOUR)] == [60, 1]
    assert verify(annals.engine).ok
    ours.keep_house()
    assert annals.days() == []
    assert [part.row_count for part in parts(annals)] == [60, 2]
    assert verify(annals.engine).ok


def test_a_partition_in_use_is_given_up_later_and_writers_do_not_wait(annals: Annals, tmp_path: Path) -> None:
    if annals.engine.dialect.name == "sqlite":
        assert _longest_write_s(annals, tmp_path) < 5.0
        return
    annals.take(minutes(TODAY - 20, every_ms=600_000))
    ours = keeper(annals, tmp_path)
    ours.roll()
    with annals.engine.connect() as reader:
        list(rows_in(annals.engine).of_series(reader, TODAY - 20, 1, 0, NOW))  # and its transaction is open
        ours.keep_house()
        assert annals.days() == [TODAY - 20]
        annals.take([(1, NOW, 1.0)])
    ours.keep_house()
    assert annals.days() == [TODAY]


def _longest_write_s(annals: Annals, folder: Path) -> float:
    """Of somebody who writes all the time while a day of 20,000 rows goes."""
    annals.take([(1, (TODAY - 20) * DAY_MS + at, 1.0) for at in range(20_000)])
    ours = keeper(annals, folder)
    ours.roll()
    done = threading.Event()
    longest = 0.0

    def write() -> None:
        nonlocal longest
        while not done.is_set():
            began = perf_counter()
            with annals.engine.begin() as connection:
                connection.execute(text("UPDATE school SET name = 'again'"))
            longest = max(longest, perf_counter() - began)

    thread = threading.Thread(target=write)
    thread.start()
    ours.keep_house()
    done.set()
    thread.join()
    assert annals.days() == []
    return longest


@pytest.fixture(name="year")
def _year(annals: Annals, tmp_path: Path) -> tuple[Annals, History]:
    """Rows of 10 days, five minutes of 40, hours of a year; one spike and one night without anything far back."""
    spike, night = (TODAY - 200) * DAY_MS + 7 * HOUR_MS, (TODAY - 100) * DAY_MS
    for day in (TODAY - back for back in (210, 200, 150, 102, 100, 60, 15, 0)):
        readings = minutes(day, every_ms=300_000)
        if day == TODAY - 200:
            readings = [(1, at, 999.0 if at == spike else value) for _, at, value in readings]
        if day == TODAY - 100:
            readings = [each for each in readings if not night <= each[1] < night + 8 * HOUR_MS]
        annals.take([each for each in readings if each[1] <= NOW])
    ours = keeper(annals, tmp_path)
    ours.roll()
    ours.keep_house()
    return annals, History(annals.engine, ours.archive)


def test_one_function_answers_from_whatever_is_left(year: tuple[Annals, History]) -> None:
    _, history = year

    def line(days: float, points: int, back: int = 0) -> tuple[Tier, list[tuple[int, float | str | None]]]:
        end = NOW - back * DAY_MS
        found = history.line(1, end - round(days * DAY_MS), end, points)
        assert found.points == sorted(found.points, key=lambda each: each[0])
        assert len(found.points) <= points
        assert all(end - round(days * DAY_MS) <= at <= end for at, _ in found.points)
        return found.tier, found.points

    assert line(1, 480)[0] is Tier.ROWS
    assert line(7, 480)[0] is Tier.FIVE_MINUTES
    tier, points = line(230, 480)
    assert tier is Tier.HOUR
    values = {value for _, value in points}
    assert {999.0, float(TODAY - 200), float(TODAY)} <= values, "a spike of one reading in a year is seen"
    assert points[-1][0] >= NOW - 300_000, "up to now, from rows that no hour has yet"
    tier, points = line(0.5, 480, back=15)
    assert tier is Tier.ARCHIVE
    assert len(points) == 8 * 12 + 1, "each reading of the eight hours of that day"
    assert line(0.5, 480, back=150)[0] is Tier.HOUR, "neither rows nor archive nor five minutes go back so far"
    hours = history.line(1, (TODAY - 102) * DAY_MS, (TODAY - 99) * DAY_MS, 480)
    assert (TODAY - 100) * DAY_MS + 8 * HOUR_MS in {at for at, _ in hours.points}
    night = range((TODAY - 101) * DAY_MS, (TODAY - 100) * DAY_MS + 8 * HOUR_MS)
    assert [value for at, value in hours.points if at in night] == [None], "no line across the night"


def test_gaps_within_an_hour_stay_gaps_and_so_do_declared_ones(annals: Annals, tmp_path: Path) -> None:
    day = TODAY - 20
    begin = day * DAY_MS
    silent = range(begin + 2 * HOUR_MS + 600_000, begin + 2 * HOUR_MS + 2_400_000)
    unknown = begin + 5 * HOUR_MS + 600_000
    given_up = (begin + 8 * HOUR_MS + 601_000, begin + 8 * HOUR_MS + 630_000)
    readings = [each for each in minutes(day) if each[1] not in silent]
    annals.take([(series, at, None if at == unknown else value) for series, at, value in readings])
    with annals.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO declared_gap (school_id, agent_id, batch_id, from_ms, to_ms, count, reason)"
                " VALUES ('alpha', 1, 1, :from, :to, 3, '')"
            ),
            {"from": given_up[0], "to": given_up[1]},
        )
    ours = keeper(annals, tmp_path, replace(SETTINGS, archive=False, five_minutes_days=15))
    ours.roll()

    def gap_hours(points: int) -> tuple[Tier, list[int]]:
        line = History(annals.engine).line(1, begin, begin + DAY_MS - 1, points)
        return line.tier, [(at - begin) // HOUR_MS for at, value in line.points if value is None]

    assert gap_hours(5_000) == (Tier.ROWS, [2, 5, 8])
    assert gap_hours(280) == (Tier.FIVE_MINUTES, [2, 5, 8])
    ours.keep_house()
    assert gap_hours(280) == (Tier.HOUR, [2, 5, 8])
