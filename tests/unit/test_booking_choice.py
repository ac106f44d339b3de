"""Which units serve a booking: against trying everything."""

from collections.abc import Iterator
from itertools import combinations, pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.scheduling.choice import (
    Counted,
    Demand,
    Draw,
    Taken,
    Unit,
    Use,
    Wanted,
    choose,
    mask,
    masks,
    most,
    openings,
    runs,
)

LESSON = range(10, 19)
PRINTERS = tuple(Unit(number, setup=2, clean_up=1) for number in range(1, 6))
ROOM = Unit(9)


def test_any_unit_of_a_class_is_the_first_that_is_free() -> None:
    taken = Taken(0, masks([(1, 10, 19), (2, 0, 11)], 0))

    found = choose(Wanted((Demand(PRINTERS),)), LESSON, taken)

    assert found is not None
    assert found.units == ((PRINTERS[2],),)


def test_unit_is_taken_also_while_it_is_set_up_or_cleaned() -> None:
    wanted = Wanted((Demand(PRINTERS[:1]),))

    assert choose(wanted, LESSON, Taken(0, masks([(1, 0, 9)], 0))) is None
    assert choose(wanted, LESSON, Taken(0, masks([(1, 0, 8)], 0))) is not None
    assert choose(wanted, LESSON, Taken(0, masks([(1, 19, 30)], 0))) is None
    assert choose(wanted, LESSON, Taken(0, masks([(1, 20, 30)], 0))) is not None


def test_bundle_is_all_or_nothing() -> None:
    wanted = Wanted((Demand(PRINTERS, 2), Demand((ROOM,))), (Counted(50, 30),))
    free = Taken(0, {}, {50: 30})

    found = choose(wanted, LESSON, free)

    assert found is not None
    assert found.units == (PRINTERS[:2], (ROOM,))
    assert choose(wanted, LESSON, Taken(0, masks([(9, 10, 19)], 0), {50: 30})) is None
    assert choose(wanted, LESSON, Taken(0, {}, {50: 30}, {50: [Use(range(18, 40), 1)]})) is None


def test_demand_that_can_be_served_by_one_unit_alone_gets_it() -> None:
    wanted = Wanted((Demand(PRINTERS[:2]), Demand(PRINTERS[:1])))

    found = choose(wanted, LESSON, Taken(0))

    assert found is not None
    assert found.units == ((PRINTERS[1],), (PRINTERS[0],))


def test_past_is_taken() -> None:
    assert choose(Wanted((Demand((ROOM,)),)), range(10, 12), Taken(11)) is None


def test_circuit_carries_no_more_than_it_may() -> None:
    ovens = (*tuple(Unit(number, watts=900, circuit=70) for number in (1, 2)), Unit(3, watts=300, circuit=70))
    taken = Taken(0, {}, {70: 2000}, draws={70: [Draw(mask(LESSON, 0), 500)]})

    found = choose(Wanted((Demand(ovens, 2),)), LESSON, taken)

    assert found is not None
    assert sum(unit.watts for unit in found.units[0]) <= 1500
    assert choose(Wanted((Demand(ovens, 3),)), LESSON, taken) is None


def test_openings_are_the_times_at_which_it_can_be_had() -> None:
    taken = Taken(0, masks([(9, 12, 20)], 0))

    found = openings(Wanted((Demand((ROOM,)),)), (range(9), range(10, 19), range(20, 29)), taken)

    assert [use for use, _ in found] == [range(9), range(20, 29)]


def test_circuits_are_shared_out_however_many_units_are_wanted() -> None:
    """Each circuit carries two printers or a laser; ten of each fill fifteen of them."""
    printers = tuple(Unit(number, watts=350, circuit=1000 + number // 8) for number in range(120))
    lasers = tuple(Unit(500 + number, watts=700, circuit=1000 + number // 2) for number in range(30))
    wanted = Wanted((Demand(printers, 10), Demand(lasers, 10)))

    def found(carried: int) -> bool:
        return choose(wanted, LESSON, Taken(0, {}, {1000 + number: 700 for number in range(carried)})) is not None

    assert found(15)
    assert not found(14)


spans = st.builds(lambda start, length: range(start, start + length), st.integers(0, 30), st.integers(1, 10))
WATTS = {1: 300, 2: 300, 3: 500, 4: 500, 5: 800, 6: 0}
CIRCUITS = {1: 70, 2: 70, 3: 70, 4: 71, 5: 71, 6: 71}
CAPACITY = {70: 700, 71: 1000}
units = st.builds(
    lambda number, setup, clean_up: Unit(number, setup, clean_up, WATTS[number], CIRCUITS[number]),
    st.integers(1, 6),
    st.integers(0, 2),
    st.integers(0, 2),
)
bundles = st.lists(
    st.lists(units, min_size=1, max_size=5, unique_by=lambda unit: unit.id).flatmap(
        lambda found: st.integers(1, 3).map(lambda count: Demand(tuple(found), count))
    ),
    max_size=3,
)
draws = st.tuples(st.sampled_from([70, 71]), st.builds(Use, spans, st.sampled_from([200, 400])))


@settings(max_examples=500, deadline=None)
@given(bundles, st.lists(st.tuples(st.integers(1, 6), spans), max_size=6), st.lists(draws, max_size=3), spans)
def test_choice_is_found_whenever_there_is_one(
    demands: list[Demand], held: list[tuple[int, range]], drawn: list[tuple[int, Use]], use: range
) -> None:
    uses = {circuit: [each for on, each in drawn if on == circuit] for circuit in CAPACITY}
    draws = {circuit: [Draw(mask(each.ticks, 0), each.count) for each in those] for circuit, those in uses.items()}
    bits = masks(((unit, ticks.start, ticks.stop) for unit, ticks in held), 0)

    found = choose(Wanted(tuple(demands)), use, Taken(0, bits, CAPACITY, draws=draws))

    assert (found is not None) == any(is_carried(way, uses, use) for way in ways(demands, held, use))
    if found is not None:
        chosen = [unit for group in found.units for unit in group]
        assert len({unit.id for unit in chosen}) == len(chosen)
        assert all(is_free(unit, held, use) for unit in chosen)
        assert is_carried(chosen, uses, use)
        for demand, group in zip(demands, found.units, strict=True):
            assert len(group) == demand.count
            assert set(group) <= set(demand.units)


def ways(demands: list[Demand], held: list[tuple[int, range]], use: range) -> Iterator[list[Unit]]:
    """Every way to serve every demand, whatever it draws."""
    groups = [
        combinations([unit for unit in demand.units if is_free(unit, held, use)], demand.count) for demand in demands
    ]
    for way in product(*groups):
        chosen = [unit for group in way for unit in group]
        if len({unit.id for unit in chosen}) == len(chosen):
            yield chosen


def is_carried(chosen: list[Unit], uses: dict[int, list[Use]], use: range) -> bool:
    """By every circuit on which something is chosen, at every tick of that."""
    for circuit, capacity in CAPACITY.items():
        drawing = [unit for unit in chosen if unit.circuit == circuit and unit.watts]
        for tick in {tick for unit in drawing for tick in unit.held(use)}:
            drawn = sum(unit.watts for unit in drawing if tick in unit.held(use))
            if drawn + sum(each.count for each in uses[circuit] if tick in each.ticks) > capacity:
                return False
    return True


def is_free(unit: Unit, held: list[tuple[int, range]], use: range) -> bool:
    wanted = set(unit.held(use))
    return min(wanted) >= 0 and all(unit.id != other or not wanted & set(ticks) for other, ticks in held)


@given(st.sets(st.integers(0, 80)), st.integers(-5, 5))
def test_runs_are_the_stretches_of_ticks_that_have_a_bit(ticks: set[int], first: int) -> None:
    found = list(runs(sum(1 << tick for tick in ticks), first))

    assert {tick - first for run in found for tick in run} == ticks
    assert all(before.stop < after.start for before, after in pairwise(found))


@given(st.lists(st.tuples(spans, st.integers(1, 5)), max_size=8), spans)
def test_most_is_the_highest_sum_at_any_tick(found: list[tuple[range, int]], ticks: range) -> None:
    uses = [Use(span, count) for span, count in found]

    assert most(uses, ticks) == max(sum(use.count for use in uses if tick in use.ticks) for tick in ticks)
