"""What is left of things at a time, by the same choice that books them: for calendars. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from controller.scheduling.choice import Counted, Demand, Taken, Unit, Wanted, choose
from controller.scheduling.school_time import ticks


class Why(StrEnum):
    """Why nothing is left of what nobody has then."""

    NO_TIME = "no-time"
    """Somebody has it, or it could not be set up or cleaned before or after them."""
    NO_POWER = "no-power"
    """Its circuit feeds others by then."""


@dataclass(frozen=True, slots=True)
class Spare:
    """Of some units and pools, within the time for which `taken` was read."""

    units: Mapping[int, Unit] = field(default_factory=dict)
    counted: Mapping[int, Counted] = field(default_factory=dict)
    taken: Taken = field(default_factory=lambda: Taken(0))

    def of_pool(self, thing_id: int, span_ms: range) -> int:
        """How many could be had for that use (ms), charging and cleaning with it."""
        pool = self.counted[thing_id]
        return max(0, self.taken.spare(thing_id, pool.held(ticks(span_ms.start, span_ms.stop))))

    def against(self, thing_id: int, span_ms: range) -> Why | None:
        """Why a unit cannot be had for that use (ms); None if it can."""
        unit, use = self.units[thing_id], ticks(span_ms.start, span_ms.stop)
        if choose(Wanted((Demand((unit,)),)), use, self.taken) is not None:
            return None
        return Why.NO_POWER if self.taken.is_free(thing_id, unit.held(use)) else Why.NO_TIME
