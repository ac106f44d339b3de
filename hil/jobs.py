"""Job files as a test writes them, and the arguments with which a bridge gets them."""

import hashlib
from pathlib import Path
from typing import Protocol

from contract.model import Value


class Write(Protocol):
    """Write a job file with those lines."""

    def __call__(self, lines: list[str], name: str = "cube") -> Path: ...


def released(job: Path) -> dict[str, Value]:
    """The arguments that the agent gives its bridge to print it, cut it or run it."""
    return {"path": str(job), "digest": hashlib.sha256(job.read_bytes()).hexdigest(), "name": job.stem}
