"""Commands over a true journal, outbox and lease book; the worker's thread is the test's."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from agent.clock import Clock
from agent.commands import Commands
from agent.download import Source
from agent.job_files import FOLDER, JobFiles, Room
from agent.journal import Journal
from agent.leases import LeaseKeeper
from agent.outbox import Outbox
from agent.recorder import Recorder
from agent.roster import Roster
from agent.worker import Worker
from contract.lease import sign
from contract.messages import LeaseBook, Order, Report
from contract.model import Command, Kind, Lease, Value
from contract.topics import Address
from contract.wire import decode
from device_profiles.profile import Action, DeviceProfile, Words, load

ADDRESS = Address("school", "agent")
KEY = b"0123456789abcdef"
NOW_MS = 1_795_000_000_000
LABEL = Words("", "")


def printer() -> DeviceProfile:
    actions = {
        "start": Action("start", LABEL, guarded=True, args={}),
        "stop": Action("stop", LABEL, guarded=True, args={}),
        "light": Action("light", LABEL, args={}),
        "print": Action("print", LABEL, file=True, args={"digest": Kind.TEXT, "name": Kind.TEXT}),
        "cut": Action("cut", LABEL, guarded=True, file=True, args={"digest": Kind.TEXT}),
    }
    return replace(load("demo/projector"), actions=actions)


def book(number: int, *leases: Lease, generation: int = 1, key: bytes = KEY, agent: str = str(ADDRESS)) -> LeaseBook:
    return sign(LeaseBook(agent, generation, number, NOW_MS, leases), key)


def lease(hazard: int = 0, *, supervised: bool = False) -> Lease:
    return Lease("printer", "12A1", NOW_MS - 1000, NOW_MS + 3_600_000, hazard=hazard, supervised=supervised)


class Workshop:
    """One life of an agent on `folder`; `url` is where job files are."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder = folder
        self.now_ms = NOW_MS
        self.trusted = True
        self.online = True
        self.told: list[str] = []
        self.executed: list[str] = []
        self.args: list[Mapping[str, Value]] = []
        self.trouble: Exception | None = None
        clock = Clock(lambda: self.now_ms, lambda: self.now_ms, "boot", lambda: self.trusted)
        self.outbox = Outbox(folder / "outbox.db", lambda: self.now_ms)
        recorder = Recorder(self.outbox, clock)
        self.recorder = recorder
        self.journal = Journal(folder / "journal")
        self.leases = LeaseKeeper(folder / "leases.json", ADDRESS, KEY, lambda kind, _: self.told.append(kind))
        self.files = JobFiles(folder / FOLDER, Source(url, ADDRESS, KEY), Room(1_000_000, 1_000_000))
        workers: dict[str, Worker] = {}
        self.commands = Commands(
            workers,
            journal=self.journal,
            leases=self.leases,
            files=self.files,
            recorder=recorder,
            clock=clock,
            online=lambda: self.online,
        )
        self.worker = Worker(
            "printer",
            printer(),
            lambda: pytest.fail("not opened here"),
            recorder=recorder,
            roster=Roster(),
            clock=clock,
            carry_out=self.commands.carry_out,
        )
        workers["printer"] = self.worker

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        self.executed.append(action)
        self.args.append(args)
        if self.trouble:
            raise self.trouble

    def give(self, action: str, command_id: str = "c-1", **given: object) -> list[str]:
        """Take an order and let the worker do what it was handed."""
        self.commands.take(Order(Command(command_id, "printer", action, **given)))  # type: ignore[arg-type]
        return self.work()

    def work(self, execute: Callable[[str, Mapping[str, Value]], None] | None = None) -> list[str]:
        while not self.worker._inbox.empty():
            command = self.worker._inbox.get()
            assert command
            self.commands.carry_out(command, execute or self.execute)
        return self.outcomes()

    def outcomes(self) -> list[str]:
        return [f"{each.status} {each.detail}".strip() for report in self.reports() for each in report.outcomes]

    def events(self) -> list[str]:
        return [f"{each.kind} {each.detail}".strip() for report in self.reports() for each in report.events]

    def reports(self) -> list[Report]:
        self.recorder.flush()
        return [decode(Report, batch.payload) for batch in self.outbox.unacked()]

    def forget_what_waits(self) -> None:
        """What is in memory when a process is killed."""
        self.recorder._pending.clear()
        self.outbox._waiting.clear()
