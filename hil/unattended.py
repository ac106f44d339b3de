"""Drives one bridge as the agent does: open, poll, and after a fault close, wait and open again."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from contract.model import Value
from device_profiles.profile import DeviceProfile
from firmware_bridges.base import BadReply, Bridge, BridgeError, LinkLost, Refused

_KINDS: tuple[type[BridgeError], ...] = (LinkLost, BadReply, Refused)
Values = Mapping[str, Value | None]


class Unattended:
    """One bridge in this thread. `faults` has the class of each fault once: a fault that lasts is still one."""

    def __init__(self, bridge: Bridge, pause_s: float = 0.03) -> None:
        self.bridge = bridge
        self.faults: list[type[BridgeError]] = []
        self.words: list[str] = []
        """What the faults said."""
        self._pause_s = pause_s
        self._open = False
        self._fault: type[BridgeError] | None = None

    def step(self) -> Values | None:
        """One poll; None if it failed."""
        try:
            if not self._open:
                self.bridge.open()
                self._open = True
            values = self.bridge.poll()
        except BridgeError as error:
            kind = next(each for each in _KINDS if isinstance(error, each))
            if kind is not self._fault:
                self._fault = kind
                self.faults.append(kind)
                self.words.append(str(error))
            if not isinstance(error, BadReply):
                self.bridge.close()
                self._open = False
            return None
        self._fault = None
        return values

    def until(self, wanted: Callable[[Values], bool] = bool, timeout_s: float = 90.0) -> Values:
        """Poll until the values are as wanted. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            values = self.step()
            if values is not None and wanted(values):
                return values
            time.sleep(self._pause_s)
        raise TimeoutError(f"the readings did not become as wanted; faults: {self.words}")

    def until_fault(self, fault: type[BridgeError], timeout_s: float = 90.0) -> None:
        """Poll until this fault is reported. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.step() is None and self._fault is fault:
                return
            time.sleep(self._pause_s)
        raise TimeoutError(f"no {fault.__name__}; faults: {self.words}")

    def take_faults(self) -> list[type[BridgeError]]:
        """The faults since this was last asked."""
        faults, self.faults = self.faults, []
        return faults


def undeclared(profile: DeviceProfile, values: Values) -> list[str]:
    """The metrics that a bridge gives and its profile does not declare as such."""
    declared = {name: profile.metric(name) for name in values}
    return [name for name, metric in declared.items() if metric is None or not metric.kind.holds(values[name])]


def resources() -> tuple[int, int]:
    """Threads and file descriptors of this process."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
