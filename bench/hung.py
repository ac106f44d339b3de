"""How late other devices are polled while some hang: `python -m bench.hung [SECONDS]`.

18 simulated devices, a thread each, polled four times a second. First alone, then beside five that hang, each in its
own way: a printer's port that says nothing, one that takes no bytes, an address that says nothing, a driver that never
returns, and a print whose file never comes. How late a poll is counts from its place on the common beat.
"""

import json
import os
import socket
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.clock import Clock, monotonic_ms
from agent.download import Source
from agent.errors import NoFile
from agent.frugal import save_memory
from agent.job_files import JobFiles, Room
from agent.outbox import Outbox
from agent.recorder import Recorder
from agent.roster import Roster, profile_entry
from agent.worker import Execute, Worker
from contract.messages import BridgeState, DeviceEntry
from contract.model import Command, Value
from contract.topics import Address
from device_profiles.profile import load
from firmware_bridges import bridge_for
from firmware_bridges.base import Bridge
from firmware_bridges.simulated import SimulatedBridge
from tests.fakes import FakeBridge, JobServer

DEVICES = 18
POLL_S = 0.25
ALLOWED_MS = 100.0
PROFILE = replace(load("demo/projector"), poll_s=POLL_S)
MARLIN = load("creality/ender-3").options
ADDRESS = Address("bench", "agent")


class Timed:
    """A simulated device that notes how late it is polled, in ms."""

    def __init__(self, number: int, late_ms: list[float]) -> None:
        self._bridge = SimulatedBridge(f"sim:{number}", {**PROFILE.options, "fault_every": 0})
        self._late_ms = late_ms

    def open(self) -> None:
        self._bridge.open()

    def poll(self) -> Mapping[str, Value | None]:
        self._late_ms.append(monotonic_ms() % (1000 * POLL_S))
        return self._bridge.poll()

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        self._bridge.execute(action, args)

    def close(self) -> None:
        self._bridge.close()


class Agent:
    """Workers on a true outbox and recorder. Every command is a print whose file comes from `files`."""

    def __init__(self, folder: Path, url: str) -> None:
        self._clock = Clock()
        self._outbox = Outbox(folder / "outbox.db", self._clock.now_ms)
        self._recorder = Recorder(self._outbox, self._clock)
        self._roster = Roster()
        self._files = JobFiles(folder / "files", Source(url, ADDRESS, b"key"), Room(1 << 20, 1 << 20))
        self._ending = threading.Event()
        self._workers: list[Worker] = []
        self._recorder.start()

    def look_after(self, device_id: str, make: Callable[[], Bridge]) -> Worker:
        entry = DeviceEntry(device_id, device_id, PROFILE.digest, BridgeState.STARTING)
        self._roster.declare(entry, profile_entry(PROFILE))
        worker = Worker(
            device_id,
            PROFILE,
            make,
            recorder=self._recorder,
            roster=self._roster,
            clock=self._clock,
            carry_out=self._fetch,
        )
        self._workers.append(worker)
        worker.start()
        return worker

    def stop(self) -> None:
        self._ending.set()
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join(20.0)
        self._recorder.stop()
        self._outbox.close()

    def _fetch(self, command: Command, _execute: Execute | None) -> None:
        while not self._ending.is_set():
            with suppress(NoFile):  # given up after a while; somebody prints again
                self._files.fetch(str(command.args["digest"]), command.device, self._over)

    def _over(self) -> str:
        return "the measurement is over" if self._ending.is_set() else ""


@contextmanager
def silent_port(*, full: bool) -> Iterator[str]:
    """A serial port at which nobody reads or writes; `full`: it takes no more bytes."""
    master, slave = os.openpty()
    tty.setraw(slave)
    if full:
        os.set_blocking(slave, False)
        with suppress(BlockingIOError):
            while True:
                os.write(slave, bytes(4096))
    try:
        yield os.ttyname(slave)
    finally:
        os.close(master)
        os.close(slave)


@contextmanager
def silent_address() -> Iterator[str]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def silent_driver() -> Iterator[Bridge]:
    """Returns when the measurement is over."""
    bridge = FakeBridge({})
    bridge.hang = threading.Event()
    yield bridge
    bridge.hang.set()


@contextmanager
def silent_server() -> Iterator[tuple[str, str]]:
    """Its address, and the digest of a file of which it never sends a byte."""
    server = JobServer()
    digest = server.offer(b"G28", byte_every_s=3600.0)
    yield server.url, digest
    server.stop()


def lateness(duration_s: float, *, hung: bool) -> list[float]:
    """In ms, of every poll of the devices that are well, but the first of each."""
    late = [list[float]() for _ in range(DEVICES)]
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        url, digest = stack.enter_context(silent_server())
        agent = Agent(Path(folder), url)
        stack.callback(agent.stop)  # after what hangs was let go
        if hung:
            ends: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
                ("marlin", stack.enter_context(silent_port(full=False)), MARLIN),
                ("marlin", stack.enter_context(silent_port(full=True)), MARLIN),
                ("pjlink", stack.enter_context(silent_address()), {}),
            )
            for i, (name, where, options) in enumerate(ends):
                agent.look_after(f"hung-{i}", lambda made=(name, where, options): bridge_for(*made))  # type: ignore[misc]
            driver = stack.enter_context(silent_driver())
            agent.look_after("hung-driver", lambda: driver)
            printer = agent.look_after("hung-download", lambda: FakeBridge({}))
            printer.submit(Command("c-1", "hung-download", "print", {"digest": digest}))
        for i in range(DEVICES):
            agent.look_after(f"device-{i}", lambda i=i: Timed(i, late[i]))  # type: ignore[misc]
        time.sleep(duration_s)
        return [each for device in late for each in device[1:]]


@dataclass(frozen=True, slots=True)
class Figures:
    """How late, in ms, and how many of the polls that were due were made, in per cent."""

    worst_ms: float
    p99_ms: float
    mean_ms: float
    made_percent: float


def figures(late: list[float], duration_s: float) -> Figures:
    late.sort()
    due = DEVICES * duration_s / POLL_S
    return Figures(late[-1], late[int(0.99 * len(late))], sum(late) / len(late), 100 * len(late) / due)


def main() -> None:
    duration_s = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    save_memory()
    found = {
        name: figures(lateness(duration_s, hung=hung), duration_s) for name, hung in (("alone", False), ("hung", True))
    }
    print(f"{duration_s:.0f} s, {DEVICES} devices polled every {1000 * POLL_S:.0f} ms\n")
    print(f"{'':8}{'worst ms':>10}{'p99 ms':>9}{'mean ms':>9}{'polls made %':>14}")
    for name, each in found.items():
        print(f"{name:8}{each.worst_ms:10.1f}{each.p99_ms:9.1f}{each.mean_ms:9.2f}{each.made_percent:14.1f}")
    alone, hung = found["alone"], found["hung"]
    print(f"\nallowed: {ALLOWED_MS:.0f} ms later than alone; measured: {hung.worst_ms - alone.worst_ms:.1f} ms\n")
    values = {
        f"{name}_{key}": round(value, 2)
        for name, each in found.items()
        for key, value in (("worst_ms", each.worst_ms), ("p99_ms", each.p99_ms), ("made_percent", each.made_percent))
    }
    ratios = {
        "polls_made_beside_hung_vs_alone": round(hung.made_percent / alone.made_percent, 3),
        "worst_delay_added_vs_allowed": round((hung.worst_ms - alone.worst_ms) / ALLOWED_MS, 3),
    }
    print(json.dumps({"bench": "hung", "figures": values, "ratios": ratios}))


if __name__ == "__main__":
    main()
