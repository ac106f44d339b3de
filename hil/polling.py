"""A bridge by itself, polled from the test; and what a process holds."""

import gc
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from contract.model import Value
from firmware_bridges.base import Bridge

Values: TypeAlias = Mapping[str, Value | None]
_SETTLE_S = 20.0


class Resources(NamedTuple):
    """What this process holds."""

    threads: int
    descriptors: int


def poll_until(
    bridge: Bridge, wanted: Callable[[Values], bool] = lambda _: True, timeout_s: float = 90.0, pause_s: float = 0.03
) -> Values:
    """Poll an open bridge until the values are as wanted. Raises TimeoutError, and BridgeError at once."""
    deadline = time.monotonic() + timeout_s
    while True:
        values = bridge.poll()
        if wanted(values):
            return values
        if time.monotonic() > deadline:
            raise TimeoutError(f"the readings did not become as wanted: {values}")
        time.sleep(pause_s)


def resources_at_rest() -> Resources:
    """To compare with later: without what an earlier test left to the garbage collector."""
    gc.collect()
    return resources()


def resources() -> Resources:
    return Resources(threading.active_count(), len(list(Path("/proc/self/fd").iterdir())))


def assert_nothing_left_behind(baseline: Resources) -> None:
    """No more threads and descriptors than there were; a thread that ends is waited for.

    There may be fewer: a far end in this process lets go of connections that the baseline had.
    """
    deadline = time.monotonic() + _SETTLE_S
    while (held := resources()).threads > baseline.threads or held.descriptors > baseline.descriptors:
        assert time.monotonic() < deadline, f"{held}, and {baseline} before"
        time.sleep(0.02)
