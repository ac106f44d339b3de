"""Changes single values in a TOML text that people write in, and leaves every other line as it is. Pure."""

import json
import re
from collections.abc import Mapping
from typing import TypeAlias

Wanted: TypeAlias = Mapping[str, str | int | None]
"""Values by key; None: there shall be none."""


def lines(wanted: Wanted) -> str:
    """Those that have a value, a line each."""
    return "\n".join(_line(key, value) for key, value in wanted.items() if value is not None)


def with_values(text: str, section: str, wanted: Wanted) -> str:
    """The text with these values in `[section]`, or at the top if that is empty. Unchanged where there is no such one.

    A line that shall be none becomes a comment; one that is missing comes first in the section.
    """
    found = re.search(rf"(?m)^\[{re.escape(section)}\][^\n]*\n?", text) if section else re.match("", text)
    if found is None:
        return text
    end = re.compile(r"(?m)^\s*\[").search(text, found.end())
    stop = end.start() if end else len(text)
    head, body = text[: found.end()], text[found.end() : stop]
    for key, value in wanted.items():
        body = _with_value(body, key, value)
    return head + ("" if not head or head.endswith("\n") else "\n") + body + text[stop:]


def _with_value(body: str, key: str, value: str | int | None) -> str:
    there = re.search(rf"(?m)^[ \t]*{re.escape(key)}[ \t]*=.*$", body)
    if value is None:
        return body if there is None else f"{body[: there.start()]}# {there[0].strip()}{body[there.end() :]}"
    if there is None:
        return f"{_line(key, value)}\n{body}"
    return body[: there.start()] + _line(key, value) + body[there.end() :]


def _line(key: str, value: str | int) -> str:
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"
