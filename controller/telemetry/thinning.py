"""A long series as few points: extremes stay, gaps stay gaps. Pure."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Point: TypeAlias = tuple[int, float | str | None]
"""(at_ms, value); None is a gap: nothing is known there, and no line is drawn across it."""
Stretch: TypeAlias = tuple[int, int]

SILENCE = 2.5
"""So many heartbeats without a reading are a gap."""


def with_gaps(readings: Sequence[Point], heartbeat_ms: int, declared: Iterable[Stretch] = ()) -> list[Point]:
    """Readings in order of time, with a None wherever none came for too long or the agent gave up all there was."""
    stretches = sorted(declared)
    points: list[Point] = []
    at = 0
    before: int | None = None
    for now, value in readings:
        if before is not None:
            while at < len(stretches) and stretches[at][0] <= before:
                at += 1
            given_up = at < len(stretches) and stretches[at][1] < now
            if now - before > SILENCE * heartbeat_ms or given_up:
                points.append(((before + now) // 2, None))
        points.append((now, value))
        before = now
    return points


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` points, or five if that is more: of each stretch of time the lowest and the highest, and a gap
    wherever a line between two of them would cross one.
    """
    most = max(most, 5)
    if len(points) <= most:
        return list(points)
    gaps = sum([value is None for _, value in points])
    stretches = max(most // 5, (most - gaps) // 2)
    begin, length = points[0][0], points[-1][0] - points[0][0] + 1
    result: list[Point] = []
    together: list[Point] = []
    current = 0
    for point in points:
        index = (point[0] - begin) * stretches // length
        if index != current:
            result += _kept(together)
            together, current = [], index
        together.append(point)
    return result + _kept(together)


def _kept(together: list[Point]) -> list[Point]:
    """Up to five: two readings, and a gap before, between and after them."""
    known = [point for point in together if point[1] is not None]
    gaps = [point for point in together if point[1] is None]
    if not known:
        return gaps[:1]
    if isinstance(known[0][1], str):
        one, two = known[0], known[-1]
    else:
        one, two = sorted((min(known, key=_number), max(known, key=_number)), key=_time)
    kept = {one, two}
    for begin, end in ((0, one[0]), (one[0], two[0]), (two[0], together[-1][0] + 1)):
        kept.update([gap for gap in gaps if begin <= gap[0] < end][:1])
    return sorted(kept, key=_time)


def _number(point: Point) -> float:
    return point[1] if isinstance(point[1], (int, float)) else 0.0


def _time(point: Point) -> int:
    return point[0]
