"""When a unit or pool is of no use though nobody holds it: it is closed, or ill and the time is soon. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from controller.scheduling.choice import Counted, Taken, Unit, Use, mask
from controller.scheduling.policy import Facts, is_unwell
from controller.scheduling.school_time import TICK_MS


def besides(taken: Taken, window: range, units: Iterable[Unit], counted: Iterable[Counted], facts: Facts) -> Taken:
    """`taken`, and all that the rules on opening hours and health forbid within `window` (ticks, from its first on)."""
    bits, uses = dict(taken.units), dict(taken.uses)
    known: dict[tuple[object, ...], int] = {}
    for unit in units:
        alike = (id(facts.hours.get(unit.id)), facts.health.get(unit.id), unit.setup, unit.clean_up)
        if alike not in known:
            known[alike] = _bits(unit, window, facts)
        bits[unit.id] = bits.get(unit.id, 0) | known[alike]
    for each in counted:
        capacity = taken.capacity.get(each.pool, 0)
        uses[each.pool] = [*uses.get(each.pool, ()), *(Use(ticks, capacity) for ticks in _barred(each, window, facts))]
    return replace(taken, units=bits, uses=uses)


def _bits(unit: Unit, window: range, facts: Facts) -> int:
    found = 0
    for ticks in _barred(unit, window, facts):
        found |= mask(ticks, window.start)
    return found


def _barred(each: Unit | Counted, window: range, facts: Facts) -> Iterator[range]:
    """Setting up and cleaning may be done meanwhile: held ticks are in the way only if the use itself is."""
    thing = each.id if isinstance(each, Unit) else each.pool
    for ticks in _shut(thing, range(window.start - each.clean_up, window.stop + each.setup), facts):
        start, stop = max(ticks.start + each.clean_up, window.start), min(ticks.stop - each.setup, window.stop)
        if start < stop:
            yield range(start, stop)


def _shut(thing: int, window: range, facts: Facts) -> Iterator[range]:
    """The ticks of `window` at which it cannot be used."""
    hours = facts.hours.get(thing)
    if hours is not None:
        yield from hours.shut(window)
    soon = -(-facts.soon_ms // TICK_MS)
    if thing in facts.health and is_unwell(facts.health[thing]) and window.start < soon:
        yield range(window.start, min(soon, window.stop))
