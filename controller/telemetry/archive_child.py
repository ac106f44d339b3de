"""The part of the archive that needs DuckDB: a process of its own for a few jobs, so that its memory goes with it.

How it talks says `child`, what the jobs mean `archive` and `strays`. However large a day is, it holds a portion of rows
and what DuckDB may take.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

import duckdb

from controller.telemetry import checksum
from controller.telemetry.archive import READ, STRAY, SUMS, WRITE, Sums
from controller.telemetry.checksum import Row
from controller.telemetry.child import WORKING
from controller.telemetry.rows import Span

MEMORY: Final = "256MB"
_COLUMNS: Final = "{'series': 'INTEGER', 'at_ms': 'BIGINT', 'number': 'DOUBLE', 'whole': 'BIGINT', 'text': 'VARCHAR'}"
_PORTION: Final = 20_000
# Texts travel as the hexadecimal of their UTF-8 behind a letter: nothing in them can be taken for CSV, and an empty
# one is not the same as none.
_WRITE: Final = f"""COPY (
SELECT series, at_ms, number, whole, decode(unhex(substr(text, 2))) AS text
FROM read_csv(?, header = false, auto_detect = false, parallel = false, delim = ',', quote = '', escape = '',
nullstr = '', columns = {_COLUMNS})
) TO 'DRAFT' (FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, COMPRESSION_LEVEL 12, ROW_GROUP_SIZE 122880)"""  # noqa: S608 - own names
_ALL: Final = "SELECT series, at_ms, number, whole, text FROM read_parquet(?)"
_SERIES: Final = (
    "SELECT series, at_ms, number, whole, text FROM read_parquet(?) WHERE series = ? AND at_ms BETWEEN ? AND ?"
    " ORDER BY at_ms"
)
_COUNTS: Final = "SELECT series, count(*) FROM read_parquet(?) GROUP BY series ORDER BY series"
_LACKING: Final = "SELECT series, at_ms, number, whole, text FROM read_parquet(?) AS stray WHERE series BETWEEN ? AND ?"
_NOT_THERE: Final = (
    " AND NOT EXISTS (SELECT 1 FROM read_parquet(?) AS kept WHERE kept.series BETWEEN ? AND ?"
    " AND kept.series = stray.series AND kept.at_ms = stray.at_ms)"
)
_COMPARED: Final = 1_000_000
"""Rows of a stray file, about, that are looked for among the others at a time."""


def opened() -> "duckdb.DuckDBPyConnection":
    """With little memory and one thread, in the order of the files, and nothing beside them on disk."""
    return duckdb.connect(
        config={"threads": 1, "memory_limit": MEMORY, "preserve_insertion_order": True, "temp_directory": ""}
    )


def rows_of(found: "duckdb.DuckDBPyConnection") -> Iterator[list[Row]]:
    """The rows of a query, as they were stored; batches are not known any more and count as 0."""
    while portion := found.fetchmany(_PORTION):
        yield [
            (series, at_ms, 0, number if number is not None else whole if whole is not None else text)
            for series, at_ms, number, whole, text in portion
        ]


def sums_of(portions: Iterable[list[Row]]) -> Sums:
    """Says now and then that it is at work."""
    count = total = 0
    for rows in portions:
        count += len(rows)
        total = checksum.of_rows(rows, total)
        print(WORKING, flush=True)
    return Sums(count, total)


def spelt(file: IO[str], portions: Iterable[list[Row]]) -> Iterator[list[Row]]:
    """The same rows without their batches, once they are written as CSV."""
    for rows in portions:
        file.writelines([_line(*row) for row in rows])
        yield [(series, at_ms, 0, value) for series, at_ms, _, value in rows]


def _line(series: int, at_ms: int, _batch: int, value: float | str | None) -> str:
    if value.__class__ is float:
        return f"{series},{at_ms},{value!r},,\n"
    if isinstance(value, str):
        return f"{series},{at_ms},,,x{value.encode().hex()}\n"
    return f"{series},{at_ms},,{'' if value is None else value},\n"


def quoted(path: Path) -> str:
    """As SQL has it: COPY takes no parameter there."""
    return "'" + str(path).replace("'", "''") + "'"


def write(job: dict[str, Any]) -> tuple[int, int, int]:
    """Make the draft of a part, of so many series as have `most` rows: count and checksum of its rows, and its last
    series. Fails unless what is read back from it is what was stored.
    """
    from controller.database import make_engine
    from controller.telemetry.rows import rows_in

    draft, day, batches = Path(job["draft"]), job["day"], Span(job["after"], job["upto"])
    table = draft.with_suffix(".csv.part")
    engine = make_engine(job["database"])
    try:
        with engine.connect() as connection, table.open("w", encoding="ascii", newline="\n") as file:
            rows = rows_in(connection)
            last = rows.piece(connection, day, job["after_series"], batches, job["most"])
            told = sums_of(spelt(file, rows.of_day(connection, day, Span(job["after_series"], last), batches)))
        with opened() as database:
            database.execute(_WRITE.replace("'DRAFT'", quoted(draft)), [str(table)])
            kept = sums_of(rows_of(database.execute(_ALL, [str(draft)])))
    finally:
        table.unlink(missing_ok=True)
        engine.dispose()
    if kept != told:
        raise SystemExit(f"{draft}: {kept} was read back of {told}")
    return *told, last


def lacking(job: dict[str, Any]) -> Iterator[list[Row]]:
    """What a file has that others have not, of series up to the last one given."""
    file, parts, last = job["file"], job["parts"], job["upto"]
    query = f"{_LACKING}{_NOT_THERE if parts else ''} ORDER BY series, at_ms"
    with opened() as database:
        counts = [found for found in database.execute(_COUNTS, [file]).fetchall() if found[0] <= last]
        for first, until in spans(counts):
            asked = [file, first, until, *([parts, first, until] if parts else [])]
            yield from rows_of(database.execute(query, asked))
            print(WORKING, flush=True)


def has_later(job: dict[str, Any]) -> bool:
    """Whether a file has readings of series behind the last one given."""
    with opened() as database:
        [(last,)] = database.execute("SELECT max(series) FROM read_parquet(?)", [job["file"]]).fetchall()
    return last is not None and bool(last > job["upto"])


def spans(counts: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """First and last series of stretches that have about `_COMPARED` rows. Pure."""
    first, count, last = None, 0, 0
    for series, rows in counts:
        first = series if first is None else first
        count, last = count + rows, series
        if count >= _COMPARED:
            yield first, last
            first, count = None, 0
    if first is not None:
        yield first, last


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(10)
    for line in sys.stdin:
        for answer in do(json.loads(line)):
            print(json.dumps(answer), flush=True)
        print(flush=True)


def do(job: dict[str, Any]) -> Iterator[Any]:
    if job["do"] == WRITE:
        yield write(job)
    elif job["do"] == SUMS:
        for file in job["files"]:
            with opened() as database:
                yield sums_of(rows_of(database.execute(_ALL, [file])))
    elif job["do"] == READ:
        with opened() as database:
            asked = [job["files"], job["series"], job["from"], job["to"]]
            for rows in rows_of(database.execute(_SERIES, asked)):
                yield [(at_ms, value) for _, at_ms, _, value in rows]
    elif job["do"] == STRAY:
        for rows in lacking(job):
            yield [(series, at_ms, value) for series, at_ms, _, value in rows]
        if has_later(job):
            yield None


if __name__ == "__main__":
    main()
