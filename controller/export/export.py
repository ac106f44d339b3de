"""`fabfleet export`: Parquet files and their data dictionary in a new folder, from one look at the database."""

import csv
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
from sqlalchemy import Connection, Engine, text

from controller.export import dictionary
from controller.export.catalogue import TABLES, Asked, ExportTable

MEMORY = "256MB"


class ExportError(Exception):
    """Nothing was exported; the message says why."""


def export(engine: Engine, zone: ZoneInfo, first: date, last: date, folder: Path) -> dict[str, int]:
    """Days `first` to `last`, both included, into `folder`, which must not be there yet or be empty; rows by table.
    All of it is there at once, or nothing. Raises ExportError, SQLAlchemyError.
    """
    if last < first:
        raise ExportError(f"the last day {last} lies before the first, {first}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder}: is not an empty folder")
    from_ms, until_ms = (_midnight_ms(day, zone) for day in (first, last + timedelta(days=1)))
    draft = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        with _snapshot(engine) as connection:
            asked = Asked(connection, from_ms, until_ms, secrets.token_bytes(32))
            counts = {table.name: _write(table, asked, draft) for table in TABLES}
        (draft / "dictionary.json").write_text(dictionary.as_json(TABLES, counts, first, last), "utf-8")
        (draft / "README.md").write_text(dictionary.as_markdown(TABLES, counts, first, last), "utf-8")
        if folder.exists():
            folder.rmdir()
        os.replace(draft, folder)  # noqa: PTH105 - of a folder
    except (OSError, duckdb.Error) as error:
        raise ExportError(f"{folder}: {error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return counts


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """Whatever is committed from now on is not seen."""
    with engine.connect() as connection:
        connection.begin()
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        yield connection
        connection.rollback()


def _write(table: ExportTable, asked: Asked, folder: Path) -> int:
    """One file; its rows."""
    draft, file = folder / f"{table.name}.csv", folder / f"{table.name}.parquet"
    with draft.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        count = 0
        for row in table.rows(asked):
            writer.writerow([repr(cell) if isinstance(cell, float) else cell for cell in row])
            count += 1
    columns = ", ".join(f"'{column.name}': '{column.type}'" for column in table.columns)
    target = str(file).replace("'", "''")
    with duckdb.connect(config={"threads": 1, "memory_limit": MEMORY}) as database:
        database.execute(
            f"COPY (SELECT * FROM read_csv(?, header = false, auto_detect = false, delim = ',', quote = '\"',"  # noqa: S608
            f" escape = '\"', nullstr = '', parallel = false, columns = {{{columns}}}))"
            f" TO '{target}' (FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd)",
            [str(draft)],
        )
    draft.unlink()
    return count


def _midnight_ms(day: date, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time(), zone).timestamp() * 1000)
