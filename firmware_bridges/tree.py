"""What a device told as JSON, read field by field: whatever is missing or of another kind is a bad reply. Pure."""

import json
import math
from typing import Any, NoReturn

from firmware_bridges.base import BadReply

LONGEST = 500
"""Characters of a text that are taken; the rest is left out."""


class Tree:
    """A JSON object and the name of where it stands. Every method raises BadReply, naming the field."""

    def __init__(self, value: Any, where: str = "") -> None:
        if not isinstance(value, dict):
            raise BadReply(f"{where or 'the answer'} is no object")
        self._value: dict[str, Any] = value
        self._where = where

    def __contains__(self, name: str) -> bool:
        """Whether it is there, and not null."""
        return self._value.get(name) is not None

    def table(self, name: str) -> "Tree":
        """An empty one where there is none."""
        value = self._value.get(name)
        return Tree({} if value is None else value, self._path(name))

    def tables(self, name: str) -> "list[Tree]":
        value = self._value.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self._wrong(name, "a list")
        return [Tree(each, self._path(name)) for each in value]

    def text(self, name: str) -> str:
        """Empty where there is none; characters that nobody can print are left out."""
        value = self._value.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self._wrong(name, "a text")
        return "".join(each for each in value[:LONGEST] if each.isprintable() or each == "\n").strip()

    def number(self, name: str) -> float | None:
        """None where there is none."""
        value = self._value.get(name)
        if value is None:
            return None
        if type(value) not in (int, float) or abs(value) > 1e15 or not math.isfinite(value):
            self._wrong(name, "a number")
        return float(value)

    def yes(self, name: str) -> bool:
        """False where there is none."""
        value = self._value.get(name)
        if value is not None and not isinstance(value, bool):
            self._wrong(name, "yes or no")
        return bool(value)

    def _path(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name

    def _wrong(self, name: str, wanted: str) -> NoReturn:
        raise BadReply(f"{self._path(name)} in the answer is not {wanted}")


def parse(data: bytes | str) -> Tree:
    """Raises BadReply for what is no JSON object."""
    try:
        return Tree(json.loads(data))
    except (ValueError, RecursionError):
        raise BadReply(f"{data[:40]!r} is no JSON") from None
