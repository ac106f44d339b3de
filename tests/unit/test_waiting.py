"""How long offers are kept."""

from hypothesis import given
from hypothesis import strategies as st

from controller.scheduling.school_time import TICK_MS
from controller.scheduling.waiting import LAST_MS, LEAST_MS, LONGEST_MS, ends_ms, kept_until_ms

HOUR, DAY = 3_600_000, 86_400_000
START = 100 * DAY


def test_offer_is_kept_for_a_quarter_of_the_time_there_is_half_an_hour_at_least_and_a_day_at_most() -> None:
    kept = [kept_until_ms(START - ahead, START) - (START - ahead) for ahead in (30 * DAY, 2 * DAY, 8 * HOUR, HOUR)]
    assert kept == [DAY, 12 * HOUR, 2 * HOUR, HOUR // 2]


def test_nothing_is_kept_when_it_is_about_to_begin() -> None:
    assert kept_until_ms(START - HOUR // 2, START) == START - LAST_MS


@given(st.integers(LEAST_MS + LAST_MS + 1, 400 * DAY))
def test_offer_is_long_enough_to_be_answered_and_ends_before_its_use(ahead: int) -> None:
    now = START - ahead
    assert now < ends_ms(START)
    until = kept_until_ms(now, START)
    assert until % TICK_MS == 0
    assert LEAST_MS <= until - now <= LONGEST_MS + TICK_MS
    assert until <= START - LAST_MS
