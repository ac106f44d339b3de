"""A series as one line, made of readings and of buckets: extremes stay, gaps stay gaps. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from controller.telemetry.rollup import Bucket
from controller.telemetry.thinning import SILENCE, Point, Stretch


class Step(NamedTuple):
    """A reading or a bucket: the times of its first and last reading, the longest silence between them, and what is
    drawn of it.
    """

    first_ms: int
    last_ms: int
    silence_ms: int
    points: tuple[Point, ...]


def of_reading(point: Point) -> Step:
    return Step(point[0], point[0], 0, (point,))


def of_bucket(bucket: Bucket, from_ms: int, until_ms: int) -> Step:
    """Lowest and highest at the times of its first and last reading; nothing is drawn before `from_ms`, nor at
    `until_ms` or later.
    """
    first, last = bucket.first_ms, bucket.last_ms
    if first < from_ms or last >= until_ms:
        first, last = (min(max(at_ms, from_ms), until_ms - 1) for at_ms in (first, last))
    if bucket.low is None:
        return Step(first, last, 0, ((first, None),))
    if bucket.low == bucket.high and first == last:
        return Step(first, last, bucket.silence_ms, ((first, bucket.low),))
    if first == last:  # a line has one value at a time
        first, last = (first, first + 1) if first + 1 < until_ms else (first - 1, first)
    return Step(first, last, bucket.silence_ms, ((first, bucket.low), (last, bucket.high)))


def joined(steps: Iterable[Step], heartbeat_ms: int, declared: Iterable[Stretch] = ()) -> list[Point]:
    """The points of the steps, which come in the order of time, with a None wherever nothing came for too long or the
    agent gave up all there was: between two of them, or within one.
    """
    stretches = sorted(declared)
    longest = SILENCE * heartbeat_ms
    points: list[Point] = []
    before: int | None = None
    for step in steps:
        first, last = step.first_ms, step.last_ms
        if before is not None and (first - before > longest or (stretches and _given_up(stretches, before, first))):
            points.append(((before + first) // 2, None))
        points.append(step.points[0])
        if len(step.points) > 1:
            if step.silence_ms > longest or (stretches and _given_up(stretches, first, last, step.silence_ms)):
                points.append(((first + last) // 2, None))
            points.append(step.points[-1])
        before = last
    return points


def _given_up(stretches: Sequence[Stretch], after_ms: int, before_ms: int, silence_ms: int | None = None) -> bool:
    """Whether an agent gave up readings between two times, without any in between for as long as that took."""
    return any(
        after_ms < begin and end < before_ms and (silence_ms is None or silence_ms > end - begin)
        for begin, end in stretches
    )
