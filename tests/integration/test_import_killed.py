"""A timetable is imported whole or not at all: its process is killed in the middle, at many places."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from controller.timetable.sheets import write_csv
from tests.integration.bookable import populated, school_day
from tests.integration.import_process import DONE_WORD, HERE_WORD

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("bookings")]
THINGS = ("3D-01", "3D-02", "Lab")


def test_import_that_is_killed_in_the_middle_leaves_nothing_and_is_done_whole_the_next_time(
    either_database: Engine, tmp_path: Path
) -> None:
    populated(either_database)
    file, day = tmp_path / "lessons.csv", school_day()
    until = day + timedelta(days=14)
    head = ("Từ ngày", "Đến ngày", "Tiết", "Lớp", "Giáo viên", "Máy", "Sĩ số")
    rows = [
        (f"{day:%d/%m/%Y}", f"{until:%d/%m/%Y}", str(n), "8A1", "ha", name, "20") for n, name in enumerate(THINGS, 1)
    ]
    file.write_bytes(write_csv([head, *rows]))
    url = either_database.url.render_as_string(hide_password=False)

    words = []
    for asks in (5, 20):  # 27 or so are one whole import
        words.append(_imported(url, file, asks))
        assert _kept(either_database) == (0, 0), f"killed when the clock was asked {asks} times"
    assert words == [HERE_WORD] * len(words), "each was in the middle of it"
    said = _imported(url, file, -1)
    booked, lines = _kept(either_database)
    assert (said, lines) == (f"{DONE_WORD} {booked}", 1)
    assert 6 <= booked <= 9, "three lessons a week for as many weeks as are taught"


def _imported(url: str, file: Path, asks: int) -> str:
    """What it said last, of a process that is killed when it stops in the middle."""
    command = [sys.executable, "-m", "tests.integration.import_process", url, str(file), str(asks)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        process.kill()
    return said


def _kept(engine: Engine) -> tuple[int, int]:
    """How many bookings there are, and lines of imports in the audit log; claims only with bookings."""
    with engine.connect() as connection:
        bookings, claims, lines = (
            connection.execute(text(f"SELECT COUNT(*) FROM {what}")).scalar_one()
            for what in ("booking", "claim", "audit_line WHERE action = 'import'")
        )
        assert bool(bookings) == bool(claims)
        return bookings, lines
