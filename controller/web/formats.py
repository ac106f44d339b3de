"""Numbers, times and ages as people of each language write them. static/format.js says the same in the page."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from babel.dates import format_date

from contract.model import Value
from contract.units import UNITS, symbol
from controller.web.i18n import Language, number
from controller.web.typography import NBSP

HANOI = timezone(timedelta(hours=7), "+07")
"""The schools' wall clock. Vietnam has no summer time."""
NOTHING = "—"
_SECOND, _DAY = 1_000, 86_400_000
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z")
_TIMES_MS = {"s": 1_000, "min": 60_000}
SCALED = frozenset({*_TIMES_MS, "By"})
"""Units that are not shown as they are: times become durations, bytes are scaled. Hours stay: so lamps are counted."""
_BYTES = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as it stands on a page: `text` and, apart from it, the unit behind it."""

    text: str
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.text}{NBSP}{self.unit}" if self.unit else self.text


def decimals(value: float) -> int:
    """Whole numbers bare, small ones to a tenth, from 100 on none: what a reading is good for."""
    return 0 if abs(value) >= 99.95 or float(value).is_integer() else 1


def shown(value: Value | None, unit: str, language: Language) -> Shown:
    """A reading in `unit` (UCUM) for people: 26.1, "Cel" -> 26,1 °C. A minute and more becomes a duration."""
    if value is None or value == "":
        return Shown(NOTHING)
    if isinstance(value, bool):
        return Shown(str(language.t("yes") if value else language.t("no")))
    if isinstance(value, str):
        return Shown(_local_instant(value))
    if unit in _TIMES_MS and value * _TIMES_MS[unit] >= 60_000:
        return Shown(duration(int(value * _TIMES_MS[unit]), language))
    if unit == "By":
        return _bytes(value, language.code)
    places = decimals(value)
    return Shown(number(value, language.code, places), symbol(unit, language.code) if unit in UNITS else unit)


def _local_instant(text: str) -> str:
    """A time in UTC on the schools' wall clock, day first; any other text as it is."""
    if not _INSTANT.fullmatch(text):
        return text
    return f"{datetime.fromisoformat(text).astimezone(HANOI):%H:%M, %d/%m/%Y}"


def _bytes(value: float, code: str) -> Shown:
    power = 0
    scaled = float(value)
    while abs(scaled) >= 999.5 and power < len(_BYTES) - 1:
        scaled /= 1000
        power += 1
    return Shown(number(scaled, code, decimals(scaled) if power else 0), _BYTES[power])


def duration(span_ms: int, language: Language) -> str:
    """1 giờ 12 phút; the two largest parts."""
    seconds = max(span_ms, 0) // 1000
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    if days:
        return _parts(language.tn("{n} day", "{n} days", days), hours, language.tn("{n} hour", "{n} hours", hours))
    if hours:
        return _parts(
            language.tn("{n} hour", "{n} hours", hours), minutes, language.tn("{n} minute", "{n} minutes", minutes)
        )
    if minutes:
        return str(language.tn("{n} minute", "{n} minutes", minutes))
    return str(language.tn("{n} second", "{n} seconds", seconds))


def _parts(first: str, count: int, second: str) -> str:
    return f"{first} {second}" if count else str(first)


def age(at_ms: int | None, now_ms: int, language: Language) -> str:
    """3 giây trước, 6 phút trước, 1 giờ 33 phút trước; after a day the date. A time to come counts as now."""
    if not at_ms:
        return str(language.t("never"))
    span = max(now_ms - at_ms, 0)
    if span < _SECOND:
        return str(language.t("just now"))
    if span >= _DAY:
        return date_time(at_ms, now_ms, language)
    return str(language.t("{span} ago", span=duration(span, language)))


def local(at_ms: int) -> datetime:
    """The schools' wall clock at `at_ms`."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(HANOI)


def clock(at_ms: int) -> str:
    """09:03"""
    return f"{local(at_ms):%H:%M}"


def date_time(at_ms: int, now_ms: int, language: Language) -> str:
    """14:05, 20/11; with the year when it is not this one."""
    pattern = ("d MMM" if language.code == "en" else "dd/MM") + (
        "" if local(at_ms).year == local(now_ms).year else " yyyy" if language.code == "en" else "/yyyy"
    )
    return f"{clock(at_ms)}, {format_date(local(at_ms).date(), format=pattern, locale=language.code)}"


def clock_seconds(at_ms: int) -> str:
    """09:03:07, for commands and timelines."""
    return f"{local(at_ms):%H:%M:%S}"


def moment(at_ms: int, now_ms: int, language: Language) -> str:
    """09:03:07; with the day when it is not this one."""
    if local(at_ms).date() == local(now_ms).date():
        return clock_seconds(at_ms)
    _, _, day = date_time(at_ms, now_ms, language).partition(", ")
    return f"{clock_seconds(at_ms)}, {day}"
