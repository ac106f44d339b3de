"""What pages, API and agents ask for: take a file, release it, cancel it, hand it to the agent that prints it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Engine

from controller.commands.service import Commands, CommandView
from controller.fleet.live import LiveFleet
from controller.identity.policy import Principal
from controller.ingest.observer import Fresh, Told
from controller.jobs.states import JobState
from controller.scope import Scope


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it comes in. `digest`, if given, is what its SHA-256 must be."""

    device_id: int
    file: BinaryIO
    file_name: str
    title: str = ""
    group: str = ""
    digest: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class JobLine:
    """A line of the log. `by` is a name, empty if nobody did it."""

    at_ms: int
    kind: str
    by: str
    detail: str


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as pages and API show it. `review` and `preview` are None until the file was read.

    `progress` is in percent, None if the machine does not say.
    """

    id: int
    device_id: int
    file_name: str
    title: str
    group: str
    by: str
    created_ms: int
    state: JobState
    state_ms: int
    detail: str
    size: int
    review: Mapping[str, Any] | None
    preview: Mapping[str, Any] | None
    progress: float | None
    started_ms: int | None
    ended_ms: int | None
    command: CommandView | None
    log: tuple[JobLine, ...]


class Jobs:
    """Safe to use from any thread. An ingest Observer: a job's end is what the machine says of it."""

    def __init__(
        self,
        engine: Engine,
        live: LiveFleet,
        commands: Commands,
        folder: Path,
        now_ms: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._live = live
        self._commands = commands
        self._folder = folder
        self._now_ms = now_ms

    def start(self) -> None:
        """Begin to read files that wait for it, and to look after jobs that run."""

    def stop(self) -> None:
        """May be called without a start."""

    def take(self, who: Principal, upload: Upload) -> JobView:
        """Store a file and queue it for reading; durable on return. Raises JobError's and CommandError's leaves."""
        raise NotImplementedError

    def find(self, scope: Scope, job_id: int) -> JobView | None:
        raise NotImplementedError

    def of_device(self, scope: Scope, device_id: int, limit: int = 8) -> Sequence[JobView]:
        """Open jobs first, then the newest. Without preview and log."""
        raise NotImplementedError

    def open_jobs(self, scope: Scope, limit: int = 50) -> Sequence[JobView]:
        """Every job of the scope that is not at its end. Without preview and log."""
        raise NotImplementedError

    def release(self, who: Principal, job_id: int, *, bed_clear: bool, address: str = "") -> JobView:
        """Have it printed: gives the command. Raises JobError's and CommandError's leaves."""
        raise NotImplementedError

    def hand_back(self, who: Principal, job_id: int, why: str, *, address: str = "") -> JobView:
        """To the group, to be mended. Raises as `release`."""
        raise NotImplementedError

    def cancel(self, who: Principal, job_id: int, *, address: str = "") -> JobView:
        """One that waits ends at once; one that prints when the machine has stopped. Raises as `release`."""
        raise NotImplementedError

    def file_for_agent(self, agent_id: int, digest: str) -> Path | None:
        """The file, if a job that was released for one of the agent's devices has it; else None."""
        raise NotImplementedError

    def registry_changed(self, agent_id: int) -> None:
        pass

    def values_committed(self, values: Sequence[Fresh]) -> None:
        pass

    def outcomes_committed(self, outcomes: Sequence[Told]) -> None:
        pass

    def broker_connected(self, connected: bool) -> None:
        pass
