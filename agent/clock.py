"""Wall time, monotonic time and the boot they belong to; and whether the wall time can be trusted."""

import sys
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
    return sys.platform == "win32" or any(_CLOCK_CLASS.glob("rtc*")) or _ntp_holds()


def _ntp_holds() -> bool:
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


class Clock:
    """The agent's sense of time. All sources may be replaced; safe to use from any thread."""

    def __init__(
        self,
        wall: Callable[[], int] = wall_ms,
        monotonic: Callable[[], int] = monotonic_ms,
        boot: str | None = None,
        trusted: Callable[[], bool] = synchronised,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._trusted = trusted
        self.boot = boot_id() if boot is None else boot
        self._base_ms = wall() - monotonic()
        self._controller_base_ms: int | None = None

    def now_ms(self) -> int:
        """Wall time as the system tells it."""
        return self._wall()

    def mono_ms(self) -> int:
        return self._monotonic()

    def heard(self, at_ms: int) -> None:
        """The controller's clock showed `at_ms` just now."""
        self._controller_base_ms = at_ms - self._monotonic()

    @property
    def offset_ms(self) -> int | None:
        """Controller's clock minus ours; None if it was not heard since the agent started."""
        if self._controller_base_ms is None:
            return None
        return self._controller_base_ms + self._monotonic() - self._wall()

    @property
    def certain(self) -> bool:
        """Whether `true_ms` can be relied on."""
        return self._controller_base_ms is not None or self._trusted()

    def true_ms(self) -> int:
        """The best knowledge of the time: the controller's if it was heard, else the system's."""
        if self._controller_base_ms is None:
            return self._wall()
        return self._controller_base_ms + self._monotonic()

    def jump(self) -> Jump | None:
        """The jump since the last call (or the start), if there was one."""
        base_ms = self._wall() - self._monotonic()
        by_ms = base_ms - self._base_ms
        self._base_ms = base_ms
        return Jump(self._wall(), by_ms) if abs(by_ms) >= JUMP_MS else None
