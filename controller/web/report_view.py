"""What the page of used hours shows, as plain values."""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from controller.scheduling.hours import Hours
from controller.scheduling.hours_store import Line
from controller.scheduling.school_time import SchoolYear, instant
from controller.web.booking_words import date_words
from controller.web.i18n import Language, number
from controller.web.spreadsheet import MARK, plain
from controller.web.typography import NBSP, tidy

_HOUR_MS = 3_600_000


class Range(StrEnum):
    """What time a report is about."""

    WEEK = "week"
    LAST_WEEK = "last-week"
    TERM = "term"


@dataclass(frozen=True, slots=True)
class Span:
    """Days, both included. `name` is what the reader calls them."""

    name: str
    first: date
    last: date

    def instants(self, zone: tzinfo) -> range:
        return range(instant(self.first, time(), zone), instant(self.last + timedelta(days=1), time(), zone))


@dataclass(frozen=True, slots=True)
class Bar:
    """`percent` of the longest bar of the table."""

    look: str
    percent: float


@dataclass(frozen=True, slots=True)
class Row:
    """A school or a machine; `rate` is of its booked hours those in which the machine worked."""

    name: str
    booked: str
    present: str
    energised: str
    working: str
    rate: str
    no_shows: str
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportPage:
    range: Range
    choices: tuple[tuple[Range, str], ...]
    days: str
    schools: tuple[Row, ...]
    machines: tuple[Row, ...]
    total: Row


def span_of(wanted: Range, today: date, year: SchoolYear, words: Language) -> Span:
    """Outside of every term the week stands in for it."""
    term = year.term_of(today)
    if wanted is Range.TERM and term is not None:
        return Span(tidy(term.name), term.first, term.last)
    monday = today - timedelta(days=today.weekday() + (7 if wanted is Range.LAST_WEEK else 0))
    name = words.t("Last week") if wanted is Range.LAST_WEEK else words.t("This week")
    return Span(str(name), monday, monday + timedelta(days=6))


def report_page(wanted: Range, span: Span, lines: Sequence[Line], words: Language) -> ReportPage:
    return ReportPage(
        range=wanted,
        choices=(
            (Range.WEEK, str(words.t("This week"))),
            (Range.LAST_WEEK, str(words.t("Last week"))),
            (Range.TERM, str(words.t("This term"))),
        ),
        days=f"{span.name}{NBSP}· {date_words(span.first, words)}{NBSP}– {date_words(span.last, words, year=True)}",
        schools=_rows(_sums(lines, lambda line: tidy(line.school)), words),
        machines=_rows(_sums(lines, lambda line: tidy(line.machine)), words),
        total=_row(str(words.t("All")), sum((line.hours for line in lines), Hours()), words),
    )


def report_csv(lines: Sequence[Line], words: Language) -> str:
    """One line a school and machine; with a mark that spreadsheets know the letters by.

    Hours have a full stop; those with power are left empty where nothing measures them.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    times_of = (words.t("Booked"), words.t("Present"), words.t("Machine has power"), words.t("Machine working"))
    heads = (words.t("School"), words.t("Machine"), *times_of, words.t("No-shows"))
    writer.writerow([str(each) for each in heads])
    for line in lines:
        hours = line.hours
        measured = (hours.booked, hours.present, hours.energised, hours.working)
        times = ("" if each is None else f"{each / _HOUR_MS:.2f}" for each in measured)
        writer.writerow([plain(line.school), plain(line.machine), *times, hours.no_shows])
    return MARK + out.getvalue()


def file_name(span: Span) -> str:
    return f"fabfleet-use-{span.first:%Y%m%d}-{span.last:%Y%m%d}.csv"


def today_in(zone: tzinfo, now_ms: int) -> date:
    return datetime.fromtimestamp(now_ms / 1000, zone).date()


def _sums(lines: Iterable[Line], key: Callable[[Line], str]) -> Mapping[str, Hours]:
    found: defaultdict[str, Hours] = defaultdict(Hours)
    for line in lines:
        found[key(line)] += line.hours
    return found


def _rows(sums: Mapping[str, Hours], words: Language) -> tuple[Row, ...]:
    most = max((max(each.booked, each.present, each.working) for each in sums.values()), default=0)
    return tuple(_row(name, sums[name], words, most) for name in sorted(sums))


def _row(name: str, hours: Hours, words: Language, most: int = 0) -> Row:
    def shown(ms: int | None) -> str:
        return "–" if ms is None else number(ms / _HOUR_MS, words.code, 1)

    looks = (("booked", hours.booked), ("present", hours.present), ("working", hours.working))
    rate = f"{number(100 * hours.working / hours.booked, words.code, 0)}{NBSP}%" if hours.booked else "–"
    return Row(
        name,
        shown(hours.booked),
        shown(hours.present),
        shown(hours.energised),
        shown(hours.working),
        rate,
        str(hours.no_shows),
        tuple(Bar(look, 100 * ms / most) for look, ms in looks) if most else (),
    )
