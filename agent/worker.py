"""One thread a device: it alone touches the device's bridge. Polls, stamps, filters, and carries out commands."""

import contextlib
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from agent.clock import Clock
from agent.deadband import Deadband, Told
from agent.recorder import Recorder
from agent.roster import Roster, printable
from contract.messages import BridgeState
from contract.model import Command, Event, Value
from device_profiles.profile import DeviceProfile
from firmware_bridges.base import BadReply, Bridge, BridgeError, LinkLost

INBOX = 16
"""Commands that wait for one device at most."""
Execute: TypeAlias = Callable[[str, Mapping[str, Value]], None]
_FAULT_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """After how many failures in a row what happens, and how long a device is left alone between attempts."""

    bad_replies: int = 3
    parked_after: int = 6
    retry_ms: int = 1_000
    retry_most_ms: int = 60_000
    parked_ms: int = 300_000
    hung_ms: int = 60_000


CALM = Patience()


@dataclass(frozen=True, slots=True)
class Polls:
    """How many polls a device has answered, and how many were due in between and never made: it, or this computer, is
    too slow."""

    answered: int
    missed: int


def retry_ms(failures: int, patience: Patience, chance: Callable[[], float]) -> int:
    """How long to leave a device alone after so many failures in a row; never less than half of the step."""
    if failures >= patience.parked_after:
        step = patience.parked_ms
    else:
        step = min(patience.retry_most_ms, patience.retry_ms * 2 ** (failures - 1))
    return int(step * (0.5 + 0.5 * chance()))


class Worker:
    """Runs one bridge until stopped. Whatever the bridge does, it harms this thread only.

    `carry_out` is given each command in the worker's thread, with the bridge's `execute`, None without contact;
    `answered` the values of each poll, before anything else is made of them.
    """

    def __init__(
        self,
        device_id: str,
        profile: DeviceProfile,
        make_bridge: Callable[[], Bridge],
        *,
        recorder: Recorder,
        roster: Roster,
        clock: Clock,
        carry_out: Callable[[Command, Execute | None], None],
        answered: Callable[[str, Mapping[str, Value | None]], None] = lambda _device, _values: None,
        patience: Patience = CALM,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.device_id = device_id
        self.profile = profile
        self._make_bridge = make_bridge
        self._recorder = recorder
        self._roster = roster
        self._clock = clock
        self._carry_out = carry_out
        self._tell_answered = answered
        self._patience = patience
        self._chance = chance
        self._deadband = Deadband(profile)
        self._poll_ms = int(profile.poll_s * 1000)
        self._inbox: queue.Queue[Command | None] = queue.Queue(INBOX)
        self._made: Bridge | None = None
        self._bridge: Bridge | None = None
        self._failures = 0
        self._polls = Polls(0, 0)
        self._slot: int | None = None
        self._busy_since_ms = 0
        self._hung = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"device {device_id}", daemon=True)

    @property
    def polls(self) -> Polls:
        return self._polls

    def start(self) -> None:
        self._thread.start()

    def submit(self, command: Command) -> bool:
        """Hand over a command; False if too many wait already."""
        try:
            self._inbox.put_nowait(command)
        except queue.Full:
            return False
        return True

    def wake(self) -> None:
        """Poll now, however long it was to be left alone: something was plugged or pulled out."""
        with contextlib.suppress(queue.Full):  # then it is awake
            self._inbox.put_nowait(None)

    def stop(self) -> None:
        """Ask the thread to end; it does as soon as its bridge lets it."""
        self._stopping = True
        with contextlib.suppress(queue.Full):  # then it wakes by the commands that wait
            self._inbox.put_nowait(None)

    def join(self, timeout_s: float) -> bool:
        """Whether the thread has ended."""
        if self._thread.ident:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def check_hung(self) -> None:
        """Called from outside now and then: report a bridge that does not return."""
        busy_since_ms = self._busy_since_ms
        if not busy_since_ms or self._hung:
            return
        busy_ms = self._clock.mono_ms() - busy_since_ms
        if busy_ms >= max(self._patience.hung_ms, 3 * self._poll_ms):
            self._hung = True
            self._tell_state(BridgeState.LOST, f"no contact: no answer for {busy_ms // 1000} s, still waiting")

    def _run(self) -> None:
        fault: Exception | None = None
        while not self._stopping:
            try:
                if fault is None:
                    self._serve(self._attempt())
                else:
                    cause, fault = fault, None
                    self._serve(self._failed(LinkLost(f"fault in the bridge: {type(cause).__name__}: {cause}")))
            except Exception as error:  # noqa: BLE001 - outermost loop: a faulty bridge is closed and tried again
                _log.exception("device %s: fault in its thread", self.device_id)
                fault, self._made = error, None
                time.sleep(_FAULT_S)
        self._close()

    def _attempt(self) -> int:
        """Poll once. When to do so again, by the monotonic clock."""
        self._busy_since_ms = began_ms = self._clock.mono_ms()
        try:
            if self._bridge is None:
                self._bridge = self._opened()
            values = self._bridge.poll()
        except BridgeError as error:
            return self._failed(error)
        finally:
            self._busy_since_ms = 0
        self._count(began_ms // self._poll_ms)
        self._answered(values)
        return self._next_poll_ms()

    def _opened(self) -> Bridge:
        """The same bridge each time: it may remember what is to be made good, such as a job that was cut off hot."""
        bridge = self._made = self._made or self._make_bridge()
        try:
            bridge.open()
        except BaseException:
            bridge.close()
            raise
        return bridge

    def _count(self, slot: int) -> None:
        """One more poll, in the interval number `slot`. A lost device misses none: it was not to be asked then."""
        missed = 0 if self._slot is None else max(0, slot - self._slot - 1)
        self._slot = slot
        self._polls = Polls(self._polls.answered + 1, self._polls.missed + missed)

    def _answered(self, values: Mapping[str, Value | None]) -> None:
        self._tell_answered(self.device_id, values)
        now_ms = self._clock.now_ms()
        before = self._roster.device(self.device_id)
        was_lost = before is not None and before.state in (BridgeState.LOST, BridgeState.PARKED)
        self._failures = 0
        self._hung = False
        if before is None or before.state is not BridgeState.OPEN or before.detail:
            self._roster.report(self.device_id, BridgeState.OPEN, now_ms)
        if was_lost:
            self._recorder.tell(Event("device-back", max(0, now_ms), self.device_id))
        self._offer(self._deadband.changes(values, self._clock.mono_ms(), now_ms))

    def _failed(self, error: BridgeError) -> int:
        """Note a failure. When to try again."""
        self._failures += 1
        self._slot = None
        if self._bridge is not None and not isinstance(error, LinkLost) and self._failures < self._patience.bad_replies:
            return self._next_poll_ms()
        self._close()
        parked = self._failures >= self._patience.parked_after
        self._tell_state(BridgeState.PARKED if parked else BridgeState.LOST, f"{_kind(error)}: {error}")
        self._offer(self._deadband.lost(self._clock.mono_ms(), self._clock.now_ms()))
        return self._clock.mono_ms() + retry_ms(self._failures, self._patience, self._chance)

    def _offer(self, told: Sequence[Told]) -> None:
        for each in told:
            self._recorder.offer(self.device_id, each.at_ms, each.values)

    def _tell_state(self, state: BridgeState, detail: str) -> None:
        now_ms = self._clock.now_ms()
        before = self._roster.device(self.device_id)
        self._roster.report(self.device_id, state, now_ms, detail)
        if before is not None and before.state is not state:
            self._recorder.tell(Event(f"device-{state}", max(0, now_ms), self.device_id, printable(detail)))

    def _next_poll_ms(self) -> int:
        """The next multiple of the poll interval: all devices wake together, and the computer sleeps in between."""
        now_ms = self._clock.mono_ms()
        return now_ms - now_ms % self._poll_ms + self._poll_ms

    def _serve(self, until_ms: int) -> None:
        """Carry out commands as they come until it is time to poll."""
        while not self._stopping:
            left_ms = until_ms - self._clock.mono_ms()
            if left_ms <= 0:
                return
            try:
                command = self._inbox.get(timeout=left_ms / 1000)
            except queue.Empty:
                return
            if command is None:
                return
            self._carry_out(command, partial(self._execute, self._bridge) if self._bridge else None)
            until_ms = min(until_ms, self._clock.mono_ms() + 1)  # what it changed is seen at once

    def _execute(self, bridge: Bridge, action: str, args: Mapping[str, Value]) -> None:
        self._busy_since_ms = self._clock.mono_ms()
        try:
            bridge.execute(action, args)
        finally:
            self._busy_since_ms = 0

    def _close(self) -> None:
        bridge, self._bridge = self._bridge, None
        if bridge is not None:
            try:
                bridge.close()
            except Exception:  # noqa: BLE001 - close never raises by contract; a bridge that does is no worse off
                _log.exception("device %s: fault while closing", self.device_id)


def _kind(error: BridgeError) -> str:
    """The leaf, for people: "no contact", "wrong answer", "the device refuses"."""
    if isinstance(error, LinkLost):
        return "no contact"
    return "wrong answer" if isinstance(error, BadReply) else "the device refuses"
