"""Numbers, ages and times as Vietnamese and English readers write them; static/format.js is held to the same table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.units import UNITS
from controller.web.formats import age, date_time, shown
from controller.web.i18n import language, number
from tests.browser.samples import AGES, NOW_MS, SHOWN


@pytest.mark.parametrize(("value", "unit", "vietnamese", "english"), SHOWN)
def test_shown_writes_a_value_in_both_languages(
    value: bool | float | str | None, unit: str, vietnamese: str, english: str
) -> None:
    assert str(shown(value, unit, language("vi"))) == vietnamese
    assert str(shown(value, unit, language("en"))) == english


@pytest.mark.parametrize(("back_ms", "vietnamese", "english"), AGES)
def test_age_says_how_long_ago_and_after_a_day_the_date(back_ms: int, vietnamese: str, english: str) -> None:
    assert age(NOW_MS - back_ms, NOW_MS, language("vi")) == vietnamese
    assert age(NOW_MS - back_ms, NOW_MS, language("en")) == english


def test_age_of_nothing_is_never() -> None:
    assert age(None, NOW_MS, language("vi")) == "chưa có"


def test_date_time_names_the_year_only_when_it_is_another() -> None:
    assert date_time(NOW_MS, NOW_MS, language("vi")) == "09:03, 24/11"
    assert date_time(NOW_MS - 365 * 86_400_000, NOW_MS, language("en")) == "09:03, 24 Nov 2025"


def test_number_has_a_true_minus_and_points_as_the_language_has_them() -> None:
    assert number(-1234.5, "vi", 1) == "\u22121.234,5"
    assert number(-1234.5, "en", 1) == "\u22121,234.5"


@given(st.floats(-1e15, 1e15), st.sampled_from(sorted(UNITS)), st.sampled_from(["vi", "en"]))
def test_shown_takes_every_number_and_never_breaks_before_its_unit(value: float, unit: str, code: str) -> None:
    text = shown(value, unit, language(code))
    assert text.text
    assert " " not in str(text) or unit in {"s", "min", "h"}
