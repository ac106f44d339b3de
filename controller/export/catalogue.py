"""The tables of an export: each with its columns, their units and meanings, and where its rows come from.

No names of people, no logins, no titles that people wrote: schools, rooms and devices by their ids, people and bookings
by a pseudonym of that one export. A booking's own id would tell in two exports, and to whoever sees bookings, whose it
is.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from sqlalchemy import Connection, text

from controller.telemetry.rollups import rollups_in
from controller.telemetry.tiers import FIVE_MINUTES, HOUR, Grain

_SLICE: Final = 200
"""Series that are read at a time."""
_PSEUDONYM: Final = 16

Cell: TypeAlias = int | float | str | bool | None


@dataclass(frozen=True, slots=True)
class Asked:
    """One export: a span of time up to, not including, its end, and the key of its pseudonyms, which nobody keeps."""

    connection: Connection
    from_ms: int
    until_ms: int
    key: bytes

    def pseudonym(self, name: str) -> str:
        return hmac.new(self.key, name.encode(), hashlib.sha256).hexdigest()[:_PSEUDONYM]


@dataclass(frozen=True, slots=True)
class Column:
    """`type` is DuckDB's; `unit` is empty where there is none; what it means stands in English and in Vietnamese."""

    name: str
    type: str
    unit: str
    meaning: str
    meaning_vi: str


Rows: TypeAlias = Callable[[Asked], Iterator[Sequence[Cell]]]


@dataclass(frozen=True, slots=True)
class ExportTable:
    name: str
    meaning: str
    meaning_vi: str
    columns: tuple[Column, ...]
    rows: Rows


def _selected(sql: str, hidden: Sequence[int] = ()) -> Rows:
    """The rows of a query; what stands in the columns `hidden` becomes a pseudonym."""

    def rows(asked: Asked) -> Iterator[Sequence[Cell]]:
        found = asked.connection.execute(text(sql), {"from": asked.from_ms, "until": asked.until_ms})
        for row in found:
            cells: list[Cell] = list(row)
            for at in hidden:
                if cells[at] is not None:
                    cells[at] = asked.pseudonym(str(cells[at]))
            yield cells

    return rows


def _rolled_up(grain: Grain) -> Rows:
    def rows(asked: Asked) -> Iterator[Sequence[Cell]]:
        rollups = rollups_in(asked.connection)
        numeric = text("SELECT id FROM series WHERE kind <> 'text' ORDER BY id")
        series = [found for (found,) in asked.connection.execute(numeric)]
        for period in rollups.periods(asked.connection, grain):
            begin, end = max(asked.from_ms, grain.begin_ms(period)), min(asked.until_ms, grain.end_ms(period))
            for at in range(0, len(series), _SLICE) if begin < end else ():
                for bucket in rollups.of_series(asked.connection, grain, series[at : at + _SLICE], begin, end):
                    yield bucket[:6]

    return rows


_MS: Final = "ms since 1970-01-01T00:00Z"
_ROLLUP: Final = (
    Column("series_id", "INTEGER", "", "series.id", "series.id"),
    Column("at_ms", "BIGINT", _MS, "begin of the stretch", "lúc bắt đầu của khoảng"),
    Column(
        *("readings", "INTEGER", "1"),
        "how many readings had a value; 0: the device was asked and did not know",
        "số lần đo có giá trị; 0: đã hỏi mà thiết bị không biết",
    ),
    Column(
        *("low", "DOUBLE", "series.unit"),
        "lowest value; a truth value is 0 or 1",
        "giá trị thấp nhất; giá trị đúng/sai là 1 hoặc 0",
    ),
    Column(
        *("mean", "DOUBLE", "series.unit"),
        "mean of the readings, each counting the same however long it stood",
        "trung bình các lần đo, mỗi lần tính như nhau dù kéo dài bao lâu",
    ),
    Column("high", "DOUBLE", "series.unit", "highest value", "giá trị cao nhất"),
)
_SCHOOL: Final = Column(
    *("school_id", "VARCHAR", ""),
    "short name of the school, as in topics",
    "tên ngắn của trường, như trong chủ đề MQTT",
)
_ROOM: Final = Column(
    *("room_id", "INTEGER", ""),
    "room.id; none if nobody said where it is",
    "room.id; trống nếu chưa ai cho biết ở đâu",
)

TABLES: Final = (
    ExportTable(
        "room",
        "The rooms of the schools.",
        "Các phòng của các trường.",
        (Column("id", "INTEGER", "", "the room", "phòng"), _SCHOOL),
        _selected("SELECT id, school_id FROM room ORDER BY id"),
    ),
    ExportTable(
        "device",
        "What is looked after.",
        "Các thiết bị được trông coi.",
        (
            Column("id", "INTEGER", "", "the device", "thiết bị"),
            _SCHOOL,
            _ROOM,
            Column(
                *("profile", "VARCHAR", ""),
                "vendor and model, as in device_profiles",
                "hãng và kiểu máy, như trong device_profiles",
            ),
        ),
        _selected(
            "SELECT device.id, device.school_id, coalesce(device.room_id, agent.room_id), profile_slug FROM device"
            " JOIN agent ON agent.id = agent_id ORDER BY device.id"
        ),
    ),
    ExportTable(
        "series",
        "One metric of one device.",
        "Một chỉ số của một thiết bị.",
        (
            Column("id", "INTEGER", "", "the series", "chuỗi số đo"),
            _SCHOOL,
            Column("device_id", "INTEGER", "", "device.id", "device.id"),
            Column(
                *("metric", "VARCHAR", ""),
                "name of the metric in the device's profile",
                "tên chỉ số trong hồ sơ kiểu thiết bị",
            ),
            Column(
                *("unit", "VARCHAR", ""),
                "UCUM code of its values; 1: a number without unit",
                "mã UCUM của giá trị; 1: số không có đơn vị",
            ),
            Column(
                *("kind", "VARCHAR", ""),
                "bool, int or float; text series have no roll-ups",
                "bool, int hoặc float; chuỗi văn bản không được gộp",
            ),
        ),
        _selected("SELECT id, school_id, device_id, metric, unit, kind FROM series WHERE kind <> 'text' ORDER BY id"),
    ),
    ExportTable(
        "rollup_5min",
        "Readings by stretches of five minutes.",
        "Số đo gộp theo từng năm phút.",
        _ROLLUP,
        _rolled_up(FIVE_MINUTES),
    ),
    ExportTable("rollup_1h", "Readings by hours.", "Số đo gộp theo từng giờ.", _ROLLUP, _rolled_up(HOUR)),
    ExportTable(
        "resource",
        "What can be booked.",
        "Những gì đặt lịch được.",
        (
            Column("id", "INTEGER", "", "the thing", "thứ được đặt"),
            _SCHOOL,
            Column("room_id", "INTEGER", "", "room.id", "room.id"),
            Column(
                *("device_id", "INTEGER", ""),
                "device.id; none for what has no agent",
                "device.id; trống nếu không có agent",
            ),
            Column("kind", "VARCHAR", "", "unit, pool or circuit", "unit (máy), pool (nhóm) hoặc circuit (mạch điện)"),
            Column("class_name", "VARCHAR", "", 'what "any printer" means', "loại, như trong “máy in bất kỳ”"),
            Column(
                *("capacity", "INTEGER", "1 or W"),
                "of a pool in things, of a circuit in watts",
                "của nhóm: số món; của mạch điện: số oát",
            ),
            Column("shared", "BOOLEAN", "", "whether other schools may book it", "trường khác có được đặt không"),
        ),
        _selected(
            "SELECT id, school_id, room_id, device_id, kind, class_name, capacity, shared FROM resource ORDER BY id"
        ),
    ),
    ExportTable(
        "booking",
        "Bookings that overlap the span.",
        "Các lượt đặt có phần nằm trong khoảng.",
        (
            Column(
                *("id", "VARCHAR", ""),
                "pseudonym of the booking, the same within this export only",
                "mã thay thế của lượt đặt, chỉ giống nhau trong bản xuất này",
            ),
            _SCHOOL,
            Column(
                *("holder", "VARCHAR", ""),
                "pseudonym of whose use it is, the same within this export only",
                "mã thay thế của người dùng, chỉ giống nhau trong bản xuất này",
            ),
            Column(
                *("kind", "VARCHAR", ""),
                "lesson, club, maintenance and so on",
                "tiết học, câu lạc bộ, bảo trì và các loại khác",
            ),
            Column("state", "VARCHAR", "", "what became of it", "kết quả của lượt đặt"),
            Column("head_count", "INTEGER", "1", "how many pupils", "số học sinh"),
            Column("start_ms", "BIGINT", _MS, "begin", "lúc bắt đầu"),
            Column("end_ms", "BIGINT", _MS, "end", "lúc kết thúc"),
            Column(
                *("checked_in_ms", "BIGINT", _MS),
                "when somebody took the machine; none if nobody did",
                "lúc có người nhận máy; trống nếu không ai nhận",
            ),
            Column("ended_ms", "BIGINT", _MS, "when it came to its end", "lúc lượt đặt thực sự chấm dứt"),
        ),
        _selected(
            "SELECT id, school_id, holder, kind, state, head_count, start_ms, end_ms, checked_in_ms, ended_ms"
            " FROM booking WHERE start_ms < :until AND end_ms > :from ORDER BY start_ms, id",
            hidden=(0, 2),
        ),
    ),
    ExportTable(
        "assignment",
        "Which things those bookings had.",
        "Các lượt đặt ấy được dùng những gì.",
        (
            Column("booking_id", "VARCHAR", "", "booking.id", "booking.id"),
            Column("resource_id", "INTEGER", "", "resource.id", "resource.id"),
            Column(
                *("quantity", "INTEGER", "1"),
                "how many of a pool; 0 for a unit",
                "bao nhiêu món của nhóm; 0 nếu là một máy",
            ),
            Column("from_ms", "BIGINT", _MS, "begin of set-up", "lúc bắt đầu chuẩn bị"),
            Column("until_ms", "BIGINT", _MS, "end of clean-up", "lúc dọn dẹp xong"),
        ),
        _selected(
            "SELECT booking_id, resource_id, quantity, from_ms, until_ms FROM assignment JOIN booking"
            " ON booking.id = booking_id WHERE start_ms < :until AND end_ms > :from ORDER BY start_ms, resource_id",
            hidden=(0,),
        ),
    ),
    ExportTable(
        "use",
        "Times in which machines were at work, by their own telemetry.",
        "Những lúc máy làm việc, theo số đo của chính máy.",
        (
            _SCHOOL,
            Column("device_id", "INTEGER", "", "device.id", "device.id"),
            Column("from_ms", "BIGINT", _MS, "begin", "lúc bắt đầu"),
            Column("until_ms", "BIGINT", _MS, "end; none: it is at work", "lúc kết thúc; trống: máy đang làm việc"),
            Column(
                *("booking_id", "VARCHAR", ""),
                "booking.id in which it began; none: nobody had booked",
                "booking.id mà máy bắt đầu trong đó; trống: không ai đặt",
            ),
        ),
        _selected(
            "SELECT school_id, device_id, from_ms, until_ms, booking_id FROM use_span"
            " WHERE from_ms < :until AND coalesce(until_ms, :until) > :from ORDER BY from_ms, device_id",
            hidden=(4,),
        ),
    ),
)
