"""Simulated agents over the real wire, each with a real outbox: `python -m agent.simulate --agents FILE --state DIR`.

FILE holds one agent a line, as JSON of `PlannedAgent`; it has passwords in it and must be readable by its owner alone.
With `--log FILE` every value is written there after its report is on disk in the outbox, never before.
"""

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.clock import Clock, monotonic_ms, wall_ms
from agent.connection import Broker
from agent.deadband import Deadband, Told
from agent.discovery_match import Evidence
from agent.outbox import Outbox
from agent.pace import Pace
from agent.recorder import Recorder
from agent.roster import Roster, profile_entry
from agent.session import Listeners
from agent.simulate_found import Sights
from agent.uplink import Uplink
from contract.messages import BridgeState, DeviceEntry
from contract.model import ContractError, Kind, Value
from contract.topics import Address
from contract.wire import decode
from device_profiles.profile import AlertRule, DeviceProfile, load
from firmware_bridges.base import Bridge, BridgeError, LinkLost
from firmware_bridges.simulated import SimulatedBridge

LOST = "lost"
"""A trouble: the device is out of reach. The others are the levels of alert rules."""
HURRY = Pace(
    replay_per_s=500.0,
    replay_window=128,
    live_window=256,
    ack_timeout_ms=2_000,
    ack_timeout_most_ms=4_000,
    retry_ms=100,
    retry_most_ms=800,
    settled_ms=1_000,
    unconfirmed=200,
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PlannedDevice:
    """`trouble` is "lost", or "warning" or "fault": then it always breaks such a rule of its profile."""

    id: str
    name: str
    profile: str
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class PlannedAgent:
    """Who to be, and with what. Cut off for `away_s` at the end of each `away_every_s` (0: never).

    After `jump_after_s` (0: never) its wall clock jumps by `jump_ms`. `sees` is what stands beside its devices.
    """

    school: str
    agent: str
    password: str
    devices: tuple[PlannedDevice, ...]
    away_every_s: float = 0.0
    away_s: float = 0.0
    jump_after_s: float = 0.0
    jump_ms: int = 0
    sees: tuple[Evidence, ...] = ()


def read_plan(path: Path) -> Iterator[PlannedAgent]:
    """Raises ContractError for a line that is not an agent, PermissionError for a file that others may read."""
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise PermissionError(f"{path}: others than its owner may read it; chmod 600")
    for line in path.read_bytes().splitlines():
        if line.strip():
            yield decode(PlannedAgent, line)


def breaking(rule: AlertRule) -> Value:
    """A value that breaks the rule."""
    if rule.above is not None:
        return rule.above + max(1.0, abs(rule.above) * 0.1)
    if rule.below is not None:
        return rule.below - max(1.0, abs(rule.below) * 0.1)
    return rule.equals if rule.equals is not None else True


def forced(profile: DeviceProfile, trouble: str) -> dict[str, Value]:
    """What a device with that trouble reads, whatever its bridge says: it breaks the rule that shows soonest."""
    rules = [rule for rule in profile.alerts if rule.level == trouble and rule.metric in profile.metrics]
    if not rules:
        return {}
    rule = min(rules, key=lambda each: each.for_s)
    value = breaking(rule)
    whole = profile.metrics[rule.metric].metric.kind is Kind.INT
    return {rule.metric: round(value) if whole and isinstance(value, float) else value}


class ValueLog:
    """Appends lines that a kill can at most cut short, never mix. Shared by all agents."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(self._file, b"\n")  # ends a line that a kill left half

    def write(self, lines: Iterable[tuple[str, str, str, int, Value | None]]) -> None:
        """(agent, device, metric, at_ms, value) each."""
        os.write(self._file, "".join([json.dumps(line, ensure_ascii=False) + "\n" for line in lines]).encode())


class SimulatedDevice:
    """A bridge with what the plan puts on top, polled at its profile's pace divided by `speed`."""

    def __init__(self, plan: PlannedDevice, seed: str, every_value: bool, speed: float) -> None:
        self.plan = plan
        self.profile = load(plan.profile)
        self._bridge: Bridge = SimulatedBridge(f"sim:{seed}/{plan.id}", self.profile.options)
        self._forced = forced(self.profile, plan.trouble)
        self._deadband = None if every_value else Deadband(self.profile)
        self._poll_ms = max(1, int(self.profile.poll_s * 1000 / speed))
        self._due_ms = 0
        self.state = BridgeState.STARTING
        self.detail = ""

    def poll(self, mono_ms: int, at_ms: int) -> Sequence[Told]:
        """What there is to report at this time: nothing if it is not due, or out of reach."""
        if mono_ms < self._due_ms:
            return ()
        self._due_ms = mono_ms + self._poll_ms
        try:
            if self.plan.trouble == LOST:
                raise LinkLost("")
            if self.state is not BridgeState.OPEN:
                self._bridge.open()
            values = {**self._bridge.poll(), **self._forced}
        except BridgeError as error:
            self.state, self.detail = BridgeState.LOST, str(error)
            return self._deadband.lost(mono_ms, at_ms) if self._deadband else ()
        self.state, self.detail = BridgeState.OPEN, ""
        return self._deadband.changes(values, mono_ms, at_ms) if self._deadband else (Told(at_ms, values),)


@dataclass(frozen=True, slots=True)
class Settings:
    """What all agents of a simulation share. `speed` divides the pace of every device; `quiet`: they read nothing."""

    state: Path
    host: str
    port: int
    seed: str = "1"
    tick_s: float = 1.0
    speed: float = 1.0
    every_value: bool = False
    quiet: bool = False
    pace: Pace = field(default_factory=Pace)


class SimulatedAgent:
    """One agent with a thread that plays all its devices, beside the two of its uplink."""

    def __init__(self, plan: PlannedAgent, settings: Settings, log: ValueLog | None, stopping: threading.Event) -> None:
        self._plan = plan
        self._settings = settings
        self._log = log
        self._stopping = stopping
        self._address = Address(plan.school, plan.agent)
        self._began_s = time.monotonic()
        self._clock = Clock(self._wall_ms)
        self._unlogged: list[tuple[str, str, str, int, Value | None]] = []
        self._thread = threading.Thread(target=self._run, name=f"agent {self._address}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _wall_ms(self) -> int:
        jump_s = self._plan.jump_after_s
        jumped = jump_s > 0 and time.monotonic() - self._began_s >= jump_s
        return wall_ms() + (self._plan.jump_ms if jumped else 0)

    def _run(self) -> None:
        """In contact, and if so planned now and then switched off: each time on is a start like any other."""
        plan = self._plan
        while not self._stopping.is_set():
            try:
                self._be_on(plan.away_every_s - plan.away_s if plan.away_every_s else float("inf"))
            except Exception:  # noqa: BLE001 - outermost loop: one agent's trouble is not the others'
                _log.exception("%s stumbled", self._address)
                self._stopping.wait(1.0)
            if plan.away_every_s:
                self._stopping.wait(plan.away_s)

    def _be_on(self, for_s: float) -> None:
        settings, address = self._settings, self._address
        folder = settings.state / f"{address.school}.{address.agent}"
        outbox = Outbox(folder / "outbox.db", self._clock.now_ms)
        roster = Roster()
        broker = Broker(settings.host, settings.port, address.user, self._plan.password)
        sights = Sights(self._plan.sees, roster)
        uplink = Uplink(
            broker,
            address,
            outbox=outbox,
            roster=roster,
            clock=self._clock,
            listeners=Listeners(config=sights.take),
            pace=settings.pace,
        )
        recorder = Recorder(outbox, self._clock, appended=uplink.wake)
        seed = f"{settings.seed}/{address}"
        devices = [SimulatedDevice(each, seed, settings.every_value, settings.speed) for each in self._plan.devices]
        for device in devices:
            entry = DeviceEntry(device.plan.id, device.plan.name, device.profile.digest, BridgeState.STARTING)
            roster.declare(entry, profile_entry(device.profile))
        sights.tell()
        roster.changed = uplink.wake
        uplink.start()
        try:
            self._play(devices, roster, recorder, time.monotonic() + for_s)
        finally:
            uplink.stop()
            outbox.close()

    def _play(self, devices: Sequence[SimulatedDevice], roster: Roster, recorder: Recorder, until_s: float) -> None:
        next_s = time.monotonic()
        while not self._stopping.is_set() and next_s < until_s:
            if not self._settings.quiet:
                self._tick(devices, roster, recorder)
            next_s = max(next_s + self._settings.tick_s, time.monotonic())
            self._stopping.wait(next_s - time.monotonic())

    def _tick(self, devices: Sequence[SimulatedDevice], roster: Roster, recorder: Recorder) -> None:
        at_ms, mono_ms = self._clock.now_ms(), monotonic_ms()
        for device in devices:
            told = device.poll(mono_ms, at_ms)
            roster.report(device.plan.id, device.state, at_ms, device.detail)
            for each in told:
                recorder.offer(device.plan.id, each.at_ms, each.values)
                if self._log:
                    agent, at = str(self._address), each.at_ms
                    self._unlogged += [(agent, device.plan.id, name, at, value) for name, value in each.values.items()]
        if recorder.flush() is not None and self._log:
            self._log.write(self._unlogged)
            self._unlogged = []


def simulate(plans: Iterable[PlannedAgent], settings: Settings, log: ValueLog | None, stopping: threading.Event) -> int:
    """Run until `stopping`. The number of agents."""
    agents = [SimulatedAgent(plan, settings, log, stopping) for plan in plans]
    for agent in agents:
        agent.start()
    stopping.wait()
    deadline_s = time.monotonic() + 5.0
    for agent in agents:
        agent.join(max(0.0, deadline_s - time.monotonic()))
    return len(agents)


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, Settings]:
    parser = argparse.ArgumentParser(prog="python -m agent.simulate", description="Run simulated agents.")
    parser.add_argument("--agents", type=Path, required=True, help="file with one agent a line")
    parser.add_argument("--state", type=Path, required=True, help="folder for the outboxes")
    parser.add_argument("--broker", default="127.0.0.1:1883", help="HOST:PORT")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--tick", type=float, default=1.0, help="seconds between two looks at the devices")
    parser.add_argument("--speed", type=float, default=1.0, help="poll this many times as often as profiles say")
    parser.add_argument("--every-value", action="store_true", help="report all that is read, changed or not")
    parser.add_argument("--quiet", action="store_true", help="read nothing; deliver what is left")
    parser.add_argument("--hurry", action="store_true", help="reconnect and send again within a second or two")
    parser.add_argument("--log", type=Path, help="file that gets each value once its report is on disk")
    options = parser.parse_args(arguments)
    host, _, port = options.broker.rpartition(":")
    settings = Settings(
        state=options.state,
        host=host,
        port=int(port),
        seed=options.seed,
        tick_s=options.tick,
        speed=options.speed,
        every_value=options.every_value,
        quiet=options.quiet,
        pace=HURRY if options.hurry else Pace(),
    )
    return options, settings


def main(arguments: Sequence[str] | None = None) -> int:
    options, settings = parse(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        plans = list(read_plan(options.agents))
    except (OSError, ContractError) as error:
        print(f"{options.agents}: {error}", file=sys.stderr)
        return 2
    simulate(plans, settings, ValueLog(options.log) if options.log else None, stopping)
    return 0


if __name__ == "__main__":
    sys.exit(main())
