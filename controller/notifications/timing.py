"""When to send: quiet hours, attempts after a failure, and how often a channel may be used. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

GIVE_UP_MS: Final = 24 * 3_600_000
"""How long after it was due a delivery is tried."""
FIRST_MS: Final = 30_000
LONGEST_MS: Final = 3_600_000
"""Between two attempts at the most."""
MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a way may be used: `burst` times at once, then once in `each_ms` (the generic cell rate algorithm).

    Its mark, `paced_until_ms`, is how far what was sent reaches, `each_ms` for each.
    """

    each_ms: int
    burst: int

    def open_ms(self, now_ms: int) -> int:
        """A way may be used now whose mark is not above this."""
        return now_ms + (self.burst - 1) * self.each_ms

    def after_ms(self, paced_until_ms: int, now_ms: int) -> int | None:
        """The mark once it is used now; None if it may not be used yet."""
        if paced_until_ms > self.open_ms(now_ms):
            return None
        return max(paced_until_ms, now_ms) + self.each_ms


CHANNEL_PACE: Final = Pace(60_000, burst=10)


@dataclass(frozen=True, slots=True)
class Quiet:
    """From one minute of the day to another, by the schools' clock, over midnight if it begins later than it ends."""

    from_min: int
    until_min: int

    def __post_init__(self) -> None:
        if not (0 <= self.from_min < MINUTES and 0 <= self.until_min < MINUTES):
            raise ValueError("a minute of the day")


def quiet_until_ms(at_ms: int, quiet: Quiet, zone: tzinfo) -> int:
    """When the quiet hours end that `at_ms` lies in; `at_ms` itself if it lies in none."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    minute = at.hour * 60 + at.minute
    over_midnight = quiet.from_min > quiet.until_min
    inside = (
        minute >= quiet.from_min or minute < quiet.until_min
        if over_midnight
        else quiet.from_min <= minute < quiet.until_min
    )
    if not inside:
        return at_ms
    day = at.date() + timedelta(days=1 if over_midnight and minute >= quiet.from_min else 0)
    ends = datetime.combine(day, time(*divmod(quiet.until_min, 60)), zone)
    return max(at_ms, int(ends.timestamp() * 1000))


def due_ms(now_ms: int, quiet: Quiet | None, zone: tzinfo, matters_by_ms: int | None) -> int:
    """When news of now is sent: after quiet hours, or at once if it would no longer matter then."""
    if quiet is None:
        return now_ms
    ends_ms = quiet_until_ms(now_ms, quiet, zone)
    return now_ms if matters_by_ms is not None and now_ms < matters_by_ms <= ends_ms else ends_ms


def again_ms(attempts: int, chance: float) -> int:
    """How long to wait after so many attempts that failed: full jitter, `chance` is from 0 to 1."""
    return round(min(LONGEST_MS, FIRST_MS << min(attempts - 1, 20)) * chance)
