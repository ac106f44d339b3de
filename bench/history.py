"""How small history is, and how fast it answers: `python -m bench.history [--rows N] [--database sqlite|postgresql]`.

Days of readings as the simulator's devices report them are stored in bulk, rolled up and archived by the controller's
own parts, each in a process of its own; then a day, a week, a term and a year are asked for, with the answers that
pages draw, beside all the tables that the default settings keep. The year behind the readings has roll-ups alone.
PostgreSQL is one of the bench's own, made and stopped by it.
"""

import argparse
import gc
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import Engine, text
from sqlmodel import Session

from bench.history_fill import SEED, TODAY, Pattern, fill, patterns, years_before
from controller.database import make_engine, migrate, sqlite_url
from controller.fleet.tables import Series
from controller.telemetry import register
from controller.telemetry.checksum import Row
from controller.telemetry.days import DAY_MS
from controller.telemetry.latest import Known, LatestValues
from controller.telemetry.ledger_size import ledger_size
from controller.telemetry.rollups import rollups_in
from controller.telemetry.rows import rows_in
from controller.telemetry.store import History
from controller.telemetry.tiers import FIVE_MINUTES, HOUR, HOUR_MS, Tier
from controller.telemetry.writing import writing

NOW = TODAY * DAY_MS
SEALED = NOW + 7 * HOUR_MS
ASKED = 60
"""Answers of each kind that are timed."""
LATEST = 30_000
_SPANS = (("day", 1, 200), ("week", 7, 480), ("term", 126, 480), ("year", 365, 480))


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
    return figures


def ask_latest(engine: Engine, made: list[Pattern]) -> dict[str, float]:
    """The newest value of so many series: stored by the writer's own way, read at a start, and asked for one by one as
    pages do. Milliseconds.
    """
    _more_series(engine)
    newest = [points[-1][1] for pattern in made for points in pattern.points.values() if points]
    writer, reader, stored = LatestValues(), LatestValues(), rows_in(engine)
    turn = 0

    def store() -> None:
        nonlocal turn
        turn += 1
        rows: list[Row] = [(number, NOW + turn, 0, newest[number % len(newest)]) for number in range(1, LATEST + 1)]
        writer.offer(rows)
        with writing(engine) as connection:
            writer.flush(connection, stored, NOW + turn)
        writer.settle()

    def load() -> None:
        with engine.connect() as connection:
            reader.load(connection)

    def look() -> list[Known | None]:
        return [reader.get(number) for number in range(1, LATEST + 1)]

    figures: dict[str, float] = {}
    for name, work in (("latest_stored", store), ("latest_at_start", load), ("latest", look)):
        gc.collect()
        gc.freeze()  # as ingest does
        p50, p95 = timed(work)
        figures |= {f"{name}_p50_ms": round(p50, 2), f"{name}_p95_ms": round(p95, 2)}
    known = look()
    if {each.at_ms if each else 0 for each in known} != {NOW + turn}:
        raise SystemExit("what was read is not what was stored")
    return figures


def _more_series(engine: Engine) -> None:
    with Session(engine) as session:
        have = session.scalar(text("SELECT count(*) FROM series")) or 0
        session.add_all(
            [
                Series(id=number, school_id="bench", device_id=1, metric=f"more-{number}", unit="1", kind="float")
                for number in range(have + 1, LATEST + 1)
            ]
        )
        session.commit()


def sizes(engine: Engine, rows: int) -> dict[str, float]:
    """Bytes a value by tier; of roll-ups a value that went into them."""
    stored, rollups = rows_in(engine), rollups_in(engine)
    with engine.connect() as connection:
        parts = register.parts(connection)
        raw = sum(stored.size(connection, day) for day in stored.days(connection))
        ledger = ledger_size(connection)
        by_grain = {
            grain.tier: sum(rollups.size(connection, grain, each) for each in rollups.periods(connection, grain))
            for grain in (FIVE_MINUTES, HOUR)
        }
    return {
        "bytes_a_value_rows": round(raw / rows, 2),
        "bytes_a_value_ledger": round(ledger / rows, 2),
        "bytes_a_value_5min": round(by_grain[Tier.FIVE_MINUTES] / rows, 2),
        "bytes_a_value_1h": round(by_grain[Tier.HOUR] / rows, 3),
        "bytes_a_value_archive": round(sum(part.size for part in parts) / sum(part.row_count for part in parts), 3),
    }


def apart(*command: str) -> tuple[float, float]:
    """Seconds that a process of its own takes, and the most memory (MB) of it and its children."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "bench.history_work", *command], stdout=subprocess.PIPE, check=True)
    return time.perf_counter() - began, int(done.stdout) / 1000


def measure(engine: Engine, folder: Path, rows: int, days: int) -> dict[str, float]:
    made = patterns()
    began = time.perf_counter()
    filled = fill(engine, rows, made, days)
    figures: dict[str, float] = {
        "rows": filled.rows,
        "series": filled.series,
        "days": filled.days,
        "batches": filled.batches,
        "fill_s": round(time.perf_counter() - began, 1),
    }
    print(f"{filled.rows:,} rows of {filled.series:,} series over {days} days", flush=True)
    url = engine.url.render_as_string(hide_password=False)
    for name in ("roll_up", "archive", "verify", "verify_archive"):
        took, memory = apart(name, url, str(folder), str(SEALED))
        figures |= {f"{name}_s": round(took, 1), f"{name}_mb": round(memory)}
        print(f"{name}: {took:.0f} s, {memory:.0f} MB", flush=True)
    figures |= sizes(engine, filled.rows)
    with engine.connect() as connection:
        numeric = [found for (found,) in connection.execute(text("SELECT id FROM series WHERE kind = 'float'"))]
    years_before(engine, numeric[0], days)
    return {**figures, **ask(engine, numeric, numeric[0]), **ask_latest(engine, made)}


def databases(name: str, folder: Path, stack: ExitStack) -> Engine:
    if name == "sqlite":
        return make_engine(sqlite_url(folder / "history.db"))
    from tests.integration.postgres import server

    return make_engine(stack.enter_context(server()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="about so many readings")
    parser.add_argument("--days", type=int, default=0, help="in so many days; 8 to 30 by default")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = databases(options.database, folder, stack)
        stack.callback(engine.dispose)
        migrate(engine)
        days = options.days or max(8, min(30, options.rows // 500_000))
        figures = measure(engine, folder / "archive", options.rows, days)
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
