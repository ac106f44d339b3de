"""A table that somebody sends, as CSV or XLSX: from bytes to rows of texts, each with its number. Pure.

Whatever the bytes are, a table comes of it or a `NotATable`. Formulas count by the value that was saved with them.
"""

import csv
import io
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final

MOST_BYTES: Final = 2_000_000
MOST_ROWS: Final = 1_000
MOST_COLUMNS: Final = 60
LONGEST_CELL: Final = 500
"""Letters."""
MOST_UNPACKED: Final = 12_000_000
"""Bytes of all that is in an XLSX file, as it says itself; nothing beyond that is ever unpacked."""
_MOST_PARTS: Final = 300
_DELIMITERS: Final = ",;\t"
_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_MIDNIGHT = time()
_EXCEL_BEGAN = 1901
"""A time of day without a date is one of a day before that year."""
_MISSHAPEN: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,  # what the XML parser raises
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What openpyxl raises of files that are no workbooks, beside an error of its own."""


class Unreadable(StrEnum):
    EMPTY = "empty"
    TOO_LARGE = "too-large"
    TOO_MANY_ROWS = "too-many-rows"
    TOO_MANY_COLUMNS = "too-many-columns"
    OLD_EXCEL = "old-excel"
    NO_WORKBOOK = "no-workbook"
    NO_TEXT = "no-text"


class NotATable(Exception):
    """Nothing can be read from it; `why` says what is to be mended."""

    def __init__(self, why: Unreadable) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Row:
    """`number` is what a spreadsheet shows beside it, from 1. Cells are in NFC, without outer blanks."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The first row with anything in it, and all below it that have anything in them.

    `encoding` and `delimiter` are those of CSV, empty for XLSX.
    """

    head: Row
    rows: tuple[Row, ...]
    encoding: str = ""
    delimiter: str = ""


def read(content: bytes) -> Sheet:
    """Raises NotATable."""
    if len(content) > MOST_BYTES:
        raise NotATable(Unreadable.TOO_LARGE)
    if content.startswith(_OLD_EXCEL):
        raise NotATable(Unreadable.OLD_EXCEL)
    if content.startswith(_ZIP):
        return _sheet(_workbook_rows(content))
    encoding = _encoding(content)
    text = _text(content, encoding)
    delimiter, text = _delimiter(text)
    return _sheet(_csv_rows(text, delimiter), encoding.removesuffix("-sig"), delimiter)


def write_csv(rows: Iterable[Sequence[str]], delimiter: str = ";") -> bytes:
    """With the mark by which spreadsheets know UTF-8."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode("utf-8-sig")


def write_xlsx(rows: Iterable[Sequence[str]]) -> bytes:
    """Every cell is a text: nothing is taken for a formula, and a code keeps its zeros."""
    from openpyxl import Workbook  # only who imports timetables waits for it

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Fabfleet")
    for row in rows:
        sheet.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _sheet(rows: Iterable[Sequence[str]], encoding: str = "", delimiter: str = "") -> Sheet:
    found = []
    for number, cells in enumerate(rows, 1):
        if number > MOST_ROWS:
            raise NotATable(Unreadable.TOO_MANY_ROWS)
        tidied = [_tidy(each) for each in cells]
        while tidied and not tidied[-1]:
            tidied.pop()
        if len(tidied) > MOST_COLUMNS:
            raise NotATable(Unreadable.TOO_MANY_COLUMNS)
        if tidied:
            found.append(Row(number, tuple(tidied)))
    if not found:
        raise NotATable(Unreadable.EMPTY)
    return Sheet(found[0], tuple(found[1:]), encoding, delimiter)


def _tidy(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text[:LONGEST_CELL]).split())


# CSV


def _encoding(content: bytes) -> str:
    """By its mark; else UTF-16 if it is full of zeros, UTF-8 if it can be, and what Vietnamese Windows had before."""
    for mark, name in _BOMS:
        if content.startswith(mark):
            return name
    begin = content[:400]
    if begin.count(0) > len(begin) // 4:
        return "utf-16-be" if begin[:1] == b"\0" else "utf-16-le"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "windows-1258"
    return "utf-8"


def _text(content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeError:
        raise NotATable(Unreadable.NO_TEXT) from None
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in set(text) - set("\t\r\n\f\v")):
        raise NotATable(Unreadable.NO_TEXT)
    return text


def _delimiter(text: str) -> tuple[str, str]:
    """What the first line is parted by, as it says (`sep=;`) or by counting; and the text below such a saying."""
    first, _, rest = text.lstrip("\r\n").partition("\n")
    said = first.strip().lower()
    if said.startswith("sep=") and said[4:5] in set(_DELIMITERS):
        return said[4], "\n" + rest  # the line is a row of the spreadsheet all the same
    return max(_DELIMITERS, key=first.count), text


def _csv_rows(text: str, delimiter: str) -> Iterator[Sequence[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error:
        raise NotATable(Unreadable.NO_TEXT) from None


# XLSX


def _workbook_rows(content: bytes) -> Sequence[Sequence[str]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        _check_parts(content)
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what a file says of its own size is not to be trusted
        rows = sheet.iter_rows(max_row=MOST_ROWS + 1, max_col=MOST_COLUMNS + 1, values_only=True)
        return [[_cell(each) for each in row] for row in islice(rows, MOST_ROWS + 1)]
    except (*_MISSHAPEN, InvalidFileException):
        raise NotATable(Unreadable.NO_WORKBOOK) from None


def _check_parts(content: bytes) -> None:
    """Raises NotATable if it is larger unpacked than any timetable, or its XML defines words of its own."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        listed = parts.infolist()
        if len(listed) > _MOST_PARTS or sum(each.file_size for each in listed) > MOST_UNPACKED:
            raise NotATable(Unreadable.TOO_LARGE)
        if any(b"<!DOCTYPE" in parts.read(each) for each in listed):
            raise NotATable(Unreadable.NO_WORKBOOK)


def _cell(value: object) -> str:
    """As somebody would type it: a date in ISO form, a time by hour and minute, a whole number without a point."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, timedelta):
        value = _of_day(value) if timedelta() <= value < timedelta(days=1) else str(value)
    if isinstance(value, datetime):
        if value.year < _EXCEL_BEGAN:
            value = value.time()
        elif value.time() == _MIDNIGHT:
            value = value.date()
    if isinstance(value, time):
        return _clock(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _clock(at: time) -> str:
    """To the minute: what a spreadsheet calls 07:15 may be half a second less."""
    since = timedelta(hours=at.hour, minutes=at.minute, seconds=at.second + 30)
    return f"{_of_day(since % timedelta(days=1)):%H:%M}"


def _of_day(since: timedelta) -> time:
    return time(since.seconds // 3600, since.seconds // 60 % 60, since.seconds % 60)
