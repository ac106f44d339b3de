"""The states of a print job, and what leads from one to the next. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    """The last six are final."""

    CHECKING = "checking"
    WAITING = "waiting"
    RELEASED = "released"
    PRINTING = "printing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    REFUSED = "refused"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        return not NEXT[self]


NEXT: Final[Mapping[JobState, frozenset[JobState]]] = {
    JobState.CHECKING: frozenset({JobState.WAITING, JobState.REFUSED, JobState.CANCELLED}),
    JobState.WAITING: frozenset({JobState.RELEASED, JobState.RETURNED, JobState.CANCELLED}),
    JobState.RELEASED: frozenset(
        {JobState.PRINTING, JobState.WAITING, JobState.CANCELLED, JobState.FAILED, JobState.DONE, JobState.UNKNOWN}
    ),
    JobState.PRINTING: frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.UNKNOWN}),
    **dict.fromkeys(
        (
            JobState.DONE,
            JobState.FAILED,
            JobState.CANCELLED,
            JobState.RETURNED,
            JobState.REFUSED,
            JobState.UNKNOWN,
        ),
        frozenset[JobState](),
    ),
}
