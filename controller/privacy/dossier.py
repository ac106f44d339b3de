"""All that is kept of one person, as one JSON document."""

import json
from collections.abc import Mapping
from datetime import date, time
from typing import Any, Final

from sqlalchemy import Connection, Engine, or_, select

from controller.database import metadata
from controller.privacy.register import REGISTER, Holding, Kind

FORMAT: Final = "fabfleet-person-1"
JsonRows = list[dict[str, Any]]


def dossier(engine: Engine, person_id: str, now_ms: int) -> str:
    """Every row that names the person, but for secrets, by table; with the purpose of each. Reads one snapshot."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        kept = {table: _rows(connection, holding, person_id) for table, holding in REGISTER.items()}
        connection.rollback()
    told = {
        "format": FORMAT,
        "person": person_id,
        "made_ms": now_ms,
        "holdings": {
            table: {"purpose": REGISTER[table].purpose, "kept": REGISTER[table].kept, "rows": rows}
            for table, rows in kept.items()
            if rows
        },
    }
    return json.dumps(told, ensure_ascii=False, indent=1, default=_text) + "\n"


def counts(engine: Engine, person_id: str) -> Mapping[str, int]:
    """How many rows each table has of the person."""
    with engine.connect() as connection:
        found = {table: len(_rows(connection, holding, person_id)) for table, holding in REGISTER.items()}
    return {table: count for table, count in found.items() if count}


def _rows(connection: Connection, holding: Holding, person_id: str) -> JsonRows:
    named = holding.of(Kind.PERSON)
    if not named:
        return []
    table = metadata().tables[holding.table]
    told = [table.c[name] for name, kind in holding.columns.items() if kind is not Kind.SECRET]
    asked = select(*told).where(or_(*(table.c[name] == person_id for name in named)))
    found = connection.execute(asked.order_by(*table.primary_key.columns))
    return [dict(row) for row in found.mappings()]


def _text(value: object) -> str:
    if isinstance(value, date | time):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")
