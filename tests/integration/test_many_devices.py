"""One agent with 24 devices, of every family at least one: each is polled on time, while memory, threads and
descriptors stay flat."""

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
from bench import zabbix
from bench.agent import DEVICES, items
from contract.messages import BridgeState
from contract.topics import Address
from controller.broker.access import BrokerUser, hash_password
from controller.broker.embedded import EmbeddedBroker
from controller.simulation import write_private
from device_profiles.profile import load
from firmware_bridges import BRIDGES
from hil.lab import missing
from hil.room import MISSING, Device, Room
from tests.fakes import FakeController

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("simavr"), pytest.mark.timeout(900)]
TIMEOUT = pytest.mark.timeout(2_400)

ADDRESS = Address("school", "fablab")
ROOT = Path(__file__).parents[2]
WARM_UP_S = 35.0
"""What is filled once, such as caches, is full 45 s after the last device was opened; the slope begins 20 s later."""
GROWTH_KB_MIN = 100.0
"""Resident memory that may come on top each minute, by the slope through the second half of the brief run."""
GROWTH_KB_SOAK = 5.0
"""The same of the long run: 7 MB a day."""
SHARE = 1.6
"""Of the memory of zabbix-agent2 that the agent may take for as many devices."""
ZABBIX_KB = round(23.7 * 1024)
"""Its resident memory with the items of YARDSTICK devices, by `python -m bench.agent`, where it is not installed."""
YARDSTICK = DEVICES + 2
AGENT = """
import sys
from agent.cli import main
try:
    sys.exit(main())
finally:
    print("loaded", *sorted({"asyncio", "pydantic", "yaml"} & sys.modules.keys()), flush=True)
"""
"""`fabfleet-agent`, which says at its end what it has loaded of what it never loads."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the agent's process held at one time."""

    at_s: float
    resident_kb: int
    threads: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class Told:
    """What the agent says of a device."""

    state: str
    polls: Polls


class Yardstick:
    """zabbix-agent2 beside the agent, with the items of YARDSTICK devices; where Debian's is installed."""

    def __init__(self, folder: Path, port: int, stack: ExitStack) -> None:
        folder.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self._server = zabbix.Server(items(folder, port))
        stack.callback(self._server.stop)
        with contextlib.suppress(FileNotFoundError):
            self._process = stack.enter_context(ended(zabbix.start(folder, self._server)))

    def resident_kb(self) -> int:
        if self._process is None:
            return ZABBIX_KB
        assert self._server.counted.values, "it works"
        return resident_kb(self._process.pid)


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is asked to end at last."""
    yield process
    process.terminate()
    process.wait(timeout=30)


def resident_kb(pid: int) -> int:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0])


class RunningAgent:
    """`fabfleet-agent run` as a process."""

    def __init__(self, state: Path, broker: EmbeddedBroker, devices: Sequence[Device]) -> None:
        self._folder = state / "agent"
        self._folder.mkdir(parents=True)
        config = f'school = "{ADDRESS.school}"\nagent = "{ADDRESS.agent}"\n[broker]\nport = {broker.port}\n'
        write_private(self._folder / "agent.toml", config + "".join(map(str, devices)))
        (self._folder / "credentials.json").write_text(json.dumps({"password": "pw", "lease_key": "00"}))
        command = [sys.executable, "-c", AGENT, "run", "--state", str(state), "--die-with-parent"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def status(self) -> dict[str, Told]:
        """By device; empty until it runs."""
        assert self._process.poll() is None, "the agent ended"
        with contextlib.suppress(NotRunning):
            devices = ask(self._folder, "status")["devices"]
            return {device["id"]: Told(device["state"], Polls(**device["polls"])) for device in devices}
        return {}

    def sample(self) -> Sample:
        proc = Path(f"/proc/{self._process.pid}")
        threads, descriptors = (len(list((proc / each).iterdir())) for each in ("task", "fd"))
        return Sample(time.monotonic(), resident_kb(self._process.pid), threads, descriptors)

    def stop(self) -> list[str]:
        """What it had loaded of what it never loads."""
        self._process.terminate()
        told, _ = self._process.communicate(timeout=30)
        assert self._process.returncode == 0
        return told.split()[1:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path / "broker", 0)
    broker.start()
    broker.set_users([BrokerUser(ADDRESS, hash_password("pw"))])
    yield broker
    broker.stop()


@pytest.fixture
def room(tmp_path: Path, broker: EmbeddedBroker) -> Iterator[Room]:
    with ExitStack() as stack:
        try:
            room = Room(tmp_path, broker.port, stack)
        except MISSING as error:
            missing("the far ends of a FabLab", error)
        yield room


@dataclass(frozen=True, slots=True)
class Size:
    minutes: float
    growth_kb_min: float


BRIEF, LONG = Size(1.0, GROWTH_KB_MIN), Size(30.0, GROWTH_KB_SOAK)


@pytest.mark.parametrize(
    "size", [pytest.param(BRIEF, id="brief"), pytest.param(LONG, id="long", marks=[pytest.mark.soak, TIMEOUT])]
)
def test_agent_looks_after_every_family_on_time_and_stays_as_it_is(
    size: Size, tmp_path: Path, broker: EmbeddedBroker, room: Room
) -> None:
    """Of Wi-Fi the room has the probe alone: a link needs a kernel with nl80211 and radios (mac80211_hwsim), which a
    machine in the cloud has not. hil/test_guest_wireless.py proves it in a guest, where an emulated processor would
    spoil the times that are measured here.
    """
    profiles = {device.id: load(device.profile) for device in room.devices}
    assert len(profiles) == 24
    assert {profile.bridge for profile in profiles.values()} == set(BRIDGES), "every family that there is"
    controller = FakeController("127.0.0.1", broker.port, broker.login.user, broker.login.password)
    controller.start()
    with ExitStack() as beside, RunningAgent(tmp_path, broker, room.devices) as agent:
        yardstick = Yardstick(tmp_path / "zabbix", broker.port, beside)
        wait_until_all_open(agent, len(room.devices))
        time.sleep(WARM_UP_S)
        before, heard = agent.status(), room.polls_heard()
        samples = sampled(agent, size.minutes * 60)
        after, heard_after, theirs_kb = agent.status(), room.polls_heard(), yardstick.resident_kb()
        loaded = agent.stop()
    controller.stop()
    took_s = samples[-1].at_s - samples[0].at_s
    made = {name: after[name].polls.answered - before[name].polls.answered for name in after}
    due = {name: took_s / profile.poll_s for name, profile in profiles.items()}
    missed = {name: after[name].polls.missed - before[name].polls.missed for name in after}

    print(f"polls due {sum(due.values()):.0f}, made {sum(made.values())}, missed {sum(missed.values())}")
    print("resident kB, each minute:", by_minute(samples), "; at most", max(each.resident_kb for each in samples))
    print(f"zabbix-agent2 with {YARDSTICK} devices: {theirs_kb} kB")
    print("at first and at last:", floor(samples[: len(samples) // 3]), floor(samples[-len(samples) // 3 :]))

    assert {device.state for device in after.values()} == {BridgeState.OPEN}
    assert {name: count for name, count in missed.items() if count} == {}
    for name, count in made.items():
        assert count == pytest.approx(due[name], abs=2), name
    for name, count in heard.items():
        assert heard_after[name] - count == pytest.approx(made[name], abs=1), (
            f"what {name} heard is what the agent says"
        )
    assert loaded == []
    assert max(each.resident_kb for each in samples) <= SHARE * theirs_kb * len(profiles) / YARDSTICK
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
