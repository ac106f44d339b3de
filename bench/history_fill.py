"""A history to be measured: days of readings as the simulator's devices report them, stored in bulk, and what a
controller that has run for years has behind them.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Engine, Table, text
from sqlmodel import Session

from agent.simulate import PlannedDevice, SimulatedDevice
from controller.config import HistoryConfig
from controller.fleet.tables import Agent, Device, School, Series
from controller.ingest.tables import Batch, Installation, Ledger
from controller.simulation import made_up
from controller.telemetry import checksum
from controller.telemetry.checksum import Row
from controller.telemetry.days import DAY_MS
from controller.telemetry.rollup import Bucket
from controller.telemetry.rollups import rollups_in
from controller.telemetry.rows import rows_in
from controller.telemetry.tiers import FIVE_MINUTES, HOUR
from controller.telemetry.writing import writing

TODAY = 20_000
SEED = 2026
PATTERNS = 20
"""Devices that are really simulated; the others repeat one of them, each with times of its own."""
BATCH = 12
"""Readings of a batch, as in a cluster: a machine's metrics of one time."""
DEVICES = 20
"""Of an agent."""
_MOST = 200_000
_KEPT = HistoryConfig()
_OF = "FROM batch WHERE ledger_id = ledger.id"
_SUMS = text(
    f"UPDATE ledger SET floor = (SELECT coalesce(max(number), 0) {_OF}),"
    f" produced = (SELECT coalesce(sum(produced), 0) {_OF}), accepted = (SELECT coalesce(sum(accepted), 0) {_OF})"
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A day of one simulated device: (time of day, value) by metric."""

    kinds: dict[str, str]
    points: dict[str, list[tuple[int, float | str | None]]]

    @property
    def count(self) -> int:
        return sum(len(each) for each in self.points.values())


def patterns() -> list[Pattern]:
    """Devices of all simulated models, each polled through a day by its profile's pace and deadbands."""
    [agent] = made_up(1, PATTERNS, str(SEED))
    return [_pattern(SimulatedDevice(PlannedDevice(each.id, each.name, each.profile), str(SEED), False, 1.0))
            for each in agent.devices]  # fmt: skip


def _pattern(device: SimulatedDevice) -> Pattern:
    chance = random.Random(device.plan.id)
    points: dict[str, list[tuple[int, float | str | None]]] = {}
    at = chance.randrange(5_000)
    while at < DAY_MS - 5_000:
        for told in device.poll(at, at):
            for name, value in told.values.items():
                points.setdefault(name, []).append((told.at_ms, +value if isinstance(value, bool) else value))
        at += 1_000 + chance.choice((0, 0, 1, 1, 2))  # as the simulator's tick, which waits a little too long
    kinds = {name: device.profile.metrics[name].metric.kind.value for name in points if name in device.profile.metrics}
    return Pattern(kinds, {name: points[name] for name in kinds})


@dataclass(frozen=True, slots=True)
class Filled:
    rows: int
    days: int
    series: int
    batches: int


def fill(engine: Engine, rows: int, made: list[Pattern], days: int) -> Filled:
    """Sorted, by day and device."""
    a_day = sum(pattern.count for pattern in made) / len(made)
    devices = max(1, round(rows / days / a_day))
    series = _registry(engine, [made[at % len(made)] for at in range(devices)])
    chance, count, batches, last = random.Random(SEED), 0, 0, 0
    for day in range(TODAY - days, TODAY):
        base, waiting, entered = last, [], []
        for device, ids in enumerate(series):
            for batch, found in _day(made[device % len(made)], ids, day, chance):
                number = base + batch * devices + device + 1  # as they would come: one device after the other
                numbered = [(one, at_ms, number, value) for one, at_ms, value in found]
                waiting += numbered
                entered.append(_batch(number, device // DEVICES + 1, numbered))
                last = max(last, number)
            if len(waiting) > _MOST or device == devices - 1:
                _store(engine, day, sorted(waiting, key=lambda row: row[:3]), entered)
                count, batches = count + len(waiting), batches + len(entered)
                waiting, entered = [], []
    with writing(engine) as connection:
        connection.execute(_SUMS)
    return Filled(count, days, sum(len(each) for each in series), batches)


def _day(
    pattern: Pattern, ids: dict[str, int], day: int, chance: random.Random
) -> Iterator[tuple[int, list[tuple[int, int, float | str | None]]]]:
    """What a device reports, a few readings at a time, each by series and time."""
    shift, jitter, begin = chance.randrange(5_000), chance.random() * 1e-4, day * DAY_MS
    found = {
        (begin + min(at + shift + int(at * jitter), DAY_MS - 1), ids[name]): value
        for name, points in pattern.points.items()
        for at, value in points
    }
    by_time = sorted(found)
    for at in range(0, len(by_time), BATCH):
        yield at // BATCH, sorted((one, at_ms, found[at_ms, one]) for at_ms, one in by_time[at : at + BATCH])


def _store(engine: Engine, day: int, rows: list[Row], batches: list[Batch]) -> None:
    table: Table = Batch.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
    names = [column.name for column in table.columns]
    stored = rows_in(engine)
    with writing(engine) as connection:
        stored.add(connection, day, rows)
        stored.flush(connection)
        stored.put(connection, table, [[getattr(each, name) for name in names] for each in batches])


def _batch(number: int, agent: int, rows: list[Row]) -> Batch:
    times = [row[1] for row in rows]
    return Batch(
        id=number,
        ledger_id=agent,
        first=number,
        number=number,
        digest=f"{number:032x}",
        refused="",
        produced=len(rows),
        accepted=len(rows),
        quarantined=0,
        rejected=0,
        given_up=0,
        checksum=checksum.of_rows(rows),
        received_ms=max(times),
        row_count=len(rows),
        from_ms=min(times),
        to_ms=max(times),
    )


def _registry(engine: Engine, models: list[Pattern]) -> list[dict[str, int]]:
    """The ids of the series of each device."""
    with Session(engine) as session:
        session.add_all([Installation(), School(id="bench", name="Bench")])
        session.commit()
        agents = range(1, (len(models) - 1) // DEVICES + 2)
        session.add_all([Agent(id=agent, school_id="bench", name=f"room-{agent}") for agent in agents])
        session.commit()
        session.add_all(
            [Ledger(id=agent, school_id="bench", agent_id=agent, epoch=f"{agent:016x}") for agent in agents]
        )
        found: list[dict[str, int]] = []
        number = 0
        for at, model in enumerate(models, 1):
            session.add(
                Device(
                    id=at,
                    school_id="bench",
                    agent_id=(at - 1) // DEVICES + 1,
                    slug=f"d-{at}",
                    name="",
                    profile_slug="",
                    profile_digest="",
                )
            )
            ids: dict[str, int] = {}
            for name, kind in model.kinds.items():
                number += 1
                ids[name] = number
                session.add(Series(id=number, school_id="bench", device_id=at, metric=name[:63], unit="1", kind=kind))
            found.append(ids)
        session.commit()
    return found


def years_before(engine: Engine, series: int, days: int) -> None:
    """Every table that the default settings keep, behind what was stored: hours of a year and five minutes of a term of
    one series, and of each other day or month a little.
    """
    chance, until = random.Random(SEED), (TODAY - days) * DAY_MS
    for grain, all_from, from_ms in ((HOUR, _KEPT.hours_days, 365), (FIVE_MINUTES, _KEPT.five_minutes_days, 126)):
        times = [*range((TODAY - all_from) * DAY_MS, (TODAY - from_ms) * DAY_MS, DAY_MS)]
        times += range((TODAY - from_ms) * DAY_MS, until, grain.width_ms)
        made = [
            Bucket(series, at, 12, low, low + 1.0, low + 2.0, at, at + grain.width_ms - 1, 300_000)
            for at in times
            for low in (round(chance.uniform(20, 200), 1),)
        ]
        for _, few in groupby(made, key=lambda each: each.at_ms // (30 * DAY_MS)):
            with writing(engine) as connection:
                rollups_in(engine).put(connection, grain, few)
    stored = rows_in(engine)
    for day in range(TODAY - _KEPT.rows_days, TODAY - days):
        with writing(engine) as connection:
            stored.add(connection, day, [(series, day * DAY_MS, 1, 1.0)])
            stored.flush(connection)
