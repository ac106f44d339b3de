"""`fabfleet export`: files that a data centre reads, in which nobody can be found again."""

import json
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from controller.export.catalogue import TABLES
from controller.export.export import ExportError, export
from controller.scheduling.tables import Assignment, Booking, Resource, UseSpan
from controller.telemetry.roller import Roller
from controller.telemetry.tiers import FIVE_MINUTES, HOUR_MS
from tests.integration.archive import NOW, Annals

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
DAY = date(2024, 10, 4)
"""That of NOW."""
BOOKING = "booking-number-{}"


@pytest.fixture(name="annals")
def _annals(either_database: Engine) -> Annals:
    annals = Annals(either_database)
    annals.take([(1, NOW - at * 60_000, at / 10) for at in range(120)] + [(4, NOW, "idle")])
    Roller(either_database).roll()
    with Session(either_database) as db:
        for number, holder in enumerate(["tran-thu-hong", "tran-thu-hong", "le-van-nam"]):
            db.add(
                Booking(
                    id=BOOKING.format(number),
                    school_id="alpha",
                    holder=holder,
                    kind="lesson",
                    state="done",
                    title="Lớp cô Hồng",
                    by_id=holder,
                    head_count=30,
                    start_ms=NOW + number,
                    end_ms=NOW + HOUR_MS,
                    created_ms=NOW,
                    changed_ms=NOW,
                )
            )
        db.add(UseSpan(school_id="alpha", device_id=1, from_ms=NOW, until_ms=NOW + HOUR_MS))
        db.add(
            UseSpan(
                school_id="alpha", device_id=1, from_ms=NOW + 1, until_ms=NOW + HOUR_MS, booking_id=BOOKING.format(2)
            )
        )
        db.add(Resource(id=1, school_id="alpha", kind="unit", name="3D-01", code="AAAA"))
        db.flush()
        db.add(Assignment(booking_id=BOOKING.format(1), resource_id=1, quantity=0, from_ms=NOW, until_ms=NOW + HOUR_MS))
        db.commit()
    return annals


def test_an_export_is_read_by_duckdb_and_names_nobody(annals: Annals, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    counts = export(annals.engine, ZONE, DAY, DAY, folder)
    assert {file.name for file in folder.iterdir()} == {
        *("README.md", "dictionary.json"),
        *(f"{table.name}.parquet" for table in TABLES),
    }
    told = json.loads((folder / "dictionary.json").read_text("utf-8"))
    with duckdb.connect() as database:
        for table in told["tables"]:
            found = database.execute("SELECT * FROM read_parquet(?)", [str(folder / table["file"])])
            assert [column[0] for column in found.description or ()] == [each["name"] for each in table["columns"]]
            assert len(found.fetchall()) == table["rows"] == counts[table["name"]]
            assert all(each["meaning"] and each["meaning_vi"] for each in [table, *table["columns"]])
        fives = database.execute("SELECT * FROM read_parquet(?)", [str(folder / "rollup_5min.parquet")]).fetchall()
        holders = database.execute("SELECT holder FROM read_parquet(?)", [str(folder / "booking.parquet")]).fetchall()
    wanted = [tuple(each[:6]) for each in annals.buckets(FIVE_MINUTES)]
    assert sorted(fives) == sorted(wanted)
    assert holders[0] == holders[1] != holders[2]
    for file in folder.iterdir():
        content = file.read_bytes()
        for name in ("tran-thu-hong", "le-van-nam", "Hồng", "Alpha", BOOKING.format("")):
            assert name.encode() not in content
    assert _bookings(folder) == 3
    export(annals.engine, ZONE, DAY, DAY, tmp_path / "again")
    assert not _pseudonyms(tmp_path / "again") & _pseudonyms(folder), (
        "two exports cannot be joined, nor with our tables"
    )
    told_to_people = (folder / "README.md").read_text("utf-8")
    assert "| at_ms | BIGINT |" in told_to_people
    assert "Số đo gộp theo từng giờ." in told_to_people


def _pseudonyms(folder: Path) -> set[str]:
    """Of people and of bookings."""
    with duckdb.connect() as database:
        found = database.execute("SELECT holder, id FROM read_parquet(?)", [str(folder / "booking.parquet")])
        return {each for row in found.fetchall() for each in row}


def _bookings(folder: Path) -> int:
    """How many there are; what a use or an assignment says of one is one of them."""

    def column(name: str, table: str) -> list[str | None]:
        with duckdb.connect() as database:
            found = database.execute(f"SELECT {name} FROM read_parquet(?)", [str(folder / f"{table}.parquet")])
            return [each for (each,) in found.fetchall()]

    known = column("id", "booking")
    [had] = column("booking_id", "assignment")
    nobodys, used = column("booking_id", "use")
    assert (had in known, used in known, had != used, nobodys) == (True, True, True, None)
    return len(known)


def test_an_export_is_whole_or_not_there(annals: Annals, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(ExportError, match="not an empty folder"):
        export(annals.engine, ZONE, DAY, DAY, tmp_path / "full")
    with pytest.raises(ExportError, match="before"):
        export(annals.engine, ZONE, DAY, date(2024, 10, 3), tmp_path / "export")
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="file"):
        export(annals.engine, ZONE, DAY, DAY, tmp_path / "file" / "export")
    assert {each.name for each in tmp_path.iterdir() if not each.name.startswith("either")} == {"full", "file"}
