"""Which units serve a booking, and when they could. Pure: what is taken comes in, what is chosen goes out.

Time is counted in ticks (`school_time.TICK_MS`). What is taken is a bit a tick for units, so that a month of a hundred
machines is searched in a few operations; for what is counted (pools, watts) it is a list of uses.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice, pairwise
from typing import Final, TypeAlias

MOST_PARTS: Final = 4_000
"""Where circuits are too weak for the first choice, so many different beginnings of another are followed at a time.

That is all of them for ten units each of two classes, or one each of eight, on circuits that all share.
"""


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
    """`count` of a counted pool: thirty kits. They are held `setup` ticks before a use, and after it `clean_up`, as
    `between_uses` has it.
    """

    pool: int
    count: int
    setup: int = 0
    clean_up: int = 0

    def held(self, use: range) -> range:
        return range(use.start - self.setup, use.stop + self.clean_up)


def between_uses(charge: int, clean_up: int) -> int:
    """How long kits wait for their next use: they are wiped while they charge, so the longer of the two."""
    return max(charge, clean_up)


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
class Draw:
    """`count` that one unit draws while it is held: a bit a tick, from `Taken.first` on."""

    bits: int
    count: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What is held already. `units` has a bit for each tick from `first` on; what lies before `first` is taken.

    `capacity` is that of each pool and circuit, `uses` and `draws` what is drawn from it.
    """

    first: int
    units: Mapping[int, int] = field(default_factory=dict)
    capacity: Mapping[int, int] = field(default_factory=dict)
    uses: Mapping[int, Sequence[Use]] = field(default_factory=dict)
    draws: Mapping[int, Sequence[Draw]] = field(default_factory=dict)

    def is_free(self, unit: int, ticks: range) -> bool:
        if ticks.start < self.first:
            return False
        return not self.units.get(unit, 0) & mask(ticks, self.first)

    def spare(self, counted: int, ticks: range) -> int:
        """How much of a pool or circuit nobody has at any of `ticks`."""
        return self.capacity.get(counted, 0) - most(self.used(counted, ticks), ticks)

    def used(self, counted: int, ticks: range) -> Iterator[Use]:
        """What is drawn from a pool or circuit at any of `ticks`, and perhaps some of what is before or after them."""
        yield from self.uses.get(counted, ())
        span = mask(range(max(ticks.start, self.first), ticks.stop), self.first)
        for draw in self.draws.get(counted, ()):
            for run in runs(draw.bits & span, self.first):
                yield Use(run, draw.count)


Units: TypeAlias = tuple[tuple[Unit, ...], ...]
"""Those that serve each demand, in the demands' order."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What serves all that is wanted."""

    units: Units


def mask(ticks: range, first: int) -> int:
    """A bit for each of `ticks`, counted from `first`, which is not after them."""
    return ((1 << len(ticks)) - 1) << (ticks.start - first)


def masks(held: Iterable[tuple[int, int, int]], first: int) -> dict[int, int]:
    """(unit, first tick, last tick + 1) as bits by unit. What lies before `first` is left out."""
    found: defaultdict[int, int] = defaultdict(int)
    for unit, start, stop in held:
        if start >= first:
            found[unit] |= (1 << stop - start) - 1 << start - first
        elif stop > first:
            found[unit] |= (1 << stop - first) - 1
    return dict(found)


def runs(bits: int, first: int) -> Iterator[range]:
    """The ticks of which there are bits, counted from `first`, as stretches without a gap."""
    while bits:
        start = (bits & -bits).bit_length() - 1
        bits >>= start
        length = (bits + 1 & ~bits).bit_length() - 1
        bits >>= length
        first += start + length
        yield range(first - length, first)


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

    Pools must have enough left, and so must the circuits that the chosen units hang on. Nothing is missed for want of
    trying, but for what is said at MOST_PARTS.
    """
    if any(taken.spare(each.pool, each.held(use)) < each.count for each in wanted.counted):
        return None
    units = _matched(wanted.demands, use, taken)
    if units is not None and not _is_carried(units, use, taken):
        units = _shared_out(wanted.demands, use, taken)
    return None if units is None else Choice(units)


def _matched(demands: Sequence[Demand], use: range, taken: Taken) -> Units | None:
    """A different free unit for each place of each demand, whatever they draw: augmenting paths, none is missed."""
    places = [index for index, demand in enumerate(demands) for _ in range(demand.count)]
    free: list[list[Unit]] = [[] for _ in demands]
    for index in sorted(range(len(demands)), key=lambda each: len(demands[each].units)):  # the scarce ones first
        could = (unit for unit in demands[index].units if taken.is_free(unit.id, unit.held(use)))
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


def _is_carried(units: Units, use: range, taken: Taken) -> bool:
    """Whether every circuit can carry what is chosen, beside what it carries already."""
    by_circuit: dict[int, list[Unit]] = {}
    for unit in chain.from_iterable(units):
        if unit.circuit is not None and unit.watts:
            by_circuit.setdefault(unit.circuit, []).append(unit)
    for circuit, drawing in by_circuit.items():
        span = range(min(unit.held(use).start for unit in drawing), max(unit.held(use).stop for unit in drawing))
        uses = chain(taken.used(circuit, span), (Use(unit.held(use), unit.watts) for unit in drawing))
        if most(uses, span) > taken.capacity.get(circuit, 0):
            return False
    return True


@dataclass(frozen=True, slots=True)
class _Part:
    """Some units that are chosen. `lacking` is how many more each demand wants, `spare` the watts that their last
    circuit has left in each stretch of the use.
    """

    lacking: tuple[int, ...]
    spare: tuple[int, ...] = ()
    chosen: tuple[tuple[int, Unit], ...] = ()

    def and_also(self, demand: int, unit: Unit, drawn: tuple[int, ...]) -> "_Part":
        lacking = (*self.lacking[:demand], self.lacking[demand] - 1, *self.lacking[demand + 1 :])
        spare = tuple(left - watts for left, watts in zip(self.spare, drawn, strict=True))
        return _Part(lacking, spare, (*self.chosen, (demand, unit)))


def _shared_out(demands: Sequence[Demand], use: range, taken: Taken) -> Units | None:
    """The same by every way to share out the circuits, one after the other.

    Of parts that lack the same and leave the same power only the first goes on, so there are never many.
    """
    parts = [_Part(tuple(demand.count for demand in demands))]
    circuits = _by_circuit(demands, use, taken)
    ahead = Counter(demand for _, seats in circuits for could in seats for demand, _ in could)
    for circuit, seats in circuits:
        parts = [replace(part, spare=()) for part in parts]
        stretches: list[range] = []
        if circuit is not None:
            stretches = _stretches((unit for could in seats for _, unit in could), use)
            spare = tuple(max(0, taken.spare(circuit, each)) for each in stretches)
            parts = [replace(part, spare=spare) for part in parts]
        for could in seats:
            ahead.subtract(demand for demand, _ in could)
            parts = _grown(parts, [(*seat, _drawn(seat[1], stretches, use)) for seat in could], ahead)
            done = next((part.chosen for part in parts if not any(part.lacking)), None)
            if done is not None:
                return tuple(tuple(unit for each, unit in done if each == demand) for demand in range(len(demands)))
    return None


_Seats: TypeAlias = list[tuple[int, Unit]]
"""The demands that one unit could serve, by their numbers."""


def _by_circuit(demands: Sequence[Demand], use: range, taken: Taken) -> list[tuple[int | None, list[_Seats]]]:
    """All units that are free, those on one circuit together. The better ones first."""
    seats: dict[int, _Seats] = {}
    for number, demand in enumerate(demands):
        for unit in demand.units:
            if taken.is_free(unit.id, unit.held(use)):
                seats.setdefault(unit.id, []).append((number, unit))
    found: dict[int | None, list[_Seats]] = {}
    for could in seats.values():
        unit = could[0][1]
        found.setdefault(unit.circuit if unit.watts else None, []).append(could)
    return list(found.items())


def _grown(
    parts: Iterable[_Part], seats: Sequence[tuple[int, Unit, tuple[int, ...]]], ahead: Mapping[int, int]
) -> list[_Part]:
    """Each part with one more unit for a demand, or without it; none that those `ahead` cannot complete."""
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], _Part] = {}
    for part in parts:
        taking = (part.and_also(*seat) for seat in seats if part.lacking[seat[0]])
        for each in (*taking, part):
            enough = all(count <= ahead[index] for index, count in enumerate(each.lacking))
            if enough and min(each.spare, default=0) >= 0:
                found.setdefault((each.lacking, each.spare), each)
    return list(islice(found.values(), MOST_PARTS))


def _stretches(units: Iterable[Unit], use: range) -> list[range]:
    """The times into which the beginnings and ends of their being held divide it."""
    edges = sorted({edge for unit in units for edge in (unit.held(use).start, unit.held(use).stop)})
    return [range(start, stop) for start, stop in pairwise(edges)]


def _drawn(unit: Unit, stretches: Iterable[range], use: range) -> tuple[int, ...]:
    held = unit.held(use)
    return tuple(unit.watts if each.start in held else 0 for each in stretches)


def openings(wanted: Wanted, uses: Iterable[range], taken: Taken) -> Iterator[tuple[range, Choice]]:
    """Of the times in `uses` those at which all that is wanted can be had, in their order, with what would serve."""
    for use in uses:
        found = choose(wanted, use, taken)
        if found is not None:
            yield use, found
