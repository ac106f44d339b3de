"""Wall time, monotonic time and the boot they belong to; and whether the wall time can be trusted."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

JUMP_MS = 2_000
"""A change of the wall clock against the monotonic one of this size or more is a jump; NTP slews slower."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CLOCK_CLASS = Path("/sys/class/rtc")
_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Milliseconds since boot. Counts time spent asleep where the system can tell it."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.monotonic_ns() if boot_time is None else time.clock_gettime_ns(boot_time)) // 1_000_000


def boot_id() -> str:
    """A text that is the same until the next boot; where the system has none, until the next start of the agent."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        import uuid

        return str(uuid.uuid4())


def synchronised() -> bool:
    """Whether the system says that NTP holds its clock, or that a battery-backed clock set it."""
    return sys.platform == "win32" or any(_CLOCK_CLASS.glob("rtc*")) or ntp_holds()


def ntp_holds() -> bool:
    """Whether the system says that NTP holds its clock now. Setting the clock by hand ends that."""
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return False
    timex = (ctypes.c_long * 64)()  # larger than struct timex; `modes` 0 only reads
    state = adjtimex(ctypes.byref(timex))
    # struct timex: unsigned modes, long offset, freq, maxerror, esterror, int status
    status = ctypes.cast(ctypes.byref(timex, 5 * ctypes.sizeof(ctypes.c_long)), ctypes.POINTER(ctypes.c_int))[0]
    return 0 <= state != _TIME_ERROR and not status & _STA_UNSYNC


@dataclass(frozen=True, slots=True)
class Jump:
    """The wall clock moved by `by_ms` (negative: backwards) against the monotonic one."""

    at_ms: int
    by_ms: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """The time at which this boot's monotonic clock showed 0. `heard`: the controller said so."""

    base_ms: int
    heard: bool = False


class Clock:
    """The agent's sense of time. All sources may be replaced; safe to use from any thread.

    Between two words of the controller time goes on by the monotonic clock alone, so nobody opens a lease by setting
    the wall clock: such a jump makes the time uncertain, unless NTP vouches for it.
    """

    def __init__(
        self,
        wall: Callable[[], int] = wall_ms,
        monotonic: Callable[[], int] = monotonic_ms,
        boot: str | None = None,
        trusted: Callable[[], bool] = synchronised,
        vouched: Callable[[], bool] = ntp_holds,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._trusted = trusted
        self._vouched = vouched
        self.boot = boot_id() if boot is None else boot
        self._lock = threading.Lock()
        self._seen_base_ms = self._wall_base_ms()
        self._anchor = Anchor(self._seen_base_ms)

    def now_ms(self) -> int:
        """Wall time as the system tells it."""
        return self._wall()

    def mono_ms(self) -> int:
        return self._monotonic()

    @property
    def anchor(self) -> Anchor:
        return self._anchor

    def resume(self, anchor: Anchor) -> None:
        """Go on from what was known earlier in this boot: starting again makes no jump believed."""
        with self._lock:
            self._anchor = anchor
            if not anchor.heard:
                self._seen_base_ms = anchor.base_ms

    def heard(self, at_ms: int) -> None:
        """The controller's clock showed `at_ms` just now."""
        with self._lock:
            self._anchor = Anchor(at_ms - self._monotonic(), heard=True)

    @property
    def offset_ms(self) -> int | None:
        """Controller's clock minus ours; None if it was not heard in this boot."""
        anchor = self._anchor
        return anchor.base_ms - self._wall_base_ms() if anchor.heard else None

    @property
    def certain(self) -> bool:
        """Whether `true_ms` can be relied on."""
        anchor = self._anchor
        return anchor.heard or (abs(self._wall_base_ms() - anchor.base_ms) < JUMP_MS and self._trusted())

    def true_ms(self) -> int:
        """The best knowledge of the time: the controller's if it was heard, else the system's without its jumps."""
        return self._anchor.base_ms + self._monotonic()

    def jump(self) -> Jump | None:
        """The jump since the last call (or the start), if there was one. Call it every few seconds."""
        with self._lock:
            base_ms = self._wall_base_ms()
            by_ms = base_ms - self._seen_base_ms
            self._seen_base_ms = base_ms
            if not self._anchor.heard and (abs(base_ms - self._anchor.base_ms) < JUMP_MS or self._vouched()):
                self._anchor = Anchor(base_ms)
        return Jump(self._wall(), by_ms) if abs(by_ms) >= JUMP_MS else None

    def _wall_base_ms(self) -> int:
        return self._wall() - self._monotonic()
