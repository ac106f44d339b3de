"""How much one transaction takes on."""

from hypothesis import given
from hypothesis import strategies as st

from controller.ingest.portion import LEAST, MOST, WITHIN_S, Portion


@given(st.floats(LEAST, MOST / WITHIN_S))
def test_a_portion_becomes_what_is_written_in_a_fifth_of_a_second(bytes_per_s: float) -> None:
    portion = Portion()
    for _ in range(50):
        portion.written(portion.size, portion.size / bytes_per_s)
    assert abs(portion.size - max(bytes_per_s * WITHIN_S, LEAST)) <= 0.01 * MOST


@given(st.lists(st.tuples(st.integers(0, 10 * MOST), st.floats(0, 100))))
def test_a_portion_stays_within_its_bounds_whatever_is_measured(measured: list[tuple[int, float]]) -> None:
    portion = Portion()
    for size, seconds in measured:
        portion.written(size, seconds)
        assert LEAST <= portion.size <= MOST


def test_small_transactions_say_nothing_of_how_much_could_be_written() -> None:
    portion = Portion()
    portion.written(100, 10.0)
    portion.written(LEAST, 0.0)
    assert portion.size == LEAST
