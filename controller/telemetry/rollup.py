"""What becomes of many readings of a stretch of time. Pure; five minutes are rolled up by the database itself."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any, Final, NamedTuple

from controller.telemetry.days import DAY_MS, Day
from controller.telemetry.tiers import FIVE_MINUTES, HOUR, Grain

UNKNOWN_MS: Final = 2_000_000_000
"""Longer than any silence: the device was asked meanwhile and did not know."""
LARGEST: Final = 1e140
"""Of values beyond it, which no sensor has, sums and squares may not fit: they count, but not in the mean."""


class Bucket(NamedTuple):
    """The readings of a series in one stretch of time, which begins at `at_ms`.

    `known` is how many had a value; without any, `low`, `mean` and `high` are None. `silence_ms` is the longest time
    between two readings that follow each other in it, or UNKNOWN_MS.
    """

    series: int
    at_ms: int
    known: int
    low: float | None
    mean: float | None
    high: float | None
    first_ms: int
    last_ms: int
    silence_ms: int


class Stored(NamedTuple):
    """A bucket as its table has it. Times are multiples of the width, or count from there; what is the same as `low`
    is not written twice.
    """

    series: int
    slot: int
    known: int
    low: float | None
    mean: float | None
    high: float | None
    first: int
    last: int
    silence: int


COLUMNS: Final = ("series", "slot", "count", "low", "mean", "high", "first", "last", "silence")


def stored(bucket: Bucket, grain: Grain) -> Stored:
    series, at_ms, count, low, mean, high, first, last, silence = bucket
    return Stored(
        *(series, at_ms // grain.width_ms, count, low, None if mean == low else mean, None if high == low else high),
        *(first - at_ms, last - at_ms, silence),
    )


def restored(row: Sequence[Any], grain: Grain) -> Bucket:
    """The bucket of a stored row, whose values come in the order of COLUMNS. Hot: thousands for a chart."""
    series, slot, known, low, mean, high, first, last, silence = row
    at_ms = slot * grain.width_ms
    return Bucket(
        *(series, at_ms, known, low, low if mean is None else mean, low if high is None else high),
        *(at_ms + first, at_ms + last, silence),
    )


def hours(fives: Iterable[Bucket]) -> Iterator[Bucket]:
    """The hours of five minutes, which come in the order of series and time and are whole hours."""
    for (_, at_ms), found in groupby(fives, key=lambda each: (each.series, each.at_ms // HOUR.width_ms)):
        yield _together(at_ms * HOUR.width_ms, list(found))


def _together(at_ms: int, fives: Sequence[Bucket]) -> Bucket:
    known = [each for each in fives if each.low is not None and each.mean is not None and each.high is not None]
    count = sum(each.known for each in known)
    low = min((each.low for each in known if each.low is not None), default=None)
    high = max((each.high for each in known if each.high is not None), default=None)
    mean = None
    if low is not None and high is not None:
        # Shares, not sums, so that nothing becomes too large; rounding must not leave the bounds.
        mean = min(max(sum(each.mean * (each.known / count) for each in known if each.mean is not None), low), high)
    between = [after.first_ms - before.last_ms for before, after in pairwise(fives)]
    silence = max(*between, *(each.silence_ms for each in fives), 0)
    return Bucket(fives[0].series, at_ms, count, low, mean, high, fives[0].first_ms, fives[-1].last_ms, silence)


class Stretch(NamedTuple):
    """From a time up to, not including, another."""

    from_ms: int
    until_ms: int


def touched(spans: Iterable[tuple[int, int]]) -> dict[Day, list[Stretch]]:
    """The five-minute buckets, by day and put together, that readings with times in these spans (both ends included)
    fall in.
    """
    width = FIVE_MINUTES.width_ms
    pieces = sorted((begin // width * width, end // width * width + width) for begin, end in spans)
    result: dict[Day, list[Stretch]] = {}
    until = 0
    for begin, end in pieces:
        at = max(begin, until)
        while at < end:
            day = at // DAY_MS
            stop = min(end, (day + 1) * DAY_MS)
            of_day = result.setdefault(day, [])
            if of_day and of_day[-1].until_ms == at:
                of_day[-1] = Stretch(of_day[-1].from_ms, stop)
            else:
                of_day.append(Stretch(at, stop))
            at = stop
        until = max(until, end)
    return result


def whole_hours(stretch: Stretch) -> Stretch:
    """The hours that a stretch touches."""
    width = HOUR.width_ms
    return Stretch(stretch.from_ms // width * width, -(-stretch.until_ms // width) * width)
