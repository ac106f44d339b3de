"""Booked and really used hours, as sums."""

import pytest

from controller.scheduling.booking_states import BookingState
from controller.scheduling.hours import BookedTime, Hours, WorkTime, tally, user_of

S = BookingState
SPAN, NOW = range(100, 200), 180


def booked(state: BookingState = S.DONE, start_ms: int = 110, end_ms: int = 160, **more: int | None) -> BookedTime:
    return BookedTime("a", 1, state, start_ms, end_ms, **more)  # type: ignore[arg-type]  # a test's shorthand


@pytest.mark.parametrize(
    ("booking", "expected"),
    [
        (booked(checked_in_ms=112, ended_ms=150), Hours(50, 38)),
        (booked(checked_in_ms=112, ended_ms=165), Hours(50, 48)),
        (booked(start_ms=90, checked_in_ms=92), Hours(60, 60)),
        (booked(S.CHECKED_IN, end_ms=220, checked_in_ms=112), Hours(90, 68)),
        (booked(S.CONFIRMED, start_ms=190, end_ms=199), Hours(9)),
        (booked(S.NO_SHOW, ended_ms=125), Hours(50, no_shows=1)),
        (booked(S.NO_SHOW, start_ms=90), Hours(60)),
        (booked(S.CANCELLED), None),
        (booked(S.REQUESTED), None),
        (booked(checked_in_ms=110, beforehand=False), Hours(0, 50)),
    ],
)
def test_hours_of_a_booking(booking: BookedTime, expected: Hours | None) -> None:
    assert tally([booking], [], SPAN, NOW).get(("a", 1)) == expected


def test_work_is_counted_for_the_school_that_used_the_machine_up_to_now() -> None:
    works = [WorkTime("a", 1, 95, 120), WorkTime("b", 1, 170, None), WorkTime("b", 1, 130, 140)]
    found = tally([booked(checked_in_ms=110)], works, SPAN, NOW)
    assert found == {("a", 1): Hours(50, 50, 20), ("b", 1): Hours(working=20)}


def test_power_is_counted_where_it_is_measured_and_unknown_elsewhere() -> None:
    powered = [WorkTime("a", 1, 100, 100), WorkTime("a", 1, 105, 130), WorkTime("b", 1, 170, None)]
    found = tally([], [WorkTime("a", 2, 110, 120)], SPAN, NOW, powered)
    assert found == {
        ("a", 1): Hours(energised=25),
        ("b", 1): Hours(energised=10),
        ("a", 2): Hours(working=10),
    }
    assert sum(found.values(), Hours()).energised == 35


def test_power_belongs_to_the_school_that_has_booked_and_else_to_the_machines_own() -> None:
    bookings = [booked(S.CANCELLED, 100, 200), booked(S.DONE, 110, 160)]
    assert [user_of(1, at_ms, bookings, "own") for at_ms in (109, 110, 159, 160)] == ["own", "a", "a", "own"]
    assert user_of(2, 120, bookings, "own") == "own"
