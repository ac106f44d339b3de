"""Which spans of time a device's charts show."""

from datetime import UTC, date, datetime

from controller.web.chart_span import DAY_MS, SPANS, TERM, YEAR, term_since, told
from controller.web.i18n import language

NOW = round(datetime(2026, 11, 23, 3, 0, tzinfo=UTC).timestamp() * 1000)


def test_a_term_is_shown_from_its_first_midnight_in_hanoi() -> None:
    span = term_since(date(2026, 9, 7), NOW)
    assert (span.name, span.cell) == (TERM.name, TERM.cell)
    assert span.length_ms == 77 * DAY_MS + 10 * 3_600_000
    assert told(span, language("vi")) == "học kỳ này, từ 07/09"
    assert told(span, language("en")) == "term since 7 Sep"


def test_a_term_that_has_just_begun_is_shown_with_the_week_before() -> None:
    assert term_since(date(2026, 11, 23), NOW).length_ms == 7 * DAY_MS


def test_spans_grow_from_a_day_to_a_year() -> None:
    lengths = [span.length_ms for span in SPANS.values()]
    assert lengths == sorted(lengths)
    assert YEAR.length_ms == 365 * DAY_MS
