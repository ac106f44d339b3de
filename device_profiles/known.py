"""What may stand at a key of a profile, as schema.json has it: for whoever wrote something else there."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

SCHEMA: Final = Path(__file__).with_name("schema.json")
_LISTS: Final = frozenset({"alerts", "consumables", "services"})


def allowed(where: str) -> tuple[str, ...]:
    """The values that the key may have, if they can be listed; of a key that nobody knows, the keys that there are.

    `where` is a path as ProfileError has it: in lists it names the entry, `alerts.<metric>.level`.
    """
    node: Mapping[str, Any] | None = _schema()
    parts = where.split(".")
    if parts[0] in _LISTS and len(parts) > 1:
        parts[1] = ""  # which entry makes no difference
    for part in parts:
        known = node.get("properties", {}) if node else {}
        inner = known.get(part) or (node or {}).get("items") or (node or {}).get("additionalProperties")
        if not isinstance(inner, Mapping):
            return tuple(known)
        node = _resolved(inner)
    return tuple(str(each) for each in (node or {}).get("enum", ()))


@cache
def _schema() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(SCHEMA.read_text("utf-8"))
    return found


def _resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """`$ref` names one of `$defs`."""
    if "$ref" not in node:
        return node
    found: Mapping[str, Any] = _schema()["$defs"][str(node["$ref"]).rpartition("/")[2]]
    return found
