"""Bookings against a model that tries everything: what is held, what is refused, and nothing else."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine, event, text
from sqlmodel import Session

from controller.database import make_engine, migrate, sqlite_url
from controller.fleet.tables import School
from controller.scheduling.booking_states import NEXT, BookingState
from controller.scheduling.bookings import Booked, Bookings, Item, Request, Taken, TooLate
from controller.scheduling.school_time import TICK_MS
from controller.scheduling.tables import Resource
from tests.integration import postgres

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("bookings")]

SCHOOL, OTHER = "an-phu", "ben-trang"
FIRST = 5_000_000
"""The first tick of the times that are booked, and of the days that pass."""
CAPACITY = {"KITS": 5, "MAINS": 1500, "SIDE": 900}


@dataclass(frozen=True)
class Unit:
    """A resource by its code. Ticks of set-up and clean-up; `watts` from `circuit`."""

    class_name: str
    school: str = SCHOOL
    shared: bool = False
    setup: int = 0
    clean_up: int = 0
    watts: int = 0
    circuit: str = "MAINS"


UNITS = {
    "P1": Unit("printer", setup=2, clean_up=1),
    "P2": Unit("printer", setup=2, clean_up=1),
    "SHARED": Unit("printer", OTHER, shared=True, clean_up=3),
    "THEIRS": Unit("printer", OTHER),
    "O1": Unit("oven", watts=900),
    "O2": Unit("oven", clean_up=2, watts=600),
    "O3": Unit("oven", watts=500, circuit="SIDE"),
    "L1": Unit("laser", setup=1, watts=600),
    "L2": Unit("laser", watts=500, circuit="SIDE"),
    "ROOM": Unit("room"),
}


@dataclass(frozen=True)
class Want:
    """`count` of what has that code, or of a class."""

    code: str = ""
    class_name: str = ""
    count: int = 1


@dataclass(frozen=True)
class Held:
    """A booking as the model has it. `got` are (code, count), count 0 for a unit; had until the tick `ended`."""

    state: BookingState
    school: str
    wants: tuple[Want, ...]
    use: range
    got: tuple[tuple[str, int], ...] = ()
    ended: int = 2 * FIRST

    def spans(self) -> dict[str, range]:
        """What it has, and for which ticks; nothing that is empty."""
        found = {}
        for code, _count in self.got:
            unit = UNITS.get(code, Unit(""))
            start, stop = self.use.start - unit.setup, min(self.use.stop + unit.clean_up, self.ended)
            if start < stop:
                found[code] = range(start, stop)
        return found

    def claims(self) -> set[tuple[str, int]]:
        """(code, tick) of each unit."""
        return {(code, tick) for code, span in self.spans().items() if code in UNITS for tick in span}

    def loads(self) -> Counter[tuple[str, int]]:
        """(code, tick) of pools and circuits."""
        found, counts = Counter[tuple[str, int]](), dict(self.got)
        for code, span in self.spans().items():
            if code not in UNITS:
                found.update({(code, tick): counts[code] for tick in span})
            elif UNITS[code].watts:
                found.update({(UNITS[code].circuit, tick): UNITS[code].watts for tick in span})
        return found


class Model:
    """Who holds what, or held it."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}

    def loads(self, but: str = "") -> Counter[tuple[str, int]]:
        found = Counter[tuple[str, int]]()
        for id_, held in self.held.items():
            if id_ != but:
                found.update(held.loads())
        return found

    def ways(self, wanted: Held, but: str = "") -> Iterator[Held]:
        """Every way to serve it beside what is held."""
        claimed = {each for id_, held in self.held.items() if id_ != but for each in held.claims()}
        loads = self.loads(but)
        for way in product(*(_candidates(want, wanted.school) for want in wanted.wants)):
            got = tuple(each for part in way for each in part)
            served = replace(wanted, got=got)
            if len(dict(got)) < len(got) or served.claims() & claimed:
                continue
            if all(loads[key] + count <= CAPACITY[key[0]] for key, count in served.loads().items()):
                yield served


def _candidates(want: Want, school: str) -> list[tuple[tuple[str, int], ...]]:
    if want.code:
        return [((want.code, want.count if want.code == "KITS" else 0),)]
    could = [
        code
        for code, unit in UNITS.items()
        if unit.class_name == want.class_name and (unit.shared or unit.school == school)
    ]
    return [tuple((code, 0) for code in group) for group in combinations(could, want.count)]


spans = st.builds(
    lambda start, length: range(FIRST + start, FIRST + start + length), st.integers(0, 20), st.integers(1, 8)
)
named = st.sampled_from(["P1", "P2", "SHARED", "O1", "L1", "ROOM"]).map(lambda code: (Want(code),))
bundles = st.tuples(
    st.integers(1, 3).map(lambda count: Want(class_name="printer", count=count)),
    st.sampled_from([None, Want("ROOM"), Want("P1")]),
    st.sampled_from([None, Want("KITS", count=2), Want("KITS", count=5)]),
).map(lambda parts: tuple(each for each in parts if each is not None))
hot = st.tuples(
    st.integers(1, 2).map(lambda count: Want(class_name="oven", count=count)),
    st.sampled_from([None, Want("L2"), Want(class_name="laser"), Want(class_name="laser", count=2)]),
).map(lambda parts: tuple(each for each in parts if each is not None))
kits = st.integers(1, 5).map(lambda count: (Want("KITS", count=count),))
wishes = st.one_of(named, bundles, hot, kits)
schools = st.sampled_from([SCHOOL, SCHOOL, OTHER])


class BookingMachine(RuleBasedStateMachine):
    """Its examples share one database, which each begins empty."""

    engine: Engine
    ids: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = FIRST * TICK_MS
        self.bookings = Bookings(self.engine, lambda: self.now_ms)
        self.model = Model()
        self.codes = {id_: code for code, id_ in self.ids.items()}

    @initialize()
    def empty(self) -> None:
        with self.engine.begin() as connection:
            for table in ("assignment", "booking", "claim", "load", "audit_line"):
                connection.execute(text(f"DELETE FROM {table}"))

    @rule(minutes=st.integers(1, 20))
    def wait(self, minutes: int) -> None:
        self.now_ms += 60_000 * minutes

    @rule(wants=wishes, use=spans, school=schools, asked=st.booleans())
    def book(self, wants: tuple[Want, ...], use: range, school: str, asked: bool) -> None:
        wanted = Held(BookingState.REQUESTED if asked else BookingState.CONFIRMED, school, wants, use)
        if not any(Model().ways(wanted)):
            return  # there are not as many as that
        items = tuple(Item(self.ids.get(want.code), want.class_name, want.count) for want in wants)
        start_ms, end_ms = use.start * TICK_MS, use.stop * TICK_MS
        request = Request(school, "ha", "ha", items, start_ms, end_ms, hold_until_ms=end_ms if asked else None)
        try:
            booked = self.bookings.book(request)
        except Taken:
            assert not any(self.model.ways(wanted))
        else:
            self._keep(booked, wanted)

    @rule(number=st.integers(0, 50), use=spans)
    def move(self, number: int, use: range) -> None:
        if not self.model.held:
            return
        id_ = list(self.model.held)[number % len(self.model.held)]
        before = self.model.held[id_]
        wanted = replace(before, use=use)
        try:
            moved = self.bookings.move(id_, use.start * TICK_MS, use.stop * TICK_MS)
        except TooLate:
            assert not before.state.holds
        except Taken:
            assert not any(self.model.ways(wanted, but=id_))
        else:
            assert before.state.holds
            self._keep(moved, wanted)

    @rule(number=st.integers(0, 50), state=st.sampled_from(BookingState))
    def end(self, number: int, state: BookingState) -> None:
        if not self.model.held:
            return
        id_ = list(self.model.held)[number % len(self.model.held)]
        before = self.model.held[id_]
        may = not state.holds and state in NEXT[before.state]
        try:
            ended = self.bookings.end(id_, state)
        except TooLate:
            assert not may
        else:
            assert may
            assert sorted(self._got(ended)) == sorted(before.got)
            self.model.held[id_] = replace(before, state=state, ended=-(-self.now_ms // TICK_MS))

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        held = self.model.held
        assert self._rows("SELECT id, state, start_ms, end_ms FROM booking") == {
            (id_, each.state, each.use.start * TICK_MS, each.use.stop * TICK_MS) for id_, each in held.items()
        }
        assert self._rows("SELECT resource_id, booking_id, from_ms, until_ms FROM assignment") == {
            (self.ids[code], id_, span.start * TICK_MS, span.stop * TICK_MS)
            for id_, each in held.items()
            for code, span in each.spans().items()
        }
        assert self._rows("SELECT resource_id, booking_id, tick FROM claim") == {
            (self.ids[code], id_, tick) for id_, each in held.items() for code, tick in each.claims()
        }
        assert self._rows("SELECT resource_id, tick, used FROM load") == {
            (self.ids[code], tick, used) for (code, tick), used in self.model.loads().items()
        }

    def _rows(self, query: str) -> set[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return {tuple(row) for row in connection.execute(text(query))}

    def _keep(self, booked: Booked, wanted: Held) -> None:
        """What was got must be one of the ways to serve it."""
        got = sorted(self._got(booked))
        assert got in [sorted(way.got) for way in self.model.ways(wanted, but=booked.id)]
        self.model.held[booked.id] = replace(wanted, state=booked.state, got=tuple(got))

    def _got(self, booked: Booked) -> list[tuple[str, int]]:
        return [(self.codes[resource], count) for resource, count in booked.resources]


def furnish(engine: Engine) -> dict[str, int]:
    """Ids by code."""
    with Session(engine) as db:
        db.add_all([School(id=SCHOOL, name="An Phú"), School(id=OTHER, name="Bến Trăng")])
        db.flush()
        counted = {
            code: Resource(
                school_id=SCHOOL, kind="pool" if code == "KITS" else "circuit", name=code, code=code, capacity=capacity
            )
            for code, capacity in CAPACITY.items()
        }
        db.add_all(counted.values())
        db.flush()
        units = [
            Resource(
                school_id=unit.school,
                kind="unit",
                class_name=unit.class_name,
                name=code,
                code=code,
                shared=unit.shared,
                setup_min=5 * unit.setup,
                clean_up_min=5 * unit.clean_up,
                watts=unit.watts,
                circuit_id=counted[unit.circuit].id if unit.watts else None,
            )
            for code, unit in UNITS.items()
        ]
        db.add_all(units)
        db.commit()
        return {each.code: each.id or 0 for each in (*counted.values(), *units)}


def _forget_durability(connection: sqlite3.Connection, _record: object) -> None:
    """Thousands of bookings, none of which anybody will miss."""
    connection.execute("PRAGMA synchronous=OFF").close()


def run(engine: Engine, examples: int, steps: int) -> None:
    migrate(engine)
    machine = type("Machine", (BookingMachine,), {"engine": engine, "ids": furnish(engine)})
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    try:
        run_state_machine_as_test(machine, settings=how)
    finally:
        engine.dispose()


def on_sqlite(tmp_path: Path) -> Engine:
    engine = make_engine(sqlite_url(tmp_path / "fabfleet.db"))
    event.listen(engine, "connect", _forget_durability)
    return engine


def test_bookings_agree_with_a_model_that_tries_everything(tmp_path: Path) -> None:
    run(on_sqlite(tmp_path), 60, 40)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_bookings_agree_with_the_model_in_many_histories(database: str, tmp_path: Path) -> None:
    if database == "sqlite":
        run(on_sqlite(tmp_path), 1000, 60)
        return
    with postgres.server() as url:
        run(make_engine(url), 200, 60)
