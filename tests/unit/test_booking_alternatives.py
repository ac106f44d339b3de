"""What else would do: against looking at every run of periods."""

from collections.abc import Set
from datetime import datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.alerts.rules import DeviceState
from controller.scheduling.alternatives import DAYS, MOST, Alternative, Kind, Sight, nearest, runs
from controller.scheduling.choice import Choice, Counted, Taken, Unit, Use
from controller.scheduling.obstacles import besides
from controller.scheduling.opening_hours import Open, OpeningHours
from controller.scheduling.school_time import TICK_MS, Half, ticks
from tests.unit.booking_facts import EXAMS, HANOI, NOW_MS, WEDNESDAY, YEAR, at, facts, lesson

NOTHING = Choice(())
WISHED = lesson(WEDNESDAY, 2)


def look(asked: Set[range], widened: Set[range] | None = None, now_ms: int = NOW_MS) -> Sight:
    """`asked` and `widened` are the times at which each can be had."""
    return Sight(
        YEAR,
        now_ms,
        lambda span: NOTHING if span in asked else None,
        None if widened is None else lambda span: NOTHING if span in widened else None,
    )


def offered(found: tuple[Alternative, ...]) -> list[tuple[Kind, range]]:
    return [(each.kind, range(each.start_ms, each.end_ms)) for each in found]


def test_runs_are_periods_in_a_row_within_one_half_of_the_day() -> None:
    assert list(runs(YEAR, WEDNESDAY, 1)) == [range(each.start_ms, each.end_ms) for each in YEAR.slots(WEDNESDAY)]
    assert list(runs(YEAR, WEDNESDAY, 2)) == [
        lesson(WEDNESDAY, 1, 2),
        lesson(WEDNESDAY, 2, 3),
        lesson(WEDNESDAY, 3, 4),
        lesson(WEDNESDAY, 1, 2, Half.AFTERNOON),
    ]
    assert list(runs(YEAR, WEDNESDAY, 5)) == list(runs(YEAR, EXAMS.first, 1)) == []


def test_each_kind_is_offered_once_and_the_nearest_first() -> None:
    thursday = WEDNESDAY + timedelta(days=1)
    free = {lesson(WEDNESDAY, 4), lesson(WEDNESDAY, 1), lesson(thursday, 4), lesson(thursday, 2)}

    assert offered(nearest(WISHED, look(free, {WISHED} | free))) == [
        (Kind.OTHER_UNIT, WISHED),
        (Kind.OTHER_PERIOD, lesson(WEDNESDAY, 1)),
        (Kind.OTHER_DAY, lesson(thursday, 2)),
    ]


def test_other_unit_at_other_time_stands_in_for_a_kind_that_is_missing() -> None:
    friday = WEDNESDAY + timedelta(days=2)

    assert offered(nearest(WISHED, look({lesson(friday)}, {lesson(friday), lesson(WEDNESDAY, 3)}))) == [
        (Kind.OTHER_UNIT_AND_TIME, lesson(WEDNESDAY, 3)),
        (Kind.OTHER_DAY, lesson(friday)),
    ]


def test_day_before_is_offered_if_it_is_not_over() -> None:
    tuesday = lesson(WEDNESDAY - timedelta(days=1), 2)

    assert offered(nearest(WISHED, look({tuesday}))) == [(Kind.OTHER_DAY, tuesday)]
    assert nearest(WISHED, look({tuesday}, now_ms=tuesday.start + 1)) == ()


def test_wish_of_two_periods_is_offered_two_in_a_row() -> None:
    wished = lesson(WEDNESDAY, 2, 3)

    found = nearest(wished, look({lesson(WEDNESDAY, 1), lesson(WEDNESDAY, 3, 4), lesson(WEDNESDAY, 4)}))

    assert offered(found) == [(Kind.OTHER_PERIOD, lesson(WEDNESDAY, 3, 4))]


def test_wish_outside_lessons_is_offered_a_period() -> None:
    evening = range(at(WEDNESDAY, "18:00"), at(WEDNESDAY, "19:00"))
    last = lesson(WEDNESDAY, 2, half=Half.AFTERNOON)

    assert offered(nearest(evening, look({last, lesson(WEDNESDAY)}))) == [(Kind.OTHER_PERIOD, last)]


RUNS = [span for number in range(-3, 40) for span in runs(YEAR, WEDNESDAY + timedelta(days=number), 1)]


@given(st.sets(st.sampled_from(RUNS)), st.none() | st.sets(st.sampled_from(RUNS)), st.sampled_from(RUNS))
def test_alternatives_are_those_of_looking_at_every_run(
    asked: set[range], widened: set[range] | None, wished: range
) -> None:
    now_ms = RUNS[6].start
    found = {each.kind: range(each.start_ms, each.end_ms) for each in nearest(wished, look(asked, widened, now_ms))}

    here = [span for span in RUNS if span.start >= now_ms and span != wished and abs(_days(span, wished)) <= DAYS]
    wanted = {
        Kind.OTHER_UNIT: [wished] if widened is not None and wished in widened and wished.start >= now_ms else [],
        Kind.OTHER_PERIOD: [span for span in here if span in asked and not _days(span, wished)],
        Kind.OTHER_DAY: [span for span in here if span in asked and _days(span, wished)],
        Kind.OTHER_UNIT_AND_TIME: [span for span in here if widened is not None and span in widened],
    }
    expected = {kind: min(spans, key=lambda each: _distance(each, wished)) for kind, spans in wanted.items() if spans}
    assert found == {kind: expected[kind] for kind in list(expected)[:MOST]}


def _days(span: range, wished: range) -> int:
    first, second = (datetime.fromtimestamp(each.start / 1000, HANOI).date() for each in (wished, span))
    return (second - first).days


def _distance(span: range, wished: range) -> tuple[int, int, int, int]:
    """In days, the later one of two nearer; then by the clock, the earlier one of two nearer."""
    days = _days(span, wished)
    return abs(days), -days, abs(span.start - wished.start - days * 86_400_000), span.start


PRINTER = Unit(1, setup=2, clean_up=1)
DAY = ticks(at(WEDNESDAY, "00:00"), at(WEDNESDAY, "23:55"))


@pytest.mark.parametrize(("opens", "closes"), [("08:00", "16:00"), ("07:15", "10:00")])
def test_closed_unit_is_in_the_way_of_uses_but_not_of_setting_up(opens: str, closes: str) -> None:
    hours = OpeningHours(HANOI, (Open(2, _clock(opens), _clock(closes)),))
    known = facts(hours={PRINTER.id: hours})

    taken = besides(Taken(DAY.start), DAY, [PRINTER], [], known)

    for start in range(DAY.start + 2, DAY.stop - 10):
        use = range(start, start + 9)
        covered = hours.cover(range(use.start * TICK_MS, use.stop * TICK_MS))
        assert taken.is_free(PRINTER.id, PRINTER.held(use)) == covered


def test_closed_pool_has_nothing_to_spare() -> None:
    hours = OpeningHours(HANOI, (Open(2, _clock("08:00"), _clock("16:00")),))
    taken = Taken(DAY.start, {}, {5: 30}, {5: [Use(DAY, 10)]})

    found = besides(taken, DAY, [], [Counted(5, 1)], facts(hours={5: hours}))

    assert found.spare(5, ticks(at(WEDNESDAY, "08:00"), at(WEDNESDAY, "16:00"))) == 20
    assert found.spare(5, ticks(at(WEDNESDAY, "07:55"), at(WEDNESDAY, "09:00"))) <= 0


def test_ill_unit_is_in_the_way_of_what_is_soon() -> None:
    known = facts(health={PRINTER.id: DeviceState.FAULT}, now_ms=at(WEDNESDAY - timedelta(days=1), "08:00"))

    taken = besides(Taken(DAY.start), DAY, [PRINTER], [], known)

    first_free = ticks(at(WEDNESDAY, "08:00"), at(WEDNESDAY, "09:00"))
    assert taken.is_free(PRINTER.id, PRINTER.held(first_free))
    assert not taken.is_free(PRINTER.id, PRINTER.held(range(first_free.start - 1, first_free.stop)))


def _clock(text: str) -> time:
    return time.fromisoformat(text)
