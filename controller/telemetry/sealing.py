"""Which parts of the archive are to be made. Pure."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from controller.telemetry.days import Day
from controller.telemetry.register import Part
from controller.telemetry.tables import LAST_SERIES


def is_complete(part: Part) -> bool:
    """Whether it goes up to the last series there can be."""
    return part.upto_series == LAST_SERIES


def following(part: Part) -> Part | None:
    """The part of the series after it, of the same batches; None if it was the last one."""
    if is_complete(part):
        return None
    return Part(part.day, part.part + 1, part.after_batch, part.upto_batch, after_series=part.upto_series)


def due(
    days: Sequence[Day], highest: Mapping[Day, int], parts: Sequence[Part], incomplete: AbstractSet[Day] = frozenset()
) -> list[Part]:
    """The next part of each day that lacks one: what is left of the series, else what came since.

    `highest` has the last batch of each day, `parts` are in the order of day and number. Of an `incomplete` day
    readings were given up that no part holds: its first part begins behind a batch, as what is late does.
    """
    last = {part.day: part for part in parts}
    found = []
    for day in days:
        before, upto = last.get(day), highest.get(day, 0)
        rest = following(before) if before else None
        if rest:
            found.append(rest)
        elif before and upto > before.upto_batch:
            found.append(Part(day, before.part + 1, before.upto_batch, upto))
        elif not before and upto:
            found.append(Part(day, 0, 1 if day in incomplete else 0, upto))
    return found
