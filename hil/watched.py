"""One device under the real agent: worker, commands, journal, leases, recorder and outbox; only the uplink is left out.

A test stands where the controller stands: it reads the reports, acknowledges them and gives orders.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TypeAlias

from agent.clock import Clock
from agent.commands import Commands
from agent.download import Source
from agent.job_files import FOLDER, JobFiles, Room, bring
from agent.journal import Journal
from agent.leases import LeaseKeeper
from agent.outbox import Outbox
from agent.recorder import Recorder
from agent.roster import Roster, profile_entry
from agent.worker import Patience, Worker
from contract.lease import sign
from contract.messages import Ack, BridgeState, DeviceEntry, LeaseBook, Order, Report
from contract.model import Command, Lease, Outcome, Value
from contract.topics import Address
from contract.wire import decode
from device_profiles.profile import DeviceProfile
from firmware_bridges.base import BadReply, Bridge, BridgeError, LinkLost, Refused
from hil.farends.spoiler import Spoiler
from hil.lab import FarEnd
from hil.polling import Values, assert_nothing_left_behind, resources_at_rest
from tests.integration.mqtt import eventually

DEVICE = "machine"
LONGEST_S = 90.0
BRISK = Patience(parked_after=1_000, retry_ms=30, retry_most_ms=60)
"""As the agent's own, only quicker; nothing is parked."""
_ADDRESS = Address("lab", "bench")
_KEY = b"hil"
_POLL_S = 0.05
_KINDS: Mapping[str, type[BridgeError]] = {
    "no contact": LinkLost,
    "wrong answer": BadReply,
    "the device refuses": Refused,
}
"""How the detail of a loss begins."""
Meanwhile: TypeAlias = Callable[[], object]


def nothing() -> None:
    """What is done meanwhile, if nothing else is."""


class Watched:
    """`values` is what a controller knows of the device: the newest report of each metric, None for what is unknown.

    Every guarded action is permitted by a lease. `close` ends all of it.
    """

    def __init__(self, folder: Path, profile: DeviceProfile, make_bridge: Callable[[], Bridge]) -> None:
        self.values: dict[str, Value | None] = {}
        self.losses: list[str] = []
        """The detail of each event that says that the device was lost, oldest first."""
        self._returns = 0
        self._outcomes: dict[str, Outcome] = {}
        self._ids = count(1)
        self._files = folder / FOLDER
        clock = Clock()
        self._outbox = Outbox(folder / "outbox.db", clock.now_ms)
        self._recorder = Recorder(self._outbox, clock, flush_s=_POLL_S)
        workers: dict[str, Worker] = {}
        leases = LeaseKeeper(folder / "leases.json", _ADDRESS, _KEY, lambda *_: None)
        leases.take(_book())
        self._commands = Commands(
            workers,
            journal=Journal(folder / "commands.journal"),
            leases=leases,
            files=JobFiles(self._files, Source("", _ADDRESS, b""), Room(1 << 30, 1 << 30)),
            recorder=self._recorder,
            clock=clock,
            online=lambda: True,
        )
        roster = Roster()
        quick = replace(profile, poll_s=_POLL_S)
        roster.declare(DeviceEntry(DEVICE, DEVICE, quick.digest, BridgeState.STARTING), profile_entry(quick))
        self._worker = workers[DEVICE] = Worker(
            DEVICE,
            quick,
            make_bridge,
            recorder=self._recorder,
            roster=roster,
            clock=clock,
            carry_out=self._commands.carry_out,
            patience=BRISK,
        )
        self._recorder.start()
        self._worker.start()

    def begin(self) -> None:
        """Wait until the device answers. How often it was asked in vain before is no fault. Raises TimeoutError."""
        self.until()
        self.losses.clear()
        self._returns = 0

    def until(
        self,
        wanted: Callable[[Values], bool] = lambda _: True,
        timeout_s: float = LONGEST_S,
        meanwhile: Meanwhile = nothing,
    ) -> Values:
        """Wait until the device answers, and as wanted; do `meanwhile` again and again. Raises TimeoutError."""
        self._wait(lambda: self._answers() and wanted(self.values), timeout_s, meanwhile)
        return dict(self.values)

    def until_lost(self, timeout_s: float = LONGEST_S, meanwhile: Meanwhile = nothing) -> None:
        """Wait until the device is said to be lost and nothing of it is known. Raises TimeoutError."""
        self._wait(lambda: len(self.losses) > self._returns and not self._known(), timeout_s, meanwhile)

    def until_back(self, times: int, timeout_s: float = LONGEST_S) -> Values:
        """Wait until the device was lost so many times in all, and has come back from each. Raises TimeoutError."""
        self._wait(lambda: self._returns >= times and self._answers(), timeout_s)
        return dict(self.values)

    def faults(self) -> list[type[BridgeError]]:
        """The class of each loss that was reported, oldest first."""
        self._hear()
        return [_KINDS[loss.partition(":")[0]] for loss in self.losses]

    def order(self, action: str, **args: Value) -> str:
        """Give a command, as the controller would. Its id."""
        command = Command(f"c-{next(self._ids)}", DEVICE, action, args, by="hil")
        self._commands.take(Order(command))
        return command.id

    def outcome(self, command_id: str, timeout_s: float = LONGEST_S) -> Outcome:
        """Wait for the last word on a command. Raises TimeoutError."""
        self._wait(lambda: command_id in self._outcomes and self._outcomes[command_id].status.final, timeout_s)
        return self._outcomes[command_id]

    def do(self, action: str, **args: Value) -> Outcome:
        return self.outcome(self.order(action, **args))

    def print(self, job: Path) -> Outcome:
        """Have a job file printed, which this computer has already."""
        return self.do("print", digest=self.bring(job), name=job.stem)

    def bring(self, job: Path) -> str:
        """Put a job file where the agent keeps them; its digest."""
        return bring(self._files, job)

    def close(self) -> None:
        self._worker.stop()
        assert self._worker.join(LONGEST_S), "the bridge does not let its thread end"
        self._recorder.stop()
        self._outbox.close()

    def _answers(self) -> bool:
        return self._returns == len(self.losses) and self._known()

    def _known(self) -> bool:
        return any(value is not None for value in self.values.values())

    def _wait(self, true: Callable[[], bool], timeout_s: float, meanwhile: Meanwhile = nothing) -> None:
        deadline = time.monotonic() + timeout_s
        self._hear()
        while not true():
            if time.monotonic() > deadline:
                raise TimeoutError(f"losses: {self.losses}; values: {self.values}")
            meanwhile()
            time.sleep(_POLL_S / 2)
            self._hear()

    def _hear(self) -> None:
        for batch in self._outbox.unacked():
            report = decode(Report, batch.payload)
            for metric, points in report.series.get(DEVICE, {}).items():
                self.values[metric] = points[-1][1]
            self.losses += [event.detail for event in report.events if event.kind == "device-lost"]
            self._returns += sum(event.kind == "device-back" for event in report.events)
            self._outcomes |= {outcome.command_id: outcome for outcome in report.outcomes}
            self._outbox.take_ack(Ack(1, 1, report.epoch, ((report.first, report.number),)))


def assert_nonsense_is_a_bad_reply_once(far: FarEnd, folder: Path) -> None:
    """A server that answers nonsense for a while is a wrong answer, told once; then readings resume."""
    with (
        Spoiler(far.endpoint) as way,
        closing(Watched(folder, far.profile, replace(far, endpoint=way.endpoint).bridge)) as device,
    ):
        device.begin()
        baseline = resources_at_rest()
        way.spoiling.set()
        device.until_lost()
        before = way.spoiled
        eventually(lambda: way.spoiled > before, "it is asked in vain once more")
        way.spoiling.clear()
        assert device.until_back(1)["state"] == "ready"
        assert device.faults() == [BadReply]
        assert_nothing_left_behind(baseline)


def _book() -> LeaseBook:
    lease = Lease(DEVICE, "hil", 0, Clock().now_ms() + 3_600_000)
    return sign(LeaseBook(str(_ADDRESS), 1, 1, 0, (lease,)), _KEY)
