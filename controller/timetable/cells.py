"""What the text of one cell means, in Vietnamese or English. Pure. Each raises `BadCell`."""

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from controller.folding import fold
from controller.scheduling.entries import Kind
from controller.scheduling.school_time import Half, Week

T = TypeVar("T")


class What(StrEnum):
    """What a line of a school year's calendar is about."""

    TERM = "term"
    HOLIDAY = "holiday"
    MAKE_UP = "make-up"


class Wrong(StrEnum):
    """Why a cell cannot be taken. These names are kept."""

    MISSING = "missing"
    TOO_LONG = "too-long"
    OUT_OF_RANGE = "out-of-range"
    NOT_A_NUMBER = "not-a-number"
    NOT_A_DATE = "not-a-date"
    NO_SUCH_DAY = "no-such-day"
    NOT_A_TIME = "not-a-time"
    NOT_FIVE_MINUTES = "not-five-minutes"
    NOT_A_WEEKDAY = "not-a-weekday"
    NOT_A_HALF = "not-a-half"
    NOT_A_PERIOD = "not-a-period"
    NOT_A_WEEK = "not-a-week"
    NOT_A_KIND = "not-a-kind"
    NOT_A_CALENDAR_WORD = "not-a-calendar-word"
    NOT_YES_OR_NO = "not-yes-or-no"
    NOT_A_MAC = "not-a-mac"
    NOT_A_CODE = "not-a-code"


class BadCell(Exception):
    """`least` and `most` are what it may be if it is OUT_OF_RANGE or TOO_LONG, month and its days if NO_SUCH_DAY."""

    def __init__(self, wrong: Wrong, *, least: int = 0, most: int = 0) -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.least = least
        self.most = most


@dataclass(frozen=True, slots=True)
class Weekdays:
    """0 is Monday; in order, each once."""

    days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """Periods of one half of the day, both included."""

    half: Half
    first: int
    last: int


Meant: TypeAlias = str | int | bool | date | time | Weekdays | Lesson
"""What a cell can mean. Enumerations are texts."""
Parse: TypeAlias = Callable[[str], Meant]

_DATE_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?")
_DATE_LOCAL = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")
_TIME = re.compile(r"(\d{1,2})(?:[:hg.](\d{2})?)(?::00)?|(\d{1,2}) ?gio", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_PERIODS = re.compile(r"(?:tiet|periods?)? ?(\d{1,2})(?: ?[-–] ?(\d{1,2}))? ?(.*)", re.ASCII)
_RANGE = re.compile(r" ?[-–] ?| (?:den|to) ")
_LIST = re.compile(r" ?[,;+/&] ?| (?:va|and) ")
_WEEKDAYS: Final = (
    ("monday", "mon", "thu hai", "thu 2", "t2", "2"),
    ("tuesday", "tue", "thu ba", "thu 3", "t3", "3"),
    ("wednesday", "wed", "thu tu", "thu 4", "t4", "4"),
    ("thursday", "thu", "thu nam", "thu 5", "t5", "5"),
    ("friday", "fri", "thu sau", "thu 6", "t6", "6"),
    ("saturday", "sat", "thu bay", "thu 7", "t7", "7"),
    ("sunday", "sun", "chu nhat", "cn", "8"),
)
_WEEKDAY: Final = {name: number for number, names in enumerate(_WEEKDAYS) for name in names}
_HALF: Final[Mapping[str, Half]] = {
    **dict.fromkeys(("sang", "buoi sang", "s", "morning", "am"), Half.MORNING),
    **dict.fromkeys(("chieu", "buoi chieu", "c", "afternoon", "pm"), Half.AFTERNOON),
}
_WEEK: Final[Mapping[str, Week]] = {
    **dict.fromkeys(("a", "tuan a", "week a"), Week.A),
    **dict.fromkeys(("b", "tuan b", "week b"), Week.B),
}
_WHAT: Final[Mapping[str, What]] = {
    **dict.fromkeys(("hoc ky", "term"), What.TERM),
    **dict.fromkeys(("ngay nghi", "nghi", "holiday"), What.HOLIDAY),
    **dict.fromkeys(("ngay hoc bu", "hoc bu", "make-up day", "make-up"), What.MAKE_UP),
}
_KIND: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("may", "phong", "thiet bi", "machine", "room", "unit"), Kind.UNIT),
    **dict.fromkeys(("nhom dem so", "nhom", "pool"), Kind.POOL),
    **dict.fromkeys(("mach dien", "circuit"), Kind.CIRCUIT),
}
_CLASS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("may in 3d", "3d printer"), "printer-3d"),
    **dict.fromkeys(("may cat laser", "laser cutter"), "laser"),
    **dict.fromkeys(("may cnc", "cnc machine"), "cnc"),
    **dict.fromkeys(("phong", "room"), "room"),
}
_YES_NO: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("co", "x", "yes", "y", "true", "1", "✓"), True),
    **dict.fromkeys(("khong", "no", "n", "false", "0", "-"), False),
}


_MAC_DIGITS = 12


def text(most: int) -> Parse:
    """Of so many letters at the most."""

    def parse(given: str) -> str:
        if len(given) > most:
            raise BadCell(Wrong.TOO_LONG, most=most)
        return given

    return parse


def mac(given: str) -> str:
    """A network card's address, in any of the ways in which it is written."""
    bare = "".join(letter for letter in given.lower() if letter.isalnum())
    if len(bare) != _MAC_DIGITS or not set("0123456789abcdef").issuperset(bare):
        raise BadCell(Wrong.NOT_A_MAC)
    return ":".join(bare[place : place + 2] for place in range(0, _MAC_DIGITS, 2))


def number(least: int, most: int) -> Parse:
    def parse(given: str) -> int:
        bare = fold(given).removeprefix("h")  # H3 is hazard 3
        if not _NUMBER.fullmatch(bare):
            raise BadCell(Wrong.NOT_A_NUMBER)
        if not least <= int(bare) <= most:
            raise BadCell(Wrong.OUT_OF_RANGE, least=least, most=most)
        return int(bare)

    return parse


def day(given: str) -> date:
    """25/11/2026 or 2026-11-25."""
    iso, local = _DATE_ISO.fullmatch(given), _DATE_LOCAL.fullmatch(given)
    if iso:
        year, month, number_ = map(int, iso.groups())
    elif local:
        number_, month, year = map(int, local.groups())
    else:
        raise BadCell(Wrong.NOT_A_DATE)
    if not (1990 <= year < 2200 and 1 <= month <= 12):
        raise BadCell(Wrong.NOT_A_DATE)
    days = monthrange(year, month)[1]
    if not 1 <= number_ <= days:
        raise BadCell(Wrong.NO_SUCH_DAY, least=month, most=days)
    return date(year, month, number_)


def clock(given: str) -> time:
    """7:15, 07:15, 7h15."""
    found = _TIME.fullmatch(fold(given))
    if not found:
        raise BadCell(Wrong.NOT_A_TIME)
    hour, minute = int(found[1] or found[3]), int(found[2] or 0)
    if hour > 23 or minute > 59:
        raise BadCell(Wrong.NOT_A_TIME)
    if minute % 5:
        raise BadCell(Wrong.NOT_FIVE_MINUTES)
    return time(hour, minute)


def weekday(given: str) -> int:
    return _one_of(_WEEKDAY, given, Wrong.NOT_A_WEEKDAY)


def weekdays(given: str) -> Weekdays:
    """T2-T7; thứ 2, thứ 4; Mon-Fri."""
    found: set[int] = set()
    for part in _LIST.split(fold(given)):
        ends = [weekday(each) for each in _RANGE.split(part)]
        if len(ends) > 2 or ends[0] > ends[-1]:
            raise BadCell(Wrong.NOT_A_WEEKDAY)
        found.update(range(ends[0], ends[-1] + 1))
    return Weekdays(tuple(sorted(found)))


def half(given: str) -> Half:
    return _one_of(_HALF, given, Wrong.NOT_A_HALF)


def lesson(given: str) -> Lesson:
    """3; 3-4; tiết 1–2 chiều; 1c. In the morning unless it says otherwise."""
    found = _PERIODS.fullmatch(fold(given))
    if not found:
        raise BadCell(Wrong.NOT_A_PERIOD)
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= last:
        raise BadCell(Wrong.NOT_A_PERIOD)
    which = _one_of(_HALF, found[3], Wrong.NOT_A_PERIOD) if found[3] else Half.MORNING
    return Lesson(which, first, last)


def week(given: str) -> Week:
    return _one_of(_WEEK, given, Wrong.NOT_A_WEEK)


def what(given: str) -> What:
    return _one_of(_WHAT, given, Wrong.NOT_A_CALENDAR_WORD)


def kind(given: str) -> Kind:
    return _one_of(_KIND, given, Wrong.NOT_A_KIND)


def class_name(given: str) -> str:
    """The name of a class, which is its own unless people have another word for it."""
    if len(given) > 63:
        raise BadCell(Wrong.TOO_LONG, most=63)
    return _CLASS.get(fold(given), given)


def yes_no(given: str) -> bool:
    return _one_of(_YES_NO, given, Wrong.NOT_YES_OR_NO)


def _one_of(known: Mapping[str, T], given: str, wrong: Wrong) -> T:
    try:
        return known[fold(given)]
    except KeyError:
        raise BadCell(wrong) from None
