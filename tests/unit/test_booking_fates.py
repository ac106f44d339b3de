"""What time does to a booking, as a table."""

from dataclasses import replace

import pytest

from controller.scheduling.booking_states import NEXT, BookingState
from controller.scheduling.fates import UNHEARD_MS, Case, edge_ms, fate
from controller.scheduling.uses import Reading, Use, uses

S = BookingState
CONFIRMED = Case("b", S.CONFIRMED, over_ms=50, no_show_ms=15)
USED, UNHEARD = replace(CONFIRMED, used=True), replace(CONFIRMED, unheard=True)
CHECKED_IN = replace(CONFIRMED, state=S.CHECKED_IN)
REQUESTED = Case("b", S.REQUESTED, over_ms=50, no_show_ms=15, hold_until_ms=10)
MAINTENANCE = replace(CONFIRMED, no_show_ms=None)


@pytest.mark.parametrize(
    ("case", "now_ms", "expected"),
    [
        (REQUESTED, 9, None),
        (REQUESTED, 10, S.EXPIRED),
        (replace(REQUESTED, state=S.WAITING), 9, None),
        (replace(REQUESTED, state=S.WAITING), 10, S.EXPIRED),
        (replace(REQUESTED, state=S.OFFERED), 10, S.EXPIRED),
        (CONFIRMED, 14, None),
        (CONFIRMED, 15, S.NO_SHOW),
        (USED, 1, S.CHECKED_IN),
        (USED, 50, S.DONE),
        (UNHEARD, 15, None),
        (UNHEARD, 50, None),
        (UNHEARD, 50 + UNHEARD_MS, S.DONE),
        (CHECKED_IN, 49, None),
        (CHECKED_IN, 50, S.DONE),
        (MAINTENANCE, 49, None),
        (MAINTENANCE, 50, S.DONE),
    ],
)
def test_fate_of_a_booking(case: Case, now_ms: int, expected: BookingState | None) -> None:
    assert fate(case, now_ms) == expected
    if expected is not None:
        assert expected in NEXT[case.state]


def test_edge_is_the_next_time_at_which_something_may_become_due() -> None:
    assert [edge_ms(REQUESTED, now_ms) for now_ms in (0, 10, 15, 50)] == [10, 15, 50, None]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], []),
        ([(10, True), (20, False)], [Use(10, 20)]),
        ([(10, True), (20, True), (60, True)], [Use(10, None)]),
        ([(10, True), (20, None), (30, False)], [Use(10, 30)]),
        ([(10, True), (120, False)], [Use(10, 60)]),
        ([(10, True), (120, True), (130, False)], [Use(10, 60), Use(120, 130)]),
        ([(10, True)], [Use(10, 60)]),
        ([(5, False), (90, True)], [Use(90, None)]),
    ],
)
def test_uses_are_from_the_first_word_of_work_to_the_last(
    said: list[tuple[int, bool | None]], expected: list[Use]
) -> None:
    assert uses((Reading(*each) for each in said), lasts_ms=50, now_ms=100) == expected
