"""The set of numbers taken, against Python's own set."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from controller.ingest.ledger import numbers_of
from controller.ingest.numbers import Numbers, parse_ranges, text_of

RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)).map(lambda each: (each[0], each[0] + each[1])))


def members(numbers: Numbers) -> set[int]:
    return {number for first, last in numbers for number in range(first, last + 1)}


@given(RANGES)
def test_numbers_hold_exactly_what_was_added(ranges: list[tuple[int, int]]) -> None:
    expected = {number for first, last in ranges for number in range(first, last + 1)}
    numbers = Numbers(ranges)
    assert members(numbers) == expected
    assert all((number in numbers) == (number in expected) for number in range(1, 80))
    assert numbers.highest == max(expected, default=0)
    assert numbers.floor == next(number for number in range(100) if number + 1 not in expected)


@given(RANGES)
def test_numbers_stay_sorted_and_apart(ranges: list[tuple[int, int]]) -> None:
    kept = list(Numbers(ranges))
    assert all(first <= last for first, last in kept)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(kept))


@given(RANGES, st.integers(1, 70), st.integers(0, 10))
def test_numbers_touch_a_range_if_they_share_a_number(ranges: list[tuple[int, int]], first: int, more: int) -> None:
    numbers = Numbers(ranges)
    assert numbers.touches(first, first + more) == bool(members(numbers) & set(range(first, first + more + 1)))


@given(RANGES)
def test_missing_are_the_holes_below_the_highest(ranges: list[tuple[int, int]]) -> None:
    numbers = Numbers(ranges)
    missing = {number for first, last in numbers.missing() for number in range(first, last + 1)}
    assert missing == set(range(1, numbers.highest + 1)) - members(numbers)


@given(RANGES)
def test_numbers_survive_the_ledger_row(ranges: list[tuple[int, int]]) -> None:
    numbers = Numbers(ranges)
    above = [each for each in numbers if each[0] != 1]
    assert list(numbers_of(numbers.floor, text_of(above))) == list(numbers)
    assert parse_ranges(text_of(above)) == above
