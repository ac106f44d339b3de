"""A database that is put back meets files of the archive that were made since: nothing sealed is lost or replaced."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import Session

from controller.backup.service import Restored, backup, restore
from controller.config import ControllerConfig, HistoryConfig
from controller.database import make_engine, migrate
from controller.fleet.tables import Series
from controller.ingest.verify import verify
from controller.telemetry import register, strays
from controller.telemetry.archive import folder_of, path_of
from controller.telemetry.days import DAY_MS
from controller.telemetry.keeper import Keeper
from controller.telemetry.store import History
from controller.telemetry.tiers import FIVE_MINUTES, HOUR_MS, Tier
from controller.telemetry.verify import faults, main
from tests.databases import PostgresServer
from tests.integration.archive import TODAY, Annals

pytestmark = pytest.mark.integration

HOME = HistoryConfig(rows_days=2, archive_days=100)


@dataclass
class Site:
    """A school whose controller is stopped, its backup, and the days it lives through."""

    config: ControllerConfig
    file: Path
    annals: Annals

    def keeper(self, now_ms: int) -> Keeper:
        return Keeper(self.annals.engine, HOME, self.config.archive, lambda: now_ms)

    def house(self, now_ms: int) -> Keeper:
        """What a controller that starts does first."""
        ours = self.keeper(now_ms)
        strays.note(self.annals.engine, self.config.archive, now_ms)
        ours.roll()
        ours.keep_house()
        return ours

    def backup(self, now_ms: int) -> None:
        backup(self.config, self.file, lambda: now_ms)

    def restore(self, now_ms: int) -> Restored:
        self.annals.engine.dispose()
        return restore(self.config, self.file, lambda: now_ms)

    def parts(self) -> list[register.Part]:
        with self.annals.engine.connect() as connection:
            return register.parts(connection)

    def points(self, day: int, series: int = 1) -> list[tuple[int, float | str | None]]:
        """What a chart of a whole day is drawn from, finely."""
        archive = self.keeper(0).archive
        return History(self.annals.engine, archive).line(series, day * DAY_MS, (day + 1) * DAY_MS - 1, 5_000).points


@pytest.fixture(name="site", params=["sqlite", "postgresql"])
def _site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    config = ControllerConfig(state=tmp_path / "state")
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgresql")
        config = replace(config, database_url=server.empty())
    config.folder.mkdir(parents=True)
    engine = make_engine(config.database)
    migrate(engine)
    yield Site(config, tmp_path / "fabfleet.backup", Annals(engine))
    engine.dispose()


def hours(day: int, begin: int, end: int) -> list[tuple[int, int, float | str | None]]:
    """Readings of all kinds, every minute of these hours."""
    times = range(day * DAY_MS + begin * HOUR_MS, day * DAY_MS + end * HOUR_MS, 60_000)
    values: dict[int, float | str] = {1: begin + 0.5, 2: begin, 4: f"giờ {begin}"}
    return [(series, at, value) for series, value in values.items() for at in times]


def test_what_was_sealed_since_the_backup_is_there_after_the_restore(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    day = TODAY
    site.annals.take(hours(day, 0, 12))
    site.backup(day * DAY_MS + 12 * HOUR_MS)
    site.annals.take(hours(day, 12, 24))
    site.annals.take(hours(day + 1, 0, 24))
    site.house((day + 3) * DAY_MS)
    before = [site.points(each) for each in (day, day + 1)]
    sealed = {path_of(site.config.archive, part): part.row_count for part in site.parts()}
    assert sorted(sealed.values()) == [3 * 1_440, 3 * 1_440]
    contents = {file: file.read_bytes() for file in sealed}

    site.restore((day + 4) * DAY_MS)
    assert site.parts() == []
    main(site.annals.engine, site.config.archive)
    told = capsys.readouterr().out
    assert all(str(file) in told for file in sealed), "verify names what the register does not know"
    assert {file: file.read_bytes() for file in sealed} == contents

    ours = site.house((day + 4) * DAY_MS)
    assert ours.stats.taken_in == 3 * 720 + 3 * 1_440, "no reading came twice"
    assert [site.points(each) for each in (day, day + 1)] == before
    ours.roll()
    fives = [each for each in site.annals.buckets(FIVE_MINUTES) if each.series == 1]
    assert [each.known for each in fives] == [5] * (2 * 288), "and in the roll-ups"
    ours.keep_house()
    assert sum(part.row_count for part in site.parts()) == 2 * 3 * 1_440
    there = {path_of(site.config.archive, part) for part in site.parts()}
    assert set(site.config.archive.rglob("*.*")) == there, "and nothing beside the parts"
    assert list(faults(site.annals.engine, site.config.archive)) == []
    proof = verify(site.annals.engine)
    assert (proof.ok, proof.doubled) == (True, 0)
    ours.keep_house()
    assert site.annals.days() == [], "given up in the database"
    tier = History(site.annals.engine, ours.archive).line(1, day * DAY_MS, (day + 1) * DAY_MS - 1, 5_000).tier
    assert tier is Tier.ARCHIVE
    assert [site.points(each) for each in (day, day + 1)] == before


def test_what_agents_may_still_send_again_is_taken_from_a_file_only_when_they_had_the_time(site: Site) -> None:
    day, restored = TODAY, (TODAY + 2) * DAY_MS
    site.annals.take(hours(day, 0, 12))
    site.backup(day * DAY_MS + 12 * HOUR_MS)
    site.annals.take(hours(day, 12, 24))
    site.house(restored)
    site.restore(restored)
    assert site.house(restored).stats.taken_in == 0
    site.annals.take(hours(day, 12, 18))  # what the agents had still
    assert site.house(restored + strays.REPLAYED_MS - 1).stats.taken_in == 0
    ours = site.house(restored + strays.REPLAYED_MS)
    assert ours.stats.taken_in == 3 * 360
    ours.roll()
    ours.keep_house()
    assert len(site.points(day)) == 1_440
    proof = verify(site.annals.engine)
    assert (proof.ok, proof.doubled) == (True, 0)


def test_what_was_sealed_of_series_that_are_made_anew_is_never_taken_for_theirs(site: Site) -> None:
    day = TODAY
    site.annals.take(hours(day, 0, 1))
    site.backup(day * DAY_MS + HOUR_MS)
    with Session(site.annals.engine) as session:
        session.add(Series(id=5, school_id="alpha", device_id=1, metric="later", unit="1", kind="float"))
        session.commit()
    site.annals.take([(5, day * DAY_MS + 2 * HOUR_MS, 5.0), (1, day * DAY_MS + 2 * HOUR_MS, 1.0)])
    site.house((day + 2) * DAY_MS)
    site.restore((day + 4) * DAY_MS)
    strays.note(site.annals.engine, site.config.archive, (day + 4) * DAY_MS)
    with Session(site.annals.engine) as session:
        session.add(Series(id=5, school_id="alpha", device_id=1, metric="another", unit="1", kind="float"))
        session.commit()
    ours = site.house((day + 4) * DAY_MS)
    assert ours.stats.taken_in == 1
    assert site.points(day, 5) == []
    [aside] = folder_of(site.config.archive, day).glob("*.unknown")
    assert aside.stat().st_size > 0, "nobody knows what it was, and it is not thrown away"


def test_a_file_that_a_crash_left_is_recognised_and_goes(site: Site) -> None:
    day = TODAY
    site.annals.take(hours(day, 0, 24))
    ours = site.house((day + 2) * DAY_MS)
    [part] = site.parts()
    with site.annals.engine.begin() as connection:
        connection.execute(text("DELETE FROM archived_part"))
    site.annals.take([(1, day * DAY_MS + 5, 9.0)])
    ours = site.house((day + 4) * DAY_MS)
    assert ours.stats.taken_in == 0
    [file] = folder_of(site.config.archive, day).glob("*")
    assert file == path_of(site.config.archive, site.parts()[0])
    assert site.parts()[0].row_count == part.row_count + 1


def test_a_stray_file_that_cannot_be_read_stays_and_holds_up_nothing(site: Site) -> None:
    folder = folder_of(site.config.archive, TODAY)
    folder.mkdir(parents=True)
    (folder / "part-0000.parquet").write_bytes(b"PAR1")
    site.annals.take(hours(TODAY, 0, 1))
    ours = site.keeper((TODAY + 2) * DAY_MS)
    strays.note(site.annals.engine, site.config.archive, 0)
    ours.roll()
    with pytest.raises(Exception, match=r"part-0000\.parquet"):
        ours.keep_house()
    assert (folder / "part-0000.parquet").read_bytes() == b"PAR1"
    assert [part.row_count for part in site.parts()] == [180]
