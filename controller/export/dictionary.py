"""The data dictionary of an export, made from the same tables as its files. Pure."""

import json
from collections.abc import Mapping, Sequence
from datetime import date

from controller.export.catalogue import ExportTable

FORMAT = 1


def as_json(tables: Sequence[ExportTable], counts: Mapping[str, int], first: date, last: date) -> str:
    """For programs. `counts` are rows by table, `first` and `last` the days, both included."""
    return json.dumps(
        {
            "format": FORMAT,
            "first_day": first.isoformat(),
            "last_day": last.isoformat(),
            "tables": [
                {
                    "name": table.name,
                    "file": f"{table.name}.parquet",
                    "meaning": table.meaning,
                    "rows": counts[table.name],
                    "columns": [
                        {"name": each.name, "type": each.type, "unit": each.unit, "meaning": each.meaning}
                        for each in table.columns
                    ],
                }
                for table in tables
            ],
        },
        ensure_ascii=False,
        indent=1,
    )


def as_markdown(tables: Sequence[ExportTable], counts: Mapping[str, int], first: date, last: date) -> str:
    """For people."""
    lines = [
        "# Data dictionary",
        "",
        (
            f"Days {first.isoformat()} to {last.isoformat()}, both included, by the schools' own clock. People appear"
            " as pseudonyms that hold within this export only; there are no names, logins or titles."
        ),
    ]
    for table in tables:
        lines += ["", f"## {table.name}.parquet", "", f"{table.meaning} {counts[table.name]} rows.", ""]
        lines += ["| column | type | unit | meaning |", "|---|---|---|---|"]
        lines += [f"| {each.name} | {each.type} | {each.unit} | {each.meaning} |" for each in table.columns]
    return "\n".join(lines) + "\n"
