"""Counters of ingest, for /metrics. Plain numbers, written by ingest's threads and read by anyone."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class IngestStats:
    """Since the start of the process. `quarantined` counts by reason: items of reports, else messages.

    `began_s` is when the transaction under way began, by time.perf_counter; None if there is none.
    """

    received: int = 0
    shed: int = 0
    flooded: int = 0
    batches: int = 0
    values: int = 0
    events: int = 0
    outcomes: int = 0
    duplicates: int = 0
    conflicts: int = 0
    deferred: int = 0
    rejected: int = 0
    given_up: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    commits: int = 0
    commit_seconds: float = 0.0
    commit_failures: int = 0
    queue_depth: int = 0
    connected: bool = False
    writable: bool = True
    began_s: float | None = None

    def add(self, other: "IngestStats") -> None:
        """Count what another one counted, of messages and items."""
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.quarantined.update(other.quarantined)


_COUNTED = (
    "batches",
    "values",
    "events",
    "outcomes",
    "duplicates",
    "conflicts",
    "deferred",
    "rejected",
    "given_up",
)
