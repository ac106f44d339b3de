"""The spans of time that a device's charts show, and their cells as a table. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final, TypeAlias

from babel.dates import format_date

from controller.telemetry.rollup import Bucket
from controller.web.formats import HANOI, local
from controller.web.i18n import Language

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Cell:
    """A day, week or month of the schools' wall clock, from its first date up to, not including, that of the next.
    The values are None if nothing is known of it.
    """

    first: date
    until: date
    low: float | None = None
    mean: float | None = None
    high: float | None = None

    @property
    def from_ms(self) -> int:
        return _midnight_ms(self.first)

    @property
    def until_ms(self) -> int:
        return _midnight_ms(self.until)


@dataclass(frozen=True, slots=True)
class Span:
    """A choice of the device page, up to now. `cell` is what a row of the table stands for. `since` is set where it
    begins with a date of the school's own.
    """

    name: str
    length_ms: int
    cell: str
    since: date | None = None


DAY: Final = Span("day", DAY_MS, "hour")
WEEK: Final = Span("week", 7 * DAY_MS, "day")
TERM: Final = Span("term", 18 * 7 * DAY_MS, "week")
"""Between two terms, and where no terms were entered; else see `term_since`."""
YEAR: Final = Span("year", 365 * DAY_MS, "month")
SPANS: Final[Mapping[str, Span]] = {span.name: span for span in (DAY, WEEK, TERM, YEAR)}
_First: TypeAlias = Callable[[date], date]
_FIRST: Final[Mapping[str, _First]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
}


def term_since(first: date, now_ms: int) -> Span:
    """The term that began on that day, a week at least."""
    return replace(TERM, length_ms=max(WEEK.length_ms, now_ms - _midnight_ms(first)), since=first)


def label(span: Span, language: Language) -> str:
    """On the page's switch."""
    names = {"day": language.t("24 hours"), "week": language.t("Week"), "term": language.t("Term")}
    return str(names.get(span.name) or language.t("Year"))


def told(span: Span, language: Language) -> str:
    """In a sentence."""
    if span.since is not None:
        return str(language.t("term since {day}", day=_day_month(span.since, language)))
    names = {
        "day": language.t("last 24 hours"),
        "week": language.t("last 7 days"),
        "term": language.t("last 18 weeks"),
    }
    return str(names.get(span.name) or language.t("last 365 days"))


def cell_word(span: Span, language: Language) -> str:
    """Above the table's first column."""
    names = {"hour": language.t("Hour"), "day": language.t("Day"), "week": language.t("Week")}
    return str(names.get(span.cell) or language.t("Month"))


def cells(hours: Sequence[Bucket], span: Span, now_ms: int) -> Iterator[Cell]:
    """Newest first, from the cell of the first hour on; those without any hour are there and say so."""
    first = _FIRST[span.cell]
    found: dict[date, list[Bucket]] = {}
    for hour in hours:
        found.setdefault(first(local(hour.at_ms).date()), []).append(hour)
    if not found:
        return
    at, oldest = first(local(now_ms).date()), min(found)
    while at >= oldest:
        yield _cell(at, _after(at, first), found.get(at, ()))
        at = first(at - timedelta(days=1))


def cell_text(cell: Cell, span: Span, language: Language) -> str:
    """23/11; 23/11-29/11; 11/2026."""
    if span.cell == "month":
        return format_date(cell.first, "MMM yyyy" if language.code == "en" else "MM/yyyy", locale=language.code)
    texts = [_day_month(each, language) for each in (cell.first, cell.until - timedelta(days=1))]
    return texts[0] if span.cell == "day" else "\u2013".join(texts)


def _cell(first: date, until: date, hours: Sequence[Bucket]) -> Cell:
    known = [each for each in hours if each.low is not None and each.mean is not None and each.high is not None]
    if not known:
        return Cell(first, until)
    count = sum(each.known for each in known)
    return Cell(
        first,
        until,
        min(each.low for each in known if each.low is not None),
        sum(each.mean * (each.known / count) for each in known if each.mean is not None),
        max(each.high for each in known if each.high is not None),
    )


def _after(at: date, first: _First) -> date:
    day = at
    while first(day) == at:
        day += timedelta(days=1)
    return day


def _midnight_ms(day: date) -> int:
    return round(datetime.combine(day, time(), HANOI).timestamp() * 1000)


def _day_month(day: date, language: Language) -> str:
    return format_date(day, "d MMM" if language.code == "en" else "dd/MM", locale=language.code)
