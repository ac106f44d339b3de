"""One chain of migrations, checked against the tables as the code declares them."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from controller.database import is_kept_by_migrations, make_engine, metadata, migrate, sqlite_url


def test_migrations_leave_no_difference_to_the_declared_tables(tmp_path: Path) -> None:
    engine = make_engine(sqlite_url(tmp_path / "fabfleet.db"))
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE reading_20261121 (series INTEGER PRIMARY KEY)")
    options = {
        "include_name": lambda name, kind, _parents: is_kept_by_migrations(name, kind),
        "compare_server_default": True,
    }
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata()) == []
    engine.dispose()


def test_migrate_may_be_repeated(tmp_path: Path) -> None:
    engine = make_engine(sqlite_url(tmp_path / "fabfleet.db"))
    migrate(engine)
    migrate(engine)
    engine.dispose()


def test_sqlite_connections_are_durable_and_keep_foreign_keys(tmp_path: Path) -> None:
    engine = make_engine(sqlite_url(tmp_path / "fabfleet.db"))
    with engine.connect() as connection:
        wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
        for pragma, value in wanted.items():
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value
    engine.dispose()
