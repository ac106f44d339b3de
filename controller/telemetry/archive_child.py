"""The part of the archive that needs DuckDB: a process of its own for a few jobs, so that its memory goes with it.

Standard input has a job a line, standard output the answers, all of it JSON. See `archive` for what they mean.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import duckdb

from controller.telemetry.archive import READ, SUMS, WRITE, Sums
from controller.telemetry.checksum import Row, extended

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


def opened() -> "duckdb.DuckDBPyConnection":
    """With little memory and one thread, and in the order of the files."""
    return duckdb.connect(config={"threads": 1, "memory_limit": MEMORY, "preserve_insertion_order": True})


def rows_of(found: "duckdb.DuckDBPyConnection") -> Iterator[Row]:
    """The rows of a query, as they were stored; batches are not known any more and count as 0."""
    while portion := found.fetchmany(_PORTION):
        for series, at_ms, number, whole, text in portion:
            yield series, at_ms, 0, number if number is not None else whole if whole is not None else text


def sums_of(rows: Iterator[Row]) -> Sums:
    count = checksum = 0
    for row in rows:
        count += 1
        checksum = extended(checksum, row)
    return Sums(count, checksum)


def spelt(file: IO[str], rows: Iterator[Row]) -> Iterator[Row]:
    """The same rows, once they are written as CSV."""
    for row in rows:
        series, at_ms, _, value = row
        if value.__class__ is float:
            file.write(f"{series},{at_ms},{value!r},,\n")
        elif isinstance(value, str):
            file.write(f"{series},{at_ms},,,x{value.encode().hex()}\n")
        else:
            file.write(f"{series},{at_ms},,{'' if value is None else value},\n")
        yield series, at_ms, 0, value


def quoted(path: Path) -> str:
    """As SQL has it: COPY takes no parameter there."""
    return "'" + str(path).replace("'", "''") + "'"


def write(job: dict[str, Any]) -> Sums:
    """Make the draft of a part; fails unless what is read back from it is what was stored."""
    from controller.database import make_engine
    from controller.telemetry.rows import rows_in

    draft = Path(job["draft"])
    table = draft.with_suffix(".csv")
    engine = make_engine(job["database"])
    try:
        with engine.connect() as connection, table.open("w", encoding="ascii", newline="\n") as file:
            rows = (
                row
                for row in rows_in(connection).of_day(connection, job["day"])
                if job["after"] < row[2] <= job["upto"]
            )
            told = sums_of(spelt(file, rows))
        with opened() as database:
            database.execute(_WRITE.replace("'DRAFT'", quoted(draft)), [str(table)])
            kept = sums_of(rows_of(database.execute(_ALL, [str(draft)])))
    finally:
        table.unlink(missing_ok=True)
        engine.dispose()
    if kept != told:
        raise SystemExit(f"{draft}: {kept} was read back of {told}")
    return told


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(10)
    for line in sys.stdin:
        do(json.loads(line))


def do(job: dict[str, Any]) -> None:
    if job["do"] == WRITE:
        print(json.dumps(write(job)), flush=True)
    elif job["do"] == SUMS:
        for file in job["files"]:
            with opened() as database:
                print(json.dumps(sums_of(rows_of(database.execute(_ALL, [file])))), flush=True)
    elif job["do"] == READ:
        with opened() as database:
            asked = [job["files"], job["series"], job["from"], job["to"]]
            for _, at_ms, _, value in rows_of(database.execute(_SERIES, asked)):
                print(json.dumps((at_ms, value)))


if __name__ == "__main__":
    main()
