"""Which parts of the archive are to be made next."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from controller.telemetry.register import Part
from controller.telemetry.rows import end_of_piece
from controller.telemetry.sealing import due, following, is_complete
from controller.telemetry.tables import LAST_SERIES


def test_a_day_without_a_part_begins_with_its_first_batch_and_series() -> None:
    assert due([7], {7: 40}, []) == [Part(7, 0, 0, 40)]
    assert due([7], {}, []) == [], "nothing is rolled up"
    assert due([7], {7: 40}, [], {7}) == [Part(7, 0, 1, 40)], "what was given up is in no part"


def test_what_is_left_of_the_series_comes_before_what_is_late() -> None:
    first = Part(7, 0, 0, 40, upto_series=12)
    assert following(first) == Part(7, 1, 0, 40, after_series=12)
    assert due([7], {7: 90}, [first]) == [Part(7, 1, 0, 40, after_series=12)]
    second = replace(Part(7, 1, 0, 40, after_series=12), upto_series=LAST_SERIES)
    assert is_complete(second)
    assert following(second) is None
    assert due([7], {7: 40}, [first, second]) == []
    assert due([7], {7: 90}, [first, second]) == [Part(7, 2, 40, 90)]


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 9)), min_size=1, unique_by=lambda each: each[0]),
    st.integers(1, 20),
)
def test_pieces_hold_every_series_once_and_end(counts: list[tuple[int, int]], most: int) -> None:
    rows = [series for series, count in sorted(counts) for _ in range(count)]
    part: Part | None = Part(7, 0, 0, 40)
    seen: list[int] = []
    made = 0
    while part is not None:
        left = [series for series in rows if series > part.after_series]
        upto = end_of_piece((left[most],) if len(left) > most else None, part.after_series)
        held = [series for series in left if series <= upto]
        assert len(held) <= most or len(set(held)) == 1
        seen += held
        made += 1
        part = following(replace(part, upto_series=upto))
    assert seen == rows
    assert made <= 31
