"""What a bridge is told besides its endpoint: read, and refused by name where it cannot be right. Pure."""

from collections.abc import Mapping
from typing import Any


class Options:
    """Takes one option after another, so that `done` knows what nobody asked for.

    Every method raises ValueError, which begins with the option's name; `where` stands before it.
    """

    def __init__(self, given: Mapping[str, Any], where: str = "") -> None:
        self._left = dict(given)
        self._where = where

    def number(self, name: str, default: float, least: float, most: float) -> float:
        value = self._left.pop(name, default)
        if type(value) not in (int, float) or not least <= value <= most:
            raise self._wrong(name, f"{value!r} is no number from {least:g} to {most:g}")
        return float(value)

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self._left.pop(name, default)
        if type(value) is not int or not least <= value <= most:
            raise self._wrong(name, f"{value!r} is no whole number from {least} to {most}")
        return value

    def yes(self, name: str, *, default: bool) -> bool:
        value = self._left.pop(name, default)
        if type(value) is not bool:
            raise self._wrong(name, f"{value!r} is neither true nor false")
        return value

    def text(self, name: str, default: str = "") -> str:
        value = self._left.pop(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, f"{value!r} is no text")
        return value

    def texts(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        value = self._left.pop(name, default)
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise self._wrong(name, f"{value!r} is no list of texts")
        return tuple(value)

    def table(self, name: str) -> Mapping[str, Any]:
        """An empty one if it is not given."""
        value = self._left.pop(name, {})
        if not isinstance(value, Mapping):
            raise self._wrong(name, f"{value!r} is no table")
        return value

    def done(self) -> None:
        """Nothing more is known."""
        if self._left:
            raise self._wrong(next(iter(self._left)), "nobody knows this option")

    def _wrong(self, name: str, why: str) -> ValueError:
        return ValueError(f"{self._where}{name}: {why}")
