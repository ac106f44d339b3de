"""From which tier a question about a series is answered. Pure."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from controller.telemetry.days import DAY_MS, Day
from controller.telemetry.tiers import FIVE_MINUTES, HOUR, Tier

ARCHIVE_DAYS: Final = 40
"""So many days, at most, are looked up in the archive for one answer: each is a file."""
_ROLLED_UP: Final = (Tier.FIVE_MINUTES, Tier.HOUR)
WIDTH_MS: Final = {
    Tier.ROWS: 0,
    Tier.ARCHIVE: 0,
    Tier.FIVE_MINUTES: FIVE_MINUTES.width_ms,
    Tier.HOUR: HOUR.width_ms,
}
"""What cannot be told apart in a tier; 0 is every reading by itself."""


class Kept(NamedTuple):
    """From when on each tier has all there was, and the days of which the archive has."""

    rows_ms: int = 0
    archived: AbstractSet[Day] = frozenset()
    five_minutes_ms: int = 0
    hours_ms: int = 0


class Source(NamedTuple):
    """A tier from a time up to, not including, another."""

    tier: Tier
    from_ms: int
    until_ms: int


def wanted(span_ms: int, points: int) -> Tier:
    """The coarsest tier in which a span still has `points` stretches that can be told apart."""
    a_point = span_ms // max(points, 1)
    if a_point >= HOUR.width_ms:
        return Tier.HOUR
    return Tier.FIVE_MINUTES if a_point >= FIVE_MINUTES.width_ms else Tier.ROWS


def sources(tier: Tier, from_ms: int, until_ms: int, kept: Kept, *, text: bool = False) -> list[Source]:
    """What to read for a span, oldest first: the wanted tier as far back as it goes, before it the next coarser one.
    A day that is not whole in the archive comes from roll-ups too. Texts are not rolled up.
    """
    coarser = () if text else _ROLLED_UP
    if tier is not Tier.ROWS and not text:
        return _rolled_up(coarser[coarser.index(tier) :], from_ms, until_ms, kept)
    found: list[Source] = []
    until = until_ms
    if max(kept.rows_ms, from_ms) < until:
        until = max(kept.rows_ms, from_ms)
        found.append(Source(Tier.ROWS, until, until_ms))
    while until > from_ms:
        whole = (until - 1) // DAY_MS in kept.archived and until > until_ms - ARCHIVE_DAYS * DAY_MS
        begin = _begin(until, from_ms, until_ms, kept, whole=whole)
        before = [Source(Tier.ARCHIVE, begin, until)] if whole else _rolled_up(coarser, begin, until, kept)
        found = before + found
        until = begin
    return found


def _begin(until: int, from_ms: int, end_ms: int, kept: Kept, *, whole: bool) -> int:
    """Where the stretch begins, of days that are all in the archive or all are not, that ends at `until`."""
    limit = max(from_ms, end_ms - ARCHIVE_DAYS * DAY_MS)
    if until <= limit:
        return from_ms
    day = (until - 1) // DAY_MS
    while (day in kept.archived) == whole and day * DAY_MS > limit:
        day -= 1
    if (day in kept.archived) == whole:  # up to what is looked up in the archive, or up to the begin of the span
        return limit if whole else from_ms
    return (day + 1) * DAY_MS


def _rolled_up(tiers: Sequence[Tier], from_ms: int, until_ms: int, kept: Kept) -> list[Source]:
    """Oldest first."""
    since = {Tier.FIVE_MINUTES: kept.five_minutes_ms, Tier.HOUR: kept.hours_ms}
    found: list[Source] = []
    until = until_ms
    for each in tiers:
        begin = max(since[each], from_ms)
        if begin < until:
            found.append(Source(each, begin, until))
            until = begin
    return found[::-1]
