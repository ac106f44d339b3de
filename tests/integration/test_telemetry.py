"""Readings of the past: few points of many."""

import math
from itertools import chain

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from controller.fleet.tables import Agent, Device, School, Series
from controller.ingest.tables import DeclaredGap
from controller.telemetry.checksum import Row
from controller.telemetry.days import DAY_MS
from controller.telemetry.latest import LatestValues
from controller.telemetry.rows import rows_in
from controller.telemetry.store import History

NOW = 20_000 * DAY_MS + DAY_MS // 3
HEARTBEAT_MS = 300_000


@pytest.fixture(name="engine")
def _engine(either_database: Engine) -> Engine:
    engine = either_database
    with Session(engine) as session:
        session.add(School(id="alpha", name="Alpha"))
        session.commit()
        session.add(Agent(id=1, school_id="alpha", name="room-1"))
        session.commit()
        session.add(
            Device(id=1, school_id="alpha", agent_id=1, slug="pc", name="PC", profile_slug="x/y", profile_digest="d")
        )
        session.commit()
        session.add(Series(id=1, school_id="alpha", device_id=1, metric="cpu", unit="%", kind="float"))
        session.commit()
    return engine


def store(engine: Engine, rows: list[Row]) -> None:
    stored = rows_in(engine)
    with engine.begin() as connection:
        for day in sorted({row[1] // DAY_MS for row in rows}):
            stored.add(connection, day, [row for row in rows if row[1] // DAY_MS == day])
        stored.flush(connection)


def test_a_day_of_readings_becomes_few_points_with_its_extremes(engine: Engine) -> None:
    begin = NOW - DAY_MS
    rows: list[Row] = [(1, begin + at * 10_000, 1, math.sin(at / 500) * 40) for at in range(8_640)]
    rows[5_000] = (1, rows[5_000][1], 1, 99.0)
    rows[6_000] = (1, rows[6_000][1], 1, -99.0)
    store(engine, rows)
    points = History(engine).line(1, begin, NOW, 480).points
    assert 240 <= len(points) <= 480
    assert points == sorted(points)
    assert {99.0, -99.0} <= {value for _, value in points}
    assert None not in {value for _, value in points}


def test_silence_and_declared_gaps_stay_gaps(engine: Engine) -> None:
    begin = NOW - DAY_MS
    hole = range(begin + 6 * 3_600_000, begin + 7 * 3_600_000)
    rows: list[Row] = [(1, at, 1, 1.0) for at in range(begin, NOW, 60_000) if at not in hole]
    given_up = rows.pop(1_000)
    store(engine, rows)
    with Session(engine) as session:
        session.add(
            DeclaredGap(
                school_id="alpha", agent_id=1, batch_id=1, from_ms=given_up[1] - 5, to_ms=given_up[1] + 5, count=9
            )
        )
        session.commit()
    gaps = [at for at, value in History(engine).line(1, begin, NOW, 480).points if value is None]
    assert len(gaps) == 2
    assert gaps[0] in hole
    assert abs(gaps[1] - given_up[1]) <= 60_000


def test_only_the_asked_span_of_the_asked_series_is_read(engine: Engine) -> None:
    store(engine, [(1, NOW - 5, 1, 1.0), (1, NOW, 1, 2.0), (1, NOW + 5, 1, 3.0), (2, NOW, 1, 9.0)])
    assert History(engine).line(1, NOW - 1, NOW + 1, 100).points == [(NOW, 2.0)]
    assert History(engine).line(7, 0, 2 * NOW, 100).points == []


def test_latest_values_survive_a_restart_and_never_go_back(engine: Engine) -> None:
    rows = rows_in(engine)
    with engine.begin() as connection:
        first = LatestValues()
        first.load(connection)
        first.offer([(1, 100, 1, 1.0), (1, 90, 1, 0.5)])
        first.flush(connection, rows, 1_000)
        assert first.get(1) is None, "not before the commit"
    assert first.settle() == [(1, 100, 1, 1.0)]
    with engine.begin() as connection:
        again = LatestValues()
        again.load(connection)
        assert again.get(1) == (100, 1.0)
        again.offer([(1, 99, 2, 7.0)])
        assert again.settle() == []
        again.offer([(1, 101, 2, "off")])
        again.flush(connection, rows, 2_000)
        assert again.settle() == [(1, 101, 2, "off")]
        assert connection.exec_driver_sql("SELECT at_ms, number, text FROM latest").all() == [(101, None, "off")]


def test_each_value_comes_back_as_what_it_was(engine: Engine) -> None:
    rows: list[Row] = [
        (1, NOW + at, 1, value)
        for at, value in enumerate([1.0, 1, -0.5, 2**63 - 1, -(2**63), 5e-324, None, "", "Máy đang in", 0])
    ]
    store(engine, rows)
    with engine.begin() as connection:
        found = list(chain.from_iterable(rows_in(engine).of_day(connection, NOW // DAY_MS)))
    assert [(row, row[3].__class__) for row in found] == [(row, row[3].__class__) for row in rows]
