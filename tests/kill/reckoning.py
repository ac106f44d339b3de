"""Compares a simulator's own log with what lies in the controller's database, in SQL of its own."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import NullPool, create_engine, text

from controller.database import DAY_TABLE_PREFIX

_SQLITE = "sqlite:///"
_STORED = """
INSERT INTO stored
SELECT agent.school_id || '/' || agent.name, device.slug, series.metric, reading.at_ms, count(*),
       min(reading.value), max(reading.value)
FROM fleet."{table}" AS reading
JOIN fleet.series AS series ON series.id = reading.series
JOIN fleet.device AS device ON device.id = series.device_id
JOIN fleet.agent AS agent ON agent.id = device.agent_id
GROUP BY reading.series, reading.at_ms
"""
_STORED_THERE = """
SELECT agent.school_id || '/' || agent.name, device.slug, series.metric, reading.at_ms, count(*),
       coalesce(min(number)::text, min(whole)::text, to_json(min(text))::text),
       coalesce(max(number)::text, max(whole)::text, to_json(max(text))::text)
FROM reading
JOIN series ON series.id = reading.series JOIN device ON device.id = series.device_id
JOIN agent ON agent.id = device.agent_id
GROUP BY agent.school_id, agent.name, device.slug, series.metric, reading.series, reading.at_ms
"""
"""On PostgreSQL; values as JSON. A row has one of the three."""
_MISSING = """
FROM logged LEFT JOIN stored USING (agent, device, metric, at_ms) WHERE stored.times IS NULL
"""
_BEYOND = f"""
WITH missing AS (SELECT agent, count(*) AS times {_MISSING} GROUP BY agent),
     told AS (SELECT owner.school_id || '/' || owner.name AS agent, sum(gap.count) AS times
              FROM fleet.declared_gap AS gap JOIN fleet.agent AS owner ON owner.id = gap.agent_id GROUP BY owner.id)
SELECT coalesce(sum(max(0, missing.times - coalesce(told.times, 0))), 0) FROM missing LEFT JOIN told USING (agent)
"""


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Of the values logged: how many lie in the database, and what is wrong with the others.

    `declared` are missing and lie in a declared gap, `undeclared` in none; `beyond` counts the missing ones of an agent
    that are more than its gaps say. `doubled` are stored more than once, `changed` with another value. `stored` counts
    all rows, those too that were written just before a kill and so never logged.
    """

    logged: int
    stored: int
    declared: int
    undeclared: int
    beyond: int
    doubled: int
    changed: int
    example: str = ""

    @property
    def holds(self) -> bool:
        return self.logged > 0 and self.undeclared == self.beyond == self.doubled == self.changed == 0


def reckon(database_url: str, log: Path, scratch: Path) -> Reckoning:
    """Read both sides and compare. `scratch` is a file that may grow as large as both."""
    db = sqlite3.connect(f"file:{scratch}", uri=True, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode=OFF")
        db.execute("PRAGMA synchronous=OFF")
        _load(db, log)
        if database_url.startswith(_SQLITE):
            _load_sqlite(db, database_url.removeprefix(_SQLITE))
        else:
            _load_postgresql(db, database_url)
        return _compare(db)
    finally:
        db.close()


def lines(log: Path) -> Iterator[tuple[str, str, str, int, object]]:
    """(agent, device, metric, at_ms, value) of each whole line. A kill may leave half of the last one."""
    with log.open(encoding="utf-8") as file:
        for line in file:
            try:
                agent, device, metric, at_ms, value = json.loads(line)
            except ValueError:
                continue
            yield agent, device, metric, at_ms, value


def _load(db: sqlite3.Connection, log: Path) -> None:
    key = "agent TEXT, device TEXT, metric TEXT, at_ms INTEGER"
    primary = "PRIMARY KEY (agent, device, metric, at_ms)) WITHOUT ROWID"
    db.execute(f"CREATE TABLE logged ({key}, value, {primary}")
    db.execute(f"CREATE TABLE stored ({key}, times INTEGER, low, high, {primary}")
    db.execute("BEGIN")
    db.executemany("INSERT INTO logged VALUES (?, ?, ?, ?, ?)", lines(log))
    db.execute("COMMIT")


def _load_sqlite(db: sqlite3.Connection, database: str) -> None:
    db.execute("ATTACH ? AS fleet", (f"file:{database}?mode=ro",))
    tables = db.execute(
        "SELECT name FROM fleet.sqlite_master WHERE type = 'table' AND name GLOB ?", (f"{DAY_TABLE_PREFIX}*",)
    ).fetchall()
    db.execute("BEGIN")
    for (table,) in tables:
        db.execute(_STORED.format(table=table))
    db.execute("COMMIT")


def _load_postgresql(db: sqlite3.Connection, database_url: str) -> None:
    db.execute("ATTACH ':memory:' AS fleet")
    db.execute("CREATE TABLE fleet.agent (id, school_id, name)")
    db.execute("CREATE TABLE fleet.declared_gap (agent_id, from_ms, to_ms, count)")
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as there:
        agents = there.execute(text("SELECT id, school_id, name FROM agent")).all()
        gaps = there.execute(text("SELECT agent_id, from_ms, to_ms, count FROM declared_gap")).all()
        rows = there.execute(text(_STORED_THERE)).all()
    db.execute("BEGIN")
    db.executemany("INSERT INTO fleet.agent VALUES (?, ?, ?)", map(tuple, agents))
    db.executemany("INSERT INTO fleet.declared_gap VALUES (?, ?, ?, ?)", map(tuple, gaps))
    stored = ((*key, json.loads(low), json.loads(high)) for *key, low, high in rows)
    db.executemany("INSERT INTO stored VALUES (?, ?, ?, ?, ?, ?, ?)", stored)
    db.execute("COMMIT")


def _compare(db: sqlite3.Connection) -> Reckoning:
    def one(query: str) -> int:
        return int(db.execute(query).fetchone()[0])

    in_gap = (
        "EXISTS (SELECT 1 FROM fleet.declared_gap AS gap JOIN fleet.agent AS owner ON owner.id = gap.agent_id"
        " WHERE owner.school_id || '/' || owner.name = logged.agent AND at_ms BETWEEN gap.from_ms AND gap.to_ms)"
    )
    undeclared = f"{_MISSING} AND NOT {in_gap}"
    example = db.execute(f"SELECT agent, device, metric, at_ms, value {undeclared} LIMIT 5").fetchall()
    joined = "FROM logged JOIN stored USING (agent, device, metric, at_ms)"
    return Reckoning(
        logged=one("SELECT count(*) FROM logged"),
        stored=one("SELECT coalesce(sum(times), 0) FROM stored"),
        declared=one(f"SELECT count(*) {_MISSING} AND {in_gap}"),
        undeclared=one(f"SELECT count(*) {undeclared}"),
        beyond=one(_BEYOND),
        doubled=one("SELECT count(*) FROM stored WHERE times > 1"),
        changed=one(f"SELECT count(*) {joined} WHERE low IS NOT value OR high IS NOT value"),
        example=str(example) if example else "",
    )
