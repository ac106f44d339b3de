"""Which units serve a booking, and when they could. Pure: what is taken comes in, what is chosen goes out.

Time is counted in ticks (`school_time.TICK_MS`). What is taken is a bit a tick for units, so that a month of a hundred
machines is searched in a few operations; for what is counted (pools, watts) it is a list of uses.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice


@dataclass(frozen=True, slots=True)
class Unit:
    """One machine or room. It is held `setup` ticks before a use and `clean_up` ticks after it.

    While it is held it draws `watts` from `circuit`, None: from none that is limited.
    """

    id: int
    setup: int = 0
    clean_up: int = 0
    watts: int = 0
    circuit: int | None = None

    def held(self, use: range) -> range:
        return range(use.start - self.setup, use.stop + self.clean_up)


@dataclass(frozen=True, slots=True)
class Demand:
    """`count` different units out of `units`, the better ones first."""

    units: tuple[Unit, ...]
    count: int = 1


@dataclass(frozen=True, slots=True)
class Counted:
    """`count` of a counted pool: thirty kits."""

    pool: int
    count: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that one booking needs at the same time, or not at all."""

    demands: tuple[Demand, ...] = ()
    counted: tuple[Counted, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """`count` of a pool or circuit that is in use during `ticks`."""

    ticks: range
    count: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What is held already. `units` has a bit for each tick from `first` on; what lies before `first` is taken.

    `capacity` is that of each pool and circuit, `uses` what is drawn from it.
    """

    first: int
    units: Mapping[int, int] = field(default_factory=dict)
    capacity: Mapping[int, int] = field(default_factory=dict)
    uses: Mapping[int, Sequence[Use]] = field(default_factory=dict)

    def is_free(self, unit: int, ticks: range) -> bool:
        if ticks.start < self.first:
            return False
        return not self.units.get(unit, 0) & mask(ticks, self.first)

    def spare(self, counted: int, ticks: range) -> int:
        """How much of a pool or circuit nobody has at any of `ticks`."""
        return self.capacity.get(counted, 0) - most(self.uses.get(counted, ()), ticks)


@dataclass(frozen=True, slots=True)
class Choice:
    """The units that serve each demand, in the demands' order."""

    units: tuple[tuple[Unit, ...], ...]


def mask(ticks: range, first: int) -> int:
    """A bit for each of `ticks`, counted from `first`, which is not after them."""
    return ((1 << len(ticks)) - 1) << (ticks.start - first)


def masks(held: Iterable[tuple[int, range]], first: int) -> dict[int, int]:
    """(unit, ticks) as bits by unit. What lies before `first` is left out."""
    found: dict[int, int] = {}
    for unit, ticks in held:
        if ticks.stop > first:
            found[unit] = found.get(unit, 0) | mask(range(max(ticks.start, first), ticks.stop), first)
    return found


def most(uses: Iterable[Use], ticks: range) -> int:
    """The largest sum of uses at any one of `ticks`."""
    edges: list[tuple[int, int]] = []
    for use in uses:
        start, stop = max(use.ticks.start, ticks.start), min(use.ticks.stop, ticks.stop)
        if start < stop:
            edges += [(start, use.count), (stop, -use.count)]
    height = highest = 0
    for _, change in sorted(edges):  # at the same tick what ends comes first
        height += change
        highest = max(highest, height)
    return highest


def choose(wanted: Wanted, use: range, taken: Taken) -> Choice | None:
    """Units for all demands at once, the better ones where that leaves enough for the others; None if there are none.

    Pools must have enough left, and so must the circuits that the chosen units hang on. Where a circuit is too weak the
    hungriest unit on it is done without; so a choice may be missed that only another sacrifice would allow.
    """
    for each in wanted.counted:
        if taken.spare(each.pool, use) < each.count:
            return None
    barred: set[int] = set()
    while True:
        units = _matched(wanted.demands, use, taken, barred)
        if units is None:
            return None
        over = _overloaded(units, use, taken)
        if over is None:
            return Choice(units)
        barred.add(over.id)


def _matched(
    demands: Sequence[Demand], use: range, taken: Taken, barred: set[int]
) -> tuple[tuple[Unit, ...], ...] | None:
    """A different free unit for each place of each demand: augmenting paths, so that none is missed."""
    places = [index for index, demand in enumerate(demands) for _ in range(demand.count)]
    free: list[list[Unit]] = [[] for _ in demands]
    for index in sorted(range(len(demands)), key=lambda each: len(demands[each].units)):  # the scarce ones first
        could = (
            unit for unit in demands[index].units if unit.id not in barred and taken.is_free(unit.id, unit.held(use))
        )
        free[index] = list(islice(could, len(places)))  # with one for each place nobody can be left without
        if len(free[index]) < demands[index].count:
            return None
    by_unit: dict[int, int] = {}

    def seat(place: int, tried: set[int]) -> bool:
        for unit in free[places[place]]:
            if unit.id in tried:
                continue
            tried.add(unit.id)
            if unit.id not in by_unit or seat(by_unit[unit.id], tried):
                by_unit[unit.id] = place
                return True
        return False

    for place in sorted(range(len(places)), key=lambda each: len(free[places[each]])):
        if not seat(place, set()):
            return None
    return tuple(
        tuple(unit for unit in candidates if unit.id in by_unit and places[by_unit[unit.id]] == index)
        for index, candidates in enumerate(free)
    )


def _overloaded(units: Sequence[Sequence[Unit]], use: range, taken: Taken) -> Unit | None:
    """The unit to do without because its circuit cannot carry all that is chosen; None if all is well."""
    by_circuit: dict[int, list[Unit]] = {}
    for unit in (unit for group in units for unit in group):
        if unit.circuit is not None and unit.watts:
            by_circuit.setdefault(unit.circuit, []).append(unit)
    for circuit, drawing in by_circuit.items():
        span = range(min(unit.held(use).start for unit in drawing), max(unit.held(use).stop for unit in drawing))
        uses = [*taken.uses.get(circuit, ()), *(Use(unit.held(use), unit.watts) for unit in drawing)]
        if most(uses, span) > taken.capacity.get(circuit, 0):
            return max(drawing, key=lambda unit: (unit.watts, unit.id))
    return None


def openings(wanted: Wanted, uses: Iterable[range], taken: Taken) -> Iterator[tuple[range, Choice]]:
    """Of the times in `uses` those at which all that is wanted can be had, in their order, with what would serve."""
    for use in uses:
        found = choose(wanted, use, taken)
        if found is not None:
            yield use, found
