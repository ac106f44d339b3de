"""Tables that people send: read whatever program wrote them, and never a crash."""

import io
import zipfile
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from controller.timetable.sheets import (
    MOST_BYTES,
    MOST_ROWS,
    MOST_UNPACKED,
    NotATable,
    Unreadable,
    read,
    write_csv,
    write_xlsx,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
ROWS = [("Phòng", "Tên", "Giờ vào"), ("P.201", "Máy in 3D B", "07:15"), ("P.305", "Máy cắt laser", "")]


def text(delimiter: str = ";") -> str:
    return "\r\n".join(delimiter.join(row) for row in ROWS)


def unreadable(content: bytes) -> Unreadable:
    with pytest.raises(NotATable) as refused:
        read(content)
    return refused.value.why


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_csv_of_any_delimiter_and_encoding_reads_the_same(delimiter: str, encoding: str) -> None:
    sheet = read(text(delimiter).encode(encoding))
    assert sheet.head.cells == ROWS[0]
    assert [(row.number, row.cells) for row in sheet.rows] == [(2, ROWS[1]), (3, ROWS[2][:2])]
    assert sheet.delimiter == delimiter


def test_csv_of_an_old_vietnamese_windows_is_known_by_not_being_utf8() -> None:
    sheet = read("Tên;Giơ\u0300\r\nXươ\u0309ng;2".encode("cp1258"))
    assert (sheet.encoding, sheet.head.cells, sheet.rows[0].cells) == ("windows-1258", ("Tên", "Giờ"), ("Xưởng", "2"))


def test_rows_keep_the_numbers_that_a_spreadsheet_shows() -> None:
    sheet = read('sep=,\nTên,Số\n\n"hai\ndòng",1\n,,\nba,2\n'.encode())
    assert sheet.head.number == 2
    assert [(row.number, row.cells) for row in sheet.rows] == [(4, ("hai dòng", "1")), (6, ("ba", "2"))]


def test_xlsx_reads_values_as_people_would_type_them() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["a", "b", "c", "d", "e", "f", "g"])
    sheet.append([date(2026, 11, 25), time(7, 15), timedelta(hours=9, minutes=5), 3.0, 2.5, True, None])
    sheet.append([datetime(2026, 11, 25, 7, 15), "  Tie\u0302\u0301t  3 ", "=1+1"])  # noqa: DTZ001 - a workbook knows no zones
    out = io.BytesIO()
    book.save(out)
    rows = read(out.getvalue()).rows
    assert rows[0].cells == ("2026-11-25", "07:15", "09:05", "3", "2.5", "yes")
    assert rows[1].cells == ("2026-11-25T07:15:00", "Tiết 3"), "a formula that was never reckoned has no value"


def test_what_is_written_is_read_again() -> None:
    for content in (write_csv(ROWS), write_csv(ROWS, ","), write_xlsx(ROWS)):
        sheet = read(content)
        assert (sheet.head.cells, sheet.rows[0].cells) == (ROWS[0], ROWS[1])


def test_what_is_too_much_is_refused_before_it_is_unpacked() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/workbook.xml", b"\0" * (MOST_UNPACKED + 1))
    assert len(bomb.getvalue()) < MOST_BYTES
    assert unreadable(bomb.getvalue()) is Unreadable.TOO_LARGE
    assert unreadable(b"a" * (MOST_BYTES + 1)) is Unreadable.TOO_LARGE
    assert unreadable(b"a\n" * (MOST_ROWS + 1)) is Unreadable.TOO_MANY_ROWS
    assert unreadable(b"," * 200) is Unreadable.EMPTY, "blank cells are none"
    assert unreadable(",".join("a" * 200).encode()) is Unreadable.TOO_MANY_COLUMNS


def test_a_workbook_of_far_away_cells_is_bounded() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["A1"], sheet["A1048576"] = "a", "b"
    out = io.BytesIO()
    book.save(out)
    assert unreadable(out.getvalue()) is Unreadable.TOO_MANY_ROWS


def test_what_is_no_table_is_said_to_be_none() -> None:
    assert unreadable(b"") is Unreadable.EMPTY
    assert unreadable(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") is Unreadable.OLD_EXCEL
    assert unreadable(b"%PDF-1.7\n\x00\x01\x02\xff\xfe") is Unreadable.NO_TEXT
    assert unreadable(b"PK\x03\x04 and no more") is Unreadable.NO_WORKBOOK
    declaring = io.BytesIO()
    with zipfile.ZipFile(declaring, "w") as parts:
        parts.writestr("xl/workbook.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    assert unreadable(declaring.getvalue()) is Unreadable.NO_WORKBOOK


GOOD = write_xlsx(ROWS)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=400),
        st.binary(max_size=200).map(lambda tail: b"PK\x03\x04" + tail),
        st.tuples(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4)).map(
            lambda change: GOOD[: change[0]] + change[1] + GOOD[change[0] + len(change[1]) :]
        ),
        st.text(max_size=200).map(lambda each: each.encode("utf-8", "surrogatepass")),
    )
)
def test_any_bytes_are_a_table_or_said_to_be_none(content: bytes) -> None:
    try:
        sheet = read(content)
    except NotATable:
        return
    assert all(row.cells and row.number > sheet.head.number for row in sheet.rows)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 6), st.binary(max_size=120))
def test_any_xml_within_a_workbook_is_a_table_or_said_to_be_none(place: int, garbage: bytes) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(GOOD)) as before, zipfile.ZipFile(out, "w") as after:
        for number, name in enumerate(before.namelist()):
            content = before.read(name)
            after.writestr(name, content[: len(content) // 2] + garbage if number == place else content)
    try:
        read(out.getvalue())
    except NotATable:
        return
