"""Terms, teaching weeks, holidays and bells."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.scheduling.school_time import (
    TICK_MS,
    Bells,
    Half,
    Holiday,
    MakeUpDay,
    Period,
    SchoolTimeError,
    SchoolYear,
    Term,
    Week,
    instant,
    ticks,
)

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
BERLIN = ZoneInfo("Europe/Berlin")
MONDAY_TO_SATURDAY = frozenset(range(6))
YEAR_BEGINS, YEAR_ENDS = date(2026, 9, 7), date(2027, 5, 28)
TET = Holiday("Tết", date(2027, 2, 1), date(2027, 2, 14))


def periods(*begins: str, half: Half = Half.MORNING, minutes: int = 45) -> tuple[Period, ...]:
    found = []
    for number, clock in enumerate(begins, 1):
        start = datetime.combine(YEAR_BEGINS, time.fromisoformat(clock))
        found.append(Period(start.time(), (start + timedelta(minutes=minutes)).time(), half, number))
    return tuple(found)


MORNING = periods("07:15", "08:05", "09:15", "10:05", "10:55")
AFTERNOON = periods("13:15", "14:05", "15:15", half=Half.AFTERNOON)
WINTER = periods("07:30", "08:20", "09:30")


def year(**changes: object) -> SchoolYear:
    given_: dict[str, object] = {
        "zone": HANOI,
        "terms": (Term("1", YEAR_BEGINS, date(2027, 1, 15)), Term("2", date(2027, 1, 18), YEAR_ENDS)),
        "bells": (Bells(MONDAY_TO_SATURDAY, YEAR_BEGINS, YEAR_ENDS, MORNING + AFTERNOON),),
    }
    return SchoolYear(**{**given_, **changes})  # type: ignore[arg-type]  # a test's shorthand


def wall(at_ms: int, zone: ZoneInfo = HANOI) -> str:
    return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M")


def test_day_has_its_periods_as_instants() -> None:
    slots = year().slots(date(2026, 11, 25))

    assert [slot.period.number for slot in slots] == [1, 2, 3, 4, 5, 1, 2, 3]
    assert wall(slots[2].start_ms) == "2026-11-25 09:15"
    assert wall(slots[2].end_ms) == "2026-11-25 10:00"
    assert slots[5].period.half is Half.AFTERNOON


def test_period_is_found_by_its_half_and_number() -> None:
    found = year().slot(date(2026, 11, 25), Half.AFTERNOON, 2)

    assert found is not None
    assert wall(found.start_ms) == "2026-11-25 14:05"
    assert year().slot(date(2026, 11, 25), Half.MORNING, 9) is None


@pytest.mark.parametrize("day", [date(2026, 11, 29), date(2026, 9, 6), date(2027, 1, 16), date(2027, 2, 3)])
def test_sundays_holidays_and_days_between_terms_have_no_periods(day: date) -> None:
    assert not year(holidays=(TET,)).teaches(day)


def test_bells_that_began_later_count_as_long_as_they_ring() -> None:
    winter = Bells(MONDAY_TO_SATURDAY, date(2026, 12, 1), date(2027, 1, 31), WINTER)
    school = year(bells=(*year().bells, winter))

    assert wall(school.slots(date(2026, 12, 1))[0].start_ms) == "2026-12-01 07:30"
    assert wall(school.slots(date(2026, 11, 30))[0].start_ms) == "2026-11-30 07:15"
    assert wall(school.slots(date(2027, 2, 1))[0].start_ms) == "2027-02-01 07:15"


def test_weekday_may_have_bells_of_its_own() -> None:
    saturday = Bells(frozenset({5}), YEAR_BEGINS, YEAR_ENDS, periods("08:00"))
    weekdays = Bells(frozenset(range(5)), YEAR_BEGINS, YEAR_ENDS, MORNING)
    school = year(bells=(saturday, weekdays))

    assert [wall(slot.start_ms) for slot in school.slots(date(2026, 11, 28))] == ["2026-11-28 08:00"]
    assert len(school.slots(date(2026, 11, 27))) == 5


def test_make_up_day_is_taught_as_another_weekday_even_in_a_holiday() -> None:
    thursday = Bells(frozenset({3}), YEAR_BEGINS, YEAR_ENDS, periods("10:00"))
    school = year(bells=(thursday,), holidays=(TET,), make_up=(MakeUpDay(date(2027, 2, 13), 3),))

    assert [wall(slot.start_ms) for slot in school.slots(date(2027, 2, 13))] == ["2027-02-13 10:00"]


def test_teaching_weeks_alternate_and_skip_weeks_that_are_all_holiday() -> None:
    school = year(holidays=(TET,))
    before, after = school.week_of(date(2027, 1, 30)), school.week_of(date(2027, 2, 15))

    assert school.week_of(date(2027, 2, 3)) is None
    assert before is not None
    assert after is not None
    assert after.number == before.number + 1
    assert {before.kind, after.kind} == {Week.A, Week.B}


def test_term_opens_with_the_kind_of_week_it_says() -> None:
    terms = (Term("1", YEAR_BEGINS, date(2027, 1, 15)), Term("2", date(2027, 1, 18), YEAR_ENDS, Week.B))
    school = year(terms=terms)

    first, second = school.week_of(YEAR_BEGINS), school.week_of(date(2027, 1, 18))
    assert first is not None
    assert second is not None
    assert (first.number, first.kind) == (1, Week.A)
    assert (second.number, second.kind) == (20, Week.B)


def test_week_of_a_single_teaching_day_counts() -> None:
    school = year(holidays=(Holiday("floods", date(2026, 10, 13), date(2026, 10, 18)),))

    week = school.week_of(date(2026, 10, 12))
    assert week is not None
    assert week.number == 6


def test_same_again_stays_in_the_term_and_keeps_days_that_fall_out() -> None:
    school = year(holidays=(Holiday("exams", date(2026, 12, 23), date(2026, 12, 23)),))

    days = list(school.same_again(date(2026, 12, 9)))

    assert days == [date(2026, 12, 16), date(2026, 12, 23), date(2026, 12, 30), date(2027, 1, 6), date(2027, 1, 13)]
    assert not school.teaches(date(2026, 12, 23))


def test_same_again_every_other_week_keeps_its_kind_across_a_holiday_week() -> None:
    school = year(holidays=(Holiday("break", date(2026, 12, 14), date(2026, 12, 20)),))
    day = date(2026, 12, 9)
    week = school.week_of(day)

    days = list(school.same_again(day, alternate=True))

    assert week is not None
    assert days == [date(2026, 12, 30), date(2027, 1, 13)]
    assert {found.kind for each in days if (found := school.week_of(each))} == {week.kind}


def test_booking_of_another_school_reads_in_the_periods_it_touches() -> None:
    school = year()
    start, end = instant(date(2026, 11, 25), time(8, 5), HANOI), instant(date(2026, 11, 25), time(9, 20), HANOI)

    assert [slot.period.number for slot in school.within(start, end)] == [2, 3]


def test_span_that_ends_with_a_bell_does_not_touch_the_next_period() -> None:
    school = year()
    slots = school.slots(date(2026, 11, 25))

    assert school.within(slots[0].start_ms, slots[0].end_ms) == (slots[0],)


@given(st.lists(st.tuples(st.integers(0, 14 * 288), st.integers(1, 4 * 288)), max_size=6))
def test_spans_touch_as_many_periods_together_as_each_by_itself(found: list[tuple[int, int]]) -> None:
    school, first = year(), instant(date(2026, 12, 28), time(0), HANOI)
    spans = [range(first + start * TICK_MS, first + (start + length) * TICK_MS) for start, length in found]

    assert school.touched(spans) == [len(school.within(each.start, each.stop)) for each in spans]


@pytest.mark.parametrize(("clock", "expected"), [(time(1, 55), "2027-03-28 01:55"), (time(2, 30), "2027-03-28 03:00")])
def test_time_that_the_clock_skips_is_the_first_after_the_gap(clock: time, expected: str) -> None:
    assert wall(instant(date(2027, 3, 28), clock, BERLIN), BERLIN) == expected


def test_time_that_comes_twice_is_the_first_of_both() -> None:
    at = datetime.fromtimestamp(instant(date(2026, 10, 25), time(2, 30), BERLIN) / 1000, UTC)

    assert at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)), st.sampled_from([HANOI, BERLIN]))  # noqa: DTZ001
def test_instant_reads_back_as_the_same_wall_clock_or_later(at: datetime, zone: ZoneInfo) -> None:
    at = at.replace(second=0, microsecond=0)

    back = datetime.fromtimestamp(instant(at.date(), at.time(), zone) / 1000, zone).replace(tzinfo=None)

    assert back == at or at < back <= at + timedelta(hours=2)


@given(st.integers(0, 10**12), st.integers(1, 10**8))
def test_ticks_cover_the_span_and_no_more(start_ms: int, length_ms: int) -> None:
    found = ticks(start_ms, start_ms + length_ms)

    assert found.start * TICK_MS <= start_ms < (found.start + 1) * TICK_MS
    assert (found.stop - 1) * TICK_MS < start_ms + length_ms <= found.stop * TICK_MS


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Period(time(8, 0), time(8, 0), Half.MORNING, 1),
        lambda: Period(time(8, 0), time(8, 42), Half.MORNING, 1),
        lambda: Period(time(8, 0), time(8, 45), Half.MORNING, 0),
        lambda: Bells(frozenset({0}), YEAR_ENDS, YEAR_BEGINS, ()),
        lambda: Bells(frozenset({7}), YEAR_BEGINS, YEAR_ENDS, ()),
        lambda: Bells(frozenset({0}), YEAR_BEGINS, YEAR_ENDS, periods("08:00", "08:30")),
        lambda: Bells(frozenset({0}), YEAR_BEGINS, YEAR_ENDS, periods("08:00") + periods("09:00")),
        lambda: Term("1", YEAR_ENDS, YEAR_BEGINS),
        lambda: year(terms=(Term("1", YEAR_BEGINS, YEAR_ENDS), Term("2", YEAR_ENDS, YEAR_ENDS))),
    ],
)
def test_calendar_that_cannot_be_is_refused(wrong: object) -> None:
    with pytest.raises(SchoolTimeError):
        wrong()  # type: ignore[operator]  # each is a function
