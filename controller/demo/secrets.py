"""What the demo must remember between two starts, kept where only its owner can read it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from controller.simulation import write_private


@dataclass(frozen=True, slots=True)
class Secrets:
    """Passwords by login; and how this machine's agent signs in."""

    passwords: Mapping[str, str] = field(repr=False)
    agent_password: str = field(repr=False)
    agent_lease_key: str = field(repr=False)


def read(path: Path) -> Secrets | None:
    """None if there are none, or the file is not what `write` made."""
    try:
        return Secrets(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write(path: Path, secrets: Secrets) -> None:
    write_private(path, json.dumps(asdict(secrets), indent=1))
