"""From which tier a question about a series is answered. Pure."""

from typing import Final, NamedTuple

from controller.telemetry.days import DAY_MS
from controller.telemetry.tiers import FIVE_MINUTES, HOUR, Tier

ARCHIVE_DAYS: Final = 40
"""So many days, at most, are looked up in the archive for one answer: each is a file."""
_ORDER: Final = (Tier.ROWS, Tier.ARCHIVE, Tier.FIVE_MINUTES, Tier.HOUR)
WIDTH_MS: Final = {
    Tier.ROWS: 0,
    Tier.ARCHIVE: 0,
    Tier.FIVE_MINUTES: FIVE_MINUTES.width_ms,
    Tier.HOUR: HOUR.width_ms,
}
"""What cannot be told apart in a tier; 0 is every reading by itself."""


class Kept(NamedTuple):
    """From when on each tier has all there was; None if it has nothing at all."""

    rows_ms: int = 0
    archive_ms: int | None = None
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
    Texts are not rolled up.
    """
    since = {
        Tier.ROWS: kept.rows_ms,
        Tier.ARCHIVE: None if kept.archive_ms is None else max(kept.archive_ms, until_ms - ARCHIVE_DAYS * DAY_MS),
        Tier.FIVE_MINUTES: None if text else kept.five_minutes_ms,
        Tier.HOUR: None if text else kept.hours_ms,
    }
    found: list[Source] = []
    until = until_ms
    for each in _ORDER[_ORDER.index(Tier.ROWS if text else tier) :]:
        begin = since[each]
        if begin is not None and max(begin, from_ms) < until:
            found.append(Source(each, max(begin, from_ms), until))
            until = max(begin, from_ms)
    return found[::-1]
