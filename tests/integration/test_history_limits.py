"""What counts within the limits, and what a crash leaves outside of them: nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from controller.config import HistoryConfig
from controller.ingest.tables import Batch
from controller.telemetry import ledger_size, register
from controller.telemetry.archive import Archive, folder_of
from controller.telemetry.days import DAY_MS
from controller.telemetry.keeper import FIRST_S, HOUSEKEEPING_S, Keeper
from controller.telemetry.retention import Limit, Limits, Retention
from controller.telemetry.tiers import FIVE_MINUTES, Tier
from controller.telemetry.verify import faults
from tests.databases import fresh
from tests.integration.archive import NOW, TODAY, Annals

pytestmark = pytest.mark.integration

EVER = Limit(10_000, 10**12)


@pytest.fixture(name="annals")
def _annals(either_database: Engine) -> Annals:
    return Annals(either_database)


def minutes(day: int, series: int = 1) -> list[tuple[int, int, float | str | None]]:
    return [(series, at, float(day)) for at in range(day * DAY_MS, (day + 1) * DAY_MS, 60_000)]


def crowd(engine: Engine, day: int, count: int) -> None:
    """Batches of a day that have no readings: events alone, say."""
    with Session(engine) as session:
        highest = session.scalar(text("SELECT max(id) FROM batch")) or 0
        session.add_all(
            Batch(
                id=number,
                ledger_id=1,
                first=number,
                number=number,
                digest=f"{number:032x}",
                received_ms=day * DAY_MS + number,
                row_count=0,
                checksum=0,
                produced=0,
                accepted=0,
                quarantined=0,
                rejected=0,
                given_up=0,
            )
            for number in range(highest + 1, highest + 1 + count)
        )
        session.commit()


def test_the_batches_of_a_day_count_with_its_readings(annals: Annals, tmp_path: Path) -> None:
    days = range(TODAY - 4, TODAY + 1)
    for day in days:
        annals.take(minutes(day), received_ms=day * DAY_MS + 1)
    for day in days:
        crowd(annals.engine, day, 3_000)
    keeper = Keeper(annals.engine, HistoryConfig(archive=False), tmp_path, lambda: NOW)
    keeper.roll()
    keeper.keep_house()
    with annals.engine.connect() as connection:
        sizes = register.sizes(connection, Tier.ROWS)
        batches = ledger_size.of_day(connection, TODAY - 1)
        measured = ledger_size.ledger_size(connection)
    assert batches == 3_001 * ledger_size.BYTES[annals.engine.dialect.name]
    assert 0.5 < measured / (5 * batches) < 2, "about what the database itself says"
    assert all(size > batches for size in sizes.values())
    most = sum(sizes.values()) - batches
    assert annals.days() == list(days)
    Retention(annals.engine, Limits(Limit(100, most), EVER, EVER, EVER), None).apply(NOW)
    assert annals.days() == list(days)[1:], "the readings alone would have been within the limit"


def test_a_day_that_late_readings_make_larger_is_measured_again(annals: Annals, tmp_path: Path) -> None:
    old = TODAY - 9
    annals.take(minutes(old)[:10])
    annals.take(minutes(TODAY)[:10])
    keeper = Keeper(annals.engine, HistoryConfig(archive=False), tmp_path, lambda: NOW)

    def sizes() -> tuple[int, int]:
        keeper.roll()
        keeper.keep_house()
        with annals.engine.connect() as connection:
            return tuple(register.sizes(connection, tier)[old] for tier in (Tier.ROWS, FIVE_MINUTES.tier))  # type: ignore[return-value]

    before = sizes()
    assert sizes() == before
    for series in (1, 2, 3):
        annals.take([(series, at + 1, value) for _, at, value in minutes(old)], received_ms=NOW)
    after = sizes()
    assert all(now > then for now, then in zip(after, before, strict=True))


def test_a_crash_while_days_are_given_up_leaves_no_file_outside_the_limit(
    annals: Annals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "archive"
    for day in (TODAY - 3, TODAY - 2):
        annals.take(minutes(day))
    Keeper(annals.engine, HistoryConfig(), folder, lambda: NOW).roll()
    archive = Archive(annals.engine, folder, 6)
    assert archive.seal(NOW) == 2
    (folder_of(folder, TODAY - 3) / "part-0000.parquet.damaged-1").write_bytes(b"put aside")

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(register, "remove_parts", fails)
        with pytest.raises(KeyboardInterrupt):
            archive.drop(Limit(2, 10**9), NOW)
    with annals.engine.connect() as connection:
        assert TODAY - 3 not in register.archived_days(connection, TODAY - 3, TODAY), "nobody asks for it any more"
    assert archive.drop(Limit(2, 10**9), NOW) == 1
    assert [each.name for each in folder.iterdir()] == [folder_of(folder, TODAY - 2).name]
    with annals.engine.connect() as connection:
        assert [part.day for part in register.parts(connection)] == [TODAY - 2]
    assert list(faults(annals.engine, folder)) == []
    assert archive.drop(Limit(100, 10), NOW) == 1, "bytes count as the disk has them"


def test_what_a_crash_left_half_written_is_swept(annals: Annals, tmp_path: Path) -> None:
    day = folder_of(tmp_path, TODAY - 2)
    day.mkdir()
    for name in (".part-0000-99.part", ".part-0000-99.csv.part", "tmp_.part-0000-99.part"):
        (day / name).write_bytes(b"half")
    assert Archive(annals.engine, tmp_path, 6).seal(NOW) == 0
    assert list(day.iterdir()) == []


def test_the_house_is_kept_minutes_after_a_start_and_then_every_hour(tmp_path: Path) -> None:
    keeper = Keeper(fresh(tmp_path / "alone.db"), HistoryConfig(), tmp_path / "archive", lambda: NOW)
    keeper.start()
    try:
        [job] = [each for each in keeper._scheduler.get_jobs() if each.args == (keeper.keep_house,)]
        assert (job.next_run_time - datetime.now(UTC)).total_seconds() <= FIRST_S
        assert job.trigger.interval.total_seconds() == HOUSEKEEPING_S
    finally:
        keeper.stop()
