"""How long booking and searching take with a full term: `python -m bench.booking [--database postgresql | --url ...]`.

100 schools share 2,000 machines, and 18 weeks of eight periods a day are booked at 80 %, but for what circuits cannot
carry: every other school's is too weak for all of its machines at once. Each figure stands beside the
least that could do it in the same database: a bare write of the same rows that asks nothing, a bare query of one
machine's week. Wishes are seeded; every machine is open to every school, so "any printer" means any of 800. A wish that
is lost is answered with its alternatives; a search looks for the first times in four weeks. What was booked is given
back in the end. `own` is the processor's time of this process alone: it tells the less of what else the machine does.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from datetime import time as clock
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, text
from sqlmodel import Session

from controller.database import make_engine, migrate, sqlite_url
from controller.fleet.tables import School
from controller.identity.policy import Role
from controller.scheduling.booking_errors import Taken
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Bookings, Item, Request
from controller.scheduling.desk import Desk
from controller.scheduling.opening_hours import Open, OpeningHours
from controller.scheduling.policy import Adult, Asker, Facts, Limits
from controller.scheduling.school_time import TICK_MS, Bells, Half, Period, SchoolYear, Slot, Term, instant
from controller.scheduling.tables import Resource
from tests.integration import postgres

SEED: Final = 2026
FULL: Final = 0.8
WEEKS: Final = 18
ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
FIRST: Final = date(2026, 9, 7)
BELLS: Final = (
    *((Half.MORNING, begins) for begins in ("07:15", "08:05", "09:15", "10:05", "10:55")),
    *((Half.AFTERNOON, begins) for begins in ("13:15", "14:05", "15:15")),
)
A_SCHOOL: Final = {"room": 1, "printer-3d": 8, "laser": 2, "robot": 6, "projector": 3}
"""Machines of each class."""
WATTS: Final = {"printer-3d": 350, "laser": 1500}
CARRIED: Final = (8000, 5000)
"""Watts of the circuit on which these hang, in turns from school to school. All of them draw 5,800."""
TARGETS_MS: Final = {"book unit": 30.0, "book bundle": 30.0, "lost bundle": 50.0, "search bundle": 50.0}
SETTLED: Final = {
    "sqlite": ("ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"),
    "postgresql": ("VACUUM ANALYZE", "CHECKPOINT"),
}
"""What ends the filling, so that a term's rows at once are not written back while a booking is timed."""
MOST: Final = 10
"""So many times are looked for in a search."""


def year() -> SchoolYear:
    periods = []
    for number, (half, begins) in enumerate(BELLS, 1):
        start = clock.fromisoformat(begins)
        minutes = start.hour * 60 + start.minute + 45
        periods.append(Period(start, clock(minutes // 60, minutes % 60), half, number))
    last = FIRST + timedelta(weeks=WEEKS, days=-1)
    return SchoolYear(ZONE, (Term("1", FIRST, last),), (Bells(frozenset(range(6)), FIRST, last, tuple(periods)),))


YEAR: Final = year()
NOW_MS: Final = instant(FIRST + timedelta(weeks=4), clock(7), ZONE)
SLOTS: Final = {day: YEAR.slots(day) for day in (FIRST + timedelta(days=number) for number in range(7 * WEEKS))}
HALVES: Final = [
    [slot for slot in slots if slot.period.half is half] for slots in SLOTS.values() for half in Half if slots
]


# A full term


def furnish(engine: Engine, schools: int) -> dict[str, dict[str, list[int]]]:
    """Ids of the machines by school and class. Each school's printers and lasers hang on one circuit."""
    made: dict[str, dict[str, list[int]]] = {}
    with Session(engine) as db:
        db.add_all([School(id=f"school-{number}", name=f"School {number}") for number in range(schools)])
        db.flush()
        codes = (f"C{number:06}" for number in range(10**6))
        for number in range(schools):
            school = f"school-{number}"
            carried = CARRIED[number % 2]
            circuit = Resource(school_id=school, kind="circuit", name="mains", code=next(codes), capacity=carried)
            db.add(circuit)
            db.flush()
            units = [
                _unit(school, name, next(codes), circuit.id) for name, count in A_SCHOOL.items() for _ in range(count)
            ]
            db.add_all(units)
            db.flush()
            made[school] = {name: [each.id or 0 for each in units if each.class_name == name] for name in A_SCHOOL}
        db.commit()
    return made


def _unit(school: str, class_name: str, code: str, circuit: int | None) -> Resource:
    watts = WATTS.get(class_name, 0)
    return Resource(
        school_id=school,
        kind="unit",
        class_name=class_name,
        name=code,
        code=code,
        setup_min=5 if class_name == "printer-3d" else 0,
        watts=watts,
        circuit_id=circuit if watts else None,
        shared=True,
    )


def uses(chance: random.Random) -> Iterator[tuple[int, int]]:
    """(first tick, last tick + 1) of one machine's bookings: FULL of the term's periods, two in a row as one."""
    for slots in HALVES:
        booked = [slot for slot in slots if chance.random() < FULL]
        while booked:
            first = booked.pop(0)
            last = booked.pop(0) if booked and booked[0].period.number == first.period.number + 1 else first
            yield first.start_ms // TICK_MS, last.end_ms // TICK_MS


@dataclass(frozen=True, slots=True)
class Rows:
    """A term's bookings as rows, machine by machine, so that keys come in their order."""

    bookings: list[tuple[object, ...]]
    assignments: list[tuple[object, ...]]
    claims: list[tuple[object, ...]]
    loads: dict[tuple[int, int], int]


@dataclass(frozen=True, slots=True)
class Circuit:
    id: int
    capacity: int


def rows_of(school: str, machines: Sequence[tuple[int, str]], circuit: Circuit, chance: random.Random) -> Rows:
    rows = Rows([], [], [], {})
    for machine, name in machines:
        setup = 1 if name == "printer-3d" else 0
        watts = WATTS.get(name, 0)
        for first, stop in uses(chance):
            held = [(circuit.id, tick) for tick in range(first - setup, stop)]
            if watts and any(rows.loads.get(each, 0) + watts > circuit.capacity for each in held):
                continue
            key = f"{machine:x}-{first:x}"
            holder = f"teacher-{chance.randrange(60)}"
            span = (first * TICK_MS, stop * TICK_MS)
            rows.bookings.append(
                (key, school, holder, holder, "lesson", "confirmed", "8A2", "", 30, *span, "[]", 0, 0, 0)
            )
            rows.assignments.append((key, machine, 0, span[0] - setup * TICK_MS, span[1]))
            rows.claims.extend((machine, tick, key) for _, tick in held)
            if watts:
                for each in held:
                    rows.loads[each] = rows.loads.get(each, 0) + watts
    return rows


TABLES: Final = {
    "booking": "id school_id holder by_id kind state title purpose head_count start_ms end_ms wanted sequence"
    " created_ms changed_ms",
    "assignment": "booking_id resource_id quantity from_ms until_ms",
    "claim": "resource_id tick booking_id",
    "load": "resource_id tick used capacity",
}


def store(engine: Engine, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    columns = TABLES[table].split()
    raw = engine.raw_connection()
    cursor: Any = raw.cursor()
    if engine.dialect.name == "sqlite":
        cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", rows)
    else:
        with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    raw.commit()
    raw.close()


def fill(engine: Engine, made: dict[str, dict[str, list[int]]]) -> None:
    """Book the term."""
    chance = random.Random(SEED)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT school_id, id, capacity FROM resource WHERE kind = 'circuit'"))
        circuits = {row.school_id: Circuit(row.id, row.capacity) for row in found}
    for school, classes in made.items():
        machines = [(each, name) for name, those in classes.items() for each in those]
        rows = rows_of(school, machines, circuits[school], chance)
        loads = [(*key, used, circuits[school].capacity) for key, used in sorted(rows.loads.items())]
        by_table: dict[str, Sequence[tuple[object, ...]]] = {
            "booking": rows.bookings,
            "assignment": rows.assignments,
            "claim": rows.claims,
            "load": loads,
        }
        for table, each in by_table.items():
            store(engine, table, each)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for order in SETTLED[engine.dialect.name]:
            connection.execute(text(order))


def furnished(engine: Engine) -> dict[str, dict[str, list[int]]]:
    """What `furnish` made in that database before."""
    made: dict[str, dict[str, list[int]]] = {}
    with engine.connect() as connection:
        units = connection.execute(
            text("SELECT school_id, class_name, id FROM resource WHERE kind = 'unit' ORDER BY id")
        )
        for school, name, id_ in units:
            made.setdefault(school, {}).setdefault(name, []).append(id_)
    return made


def count(engine: Engine) -> dict[str, int]:
    """The rows of each table."""
    with engine.connect() as connection:
        return {table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in TABLES}


# What is measured


def facts(school: str, teacher: str, hours: dict[int, OpeningHours]) -> Facts:
    limits = Limits(person_week=10_000, school_week=10_000)  # counted, but the term is full far beyond any quota
    return Facts(NOW_MS, YEAR, Asker(teacher, Role.TEACHER, school), Adult(teacher), limits=limits, hours=hours)


def wish(chance: random.Random, made: dict[str, dict[str, list[int]]], what: str) -> Request:
    """Somebody's for one period in the next four weeks; `what` is a unit of the school, or a bundle."""
    school = chance.choice(list(made))
    items = {
        "unit": (Item(chance.choice(made[school]["laser"])),),
        "bundle": (Item(class_name="printer-3d", count=2), Item(made[school]["room"][0])),
    }[what]
    slots: tuple[Slot, ...] = ()
    while not slots:
        slots = SLOTS[FIRST + timedelta(days=29 + chance.randrange(27))]
    slot = chance.choice(slots)
    teacher = f"teacher-{chance.randrange(60)}"
    return Request(school, teacher, teacher, items, slot.start_ms, slot.end_ms, title="8A2", head_count=6)


@dataclass(frozen=True, slots=True)
class Took:
    """In ms: by the clock, and of the processor for this process alone."""

    clock: float
    own: float


class Watch:
    """Runs from its making."""

    def __init__(self) -> None:
        self._began = (time.perf_counter(), time.process_time())

    def took(self) -> Took:
        return Took(1000 * (time.perf_counter() - self._began[0]), 1000 * (time.process_time() - self._began[1]))


class Bench:
    """The same seeded wishes for each way."""

    def __init__(self, engine: Engine, made: dict[str, dict[str, list[int]]]) -> None:
        self._engine = engine
        self._made = made
        self._bookings = Bookings(engine, lambda: NOW_MS)
        self._desk = Desk(engine, self._bookings)
        self._booked: list[str] = []
        open_then = OpeningHours(ZONE, tuple(Open(weekday, clock(6), clock(18)) for weekday in range(6)))
        self._hours = {each: open_then for classes in made.values() for those in classes.values() for each in those}

    def wishes(self, what: str, rounds: int) -> Iterator[tuple[Request, Facts]]:
        chance = random.Random(SEED)
        for _ in range(rounds):
            request = wish(chance, self._made, what)
            yield request, facts(request.school_id, request.holder, self._hours)

    def book(self, what: str, rounds: int) -> tuple[list[Took], list[Took]]:
        """Of wishes that came about, and of those that were lost, with what would do instead."""
        made: list[Took] = []
        lost: list[Took] = []
        for request, given in self.wishes(what, rounds):
            watch = Watch()
            try:
                booked = self._desk.book(request, given)
            except Taken:
                lost.append(watch.took())
            else:
                made.append(watch.took())
                self._booked.append(booked.id)
        return made, lost

    def give_back(self) -> None:
        """All that was booked."""
        for each in self._booked:
            self._bookings.end(each, BookingState.CANCELLED)

    def search(self, what: str, rounds: int) -> list[Took]:
        """The first MOST times in four weeks."""
        days = [FIRST + timedelta(days=28 + number) for number in range(28)]
        found = []
        for request, given in self.wishes(what, rounds):
            watch = Watch()
            self._desk.openings(request, given, 1, days, MOST)
            found.append(watch.took())
        return found

    def bare_writes(self, rounds: int) -> list[Took]:
        """One booking of an hour of three units a commit, with nobody asking anything. Taken off at the end."""
        tick = 40_000_000  # beyond all bookings
        machines = next(iter(self._made.values()))["printer-3d"][:3]
        found = []
        with self._engine.connect() as connection:
            for number in range(rounds):
                watch = Watch()
                self._bare_write(connection, number, machines, tick)
                found.append(watch.took())
            connection.execute(text("DELETE FROM claim WHERE tick >= :tick"), {"tick": tick})
            connection.execute(text("DELETE FROM assignment WHERE booking_id LIKE 'bare-%'"))
            connection.execute(text("DELETE FROM booking WHERE id LIKE 'bare-%'"))
            connection.commit()
        return found

    def _bare_write(self, connection: Connection, number: int, machines: Sequence[int], tick: int) -> None:
        key, first = f"bare-{number}", tick + number * 12
        span = (first * TICK_MS, (first + 12) * TICK_MS)
        booking = (key, "school-0", "t", "t", "lesson", "confirmed", "", "", 0, *span, "[]", 0, 0, 0)
        rows: dict[str, Sequence[tuple[object, ...]]] = {
            "booking": [booking],
            "assignment": [(key, machine, 0, *span) for machine in machines],
            "claim": [(machine, at, key) for machine in machines for at in range(first, first + 12)],
        }
        for table, each in rows.items():
            columns = TABLES[table].split()
            values = ", ".join(f":{column}" for column in columns)
            named = [dict(zip(columns, row, strict=True)) for row in each]
            connection.execute(text(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"), named)
        connection.commit()

    def bare_queries(self, rounds: int) -> list[Took]:
        """All that is held of one machine in one week."""
        query = text(
            "SELECT from_ms, until_ms FROM assignment"
            " WHERE resource_id = :machine AND until_ms > :begins AND until_ms <= :ends"
        )
        week = {"begins": NOW_MS, "ends": NOW_MS + 7 * 86_400_000}
        chance = random.Random(SEED)
        machines = [each for classes in self._made.values() for those in classes.values() for each in those]
        found = []
        with self._engine.connect() as connection:
            for _ in range(rounds):
                watch = Watch()
                connection.execute(query, {"machine": chance.choice(machines), **week}).all()
                found.append(watch.took())
        return found

    def all(self, rounds: int) -> dict[str, list[Took]]:
        made_unit, lost_unit = self.book("unit", rounds)
        made_bundle, lost_bundle = self.book("bundle", rounds)
        return {
            "book unit": made_unit,
            "book bundle": made_bundle,
            "lost unit": lost_unit,
            "lost bundle": lost_bundle,
            "search bundle": self.search("bundle", rounds),
            "bare write": self.bare_writes(rounds),
            "bare query": self.bare_queries(rounds),
        }


def percentile(found: Iterable[float], share: float) -> float:
    ordered = sorted(found)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(url: str, options: argparse.Namespace) -> tuple[dict[str, int], dict[str, list[Took]]]:
    """The rows of each table before, and what was measured."""
    engine = make_engine(url)
    migrate(engine)
    try:
        made, began = furnished(engine), time.perf_counter()
        if not made:
            made = furnish(engine, options.schools)
            fill(engine, made)
        counts = count(engine)
        print(f"{len(made)} schools, {sum(A_SCHOOL.values()) * len(made):,} machines, {WEEKS} weeks;", end=" ")
        print(", ".join(f"{rows:,} {table}s" for table, rows in counts.items()), end=" ")
        print(f"in {time.perf_counter() - began:.0f} s\n")
        bench = Bench(engine, made)
        try:
            return counts, bench.all(options.rounds)
        finally:
            bench.give_back()
    finally:
        engine.dispose()


def show(database: str, counts: dict[str, int], found: dict[str, list[Took]]) -> None:
    clock = {name: [each.clock for each in those] for name, those in found.items()}
    own = {name: [each.own for each in those] for name, those in found.items()}
    print(f"{'':15}{'times':>6}{'p50 ms':>9}{'p95 ms':>9}{'target':>8}{'own p50':>9}{'own p95':>9}")
    for name, each in clock.items():
        target = f"{TARGETS_MS[name]:.0f}" if name in TARGETS_MS else ""
        print(f"{name:15}{len(each):6}{percentile(each, 0.5):9.2f}{percentile(each, 0.95):9.2f}{target:>8}", end="")
        print(f"{percentile(own[name], 0.5):9.2f}{percentile(own[name], 0.95):9.2f}")
    p95 = {name: percentile(each, 0.95) for name, each in clock.items()}
    figures = {
        "database": database,
        **{f"{table}_rows": rows for table, rows in counts.items()},
        **{f"{name.replace(' ', '_')}_p95_ms": round(value, 2) for name, value in p95.items()},
        **{f"{name.replace(' ', '_')}_own_p95_ms": round(percentile(each, 0.95), 2) for name, each in own.items()},
    }
    ratios = {
        "book_bundle_vs_bare_write": round(p95["book bundle"] / p95["bare write"], 2),
        "search_bundle_vs_bare_query": round(p95["search bundle"] / p95["bare query"], 2),
        "book_bundle_vs_target": round(p95["book bundle"] / TARGETS_MS["book bundle"], 3),
        "search_bundle_vs_target": round(p95["search bundle"] / TARGETS_MS["search bundle"], 3),
        "lost_bundle_vs_target": round(p95["lost bundle"] / TARGETS_MS["lost bundle"], 3),
    }
    print(json.dumps({"bench": "booking", "figures": figures, "ratios": ratios}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--database", choices=["sqlite", "postgresql"], default="sqlite", help="a new one, of that kind"
    )
    parser.add_argument("--url", help="one that is kept: filled the first time, used again as it is afterwards")
    parser.add_argument("--schools", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=400, help="wishes of each kind")
    options = parser.parse_args()
    with ExitStack() as stack:
        if options.url:
            url = options.url
        elif options.database == "sqlite":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url = sqlite_url(folder / "booking.db")
        else:
            url = stack.enter_context(postgres.server(durable=True))
        counts, found = measure(url, options)
    show(url.partition("+")[0].partition(":")[0], counts, found)


if __name__ == "__main__":
    main()
