"""Few points that tell the same story: extremes stay, gaps stay gaps."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from controller.telemetry.thinning import Point, thinned, with_gaps

READINGS = st.lists(
    st.tuples(st.integers(0, 100_000), st.one_of(st.none(), st.floats(-1e6, 1e6))), unique_by=lambda each: each[0]
).map(sorted)


@given(READINGS, st.integers(5, 60))
def test_thinned_keeps_the_bound_the_order_and_the_extremes(readings: list[Point], most: int) -> None:
    kept = thinned(readings, most)
    assert len(kept) <= most
    assert kept == sorted(kept, key=lambda point: point[0])
    assert set(kept) <= set(readings)
    values = [point[1] for point in readings if isinstance(point[1], float)]
    told = [point[1] for point in kept if isinstance(point[1], float)]
    assert (min(told, default=None), max(told, default=None)) == (min(values, default=None), max(values, default=None))


@given(READINGS, st.integers(5, 60))
def test_thinned_never_joins_what_a_gap_parts(readings: list[Point], most: int) -> None:
    for before, after in pairwise(thinned(readings, most)):
        if before[1] is not None and after[1] is not None:
            assert all(value is not None for at, value in readings if before[0] < at < after[0])


def test_a_long_silence_is_a_gap() -> None:
    assert with_gaps([(0, 1.0), (2_500, 2.0), (5_001, 3.0)], heartbeat_ms=1_000) == [
        (0, 1.0),
        (2_500, 2.0),
        (3_750, None),
        (5_001, 3.0),
    ]


def test_a_declared_gap_is_one_where_nothing_was_kept() -> None:
    readings: list[Point] = [(0, 1.0), (100, 2.0), (200, 3.0)]
    assert with_gaps(readings, 1_000, [(110, 190)]) == [(0, 1.0), (100, 2.0), (150, None), (200, 3.0)]
    assert with_gaps(readings, 1_000, [(10, 190)]) == readings, "thinned, yet some were kept"
    assert with_gaps(readings, 1_000, [(300, 400)]) == readings


def test_texts_keep_the_first_and_the_last_of_each_stretch() -> None:
    texts: list[Point] = [(at, f"state-{at}") for at in range(100)]
    assert thinned(texts, 5) == [texts[0], texts[49], texts[50], texts[99]]
