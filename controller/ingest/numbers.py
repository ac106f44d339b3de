"""Which batch numbers of an epoch were taken: a floor and the ranges above it. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

Range = tuple[int, int]
"""First and last, both inclusive."""


class Numbers:
    """A set of positive integers that is nearly always 1 to n, kept as sorted ranges that do not touch."""

    __slots__ = ("_ranges",)

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._ranges: list[Range] = []
        for first, last in ranges:
            self.add(first, last)

    @property
    def floor(self) -> int:
        """The highest number up to which none is missing."""
        return self._ranges[0][1] if self._ranges and self._ranges[0][0] == 1 else 0

    @property
    def highest(self) -> int:
        return self._ranges[-1][1] if self._ranges else 0

    def __iter__(self) -> Iterator[Range]:
        return iter(self._ranges)

    def __len__(self) -> int:
        """How many ranges there are."""
        return len(self._ranges)

    def __contains__(self, number: int) -> bool:
        return self.touches(number, number)

    def touches(self, first: int, last: int) -> bool:
        """Whether any number of `first` to `last` is in the set."""
        at = bisect_left(self._ranges, first, key=_last)
        return at < len(self._ranges) and self._ranges[at][0] <= last

    def add(self, first: int, last: int) -> None:
        """Put `first` to `last` into the set."""
        if self._ranges and self._ranges[-1][1] + 1 == first:  # nearly always: the next batch
            self._ranges[-1] = (self._ranges[-1][0], last)
            return
        begin = bisect_left(self._ranges, first - 1, key=_last)
        end = begin
        while end < len(self._ranges) and self._ranges[end][0] <= last + 1:
            first = min(first, self._ranges[end][0])
            last = max(last, self._ranges[end][1])
            end += 1
        self._ranges[begin:end] = [(first, last)]

    def missing(self) -> list[Range]:
        """The holes below the highest number."""
        before = 0
        holes: list[Range] = []
        for first, last in self._ranges:
            if first > before + 1:
                holes.append((before + 1, first - 1))
            before = last
        return holes


def _last(each: Range) -> int:
    return each[1]


def text_of(ranges: Iterable[Range]) -> str:
    """`[(5, 7), (9, 9)]` as "5-7 9-9"."""
    return " ".join(f"{first}-{last}" for first, last in ranges)


def parse_ranges(text: str) -> list[Range]:
    """The reverse of `text_of`. Raises ValueError for anything else."""
    pairs = (each.split("-") for each in text.split())
    return [(int(first), int(last)) for first, last in pairs]
