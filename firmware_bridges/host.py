"""The computer that the agent runs on, as a device: load, memory, disks, sensors, and services that should run.

It tells nothing of people: no user names, no processes.
"""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import psutil

from contract.model import Value
from firmware_bridges.base import LinkLost, Refused
from firmware_bridges.options import Options
from firmware_bridges.slug import slug, unique_slug

MAX_SERVICES: Final = 30
MAX_METRICS: Final = 150
"""Most values of one poll: a server may have hundreds of sensors, a classroom does not need them."""

Values: TypeAlias = Iterable[tuple[str, Value]]
Gauge: TypeAlias = Callable[[], Values]
"""Reads one part of the machine. Yields nothing where the machine has no such part."""

_READ_ERRORS: Final = (OSError, psutil.Error, ValueError, LookupError, RuntimeError, AttributeError)
"""What psutil raises for a sensor that is broken, forbidden or unknown to this system."""
_ROOT: Final = "C:\\" if sys.platform == "win32" else "/"
_PLUGGED_IN: Final = ("/media/", "/run/media/", "/Volumes/")
_NOT_DISKS: Final = ("squashfs", "iso9660", "udf", "erofs")
_MEGA: Final = 1e6
_GIGA: Final = 1e9


class HostBridge:
    """Bridge `host`. The endpoint is not used: there is one such machine.

    Options: `services`, the names of services that should run (systemd units, or Windows services).
    """

    def __init__(self, _endpoint: str, options: Mapping[str, Any], gauges: Iterable[Gauge] | None = None) -> None:
        """Raises ValueError for `services` that is not a short list of names."""
        given = Options(options)
        services = service_gauge(given.texts("services"))
        given.done()
        self._gauges: tuple[Gauge, ...] = (
            (services, Processor(), *_GAUGES, *_SENSORS) if gauges is None else tuple(gauges)
        )
        self._seen: dict[str, None] | None = None

    def open(self) -> None:
        self._seen = {}

    def poll(self) -> Mapping[str, Value | None]:
        """Read every gauge; one that fails spoils no other. None for what was there before and is not now."""
        if self._seen is None:
            raise LinkLost("not open")
        values: dict[str, Value | None] = dict.fromkeys(self._seen)
        problems = []
        for gauge in self._gauges:
            try:
                values.update(gauge())
            except _READ_ERRORS as error:
                problems.append(str(error))
        if all(value is None for value in values.values()):
            raise LinkLost(f"nothing of this machine can be read: {'; '.join(problems)[:200]}")
        while len(values) > MAX_METRICS:
            values.popitem()  # the newest: sensors come last
        self._seen.update(dict.fromkeys(values))
        return values

    def execute(self, action: str, args: Mapping[str, Value]) -> None:  # noqa: ARG002 - it has no actions
        raise Refused(f"no such action: {action}")

    def close(self) -> None:
        self._seen = None


class Processor:
    """Busy time of all cores since the last poll; the first time over `first_s`, for there was no poll before."""

    def __init__(self, first_s: float = 0.2) -> None:
        self._interval_s: float | None = first_s

    def __call__(self) -> Values:
        yield "cpu", psutil.cpu_percent(self._interval_s)
        self._interval_s = None


def memory() -> Values:
    memory = psutil.virtual_memory()
    yield "memory-used", float(memory.percent)
    yield "memory-free", round(memory.available / _MEGA)


def swap() -> Values:
    swap = psutil.swap_memory()
    if swap.total:
        yield "swap-used", float(swap.percent)


def disks() -> Values:
    yield from disk_values(psutil.disk_partitions(all=False), psutil.disk_usage)


def disk_values(parts: Iterable[Any], usage_of: Callable[[str], Any]) -> Values:
    """Fixed disks, each once, named by their shortest mount point; one that is gone or forbidden spoils no other."""
    mounted: dict[str, str] = {}
    for part in parts:
        removable = {"cdrom", "removable"} & set(part.opts.split(",")) or part.mountpoint.startswith(_PLUGGED_IN)
        if removable or not part.fstype or part.fstype in _NOT_DISKS:
            continue
        known = mounted.get(part.device)
        if known is None or len(part.mountpoint) < len(known):
            mounted[part.device] = part.mountpoint
    taken: set[str] = set()
    for mountpoint in sorted(mounted.values()) or [_ROOT]:
        try:
            usage = usage_of(mountpoint)
        except OSError:
            continue
        name = unique_slug("root" if mountpoint == "/" else mountpoint, taken)
        taken.add(name)
        yield f"disk-{name}-used", float(usage.percent)
        yield f"disk-{name}-free", round(usage.free / _GIGA, 1)


def temperatures() -> Values:
    yield from temperature_values(psutil.sensors_temperatures())


def temperature_values(chips: Mapping[str, Iterable[Any]]) -> Values:
    """Some chips answer -128 or 255 for "no sensor": such are left out."""
    taken: set[str] = set()
    for chip, sensors in chips.items():
        for sensor in sensors:
            if sensor.current is not None and -50 < sensor.current < 200:
                name = unique_slug(f"{chip} {sensor.label}", taken)
                taken.add(name)
                yield f"temperature-{name}", round(float(sensor.current), 1)


def fans() -> Values:
    yield from fan_values(psutil.sensors_fans())


def fan_values(chips: Mapping[str, Iterable[Any]]) -> Values:
    taken: set[str] = set()
    for chip, sensors in chips.items():
        for sensor in sensors:
            name = unique_slug(f"{chip} {sensor.label}", taken)
            taken.add(name)
            yield f"fan-{name}", int(sensor.current)


def battery() -> Values:
    yield from battery_values(psutil.sensors_battery())


def battery_values(battery: Any) -> Values:
    if battery is not None:
        yield "battery", round(float(battery.percent), 1)
        if battery.power_plugged is not None:
            yield "on-mains", bool(battery.power_plugged)


def running_time() -> Values:
    """Since the system was started, sleep included where the system counts it."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    seconds = time.monotonic() if clock is None else time.clock_gettime(clock)
    yield "uptime", round(seconds / 3600, 2)
    # psutil derives the start from the wall clock, which is set now and then: whole minutes do not flicker.
    started = time.gmtime(round(psutil.boot_time() / 60) * 60)
    yield "started", time.strftime("%Y-%m-%dT%H:%MZ", started)


def supply() -> Values:
    """A Raspberry Pi's own alarm for a supply voltage that is too low."""
    if sys.platform == "linux":
        from firmware_bridges.raspberry_pi import under_voltage

        alarm = under_voltage()
        if alarm is not None:
            yield "under-voltage", alarm


_GAUGES: Final[tuple[Gauge, ...]] = (memory, swap, disks, battery, running_time, supply)
_SENSORS: Final[tuple[Gauge, ...]] = (temperatures, fans)


def service_gauge(names: tuple[str, ...]) -> Gauge:
    """A gauge of `service-*-running`. Raises ValueError unless `names` is a short list of names."""
    if len(names) > MAX_SERVICES or not all(_is_name(name) for name in names):
        raise ValueError(f"services: not a list of at most {MAX_SERVICES} names")

    def services() -> Values:
        if names:
            from firmware_bridges.services import is_running

            for name in names:
                yield f"service-{slug(name.removesuffix('.service'))}-running", is_running(name)

    return services


def _is_name(name: str) -> bool:
    return 0 < len(name) <= 100 and not set(name) & set("/\\\0")
