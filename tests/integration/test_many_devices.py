"""A whole FabLab on one agent: 24 devices, each polled on time, while memory, threads and descriptors stay flat."""

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from agent.control import ask
from agent.errors import NotRunning
from agent.worker import Polls
from contract.messages import BridgeState
from contract.topics import Address
from controller.broker.access import BrokerUser, hash_password
from controller.broker.embedded import EmbeddedBroker
from device_profiles.profile import load
from hil.farends.board import Board, MissingFarEnd
from hil.farends.simulated_projector import SimulatedProjector
from hil.lab import missing
from tests.fakes import FakeController

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("simavr")]
TIMEOUT = pytest.mark.timeout(2_400)

ADDRESS = Address("school", "fablab")
ROOT = Path(__file__).parents[2]
PRINTERS, PROJECTORS, BOARDS = 6, 6, 1
DEMONSTRATION = (
    *("demo/laser-cutter", "demo/robot-kit", "demo/arduino-kit", "demo/air-sensor", "demo/access-point"),
    *("demo/interactive-board", "demo/classroom-pc", "demo/printer-3d", "demo/projector"),
)
BOARD_SPEED = 0.25
"""Of real time: a board at full speed takes half of a core."""
WARM_UP_S = 20.0
GROWTH_KB_MIN = 100.0
"""Resident memory that may come on top each minute, by the slope through the second half of the brief run."""
GROWTH_KB_SOAK = 5.0
"""The same of the long run: 7 MB a day."""


@dataclass(frozen=True, slots=True)
class Device:
    id: str
    profile: str
    endpoint: str
    options: str = ""

    def __str__(self) -> str:
        return (
            f'[[devices]]\nid = "{self.id}"\nprofile = "{self.profile}"\nendpoint = "{self.endpoint}"\n'
            f"options = {{ {self.options} }}\n"
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """What the agent's process held at one time."""

    at_s: float
    resident_kb: int
    threads: int
    descriptors: int


class FabLab:
    """The far ends of one room. Printers and projectors are processes, the board is firmware in a simulator."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.projectors = [SimulatedProjector() for _ in range(PROJECTORS)]
        for each in self.projectors:
            stack.callback(each.close)
        printers = [stack.enter_context(printer(folder / f"printer-{number}")) for number in range(PRINTERS)]
        boards = [Board(folder, "uno", f"board-{number}", BOARD_SPEED) for number in range(BOARDS)]
        for board in boards:
            board.voltage(0, 1.0)
            stack.callback(board.close)
        patient = "reply_s = 20.0, boot_s = 90.0"
        self.devices = (
            Device("computer", "computer/classroom-pc", ""),
            Device("network", "network/uplink", ""),
            *(Device(f"printer-{i}", "creality/ender-3", endpoint) for i, endpoint in enumerate(printers)),
            *(Device(f"projector-{i}", "pjlink/projector", far.endpoint) for i, far in enumerate(self.projectors)),
            *(Device(f"board-{i}", "arduino/uno", far.endpoint, patient) for i, far in enumerate(boards)),
            *(Device(slug.replace("/", "-"), slug, "sim:soak", "fault_every = 0") for slug in DEMONSTRATION),
        )

    def polls_heard(self) -> dict[str, int]:
        """By device: how often a projector was asked for its power, which each poll does once."""
        return {f"projector-{i}": len(far.heard("%1POWR ?")) for i, far in enumerate(self.projectors)}


@contextlib.contextmanager
def printer(switch: Path) -> Iterator[str]:
    """The demo's printer; its endpoint."""
    command = [sys.executable, "-m", "controller.demo.farends", "printer", "--switch", str(switch)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().split()[-1]
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Told:
    """What the agent says of a device."""

    state: str
    polls: Polls


class RunningAgent:
    """`fabfleet-agent run` as a process."""

    def __init__(self, state: Path, broker: EmbeddedBroker, devices: Sequence[Device]) -> None:
        self._folder = state / "agent"
        self._folder.mkdir(parents=True)
        config = f'school = "{ADDRESS.school}"\nagent = "{ADDRESS.agent}"\n[broker]\nport = {broker.port}\n'
        (self._folder / "agent.toml").write_text(config + "".join(map(str, devices)), "utf-8")
        (self._folder / "credentials.json").write_text(json.dumps({"password": "pw", "lease_key": "00"}))
        command = [Path(sys.executable).with_name("fabfleet-agent"), "run", "--state", state, "--die-with-parent"]
        self._process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE)

    def status(self) -> dict[str, Told]:
        """By device; empty until it runs."""
        assert self._process.poll() is None, "the agent ended"
        with contextlib.suppress(NotRunning):
            devices = ask(self._folder, "status")["devices"]
            return {device["id"]: Told(device["state"], Polls(**device["polls"])) for device in devices}
        return {}

    def sample(self) -> Sample:
        proc = Path(f"/proc/{self._process.pid}")
        fields = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        resident_kb, threads = int(fields["VmRSS"].split()[0]), int(fields["Threads"])
        return Sample(time.monotonic(), resident_kb, threads, len(list((proc / "fd").iterdir())))

    def stop(self) -> int:
        """The exit code."""
        self._process.terminate()
        return self._process.wait(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path / "broker", 0)
    broker.start()
    broker.set_users([BrokerUser(ADDRESS, hash_password("pw"))])
    yield broker
    broker.stop()


@pytest.fixture
def fablab(tmp_path: Path) -> Iterator[FabLab]:
    with ExitStack() as stack:
        try:
            yield FabLab(tmp_path, stack)
        except (MissingFarEnd, OSError, subprocess.SubprocessError) as error:
            missing("the far ends of a FabLab", error)


@dataclass(frozen=True, slots=True)
class Size:
    """`missed`: polls that a device may miss, where other tests keep the computer busy."""

    minutes: float
    missed: int
    growth_kb_min: float


BRIEF, LONG = Size(1.2, 1, GROWTH_KB_MIN), Size(30.0, 0, GROWTH_KB_SOAK)


@pytest.mark.parametrize(
    "size", [pytest.param(BRIEF, id="brief"), pytest.param(LONG, id="long", marks=[pytest.mark.soak, TIMEOUT])]
)
def test_agent_looks_after_24_devices_on_time_and_stays_as_it_is(
    size: Size, tmp_path: Path, broker: EmbeddedBroker, fablab: FabLab
) -> None:
    assert len(fablab.devices) == 24
    controller = FakeController("127.0.0.1", broker.port, broker.login.user, broker.login.password)
    controller.start()
    with RunningAgent(tmp_path, broker, fablab.devices) as agent:
        wait_until_all_open(agent, len(fablab.devices))
        time.sleep(WARM_UP_S)
        before, heard = agent.status(), fablab.polls_heard()
        samples = sampled(agent, size.minutes * 60)
        after, heard_after = agent.status(), fablab.polls_heard()
        assert agent.stop() == 0
    controller.stop()
    took_s = samples[-1].at_s - samples[0].at_s
    made = {name: after[name].polls.answered - before[name].polls.answered for name in after}

    print("resident kB, each minute:", by_minute(samples))

    assert {device.state for device in after.values()} == {BridgeState.OPEN}
    assert max(after[name].polls.missed - before[name].polls.missed for name in after) <= size.missed
    for device in fablab.devices:
        assert made[device.id] == pytest.approx(took_s / load(device.profile).poll_s, abs=2 + size.missed), device.id
    for name, count in heard.items():
        assert heard_after[name] - count == pytest.approx(made[name], abs=1), "what it heard is what the agent says"
    assert growth_kb_min(samples[len(samples) // 2 :]) < size.growth_kb_min
    third = len(samples) // 3
    assert floor(samples[-third:]).threads <= floor(samples[:third]).threads
    assert floor(samples[-third:]).descriptors <= floor(samples[:third]).descriptors
    assert {device for report in controller.reports.values() for device in report.series} == set(made)
    assert controller.conflicts == []


def wait_until_all_open(agent: RunningAgent, count: int) -> None:
    deadline = time.monotonic() + 150
    while True:
        states = [device.state for device in agent.status().values()]
        if states == [BridgeState.OPEN] * count:
            return
        assert time.monotonic() < deadline, states
        time.sleep(0.5)


def sampled(agent: RunningAgent, seconds: float) -> list[Sample]:
    """About a sample a second."""
    samples = [agent.sample()]
    while samples[-1].at_s - samples[0].at_s < seconds:
        time.sleep(1.0)
        samples.append(agent.sample())
    return samples


def by_minute(samples: Sequence[Sample]) -> list[int]:
    """The least resident memory of each minute: a leak rises all the time, what is filled once does not."""
    minutes: dict[int, int] = {}
    for each in samples:
        minute = int(each.at_s - samples[0].at_s) // 60
        minutes[minute] = min(minutes.get(minute, each.resident_kb), each.resident_kb)
    return list(minutes.values())


def growth_kb_min(samples: Sequence[Sample]) -> float:
    """The slope of resident memory, in kB a minute."""
    slope = statistics.linear_regression([each.at_s for each in samples], [each.resident_kb for each in samples]).slope
    return slope * 60


def floor(samples: Sequence[Sample]) -> Sample:
    """The least of each: a probe's socket that happens to be open is no leak."""
    least = (min(getattr(each, held) for each in samples) for held in ("at_s", "resident_kb", "threads", "descriptors"))
    return Sample(*least)
