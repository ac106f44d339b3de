"""How long an offer from the waitlist is kept, and until when somebody waits. Pure."""

from typing import Final

from controller.scheduling.school_time import TICK_MS

LAST_MS: Final = 15 * 60_000
"""So long before it begins nothing is offered any more: what nobody wanted till then is free for all."""
SHORTEST_MS: Final = 30 * 60_000
LONGEST_MS: Final = 24 * 3_600_000
LEAST_MS: Final = 10 * 60_000
"""An offer that could be kept for less than this is not made."""
MOST_WAITING: Final = 20
"""So many wishes one person may have on the waitlist."""


def ends_ms(start_ms: int) -> int:
    """When a wish for what begins then is given up."""
    return start_ms - LAST_MS - LEAST_MS


def kept_until_ms(now_ms: int, start_ms: int) -> int:
    """Until when what begins then is kept for whom it is offered now: a quarter of the time there is, half an hour at
    least and a day at most, and never beyond LAST_MS before it begins. In whole five minutes.
    """
    wanted = min(LONGEST_MS, max(SHORTEST_MS, (start_ms - now_ms) // 4))
    return min(start_ms - LAST_MS, -(-(now_ms + wanted) // TICK_MS) * TICK_MS)
