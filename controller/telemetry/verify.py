"""Proves that the files of the archive hold the rows that the register says."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine

from controller.telemetry import register
from controller.telemetry.archive import Sums, folder_of, path_of, sums_of
from controller.telemetry.child import ArchiveError
from controller.telemetry.register import Part
from controller.telemetry.strays import UNKNOWN, found


def faults(engine: Engine, folder: Path) -> Iterator[str]:
    """What is wrong with the archive. Raises SQLAlchemyError."""
    with engine.connect() as connection:
        parts = [part for part in register.parts(connection) if part.row_count]
    there = []
    for part in parts:
        if path_of(folder, part).is_file():
            there.append(part)
        else:
            yield f"{path_of(folder, part)}: the file is missing"
    try:
        found: Iterator[Sums | None] = iter(list(sums_of(folder, there)) if there else [])
    except ArchiveError:
        found = (_sums_alone(folder, part) for part in there)
    for part, sums in zip(there, found, strict=True):
        if sums is None:
            yield f"{path_of(folder, part)}: the file cannot be read"
        elif sums.row_count != part.row_count:
            yield f"{path_of(folder, part)}: {sums.row_count} rows of {part.row_count}"
        elif sums.checksum != part.checksum:
            yield f"{path_of(folder, part)}: its rows were changed"


def _sums_alone(folder: Path, part: Part) -> Sums | None:
    try:
        return next(sums_of(folder, [part]))
    except ArchiveError:
        return None


def main(engine: Engine, folder: Path) -> int:
    """Print what is wrong; 0 if all is well, else 1."""
    wrong = list(faults(engine, folder))
    for fault in wrong:
        print(f"NOT {fault}")
    with engine.connect() as connection:
        parts = register.parts(connection)
        strays = found(connection, folder)
    for day, name in strays:
        print(f"    {folder_of(folder, day) / name}: not in the register; the controller takes in what it has")
    for file in sorted(folder.glob(f"*/*{UNKNOWN}")):
        print(f"    {file}: readings of series that nobody knows")
    verdict = "every row is there" if not wrong else "see the lines that begin with NOT"
    print(f"{len(parts)} parts of the archive, {sum(part.row_count for part in parts)} rows: {verdict}")
    return 1 if wrong else 0
