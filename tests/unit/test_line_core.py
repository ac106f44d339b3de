from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges.line_core import Lines


@given(st.lists(st.binary(max_size=20)), st.integers(1, 40))
def test_lines_are_the_same_however_the_bytes_come(chunks: list[bytes], longest: int) -> None:
    whole, pieces = Lines(longest), Lines(longest)
    data = b"".join(chunks)
    expected = whole.feed(data)
    assert [line for chunk in chunks for line in pieces.feed(chunk)] == expected
    assert pieces.dropped == whole.dropped
    assert all(0 < len(line) <= longest for line in expected)


def test_every_kind_of_line_end_is_taken_and_empty_lines_are_left_out() -> None:
    assert Lines().feed(b"one\r\ntwo\n\nthree\rfour") == [b"one", b"two", b"three"]


def test_line_that_is_too_long_is_dropped_whole_and_counted() -> None:
    lines = Lines(10)
    assert lines.feed(b"x" * 1_000_000) == []
    assert lines.feed(b"still the same\nok\n") == [b"ok"]
    assert lines.dropped == 1
