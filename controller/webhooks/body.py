"""The body of a webhook: JSON. Pure."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

VERSION: Final = 1
"""Rises when a field changes its meaning or goes; fields may be added at any time."""


def moment(at_ms: int) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def body(uid: str, at_ms: int, school_id: str, kind: str, data: Mapping[str, Any]) -> bytes:
    """`time` is when it happened; when it was sent, the header says."""
    told = {
        "version": VERSION,
        "id": uid,
        "time": moment(at_ms),
        "school": school_id,
        "kind": kind,
        "data": dict(data),
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
