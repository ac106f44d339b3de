"""Backup and restore on both kinds of database, without a controller; tests/kill/test_drill.py has one, under load."""

import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session, col, select

from controller.backup import bundle
from controller.backup.errors import BackupError
from controller.backup.postgresql import environment
from controller.backup.service import Restored, backup, lines, restore
from controller.config import ControllerConfig
from controller.database import DUMPING, TooNew, make_engine, migrate, sqlite_url
from controller.identity.tables import AuditLine
from controller.ingest.tables import Installation
from controller.lock import InUse, StateLock
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Booked, Bookings, Request
from controller.scheduling.journal import FILE, KEEP_MS, Journal
from controller.scheduling.lost import Fate, missing
from controller.scheduling.tables import Booking, Notice
from controller.telemetry.retention import Limit, Limits, Retention
from controller.telemetry.rows import rows_in
from controller.telemetry.tiers import Tier
from tests.databases import PostgresServer
from tests.integration.bookable import HERE, Furnished, populated, school_day, span

pytestmark = pytest.mark.integration

NOW_MS = 1_800_000_000_000


@dataclass
class Site:
    """A state folder and its database, with things that can be booked; its controller is stopped."""

    config: ControllerConfig
    file: Path
    furnished: Furnished
    now_ms: int = NOW_MS

    @property
    def bookings(self) -> Bookings:
        return Bookings(self.furnished.engine, lambda: self.now_ms, Journal(self.config.folder))

    def book(self, thing: str, day: int = 0, first: int = 1) -> Booked:
        self.now_ms += 1
        when = span(self.furnished.engine, school_day(day), first, first)
        ha = self.furnished.person("ha").id
        return self.bookings.book(Request(HERE, ha, ha, (self.furnished.item(thing),), when.start, when.stop))

    def backup(self) -> int:
        return backup(self.config, self.file, lambda: self.now_ms)

    def restore(self) -> Restored:
        self.furnished.engine.dispose()
        self.now_ms += 1
        return restore(self.config, self.file, lambda: self.now_ms)


@pytest.fixture(name="site", params=["sqlite", "postgresql"])
def _site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    config = ControllerConfig(state=tmp_path / "state")
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgresql")
        config = replace(config, database_url=server.empty())
    config.folder.mkdir(parents=True)
    engine = make_engine(config.database)
    migrate(engine)
    yield Site(config, tmp_path / "fabfleet.backup", populated(engine))
    engine.dispose()


def ids(engine: Engine) -> set[str]:
    with Session(engine) as db:
        return set(db.exec(select(Booking.id)).all())


def test_backup_is_one_private_file_with_database_and_job_files(site: Site) -> None:
    job = site.config.folder / "files" / ("a" * 64)
    job.parent.mkdir()
    job.write_bytes(b"G28\n")
    (site.config.folder / "broker").mkdir()
    (site.config.folder / "broker" / "secret").write_text("not for backups")

    assert site.backup() == site.file.stat().st_size

    assert site.file.stat().st_mode & 0o777 == 0o600
    assert not list(site.file.parent.glob(".*")), "nothing half done is left"
    with zipfile.ZipFile(site.file) as bundle:
        assert bundle.namelist() == ["about.json", "database", f"files/{'a' * 64}"]
    job.unlink()
    assert site.restore().files == 1
    assert job.read_bytes() == b"G28\n"
    assert job.stat().st_mode & 0o777 == 0o600


def test_restore_replaces_damaged_files_by_those_of_the_backup_and_keeps_them_aside(site: Site) -> None:
    job = site.config.folder / "files" / ("b" * 64)
    part = site.config.archive / "2026-10-01" / "part-0000-7-0badcafe.parquet"
    sound = {job: b"G28\n" * 1_000, part: bytes(range(256)) * 9_000}
    for file, content in sound.items():
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    site.backup()
    job.write_bytes(b"G28\n")
    part.write_bytes(b"\0" * len(sound[part]))

    done = site.restore()

    assert {file: file.read_bytes() for file in sound} == sound
    assert done.files == 2
    kept = {Path(each) for each in done.damaged}
    assert {each.read_bytes() for each in kept} == {b"G28\n", b"\0" * len(sound[part])}
    assert all(str(each) in "".join(lines(done, "Asia/Ho_Chi_Minh")) for each in kept)
    site.backup()
    with zipfile.ZipFile(site.file) as bundle:
        assert not [name for name in bundle.namelist() if "damaged" in name]
    assert site.restore().files == 0, "what is whole is left alone"


def test_restore_lists_exactly_what_was_booked_and_changed_since_the_backup(site: Site) -> None:
    before, moved, ended = site.book("3D-01"), site.book("3D-02"), site.book("Lab")
    site.backup()
    after, cancelled = site.book("3D-01", day=1), site.book("Kit", day=2)
    site.now_ms += 1
    site.bookings.end(cancelled.id, BookingState.CANCELLED)
    when = span(site.furnished.engine, school_day(3), 2, 2)
    site.bookings.move(moved.id, when.start, when.stop)
    site.bookings.end(ended.id, BookingState.CANCELLED)

    done = site.restore()

    assert ids(site.furnished.engine) == {before.id, moved.id, ended.id}
    assert [(each.fate, each.was.id, each.was.things) for each in done.lost] == [
        (Fate.CHANGED, ended.id, ("Lab",)),
        (Fate.LOST, after.id, ("3D-01",)),
        (Fate.CHANGED, moved.id, ("3D-02",)),
    ]
    (told,) = [line for line in lines(done, "Asia/Ho_Chi_Minh") if after.id in line]
    assert f"lost     {school_day(1)} 07:" in told
    assert told.endswith(f" 3D-01 {HERE} {after.id}")
    with Session(site.furnished.engine) as db:
        notices = db.exec(select(Notice).where(Notice.subject == after.id).order_by(col(Notice.id))).all()
        audited = set(db.exec(select(AuditLine.action).where(AuditLine.subject == after.id)).all())
    assert [each.user_id for each in notices] == [None, site.furnished.person("ha").id]
    assert audited == {"booking-lost"}
    again = site.restore()
    assert [each.was.id for each in again.lost] == [ended.id, after.id, moved.id], "an earlier loss stays one"
    with Session(site.furnished.engine) as db:
        assert len(db.exec(select(Notice).where(Notice.subject == after.id)).all()) == 2


def test_booking_that_was_under_way_when_the_process_ended_is_told_as_unsure(site: Site) -> None:
    site.backup()
    booked = site.book("3D-01")
    journal = site.config.folder / FILE
    whole = journal.read_bytes()
    assert whole.count(b'"kept"') == 1
    journal.write_bytes(whole[: whole.index(b'{"kept"')] + b'{"bookin')  # half a line, as a power cut leaves it

    assert [(each.fate, each.was.id) for each in site.restore().lost] == [(Fate.UNSURE, booked.id)]
    assert site.book("3D-02").id in Journal(site.config.folder).entries(), "and what comes after it can be read"


def test_refused_booking_leaves_nothing_in_the_journal(site: Site) -> None:
    site.book("3D-01")
    with pytest.raises(Exception, match="not all of it is free"):
        site.book("3D-01")

    with site.furnished.engine.connect() as connection:
        entries = Journal(site.config.folder).entries()
        assert (len(entries), missing(connection, entries)) == (1, [])


def test_journal_that_cannot_be_written_stops_no_booking_and_is_told(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    (site.config.folder / FILE).mkdir()

    assert site.book("3D-01").id in ids(site.furnished.engine)
    assert [each.levelname for each in caplog.records if "cannot be written" in each.message] == ["ERROR"]


def test_journal_is_whole_on_a_disk_that_takes_a_little_at_a_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    written = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: written(descriptor, bytes(data)[:7]))
    booked = site.book("3D-01")
    monkeypatch.undo()
    assert Journal(site.config.folder).entries()[booked.id].kept


def test_restore_without_a_journal_does_not_say_that_nothing_is_lost(site: Site) -> None:
    site.backup()
    site.book("3D-01")
    (site.config.folder / FILE).unlink()
    assert any("no journal here" in line for line in lines(site.restore(), "Asia/Ho_Chi_Minh"))


def test_journal_leaves_out_what_is_older_than_any_backup_and_keeps_the_rest(site: Site) -> None:
    old = site.book("3D-01")
    journal = Journal(site.config.folder)
    journal.restored(41)
    site.now_ms += KEEP_MS
    young = site.book("3D-02")

    journal.trim(site.now_ms)

    assert set(journal.entries()) == {young.id}
    assert journal.generation() == 41
    assert {old.id, young.id} <= ids(site.furnished.engine)
    with site.furnished.engine.connect() as connection:
        assert missing(connection, journal.entries()) == []


def test_restore_into_nothing_and_over_what_is_there_keeps_the_old_one_and_rises_above_every_generation(
    site: Site,
) -> None:
    kept = site.book("3D-01")
    site.backup()
    first = site.restore()
    assert first.aside
    site.now_ms -= 10**9  # somebody set the clock back
    second = site.restore()

    assert second.generation > first.generation >= NOW_MS // 1000
    assert second.aside != first.aside
    with Session(site.furnished.engine) as db:
        installation = db.get(Installation, 1)
        assert installation is not None
        assert installation.generation == second.generation
    assert ids(site.furnished.engine) == {kept.id}

    elsewhere = replace(site.config, state=site.config.state / "new", database_url=_gone(site))
    third = restore(elsewhere, site.file, lambda: site.now_ms)
    assert (third.aside, third.lost) == ("", [])
    engine = make_engine(elsewhere.database)
    assert ids(engine) == {kept.id}
    engine.dispose()


def _gone(site: Site) -> str:
    """The address of a database that is not there; the settings' own kind."""
    url = site.config.database_url
    return f"{url}_gone" if url else ""


def _dump(target: BinaryIO) -> None:
    target.write(b"row " * 100)


def test_a_backup_with_a_spoiled_byte_is_refused_wherever_that_is_or_read_as_it_was(tmp_path: Path) -> None:
    """zipfile says of it what it likes: of a header, of compressed data, of a checksum, of a method it has not."""
    file, about = tmp_path / "backup", bundle.About("sqlite", "0023", NOW_MS)
    bundle.write(file, about, _dump, tmp_path)
    whole = file.read_bytes()
    for at in range(len(whole)):
        for flip in (0x01, 0x80, 0xFF):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
            with suppress(BackupError):
                assert bundle.opened(file).about == about


def test_damaged_cut_foreign_and_newer_backups_are_refused_and_touch_nothing(site: Site) -> None:
    booked = site.book("3D-01")
    site.backup()
    whole = site.file.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for content, words in (
        (b"", "no backup"),
        (b"something else" * 100, "no backup"),
        (whole[:middle], "cut short"),
        (flipped, "damaged"),
    ):
        site.file.write_bytes(content)
        with pytest.raises(BackupError, match=words):
            site.restore()
    site.file.unlink()
    with pytest.raises(BackupError, match="No such file"):
        site.restore()

    with site.furnished.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    site.backup()
    with pytest.raises(BackupError, match="newer release"):
        site.restore()
    with pytest.raises(TooNew, match="newer release"):
        migrate(site.furnished.engine)
    assert ids(site.furnished.engine) == {booked.id}


def test_restore_is_refused_while_a_controller_runs(site: Site) -> None:
    site.backup()
    lock = StateLock(site.config.folder)
    lock.take()
    with pytest.raises(InUse):
        site.restore()
    lock.release()

    if site.config.database_url:  # one that runs elsewhere, on the same server
        other = make_engine(site.config.database)
        with other.connect(), pytest.raises(BackupError, match="in use by fabfleet"):
            site.restore()
        other.dispose()
    site.restore()


def test_backup_of_another_kind_of_database_is_refused(tmp_path: Path, postgresql: PostgresServer) -> None:
    one = ControllerConfig(state=tmp_path)
    one.folder.mkdir()
    migrate(make_engine(one.database))
    backup(one, tmp_path / "file", lambda: NOW_MS)

    with pytest.raises(BackupError, match="of sqlite, the settings name postgresql"):
        restore(replace(one, database_url=postgresql.empty()), tmp_path / "file", lambda: NOW_MS)


def test_older_backup_is_migrated(tmp_path: Path) -> None:
    """A SQLite file by itself, as backups were before, of tables that know no bookings yet."""
    config = ControllerConfig(state=tmp_path)
    config.folder.mkdir()
    source = tmp_path / "old.db"
    engine = make_engine(sqlite_url(source))
    migrate(engine, "0003")
    engine.dispose()

    assert restore(config, source, lambda: NOW_MS).aside == ""
    engine = make_engine(config.database)
    assert ids(engine) == set()
    engine.dispose()


def test_migrate_by_several_at_once_makes_the_tables_once(tmp_path: Path, postgresql: PostgresServer) -> None:
    def work(url: str) -> None:
        engine = make_engine(url)
        migrate(engine)
        engine.dispose()

    for url in (f"sqlite:///{tmp_path / 'new.db'}", postgresql.empty()):
        with ThreadPoolExecutor(4) as pool:
            for each in [pool.submit(work, url) for _ in range(4)]:
                each.result(60)


def test_password_reaches_the_programs_by_their_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "somebody else's")
    url = "postgresql+psycopg://fab:s%40fe@db.example:5433/fleet?sslmode=require"

    told = environment(url, "other")

    assert {name: told[name] for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE")} == {
        "PGHOST": "db.example",
        "PGPORT": "5433",
        "PGUSER": "fab",
        "PGPASSWORD": "s@fe",
        "PGDATABASE": "other",
        "PGSSLMODE": "require",
    }
    assert told["PATH"] == os.environ["PATH"]


def test_readings_are_kept_while_a_backup_is_written(postgresql: PostgresServer) -> None:
    engine = postgresql.fresh()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE reading_20200101 (LIKE reading INCLUDING ALL)"))
        connection.execute(
            text(
                "ALTER TABLE reading ATTACH PARTITION reading_20200101"
                " FOR VALUES FROM (1577836800000) TO (1577923200000)"
            )
        )
    limit = Limit(days=90, size=1_000_000_000)
    keeping = Retention(engine, Limits(limit, limit, limit, limit), archived=None)
    dumping = make_engine(engine.url.render_as_string(hide_password=False))
    with dumping.connect() as writing:
        writing.exec_driver_sql(f"SELECT pg_advisory_lock_shared({DUMPING})")
        assert keeping.apply(NOW_MS)[Tier.ROWS] == 0
    dumping.dispose()
    assert keeping.apply(NOW_MS)[Tier.ROWS] == 1
    with engine.connect() as connection:
        assert rows_in(engine).days(connection) == []
    engine.dispose()
