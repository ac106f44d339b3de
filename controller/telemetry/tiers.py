"""In which grains history is kept: all readings, five minutes, hours, and the archive. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeAlias

from controller.telemetry.days import DAY_MS

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
Period: TypeAlias = int
"""Which table of a tier: a day since the epoch, or a month counted from the year 0, both UTC."""


class Tier(StrEnum):
    """`rows` and `archive` hold every reading, the others what became of a stretch of time."""

    ROWS = "rows"
    FIVE_MINUTES = "5min"
    HOUR = "1h"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class Grain:
    """A tier of roll-ups: buckets of `width_ms`, in tables by day or by month under the name of `parent`."""

    tier: Tier
    width_ms: int
    parent: str
    monthly: bool = False

    def period(self, at_ms: int) -> Period:
        """The period in which a time falls."""
        if not self.monthly:
            return at_ms // DAY_MS
        at = datetime.fromtimestamp(at_ms // 1000, UTC)
        return at.year * 12 + at.month - 1

    def begin_ms(self, period: Period) -> int:
        if not self.monthly:
            return period * DAY_MS
        return round(datetime(period // 12, period % 12 + 1, 1, tzinfo=UTC).timestamp()) * 1000

    def end_ms(self, period: Period) -> int:
        return self.begin_ms(period + 1)

    def table(self, period: Period) -> str:
        at = datetime.fromtimestamp(self.begin_ms(period) // 1000, UTC)
        return f"{self.parent}_{at:%Y%m}" if self.monthly else f"{self.parent}_{at:%Y%m%d}"

    @lru_cache(maxsize=10_000)  # noqa: B019 - there are two grains
    def period_of(self, table: str) -> Period | None:
        """The period that a table holds; None for any other table."""
        parent, _, digits = table.rpartition("_")
        if parent != self.parent or not digits.isdecimal() or len(digits) != (6 if self.monthly else 8):
            return None
        at = datetime(int(digits[:4]), int(digits[4:6]), int(digits[6:] or 1), tzinfo=UTC)
        return self.period(round(at.timestamp()) * 1000)

    def periods_in(self, tables: list[str]) -> list[Period]:
        """The periods of those tables that are of this tier, oldest first."""
        return sorted(period for period in map(self.period_of, tables) if period is not None)


FIVE_MINUTES: Final = Grain(Tier.FIVE_MINUTES, 5 * MINUTE_MS, "rollup_5min")
HOUR: Final = Grain(Tier.HOUR, HOUR_MS, "rollup_1h", monthly=True)
GRAINS: Final = (FIVE_MINUTES, HOUR)
