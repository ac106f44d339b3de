"""The data dictionary of an export, made from the same tables as its files. Pure."""

import json
from collections.abc import Mapping, Sequence
from datetime import date

from controller.export.catalogue import ExportTable

FORMAT = 2


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
                    "meaning_vi": table.meaning_vi,
                    "rows": counts[table.name],
                    "columns": [
                        {
                            "name": each.name,
                            "type": each.type,
                            "unit": each.unit,
                            "meaning": each.meaning,
                            "meaning_vi": each.meaning_vi,
                        }
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
    """For people, in Vietnamese and in English."""
    lines = [
        "# Từ điển dữ liệu / Data dictionary",
        "",
        (
            f"Từ ngày {first:%d/%m/%Y} đến hết ngày {last:%d/%m/%Y}, theo giờ của các trường. Người và lượt đặt mang"
            " mã thay thế chỉ dùng trong bản xuất này; không có tên, tên đăng nhập hay tiêu đề. Ai xem được lịch của"
            " một máy vẫn có thể nhận ra một lượt đặt theo máy và giờ: hãy giữ tệp này như giữ lịch ấy."
        ),
        "",
        (
            f"Days {first.isoformat()} to {last.isoformat()}, both included, by the schools' own clock. People and"
            " bookings appear as pseudonyms that hold within this export only; there are no names, logins or titles."
            " Whoever may see a machine's calendar can still tell a booking by machine and time: keep these files as"
            " you keep that."
        ),
    ]
    for table in tables:
        lines += ["", f"## {table.name}.parquet", "", f"{table.meaning_vi} {counts[table.name]} dòng.", ""]
        lines += [f"{table.meaning} {counts[table.name]} rows.", ""]
        lines += ["| cột / column | type | unit | ý nghĩa | meaning |", "|---|---|---|---|---|"]
        lines += [
            f"| {each.name} | {each.type} | {each.unit} | {each.meaning_vi} | {each.meaning} |"
            for each in table.columns
        ]
    return "\n".join(lines) + "\n"
