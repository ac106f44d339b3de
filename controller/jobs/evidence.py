"""What became of a job that was released: what its commands say, and what the machine says of itself. Pure.

The machine's word goes first. It names the job that it prints, or printed last, in its metric `job`; `printing`, of a
laser cutter `cutting`, of a kit `running`, says whether it is at work, and `job-result` how the last job ended
(`done`, `cancelled`, `failed`, of a kit also `stopped`; empty or `running` while one runs).
A value None means that the machine could not be asked.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from contract.model import CommandStatus, Value
from controller.jobs.states import JobState

SETTLED_MS: Final = 30_000
"""So long a machine's word that it has no such job must have stood: its values do not come all at once."""
CONFIRMED_MS: Final = 60_000
"""So long after the agent's last word on the command, a machine that never named the job has not begun it."""
SILENT_MS: Final = 24 * 3_600_000
"""So long without a word from the machine, nobody will ever know."""
_NAME: Final = 96
_ENDS: Final = {
    "done": JobState.DONE,
    "cancelled": JobState.CANCELLED,
    "stopped": JobState.CANCELLED,
    "failed": JobState.FAILED,
}
_NOT_BEGUN: Final = frozenset({CommandStatus.REFUSED, CommandStatus.FAILED, CommandStatus.EXPIRED})


def print_name(file_name: str, job_id: int) -> str:
    """What the machine is told that it prints, and says again in its metric `job`. One job, one name."""
    mark = f" #{job_id}"
    return f"{file_name[: _NAME - len(mark)]}{mark}"


class Sighting(NamedTuple):
    """A value and when it was true, by the controller's clock."""

    value: Value | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class Machine:
    """The newest of each; None if it never came."""

    job: Sighting | None = None
    printing: Sighting | None = None
    result: Sighting | None = None
    fault: Sighting | None = None

    @property
    def heard_ms(self) -> int:
        return max((each.at_ms for each in (self.job, self.printing, self.result) if each), default=0)


class Order(NamedTuple):
    """A command of the job's. `since_ms`: when it was first seen to be at its end, None if it is not."""

    status: CommandStatus
    detail: str = ""
    since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A job that was released and has not ended. `since_ms`: of its release, or of its beginning once it prints."""

    state: JobState
    name: str
    since_ms: int
    estimate_ms: int
    order: Order
    stop: Order | None = None


class Finding(NamedTuple):
    """The job's state is `state` since `at_ms`. The same state as before: there is only something to tell.

    `kind` and `detail` are a line of the log; `detail` is a stable code, or the agent's or the machine's own words.
    """

    state: JobState
    kind: str
    detail: str
    at_ms: int


def judge(case: Case, machine: Machine, now_ms: int) -> Finding | None:
    """What is known now that was not before; None if nothing is."""
    if case.state is JobState.RELEASED:
        found = _begun(case, machine) or _not_begun(case, machine, now_ms)
    else:
        found = _ended(case, machine) or _lost(case, machine, now_ms)
    return found or _silent(case, machine, now_ms) or _not_stopped(case, now_ms)


def _names(case: Case, machine: Machine) -> bool:
    return machine.job is not None and machine.job.value == case.name


def _begun(case: Case, machine: Machine) -> Finding | None:
    """It names the job and is at work; or is not any more, and its agent says that it began."""
    if machine.job is None or machine.printing is None or not _names(case, machine):
        return None
    at_ms = machine.job.at_ms
    if at_ms < case.since_ms:  # it named the job before, at an earlier release: the name itself is no news
        at_ms = machine.printing.at_ms
    if at_ms < case.since_ms:
        return None
    if machine.printing.value is True or case.order.status is CommandStatus.DONE:
        return Finding(JobState.PRINTING, "started", "", at_ms)
    return None


def _not_begun(case: Case, machine: Machine, now_ms: int) -> Finding | None:
    """What was refused has not begun. After a failure the machine is given time to say that it has all the same.

    After anything else its silence on the job proves nothing before it was heard again.
    """
    status, detail, since_ms = case.order
    if since_ms is None:
        return None
    waited_ms = now_ms - since_ms
    if status in _NOT_BEGUN and (status is not CommandStatus.FAILED or waited_ms >= SETTLED_MS):
        state = JobState.WAITING if case.stop is None else JobState.CANCELLED
        return Finding(state, "not-started", detail or status.value, now_ms)
    heard = machine.job is not None and machine.job.value is not None and machine.heard_ms >= since_ms
    if waited_ms >= CONFIRMED_MS and heard:
        return Finding(_unless_stopped(case, JobState.UNKNOWN), "unknown", "not-seen", now_ms)
    return None


def _ended(case: Case, machine: Machine) -> Finding | None:
    if not _names(case, machine) or machine.result is None:
        return None
    state = _ENDS.get(str(machine.result.value))
    idle = machine.printing is not None and machine.printing.value is False
    since_start = [machine.result.at_ms]
    if idle and machine.printing is not None:  # two jobs may end alike: then the result itself is no news
        since_start.append(machine.printing.at_ms)
    if state is None or max(since_start) < case.since_ms:
        return None
    fault = machine.fault.value if machine.fault and state is JobState.FAILED else ""
    return Finding(state, state.value, str(fault or ""), max(machine.result.at_ms, case.since_ms))


def _lost(case: Case, machine: Machine, now_ms: int) -> Finding | None:
    """The machine is there and does not print this job, and nobody saw its end. What could be through is not failed."""
    if machine.job is None or machine.job.value is None or machine.printing is None:
        return None
    if machine.printing.value is not False and _names(case, machine):
        return None
    at_ms = machine.printing.at_ms if _names(case, machine) else machine.job.at_ms
    if at_ms < case.since_ms or now_ms - at_ms < SETTLED_MS:
        return None
    state = JobState.FAILED if at_ms - case.since_ms < case.estimate_ms / 2 else JobState.UNKNOWN
    state = _unless_stopped(case, state)
    return Finding(state, state.value, "lost", at_ms)


def _silent(case: Case, machine: Machine, now_ms: int) -> Finding | None:
    if now_ms - max(machine.heard_ms, case.since_ms) < SILENT_MS:
        return None
    return Finding(JobState.UNKNOWN, "unknown", "silent", now_ms)


def _not_stopped(case: Case, now_ms: int) -> Finding | None:
    stop = case.stop
    if stop is None or stop.since_ms is None or stop.status is CommandStatus.DONE:
        return None
    return Finding(case.state, "not-stopped", stop.detail or stop.status.value, now_ms)


def _unless_stopped(case: Case, state: JobState) -> JobState:
    return JobState.CANCELLED if case.stop and case.stop.status is CommandStatus.DONE else state
