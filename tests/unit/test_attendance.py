"""What somebody meets who reads a machine's label, by booking, time and person."""

import pytest

from controller.scheduling.booking_states import BookingState
from controller.scheduling.policy import MAINTENANCE
from controller.scheduling.sight import Moment, Use, at_hand, free_until, moment

MINUTE = 60_000
START, END = 1_000 * MINUTE, 1_090 * MINUTE
CONFIRMED, CHECKED_IN = BookingState.CONFIRMED, BookingState.CHECKED_IN


def use(
    name: str = "b",
    state: BookingState = CONFIRMED,
    start: int = START,
    end: int = END,
    *,
    mine: bool = False,
    kind: str = "lesson",
) -> Use:
    """With five minutes of cleaning."""
    return Use(name, state, kind, range(start, end), range(start, end + 5 * MINUTE), mine)


@pytest.mark.parametrize(
    ("booking", "minutes", "expected"),
    [
        (None, 0, Moment.FREE),
        (use(mine=True), -11, Moment.EARLY),
        (use(mine=True), -10, Moment.READY),
        (use(mine=True), 4, Moment.READY),
        (use(mine=True), 5, Moment.LATE),
        (use(mine=True), 60, Moment.LATE),
        (use(), -10, Moment.SOMEBODY_ELSES),
        (use(), 60, Moment.SOMEBODY_ELSES),
        (use(state=CHECKED_IN, mine=True), 3, Moment.YOURS),
        (use(state=CHECKED_IN, mine=True), -3, Moment.YOURS),
        (use(state=CHECKED_IN), 3, Moment.IN_USE),
        (use(state=BookingState.REQUESTED, mine=True), 0, Moment.UNCONFIRMED),
        (use(kind=MAINTENANCE, mine=True), 0, Moment.MAINTENANCE),
        (use(kind=MAINTENANCE, state=CHECKED_IN), 0, Moment.MAINTENANCE),
    ],
)
def test_a_moment_follows_from_booking_time_and_person(booking: Use | None, minutes: int, expected: Moment) -> None:
    assert moment(booking, START + minutes * MINUTE) is expected


def test_of_several_bookings_ones_own_that_is_open_concerns_somebody_most() -> None:
    before = use("before", CHECKED_IN, START - 45 * MINUTE, START - 5 * MINUTE)
    mine, later = use("mine", mine=True), use("later", start=END, end=END + 45 * MINUTE, mine=True)
    found = at_hand([later, before, mine], START - 10 * MINUTE)
    assert found is mine


def test_whoever_has_the_machine_comes_before_ones_own_later_booking() -> None:
    now, later = use("now"), use("later", start=END + 60 * MINUTE, end=END + 90 * MINUTE, mine=True)
    assert at_hand([later, now], START + MINUTE) is now
    assert at_hand([later, now], END + MINUTE) is now, "it is still being cleaned"
    assert at_hand([later, now], END + 6 * MINUTE) is later


def test_a_strangers_booking_that_is_hours_away_concerns_nobody() -> None:
    assert at_hand([use()], START - 60 * MINUTE) is None


def test_a_machine_is_free_until_the_next_has_it() -> None:
    assert free_until([], START) is None
    assert free_until([use()], START - 60 * MINUTE) == START
    assert free_until([use()], START + MINUTE) == START + MINUTE, "somebody has it"
    assert free_until([use()], END + 5 * MINUTE) is None, "it is over, and cleaned"
