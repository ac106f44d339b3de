"""Numbers and dates as anybody can send them."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.ids import LARGEST
from controller.web.typed import day, whole


@given(st.integers(0, LARGEST))
def test_whole_reads_every_number_that_databases_count_to(number: int) -> None:
    assert whole(str(number)) == number


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.5", "²", "٣", "1_000", " 1", str(LARGEST + 1), "9" * 5_000])
def test_whole_is_none_for_anything_else(text: str) -> None:
    assert whole(text) is None


@given(st.text())
def test_nothing_that_is_typed_raises(text: str) -> None:
    assert whole(text) is None or text.isdigit()
    assert day(text) is None or len(text) >= 8


@given(st.dates(date(2000, 1, 1), date(2199, 12, 31)))
def test_day_reads_what_somebody_may_mean_and_instants_around_it_can_be_counted(one: date) -> None:
    assert day(one.isoformat()) == one
    there = datetime(one.year, one.month, one.day, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh"))
    assert (there + timedelta(days=400)).timestamp() > (there - timedelta(days=400)).timestamp() > 0


@pytest.mark.parametrize("text", ["", "0001-01-01", "9999-12-31", "2026-13-01", "01/09/2026", "2026-02-30"])
def test_day_is_none_for_anything_else(text: str) -> None:
    assert day(text) is None
