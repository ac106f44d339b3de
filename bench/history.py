"""How small history is, and how fast it answers: `python -m bench.history [--rows N] [--database sqlite|postgresql]`.

Days of readings as the simulator's devices report them are stored in bulk, rolled up and archived by the controller's
own parts; then a day, a week, a term and a year are asked for, with the answers that pages draw. The year behind the
readings has roll-ups alone. PostgreSQL is one of the bench's own, made and stopped by it.
"""

import argparse
import gc
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, Table, text
from sqlmodel import Session

from agent.simulate import PlannedDevice, SimulatedDevice
from controller.config import HistoryConfig
from controller.database import make_engine, migrate, sqlite_url
from controller.fleet.tables import Agent, Device, School, Series
from controller.ingest.tables import Batch, Installation, Ledger
from controller.simulation import made_up
from controller.telemetry import register
from controller.telemetry.checksum import Row
from controller.telemetry.days import DAY_MS
from controller.telemetry.keeper import Keeper
from controller.telemetry.latest import LatestValues
from controller.telemetry.rollup import Bucket
from controller.telemetry.rollups import rollups_in
from controller.telemetry.rows import rows_in
from controller.telemetry.store import History
from controller.telemetry.tiers import FIVE_MINUTES, HOUR, HOUR_MS, Tier
from controller.telemetry.writing import writing

TODAY = 20_000
NOW = TODAY * DAY_MS
SEED = 2026
PATTERNS = 20
"""Devices that are really simulated; the others repeat one of them, each with times of its own."""
ASKED = 60
"""Answers of each kind that are timed."""
LATEST = 30_000
_MOST = 200_000
_SPANS = (("day", 1, 200), ("week", 7, 480), ("term", 126, 480), ("year", 365, 480))


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


def fill(engine: Engine, rows: int, made: list[Pattern]) -> tuple[int, int, int]:
    """Sorted, by day; (rows, days, series). A batch of the ledger is a device's day."""
    days = max(8, min(30, rows // 500_000))
    a_day = sum(pattern.count for pattern in made) / len(made)
    devices = max(1, round(rows / days / a_day))
    series = _registry(engine, [made[at % len(made)] for at in range(devices)])
    chance, stored, count = random.Random(SEED), rows_in(engine), 0
    for at_day in range(days):
        day = TODAY - days + at_day
        with writing(engine) as connection:
            batches: list[Batch] = []
            waiting: list[Row] = []
            for device, ids in enumerate(series):
                pattern, batch = made[device % len(made)], at_day * devices + device + 1
                shift, jitter = chance.randrange(5_000), chance.random() * 1e-4
                begin = day * DAY_MS
                found = [
                    (ids[name], begin + min(at + shift + int(at * jitter), DAY_MS - 1), batch, value)
                    for name, points in pattern.points.items()
                    for at, value in points
                ]
                unique = {row[:3]: row for row in found}
                waiting += sorted(unique.values(), key=lambda row: row[:3])
                batches.append(_batch(batch, len(unique), begin))
                if len(waiting) > _MOST:
                    stored.add(connection, day, waiting)
                    stored.flush(connection)
                    count, waiting = count + len(waiting), []
            stored.add(connection, day, waiting)
            stored.flush(connection)
            count += len(waiting)
            table: Table = Batch.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
            stored.put(
                connection,
                table,
                [[getattr(each, name) for name in (column.name for column in table.columns)] for each in batches],
            )
    return count, days, sum(len(each) for each in series)


def _batch(number: int, rows: int, begin_ms: int) -> Batch:
    return Batch(
        id=number,
        ledger_id=1,
        first=number,
        number=number,
        digest="",
        refused="",
        produced=rows,
        accepted=rows,
        quarantined=0,
        rejected=0,
        given_up=0,
        checksum=0,
        received_ms=begin_ms,
        row_count=rows,
        from_ms=begin_ms,
        to_ms=begin_ms + DAY_MS - 1,
    )


def _registry(engine: Engine, models: list[Pattern]) -> list[dict[str, int]]:
    """The ids of the series of each device, all of one agent."""
    with Session(engine) as session:
        session.add_all([Installation(), School(id="bench", name="Bench")])
        session.commit()
        session.add(Agent(id=1, school_id="bench", name="room-1"))
        session.commit()
        session.add(Ledger(id=1, school_id="bench", agent_id=1, epoch="00000000000000aa"))
        found: list[dict[str, int]] = []
        number = 0
        for at, model in enumerate(models, 1):
            session.add(
                Device(
                    id=at,
                    school_id="bench",
                    agent_id=1,
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


def year_before(engine: Engine, series: int, days: int) -> None:
    """Hours of a year, and five minutes of a week, of one series, behind what was stored."""
    chance, until = random.Random(SEED), (TODAY - days) * DAY_MS
    for grain, from_ms in ((HOUR, (TODAY - 365) * DAY_MS), (FIVE_MINUTES, (TODAY - 126) * DAY_MS)):
        with writing(engine) as connection:
            rollups_in(engine).put(
                connection,
                grain,
                [
                    Bucket(series, at, 12, low, low + 1.0, low + 2.0, at, at + grain.width_ms - 1, 300_000)
                    for at in range(from_ms, until, grain.width_ms)
                    for low in (round(chance.uniform(20, 200), 1),)
                ],
            )


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds: median and 95th of a hundred."""
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return statistics.median(took), took[int(len(took) * 0.95)]


def ask(engine: Engine, chosen: list[int], whole_year: int) -> dict[str, float]:
    """How long answers take, in milliseconds."""
    gc.collect()
    gc.freeze()  # as ingest does: what is here stays
    history = History(engine)
    chance = random.Random(SEED)
    figures: dict[str, float] = {}
    for name, days, points in _SPANS:
        series: Callable[[], int] = (lambda: chance.choice(chosen)) if days <= 7 else (lambda: whole_year)
        p50, p95 = timed(lambda: history.line(series(), NOW - days * DAY_MS, NOW, points))  # noqa: B023 - at once
        figures |= {f"{name}_p50_ms": round(p50, 2), f"{name}_p95_ms": round(p95, 2)}
    p50, p95 = timed(lambda: history.line(chance.choice(chosen), NOW - DAY_MS, NOW, 480))
    figures |= {"day_of_rows_p50_ms": round(p50, 2), "day_of_rows_p95_ms": round(p95, 2)}
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM latest"))
        have = connection.execute(text("SELECT count(*) FROM series")).scalar_one()
    with Session(engine) as session:
        session.add_all(
            [
                Series(id=number, school_id="bench", device_id=1, metric=f"more-{number}", unit="1", kind="float")
                for number in range(have + 1, LATEST + 1)
            ]
        )
        session.commit()
    with writing(engine) as connection:
        rows_in(engine).upsert_latest(connection, [(number, NOW, 1.0, None, NOW) for number in range(1, LATEST + 1)])

    values = LatestValues()
    gc.collect()
    gc.freeze()  # as ingest does

    def load() -> None:
        with engine.connect() as connection:
            values.load(connection)

    p50, p95 = timed(load)
    figures |= {"latest_at_start_p50_ms": round(p50, 2), "latest_at_start_p95_ms": round(p95, 2)}
    p50, p95 = timed(lambda: [values.get(number) for number in range(1, LATEST + 1)])
    return {**figures, "latest_p50_ms": round(p50, 2), "latest_p95_ms": round(p95, 2)}


def sizes(engine: Engine, rows: int) -> dict[str, float]:
    """Bytes a value by tier; of roll-ups a value that went into them."""
    stored, rollups = rows_in(engine), rollups_in(engine)
    with engine.connect() as connection:
        parts = register.parts(connection)
        raw = sum(stored.size(connection, day) for day in stored.days(connection))
        by_grain = {
            grain.tier: sum(rollups.size(connection, grain, each) for each in rollups.periods(connection, grain))
            for grain in (FIVE_MINUTES, HOUR)
        }
    return {
        "bytes_a_value_rows": round(raw / rows, 2),
        "bytes_a_value_5min": round(by_grain[Tier.FIVE_MINUTES] / rows, 2),
        "bytes_a_value_1h": round(by_grain[Tier.HOUR] / rows, 3),
        "bytes_a_value_archive": round(sum(part.size for part in parts) / sum(part.row_count for part in parts), 3),
    }


def measure(engine: Engine, folder: Path, rows: int) -> dict[str, float]:
    made = patterns()
    began = time.perf_counter()
    count, days, series = fill(engine, rows, made)
    filled = time.perf_counter()
    print(f"{count:,} rows of {series:,} series over {days} days in {filled - began:.0f} s", flush=True)
    keeper = Keeper(engine, HistoryConfig(rows_days=400, rows_mb=1_000_000), folder, lambda: NOW + 7 * HOUR_MS)
    keeper.roll()
    rolled = time.perf_counter()
    print(f"rolled up in {rolled - filled:.0f} s", flush=True)
    keeper.archive.seal(NOW + 7 * HOUR_MS)
    archived = time.perf_counter()
    print(f"archived in {archived - rolled:.0f} s", flush=True)
    figures = {
        "rows": count,
        "series": series,
        "days": days,
        "fill_s": round(filled - began, 1),
        "roll_up_s": round(rolled - filled, 1),
        "archive_s": round(archived - rolled, 1),
        **sizes(engine, count),
    }
    with engine.connect() as connection:
        numeric = [found for (found,) in connection.execute(text("SELECT id FROM series WHERE kind = 'float'"))]
    year_before(engine, numeric[0], days)
    return {**figures, **ask(engine, numeric, numeric[0])}


def databases(name: str, folder: Path, stack: ExitStack) -> Engine:
    if name == "sqlite":
        return make_engine(sqlite_url(folder / "history.db"))
    from tests.integration.postgres import server

    return make_engine(stack.enter_context(server()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="about so many readings")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = databases(options.database, folder, stack)
        stack.callback(engine.dispose)
        migrate(engine)
        figures = measure(engine, folder / "archive", options.rows)
    for name, value in figures.items():
        print(f"{name:26} {value:>14,}")
    ratios = {
        "archive_vs_rows": round(figures["bytes_a_value_rows"] / figures["bytes_a_value_archive"], 1),
        "day_vs_target": round(figures["day_p50_ms"] / 5.0, 2),
        "latest_vs_target": round(figures["latest_p50_ms"] / 30.0, 2),
    }
    print(json.dumps({"bench": "history", "figures": {"database": options.database, **figures}, "ratios": ratios}))


if __name__ == "__main__":
    main()
