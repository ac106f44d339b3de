"""What is known of a 3D printer that has a server of its own, whatever that server is. Pure."""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from contract.model import Value
from firmware_bridges.machine_events import Ended

SUFFIX: Final = ".gcode"
_LONGEST_NAME: Final = 120


class State(StrEnum):
    """Of the printer as its server tells it. DISCONNECTED: the server is there, the machine behind it is not."""

    DISCONNECTED = auto()
    STARTING = auto()
    READY = auto()
    BUSY = auto()
    PRINTING = auto()
    PAUSING = auto()
    PAUSED = auto()
    FINISHING = auto()
    CANCELLING = auto()
    HALTED = auto()


AT_WORK: Final = frozenset((State.PRINTING, State.PAUSING, State.PAUSED, State.FINISHING, State.CANCELLING))


@dataclass(frozen=True, slots=True)
class Heat:
    """Of one heater, in degrees Celsius; None: unknown."""

    actual: float | None = None
    target: float | None = None


COLD: Final = Heat()
"""Nothing is known of it."""


@dataclass(frozen=True, slots=True)
class PrinterView:
    """`progress` is in percent. `ended` is None while a job runs, and where there was none.

    Unless `known`, the server could not ask the machine what it prints. `waits_for_user` is None where the
    server never tells.
    """

    state: State
    nozzle: Heat = COLD
    bed: Heat = COLD
    job: str = ""
    progress: float | None = None
    ended: Ended | None = None
    fault: str = ""
    waits_for_user: bool | None = None
    firmware: str | None = None
    known: bool = True

    @property
    def at_work(self) -> bool:
        return self.state in AT_WORK

    def values(self) -> dict[str, Value | None]:
        """By metric."""
        told: dict[str, Value | None] = {
            "state": str(self.state),
            "printing": self.at_work if self.known else None,
            "nozzle-temperature": self.nozzle.actual,
            "nozzle-target": self.nozzle.target,
            "bed-temperature": self.bed.actual,
            "bed-target": self.bed.target,
            "job": self.job if self.known else None,
            "progress": None if self.progress is None else round(min(max(self.progress, 0.0), 100.0), 1),
            "job-result": self._result() if self.known else None,
            "fault": self.fault,
            "firmware": self.firmware,
        }
        if self.waits_for_user is not None:
            told["waits-for-user"] = self.waits_for_user
        return told

    def _result(self) -> str:
        return str(self.ended) if self.ended and not self.at_work else ""


def file_name(job: str) -> str:
    """What a job is called on the printer's disk: its name, so that a person at the machine knows it again."""
    kept = "".join("-" if each in '/\\:*?"<>|' or not each.isprintable() else each for each in job).strip(" .")
    return f"{kept[:_LONGEST_NAME] or 'job'}{SUFFIX}"


def job_name(path: str) -> str:
    """The job's name by its file on the printer."""
    return path.rpartition("/")[2].removesuffix(SUFFIX)
