"""The templates of discovery messages that only pick a value: `{{ value }}`, `{{ value_json.a['b'] | float }}`. Pure.

A template may be any program (Jinja). One that does more than pick is not run; its entity is left out.
"""

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

Template: TypeAlias = Callable[[str], Any]
"""A payload -> the value in it; None if it is not there."""
_LONGEST = 256
_WHOLE = re.compile(
    r"\{\{-?\s*(value|value_json)((?:\.\w+|\[(?:'[^'\]]*'|\"[^\"\]]*\"|\d+)\])*)((?:\s*\|[^|{}]*)*?)\s*-?\}\}"
)
_STEP = re.compile(r"\.(\w+)|\['([^']*)'\]|\[\"([^\"]*)\"\]|\[(\d+)\]")
_HARMLESS = re.compile(r"(?:float|int|string|is_defined|round)(?:\([\w., -]*\))?")


def template(text: Any) -> Template | None:
    """None for one that is a program."""
    if text is None or text == "":
        return lambda payload: payload
    match = _WHOLE.fullmatch(text.strip()) if isinstance(text, str) and len(text) <= _LONGEST else None
    if match is None or not all(_HARMLESS.fullmatch(each.strip()) for each in match[3].split("|")[1:]):
        return None
    if match[1] == "value":
        return None if match[2] else lambda payload: payload
    steps = [dotted or single or double or int(number) for dotted, single, double, number in _STEP.findall(match[2])]
    return lambda payload: _picked(payload, steps)


def _picked(payload: str, steps: list[str | int]) -> Any:
    """Raises ValueError for a payload that is no JSON."""
    try:
        found = json.loads(payload)
    except RecursionError:
        raise ValueError("too deep") from None
    for step in steps:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return None
    return None if isinstance(found, dict | list) else found
