"""The kinds of tables that can be imported: their columns, what these are called in a file, and a sample row. Pure.

Names of columns belong to the format of the files and not to a reader's language: every file may have either of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from controller.folding import fold
from controller.timetable import cells
from controller.timetable.cells import Parse


class Kind(StrEnum):
    """What a file is about. These names are kept."""

    THINGS = "things"
    CALENDAR = "calendar"
    BELLS = "bells"
    LESSONS = "lessons"
    ASSETS = "assets"


class Field(StrEnum):
    """What a column says. Those of THINGS have the names of `entries.WriteThing`."""

    ROOM = "room"
    NAME = "name"
    CODE = "code"
    KIND = "kind"
    CLASS = "class_name"
    CAPACITY = "capacity"
    SETUP = "setup_min"
    CLEAN_UP = "clean_up_min"
    CHARGE = "charge_min"
    WATTS = "watts"
    CIRCUIT = "circuit"
    HAZARD = "hazard"
    CERTIFICATE = "certificate"
    SHARED = "shared"
    APPROVAL = "approval"
    YEAR = "year"
    WHAT = "what"
    FIRST = "first"
    LAST = "last"
    WEEK = "week"
    AS_WEEKDAY = "as-weekday"
    SCHEDULE = "schedule"
    WEEKDAYS = "weekdays"
    HALF = "half"
    NUMBER = "number"
    BEGINS = "begins"
    ENDS = "ends"
    WEEKDAY = "weekday"
    PERIODS = "periods"
    TITLE = "title"
    TEACHER = "teacher"
    THING = "thing"
    HEAD_COUNT = "head-count"
    PURPOSE = "purpose"
    SERIAL = "serial"
    MAC = "mac"
    MADE = "made"


@dataclass(frozen=True, slots=True)
class Column:
    """`vi` and `en` are its names; `sample` stands in the template."""

    field: Field
    vi: str
    en: str
    parse: Parse
    sample: str
    required: bool = False

    def name(self, language: str) -> str:
        return self.vi if language == "vi" else self.en


@dataclass(frozen=True, slots=True)
class Layout:
    kind: Kind
    columns: tuple[Column, ...]

    def located(self, head: Iterable[str]) -> Mapping[int, Column]:
        """Which place of a row is which column. Names are compared without case and accents; of two alike the first."""
        names = {fold(name): each for each in self.columns for name in (each.vi, each.en, each.field)}
        found: dict[int, Column] = {}
        for place, text in enumerate(head):
            column = names.get(fold(text))
            if column is not None and column not in found.values():
                found[place] = column
        return found

    def template(self, language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Heading and sample row."""
        return tuple(each.name(language) for each in self.columns), tuple(each.sample for each in self.columns)


_NAME: Final = cells.text(64)
THINGS: Final = Layout(
    Kind.THINGS,
    (
        Column(Field.ROOM, "Phòng", "Room", cells.text(63), "P.201 FabLab", required=True),
        Column(Field.NAME, "Tên", "Name", cells.text(128), "Máy in 3D B", required=True),
        Column(Field.KIND, "Loại", "Kind", cells.kind, "máy"),
        Column(Field.CLASS, "Nhóm máy", "Class", cells.class_name, "máy in 3D"),
        Column(Field.CAPACITY, "Số lượng", "Capacity", cells.number(1, 100_000), "1"),
        Column(Field.SETUP, "Phút chuẩn bị", "Setup minutes", cells.number(0, 240), "0"),
        Column(Field.CLEAN_UP, "Phút dọn dẹp", "Clean-up minutes", cells.number(0, 240), "5"),
        Column(Field.CHARGE, "Phút sạc", "Charging minutes", cells.number(0, 240), "0"),
        Column(Field.WATTS, "Công suất (W)", "Power (W)", cells.number(0, 100_000), "350"),
        Column(Field.CIRCUIT, "Mạch điện", "Circuit", cells.text(128), ""),
        Column(Field.HAZARD, "Mức nguy hiểm", "Hazard", cells.number(0, 3), "1"),
        Column(Field.CERTIFICATE, "Chứng nhận", "Certificate", cells.text(63), ""),
        Column(Field.SHARED, "Dùng chung", "Shared", cells.yes_no, "có"),
        Column(Field.APPROVAL, "Cần duyệt", "Approval", cells.yes_no, "không"),
        Column(Field.CODE, "Mã nhãn", "Label code", cells.text(8), ""),
    ),
)
CALENDAR: Final = Layout(
    Kind.CALENDAR,
    (
        Column(Field.YEAR, "Năm học", "School year", cells.text(32), "2026–2027", required=True),
        Column(Field.WHAT, "Mục", "Entry", cells.what, "học kỳ", required=True),
        Column(Field.NAME, "Tên", "Name", _NAME, "Học kỳ 1"),
        Column(Field.FIRST, "Từ ngày", "From", cells.day, "07/09/2026", required=True),
        Column(Field.LAST, "Đến ngày", "To", cells.day, "15/01/2027"),
        Column(Field.WEEK, "Tuần đầu", "First week", cells.week, "A"),
        Column(Field.AS_WEEKDAY, "Học theo thứ", "Taught as", cells.weekday, ""),
    ),
)
BELLS: Final = Layout(
    Kind.BELLS,
    (
        Column(Field.YEAR, "Năm học", "School year", cells.text(32), "2026–2027", required=True),
        Column(Field.SCHEDULE, "Giờ vào tiết", "Bell schedule", _NAME, "Cả năm", required=True),
        Column(Field.WEEKDAYS, "Thứ", "Weekdays", cells.weekdays, "T2–T7", required=True),
        Column(Field.FIRST, "Từ ngày", "From", cells.day, "07/09/2026", required=True),
        Column(Field.LAST, "Đến ngày", "To", cells.day, "31/05/2027", required=True),
        Column(Field.HALF, "Buổi", "Half", cells.half, "sáng", required=True),
        Column(Field.NUMBER, "Tiết", "Period", cells.number(1, 20), "1", required=True),
        Column(Field.BEGINS, "Giờ vào", "Begins", cells.clock, "07:15", required=True),
        Column(Field.ENDS, "Giờ ra", "Ends", cells.clock, "08:00", required=True),
    ),
)
LESSONS: Final = Layout(
    Kind.LESSONS,
    (
        Column(Field.FIRST, "Từ ngày", "From", cells.day, "07/09/2026", required=True),
        Column(Field.LAST, "Đến ngày", "To", cells.day, "15/01/2027"),
        Column(Field.WEEKDAY, "Thứ", "Weekday", cells.weekday, "T3"),
        Column(Field.WEEK, "Tuần", "Week", cells.week, ""),
        Column(Field.PERIODS, "Tiết", "Periods", cells.lesson, "3–4 sáng", required=True),
        Column(Field.TITLE, "Lớp", "Class", cells.text(128), "8A1", required=True),
        Column(Field.TEACHER, "Giáo viên", "Teacher", cells.text(64), "ha", required=True),
        Column(Field.THING, "Máy", "Machine", cells.text(128), "Máy in 3D B", required=True),
        Column(Field.HEAD_COUNT, "Sĩ số", "Head-count", cells.number(0, 1_000), "32"),
        Column(Field.PURPOSE, "Mục đích", "Purpose", cells.text(200), ""),
    ),
)
ASSETS: Final = Layout(
    Kind.ASSETS,
    (
        Column(Field.NAME, "Tên máy", "Name", cells.text(63), "pc-p206", required=True),
        Column(Field.ROOM, "Phòng", "Room", cells.text(63), "P.206"),
        Column(Field.SERIAL, "Số sê-ri", "Serial number", cells.text(64), "PF3XK9ZQ"),
        Column(Field.MAC, "Địa chỉ MAC", "MAC address", cells.mac, "52:54:00:12:34:56"),
        Column(Field.MADE, "Loại máy", "Kind", cells.text(64), "máy tính bàn"),
    ),
)
LAYOUTS: Final[Mapping[Kind, Layout]] = {each.kind: each for each in (THINGS, CALENDAR, BELLS, LESSONS, ASSETS)}
