"""Where an answer comes from, and what is given up first."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from controller.telemetry.days import DAY_MS
from controller.telemetry.lines import joined, of_bucket
from controller.telemetry.retention import Limit, surplus
from controller.telemetry.rollup import Bucket, hours, restored, stored, touched
from controller.telemetry.sources import ARCHIVE_DAYS, Kept, Source, sources, wanted
from controller.telemetry.tiers import FIVE_MINUTES, GRAINS, HOUR, HOUR_MS, Tier

TIMES = st.integers(0, 30_000 * DAY_MS)


def test_the_coarsest_tier_is_wanted_that_still_tells_the_points_apart() -> None:
    assert wanted(DAY_MS, 480) is Tier.ROWS
    assert wanted(DAY_MS, 200) is Tier.FIVE_MINUTES
    assert wanted(7 * DAY_MS, 480) is Tier.FIVE_MINUTES
    assert wanted(126 * DAY_MS, 480) is Tier.HOUR


def test_what_is_not_kept_any_more_is_answered_from_the_next_coarser_tier() -> None:
    kept = Kept(50 * DAY_MS, frozenset(range(40, 50)), five_minutes_ms=20 * DAY_MS, hours_ms=0)
    assert sources(Tier.ROWS, 10 * DAY_MS, 60 * DAY_MS, kept) == [
        Source(Tier.HOUR, 10 * DAY_MS, 20 * DAY_MS),
        Source(Tier.FIVE_MINUTES, 20 * DAY_MS, 40 * DAY_MS),
        Source(Tier.ARCHIVE, 40 * DAY_MS, 50 * DAY_MS),
        Source(Tier.ROWS, 50 * DAY_MS, 60 * DAY_MS),
    ]
    assert sources(Tier.HOUR, 0, 60 * DAY_MS, kept) == [Source(Tier.HOUR, 0, 60 * DAY_MS)]


def test_texts_are_answered_from_readings_alone() -> None:
    kept = Kept(400 * DAY_MS, frozenset(range(400)))
    found = sources(Tier.HOUR, 0, 410 * DAY_MS, kept, text=True)
    assert found == [
        Source(Tier.ARCHIVE, (410 - ARCHIVE_DAYS) * DAY_MS, 400 * DAY_MS),
        Source(Tier.ROWS, 400 * DAY_MS, 410 * DAY_MS),
    ]


def test_days_that_the_archive_has_not_come_from_roll_ups() -> None:
    kept = Kept(50 * DAY_MS, frozenset({41, 42, 45, 48, 49}), five_minutes_ms=44 * DAY_MS)
    begin = 40 * DAY_MS + 7
    assert sources(Tier.ROWS, begin, 51 * DAY_MS, kept) == [
        Source(Tier.HOUR, begin, 41 * DAY_MS),
        Source(Tier.ARCHIVE, 41 * DAY_MS, 43 * DAY_MS),
        Source(Tier.HOUR, 43 * DAY_MS, 44 * DAY_MS),
        Source(Tier.FIVE_MINUTES, 44 * DAY_MS, 45 * DAY_MS),
        Source(Tier.ARCHIVE, 45 * DAY_MS, 46 * DAY_MS),
        Source(Tier.FIVE_MINUTES, 46 * DAY_MS, 48 * DAY_MS),
        Source(Tier.ARCHIVE, 48 * DAY_MS, 50 * DAY_MS),
        Source(Tier.ROWS, 50 * DAY_MS, 51 * DAY_MS),
    ]
    assert [each.tier for each in sources(Tier.ROWS, begin, 51 * DAY_MS, kept, text=True)] == [
        *[Tier.ARCHIVE] * 3,
        Tier.ROWS,
    ]


@given(
    st.sampled_from([Tier.ROWS, Tier.FIVE_MINUTES, Tier.HOUR]),
    TIMES,
    st.integers(1, DAY_MS * 500),
    st.integers(-DAY_MS, DAY_MS * 500),
    st.integers(0, DAY_MS * 100),
    st.sets(st.integers(0, 60)),
)
def test_sources_cover_a_span_once_without_a_hole(
    tier: Tier, begin: int, span: int, rows: int, fives: int, back: set[int]
) -> None:
    end = begin + span
    archived = frozenset((end - rows) // DAY_MS - each for each in back)
    found = sources(tier, begin, end, Kept(end - rows, archived, end - rows - fives, 0))
    assert found[0].from_ms == begin
    assert found[-1].until_ms == end
    assert all(one.until_ms == other.from_ms for one, other in pairwise(found))
    assert all(each.from_ms < each.until_ms for each in found)
    for each in found:
        if each.tier is Tier.ARCHIVE:
            assert set(range(each.from_ms // DAY_MS, (each.until_ms - 1) // DAY_MS + 1)) <= archived
            assert each.until_ms - each.from_ms <= ARCHIVE_DAYS * DAY_MS


@given(st.sampled_from(GRAINS), TIMES)
def test_a_time_falls_in_its_period_and_a_table_tells_it(grain: object, at_ms: int) -> None:
    assert grain in GRAINS
    for each in GRAINS:
        period = each.period(at_ms)
        assert each.begin_ms(period) <= at_ms < each.end_ms(period)
        assert each.period_of(each.table(period)) == period
        others = [other for other in GRAINS if other is not each]
        assert all(other.period_of(each.table(period)) is None for other in others)


@given(st.lists(st.tuples(TIMES, st.integers(0, 3 * DAY_MS)), max_size=5))
def test_touched_buckets_are_whole_disjoint_and_hold_every_time(spans: list[tuple[int, int]]) -> None:
    found = touched([(begin, begin + length) for begin, length in spans])
    stretches = [each for of_day in found.values() for each in of_day]
    width = FIVE_MINUTES.width_ms
    assert all(each.from_ms % width == each.until_ms % width == 0 for each in stretches)
    assert all(each.from_ms // DAY_MS == day == (each.until_ms - 1) // DAY_MS for day in found for each in found[day])
    for begin, length in spans:
        for at in (begin, begin + length // 2, begin + length):
            assert sum(each.from_ms <= at < each.until_ms for each in stretches) == 1


VALUES = st.floats(-1e9, 1e9)


@st.composite
def buckets(draw: st.DrawFn) -> Bucket:
    at = draw(st.integers(0, 287)) * FIVE_MINUTES.width_ms
    low, mean, high = sorted(draw(st.tuples(VALUES, VALUES, VALUES)))
    first, last = sorted(draw(st.tuples(st.integers(0, 299_999), st.integers(0, 299_999))))
    known = draw(st.integers(1, 300))
    return Bucket(7, at, known, low, mean, high, at + first, at + last, last - first)


@given(st.lists(buckets(), min_size=1, unique_by=lambda each: each.at_ms))
def test_hours_are_what_their_five_minutes_say(fives: list[Bucket]) -> None:
    fives.sort()
    for hour in hours(fives):
        own = [each for each in fives if each.at_ms // HOUR_MS == hour.at_ms // HOUR_MS]
        assert hour.known == sum(each.known for each in own)
        assert (hour.low, hour.high) == (min(each.low or 0 for each in own), max(each.high or 0 for each in own))
        mean = sum((each.mean or 0) * each.known for each in own) / hour.known
        assert hour.mean is not None
        assert abs(hour.mean - mean) <= 1e-6 * max(1.0, abs(hour.low or 0), abs(hour.high or 0))
        assert (hour.first_ms, hour.last_ms) == (own[0].first_ms, own[-1].last_ms)
        between = [after.first_ms - before.last_ms for before, after in pairwise(own)]
        assert hour.silence_ms == max([*between, *(each.silence_ms for each in own)])


@given(buckets())
def test_a_stored_bucket_comes_back(bucket: Bucket) -> None:
    for grain in GRAINS:
        at_ms = bucket.at_ms // grain.width_ms * grain.width_ms
        moved = bucket._replace(at_ms=at_ms)
        assert restored(stored(moved, grain), grain) == moved


def test_a_line_breaks_where_an_hour_was_silent_for_too_long() -> None:
    hour = Bucket(1, 0, 9, 1.0, 2.0, 3.0, 10, 3_000_000, 2_000_000)
    assert joined([of_bucket(hour, 0, HOUR_MS)], 300_000) == [(10, 1.0), (1_500_005, None), (3_000_000, 3.0)]
    calm = hour._replace(silence_ms=700_000)
    assert joined([of_bucket(calm, 0, HOUR_MS)], 300_000) == [(10, 1.0), (3_000_000, 3.0)]
    later = Bucket(1, HOUR_MS, 1, 4.0, 4.0, 4.0, HOUR_MS + 500_000, HOUR_MS + 500_000, 0)
    points = joined([of_bucket(calm, 0, 2 * HOUR_MS), of_bucket(later, 0, 2 * HOUR_MS)], 300_000)
    assert [value for _, value in points] == [1.0, 3.0, None, 4.0]
    assert HOUR.width_ms == HOUR_MS


@given(st.dictionaries(st.integers(0, 100), st.integers(0, 50)), st.integers(0, 100), st.integers(0, 1_000))
def test_surplus_is_the_oldest_and_no_more_than_it_takes(sizes: dict[int, int], oldest: int, most: int) -> None:
    going = surplus(sizes, Limit(0, most), oldest, 90)
    left = sorted(set(sizes) - set(going))
    assert going == sorted(sizes)[: len(going)], "the oldest, in order"
    assert all(period < 90 for period in going)
    assert not any(period < min(oldest, 90) for period in left)
    assert sum(sizes[period] for period in left) <= most or all(period >= 90 for period in left)
    if going and going[-1] >= oldest:
        assert sum(sizes[period] for period in [going[-1], *left]) > most, "the last one had to go"
