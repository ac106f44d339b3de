"""One device's thread: whatever its bridge does, only that device suffers, and it is said."""

import os
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import Clock
from agent.outbox import Outbox
from agent.recorder import Recorder
from agent.roster import Roster, profile_entry
from agent.worker import INBOX, Execute, Patience, Worker, retry_ms
from contract.messages import BridgeState, DeviceEntry, Report
from contract.model import Command, Value
from contract.wire import decode
from device_profiles.profile import DeviceProfile, load
from firmware_bridges import bridge_for
from firmware_bridges.base import BadReply, Bridge, LinkLost
from tests.fakes import FakeBridge

QUICK = Patience(bad_replies=3, parked_after=5, retry_ms=10, retry_most_ms=20, parked_ms=30, hung_ms=100)
WAIT_S = 10.0


def quick_profile() -> DeviceProfile:
    return replace(load("demo/projector"), poll_s=0.05)


class Shop:
    """Workers with fake bridges on a true outbox."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.outbox = Outbox(folder / "outbox.db", self.clock.now_ms)
        self.roster = Roster()
        self.recorder = Recorder(self.outbox, self.clock)
        self.commands: list[tuple[Command, bool]] = []
        self.files: threading.Event | None = None
        """What a command waits for before it is carried out."""
        self.workers: list[Worker] = []
        self.bridges_made = 0

    def worker(self, bridge: Bridge, device_id: str = "d", patience: Patience = QUICK) -> Worker:
        profile = quick_profile()
        entry = DeviceEntry(device_id, device_id, profile.digest, BridgeState.STARTING)
        self.roster.declare(entry, profile_entry(profile))
        worker = Worker(
            device_id,
            profile,
            lambda: self.made(bridge),
            recorder=self.recorder,
            roster=self.roster,
            clock=self.clock,
            carry_out=self.carry_out,
            patience=patience,
            chance=lambda: 0.5,
        )
        self.workers.append(worker)
        worker.start()
        return worker

    def made(self, bridge: Bridge) -> Bridge:
        self.bridges_made += 1
        return bridge

    def carry_out(self, command: Command, execute: Execute | None) -> None:
        self.commands.append((command, execute is not None))
        if self.files:
            self.files.wait()
        if execute:
            execute(command.action, command.args)

    def state(self, device_id: str = "d") -> BridgeState:
        device = self.roster.device(device_id)
        assert device
        return device.state

    def stop(self) -> None:
        for worker in self.workers:
            worker.stop()
        assert all(worker.join(WAIT_S) for worker in self.workers)

    def told(self) -> tuple[list[str], list[Value | None]]:
        """Kinds of events, and what the temperature came to be."""
        self.recorder.flush()
        reports = [decode(Report, batch.payload) for batch in self.outbox.unacked()]
        kinds = [event.kind for report in reports for event in report.events]
        return kinds, [value for value, _ in groupby(value for _, value in self.temperatures())]

    def temperatures(self) -> list[tuple[int, Value | None]]:
        """(time, value) of each that was reported."""
        self.recorder.flush()
        reports = [decode(Report, batch.payload) for batch in self.outbox.unacked()]
        return [
            (report.base_ms + dt_ms, value)
            for report in reports
            for dt_ms, value in report.series.get("d", {}).get("temperature", ())
        ]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.outbox.close()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_worker_polls_and_reports_by_exception(shop: Shop) -> None:
    bridge = FakeBridge({"temperature": 30.0})
    shop.worker(bridge)
    until(lambda: bridge.polled > 3)
    bridge.values["temperature"] = 60.0
    before = bridge.polled
    until(lambda: bridge.polled > before + 2)
    shop.stop()
    times, values = zip(*shop.temperatures(), strict=True)
    assert values == (30.0, 30.0, 60.0), "a step stays a step"
    assert list(times) == sorted(set(times))
    assert (shop.state(), bridge.opened, bridge.closed) == (BridgeState.OPEN, 1, 1)


def test_worker_parks_a_device_that_stays_lost_and_takes_it_back(shop: Shop) -> None:
    bridge = FakeBridge({"temperature": 30.0})
    shop.worker(bridge)
    until(lambda: shop.state() is BridgeState.OPEN)
    number = shop.roster.number
    bridge.trouble = LinkLost("the cable is out")
    until(lambda: shop.state() is BridgeState.PARKED)
    device = shop.roster.device("d")
    assert device is not None
    assert (device.detail, device.since_ms > 0) == ("no contact: the cable is out", True)
    assert shop.roster.number > number
    bridge.trouble = None
    until(lambda: shop.state() is BridgeState.OPEN)
    shop.stop()
    kinds, values = shop.told()
    assert kinds == ["device-lost", "device-parked", "device-back"]
    assert values == [30.0, None, 30.0]


def test_worker_that_is_woken_tries_a_lost_device_at_once_however_long_it_was_to_wait(shop: Shop) -> None:
    bridge = FakeBridge({"temperature": 30.0})
    bridge.trouble = LinkLost("is not there")
    worker = shop.worker(bridge, patience=Patience(parked_after=1, parked_ms=3_600_000))
    until(lambda: shop.roster.device("d").state is BridgeState.PARKED)  # type: ignore[union-attr]
    bridge.trouble = None
    worker.wake()
    until(lambda: shop.roster.device("d").state is BridgeState.OPEN)  # type: ignore[union-attr]
    shop.stop()


def test_worker_forgives_a_bad_reply_and_gives_up_on_many(shop: Shop) -> None:
    bridge = FakeBridge({"temperature": 30.0})
    shop.worker(bridge)
    until(lambda: bridge.polled > 1)
    bridge.trouble = BadReply("?")
    until(lambda: shop.state() is BridgeState.LOST)
    bridge.trouble = None
    until(lambda: shop.state() is BridgeState.OPEN)
    shop.stop()
    assert bridge.opened == 2
    assert shop.told()[0] == ["device-lost", "device-back"]


def test_worker_opens_the_same_bridge_again_and_makes_anew_only_one_that_broke_its_contract(shop: Shop) -> None:
    bridge = FakeBridge({"temperature": 30.0})
    shop.worker(bridge)
    until(lambda: shop.state() is BridgeState.OPEN)
    for trouble, made in ((LinkLost("the cable is out"), 1), (ZeroDivisionError("oops"), 2)):
        bridge.trouble = trouble
        until(lambda: shop.state() is not BridgeState.OPEN)
        bridge.trouble = None
        until(lambda: shop.state() is BridgeState.OPEN)
        assert shop.bridges_made == made
    shop.stop()


def test_worker_survives_a_bridge_that_breaks_its_contract(shop: Shop) -> None:
    bridge = FakeBridge({"temperature": 30.0})
    bridge.trouble = ZeroDivisionError("oops")
    shop.worker(bridge)
    until(lambda: shop.state() is BridgeState.LOST)
    device = shop.roster.device("d")
    assert device is not None
    assert "ZeroDivisionError" in device.detail
    bridge.trouble = None
    until(lambda: shop.state() is BridgeState.OPEN)
    shop.stop()


def test_worker_that_hangs_is_reported_and_harms_no_other(shop: Shop) -> None:
    stuck, fine = FakeBridge({"temperature": 30.0}), FakeBridge({"temperature": 1.0})
    stuck.hang = threading.Event()
    hanging = shop.worker(stuck)
    shop.worker(fine, "fine")
    until(lambda: stuck.polled)
    deadline = time.monotonic() + WAIT_S
    while shop.state() is not BridgeState.LOST:
        assert time.monotonic() < deadline
        hanging.check_hung()
        time.sleep(0.01)
    before = fine.polled
    until(lambda: fine.polled > before + 2)
    assert (shop.state("fine"), hanging.join(0.0)) == (BridgeState.OPEN, False)
    stuck.hang.set()
    until(lambda: shop.state() is BridgeState.OPEN)
    shop.stop()
    assert shop.told()[0] == ["device-lost", "device-back"]


@pytest.fixture
def silent_pty() -> Iterator[str]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


@pytest.fixture
def silent_address() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    ("where", "bridge", "options"),
    [
        ("silent_pty", "marlin", {"open_s": 4.0}),
        ("silent_pty", "firmata", dict(load("arduino/uno").options)),
        ("silent_address", "marlin", {"open_s": 4.0}),
        ("silent_address", "pjlink", {}),
    ],
)
def test_port_that_hangs_keeps_no_other_device_from_its_polls(
    shop: Shop, request: pytest.FixtureRequest, where: str, bridge: str, options: dict[str, Any]
) -> None:
    stuck = shop.worker(bridge_for(bridge, request.getfixturevalue(where), options), "stuck")
    fine = FakeBridge({"temperature": 1.0})
    shop.worker(fine, "fine")
    until(lambda: fine.polled > 20)
    assert shop.state("stuck") is not BridgeState.OPEN
    assert shop.state("fine") is BridgeState.OPEN
    stuck.stop()
    assert stuck.join(2 * WAIT_S), "every wait of a bridge has an end"
    shop.stop()


def test_worker_that_waits_for_a_file_is_not_taken_for_one_that_hangs(shop: Shop) -> None:
    shop.files = threading.Event()
    waiting, fine = FakeBridge({"temperature": 30.0}), FakeBridge({"temperature": 1.0})
    worker = shop.worker(waiting)
    shop.worker(fine, "fine")
    until(lambda: shop.state() is BridgeState.OPEN)
    assert worker.submit(Command("c-1", "d", "power-on"))
    until(lambda: shop.commands)
    polled, before = waiting.polled, fine.polled
    until(lambda: fine.polled > before + 10)
    worker.check_hung()
    assert (shop.state(), waiting.polled, waiting.executed) == (BridgeState.OPEN, polled, [])
    shop.files.set()
    until(lambda: waiting.executed)
    shop.stop()


def test_worker_counts_the_polls_that_a_slow_device_makes_it_miss(shop: Shop) -> None:
    bridge = FakeBridge({"temperature": 30.0})
    worker = shop.worker(bridge)
    until(lambda: worker.polls.answered > 2)
    before = worker.polls
    bridge.hang = hanging = threading.Event()
    polled = bridge.polled
    until(lambda: bridge.polled > polled)
    time.sleep(0.3)  # some intervals of 50 ms
    bridge.hang = None
    hanging.set()
    until(lambda: worker.polls.missed >= before.missed + 3)
    shop.stop()
    assert worker.polls.answered == bridge.polled


def test_worker_misses_no_poll_of_a_device_that_is_lost(shop: Shop) -> None:
    bridge = FakeBridge({"temperature": 30.0})
    worker = shop.worker(bridge)
    until(lambda: worker.polls.answered)
    bridge.trouble = LinkLost("the cable is out")
    until(lambda: shop.state() is not BridgeState.OPEN)
    missed = worker.polls.missed
    time.sleep(0.3)  # some intervals of 50 ms
    assert worker.polls.missed == missed
    shop.stop()


def test_worker_carries_out_commands_between_polls_and_looks_at_once(shop: Shop) -> None:
    bridge = FakeBridge({"temperature": 30.0})
    worker = shop.worker(bridge)
    until(lambda: shop.state() is BridgeState.OPEN)
    assert worker.submit(Command("c-1", "d", "power-on"))
    until(lambda: bridge.executed)
    shop.stop()
    assert [command.id for command, _ in shop.commands] == ["c-1"]
    assert bridge.executed == [("power-on", {})]


def test_worker_takes_only_so_many_commands(shop: Shop) -> None:
    bridge = FakeBridge({})
    bridge.hang = threading.Event()
    worker = shop.worker(bridge)
    until(lambda: bridge.polled)
    taken = [worker.submit(Command(f"c-{i}", "d", "power-on")) for i in range(INBOX + 5)]
    assert taken == [True] * INBOX + [False] * 5
    worker.stop()
    bridge.hang.set()
    shop.stop()


@given(st.integers(1, 1_000), st.floats(0, 1))
def test_retry_waits_longer_each_time_up_to_the_parking_time(failures: int, chance: float) -> None:
    patience = Patience()
    wait_ms = retry_ms(failures, patience, lambda: chance)
    if failures >= patience.parked_after:
        assert patience.parked_ms / 2 <= wait_ms <= patience.parked_ms
    else:
        step = min(patience.retry_most_ms, patience.retry_ms * 2 ** (failures - 1))
        assert step // 2 <= wait_ms <= step
