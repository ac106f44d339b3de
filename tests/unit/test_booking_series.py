"""What the calendar says of each date of a repetition."""

from dataclasses import replace
from datetime import date, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.scheduling.school_time import Bells, Half, Period
from controller.scheduling.series import Outcome, Verdict, dates
from tests.unit.booking_facts import EXAMS, TERM_ENDS, TET, WEDNESDAY, YEAR, YEAR_BEGINS, at, lesson

WEEK = timedelta(days=7)
WINTER_YEAR = replace(
    YEAR,
    bells=(
        *YEAR.bells,
        Bells(
            frozenset(range(5)),
            date(2026, 12, 1),
            date(2027, 2, 28),
            (
                Period(time(7, 45), time(8, 30), Half.MORNING, 1),
                Period(time(8, 35), time(9, 20), Half.MORNING, 2),
            ),
        ),
    ),
)
"""From December two later periods are all there are."""


def outcomes(found: list[Verdict]) -> list[Outcome]:
    return [each.outcome for each in found]


def test_every_week_until_the_last_date_has_its_verdict() -> None:
    found = list(dates(YEAR, lesson(WEDNESDAY, 2, 3), WEDNESDAY + 9 * WEEK))

    assert [each.day for each in found] == [WEDNESDAY + number * WEEK for number in range(10)]
    expected = [Outcome.OK] * 10
    expected[2] = Outcome.HOLIDAY
    expected[8] = expected[9] = Outcome.OUTSIDE_TERM
    assert outcomes(found) == expected
    assert found[2] == Verdict(EXAMS.first, Outcome.HOLIDAY, holiday="exams")
    assert found[1].span_ms == lesson(WEDNESDAY + WEEK, 2, 3)


def test_week_that_is_all_holiday_is_not_left_out() -> None:
    first = date(2027, 1, 27)

    found = list(dates(YEAR, lesson(first), first + 3 * WEEK))

    assert outcomes(found) == [Outcome.OK, Outcome.HOLIDAY, Outcome.HOLIDAY, Outcome.OK]
    assert {each.holiday for each in found[1:3]} == {TET.name}


def test_every_other_week_asks_for_one_kind_alone() -> None:
    found = list(dates(YEAR, lesson(WEDNESDAY), WEDNESDAY + 5 * WEEK, alternate=True))

    assert [each.day for each in found] == [WEDNESDAY, EXAMS.first, WEDNESDAY + 4 * WEEK]
    assert outcomes(found) == [Outcome.OK, Outcome.HOLIDAY, Outcome.OK]


def test_period_is_the_same_whenever_its_bell_rings() -> None:
    found = list(dates(WINTER_YEAR, lesson(WEDNESDAY, 1, 2), WEDNESDAY + WEEK))

    assert found[1].span_ms == range(at(WEDNESDAY + WEEK, "07:45"), at(WEDNESDAY + WEEK, "09:20"))


def test_period_that_does_not_ring_is_told() -> None:
    found = list(dates(WINTER_YEAR, lesson(WEDNESDAY, 2, 3), WEDNESDAY + WEEK))

    assert found[1] == Verdict(WEDNESDAY + WEEK, Outcome.NO_SUCH_PERIOD)


def test_what_is_no_run_of_periods_keeps_its_clock() -> None:
    evening = range(at(WEDNESDAY, "18:00"), at(WEDNESDAY, "19:30"))

    found = list(dates(YEAR, evening, WEDNESDAY + WEEK))

    assert found[1].span_ms == range(at(WEDNESDAY + WEEK, "18:00"), at(WEDNESDAY + WEEK, "19:30"))


def test_day_outside_every_term_is_told_so() -> None:
    summer = date(2027, 7, 7)

    (only,) = dates(YEAR, range(at(summer, "08:00"), at(summer, "09:00")), summer)

    assert only.outcome is Outcome.OUTSIDE_TERM


@given(st.integers(0, 250), st.integers(0, 30), st.booleans(), st.integers(1, 2))
def test_dates_that_are_well_are_those_of_the_school_year(days: int, weeks: int, alternate: bool, number: int) -> None:
    first = YEAR_BEGINS + timedelta(days=days)
    if YEAR.slot(first, Half.MORNING, number) is None:
        return
    until = first + weeks * WEEK

    found = list(dates(YEAR, lesson(first, number), until, alternate=alternate))

    again = [day for day in YEAR.same_again(first, alternate=alternate) if day <= until]
    told = {each.day: each for each in found}
    assert {first, *again} <= told.keys()
    well = [each.day for each in found if each.outcome is Outcome.OK]
    assert well == [day for day in (first, *again) if YEAR.holiday_of(day) is None]
    assert all(each.span_ms == lesson(each.day, number) for each in found if each.outcome is Outcome.OK)
    if not alternate:
        assert len(found) == weeks + 1
    assert first > TERM_ENDS or all(told[day].outcome is not Outcome.OK for day in told if day > TERM_ENDS)
