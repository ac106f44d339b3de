"""Looks for what nobody has adopted: at the USB ports every second, in the network now and then. Touches nothing else.

Two threads: one watches the ports, so that what is plugged or pulled out is told at once; the other does what takes
its time: it listens at new ports, hears announcements, sweeps the subnet.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from agent import discovery_announced, discovery_match, discovery_usb
from agent.clock import Clock
from agent.discovery_announced import Announced, announced, child
from agent.discovery_listen import Port, SerialPort, hear, listens, probes
from agent.discovery_match import Evidence, Hint, hint_of, merged
from agent.discovery_memory import read_heard, with_heard, write_heard
from agent.discovery_subnet import Settings, Sweep
from agent.discovery_usb import UsbPort, identities, same_port, usb_ports
from contract.found import MAX_FOUND, ClueKind, Found
from device_profiles.profile import PROFILES, ProfileError, load, slugs

WATCH_S: Final = 1.0
"""How often the ports are looked at: what is plugged or pulled out is told within 3 s."""
FIRST_MS: Final = 60_000
"""How long after its start the agent first looks into the network: it has better things to do then."""
MOST_BYTES: Final = 96 * 1024
"""Of the inventory that what was found may take."""
_HOUR_MS: Final = 3_600_000
_log = logging.getLogger(__name__)


def _sweep(what: Sweep, over: Callable[[], bool]) -> Sequence[Evidence]:
    from agent.discovery_sweep import own_addresses, sweep

    return sweep(what, own_addresses(), over)


@dataclass(frozen=True, slots=True)
class Senses:
    """The ways to the world."""

    ports: Callable[[], Sequence[UsbPort]] = usb_ports
    open_port: Callable[[str, int], Port] = SerialPort
    announced: Callable[[Sequence[str]], Sequence[Announced]] = lambda types: announced(child(types))
    sweep: Callable[[Sweep, Callable[[], bool]], Sequence[Evidence]] = _sweep


def read_hints(folder: Path = PROFILES) -> tuple[Hint, ...]:
    """Of every profile that can be read."""
    hints = []
    for slug in slugs(folder):
        try:
            hints.append(hint_of(load(slug, folder)))
        except ProfileError as error:
            _log.warning("nothing is recognised by %s", error)
    return tuple(hints)


class Discovery:
    """`settings` are asked for anew each time. `held` tells the endpoints of all devices that there are: their ports
    and hosts are left alone. `publish` is given all that is found whenever that changes, one call after the other;
    `plugged` is called when a port has come or gone; `tell` takes a stable code and a detail. `held`, `publish` and
    `tell` are called under a lock: they call nothing of this.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        state: Path,
        *,
        held: Callable[[], Iterable[str]],
        publish: Callable[[tuple[Found, ...]], None],
        plugged: Callable[[], None],
        tell: Callable[[str, str], None],
        clock: Clock,
        hints: Callable[[], Sequence[Hint]] = read_hints,
        senses: Senses = Senses(),
    ) -> None:
        self._settings = settings
        self._state = state
        self._held = held
        self._publish = publish
        self._plugged = plugged
        self._tell = tell
        self._clock = clock
        self._read_hints = hints
        self._hints: Sequence[Hint] = ()
        self._senses = senses
        self._heard = read_heard(state)
        self._ports: tuple[UsbPort, ...] = ()
        self._network: Mapping[str, Sequence[Evidence]] = {}
        self._since: dict[str, int] = {}
        self._found: tuple[Found, ...] = ()
        first_ms = clock.mono_ms() + FIRST_MS
        self._due = {"announced": first_ms, "swept": first_ms}
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._stop = threading.Event()
        self._asked = 0
        self._looked = 0
        self._done = threading.Condition()
        self._watcher = threading.Thread(target=self._run, name="discovery ports", daemon=True)
        self._looker = threading.Thread(target=self._forever, args=(self._look,), name="discovery", daemon=True)

    @property
    def found(self) -> tuple[Found, ...]:
        return self._found

    def start(self) -> None:
        self._watcher.start()

    def stop(self) -> None:
        """Ends soon: a sweep stops at its next address, a listening is left to its end."""
        self._stop.set()
        self._news.set()

    def look(self, timeout_s: float) -> bool:
        """Look for everything now, ports that kept silent once more as well. Whether that ended in time."""
        with self._done:
            self._asked += 1
            mine = self._asked
            self._news.set()
            return self._done.wait_for(lambda: self._looked >= mine or self._stop.is_set(), timeout_s)

    def refresh(self) -> None:
        """Devices were added or taken away: what they hold is not found any more, or again.

        Of several threads the last one to look is the last one to tell: all of it is done under one lock.
        """
        with self._lock:
            evidence = [*self._at_ports(), *(each for some in self._network.values() for each in some)]
            endpoints = tuple(self._held())
            now_ms = max(0, self._clock.now_ms())
            free = [each for each in merged(evidence) if not holds(endpoints, each)]
            self._since = {each.key: self._since.get(each.key, now_ms) for each in free}
            told = tuple(discovery_match.found(each, self._hints, self._since[each.key]) for each in free)
            fitting = bounded(told)
            if fitting == self._found:
                return
            if len(fitting) < len(told):
                self._tell(
                    "found-too-many", f"{len(told) - len(fitting)} found things are not told: there are too many"
                )
            self._found = fitting
            self._publish(fitting)

    def _run(self) -> None:
        self._hints = self._read_hints()
        self._looker.start()
        self._forever(self._watch)

    def _forever(self, work: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                work()
            except Exception:  # noqa: BLE001 - outermost loop: the next look may do better
                _log.exception("fault while looking for devices")
                self._stop.wait(WATCH_S)

    def _watch(self) -> None:
        """The ports, once."""
        ports = tuple(sorted(self._senses.ports(), key=lambda port: port.device))
        if ports != self._ports:
            self._ports = ports
            self._plugged()
            self.refresh()
            self._news.set()
        self._stop.wait(WATCH_S)

    def _look(self) -> None:
        """Whatever is due now, then wait for more."""
        asked = self._asked
        everything = asked > self._looked
        self._news.clear()
        self._listen(again=everything)
        self._hear(now=everything)
        self._sweep(now=everything)
        with self._done:
            self._looked = asked
            self._done.notify_all()
        if self._asked == asked:
            self._news.wait(60.0)

    def _listen(self, *, again: bool) -> None:
        """At each port that is new and free, and that a profile could have."""
        for port, evidence in self._port_evidence():
            known = self._heard.ports.get(evidence.key)
            if self._stop.is_set() or not listens(port.usb, self._hints) or known or (known is not None and not again):
                continue
            if holds(tuple(self._held()), evidence):
                continue
            try:
                clues = hear(
                    lambda baud, port=port: self._senses.open_port(port.device, baud),  # type: ignore[misc]
                    probes(port.usb, self._hints),
                )
            except OSError as error:
                _log.info("%s: not listened at: %s", port.device, error)
                continue
            self._heard = with_heard(self._heard, evidence.key, clues)
            write_heard(self._state, self._heard)
            self.refresh()

    def _hear(self, *, now: bool) -> None:
        if self._is_due("announced", self._settings().hear_every_h, now=now):
            types = sorted({hint.recognise.mdns for hint in self._hints} - {""})
            try:
                heard = self._senses.announced(types)
            except OSError as error:
                _log.warning("announcements cannot be heard: %s", error)
                return
            self._network = {**self._network, "announced": [discovery_announced.evidence_of(each) for each in heard]}
            self.refresh()

    def _sweep(self, *, now: bool) -> None:
        settings = self._settings()
        what = settings.sweep
        if what is None:
            if "swept" in self._network:
                self._network = {each: seen for each, seen in self._network.items() if each != "swept"}
                self.refresh()
        elif self._is_due("swept", settings.sweep_every_h, now=now):
            try:
                seen = self._senses.sweep(what, self._stop.is_set)
            except (OSError, ValueError) as error:
                self._tell("sweep-failed", str(error))
                return
            self._network = {**self._network, "swept": seen}
            self.refresh()

    def _is_due(self, what: str, every_h: float, *, now: bool) -> bool:
        mono_ms = self._clock.mono_ms()
        if not now and (not every_h or mono_ms < self._due[what]):
            return False
        self._due[what] = mono_ms + round(every_h * _HOUR_MS)
        return True

    def _at_ports(self) -> list[Evidence]:
        return [evidence for _, evidence in self._port_evidence()]

    def _port_evidence(self) -> list[tuple[UsbPort, Evidence]]:
        """What is at each port, with what was heard there once."""
        ports = self._ports
        told = []
        for port, identity in identities(ports).items():
            bare = discovery_usb.evidence_of(port, identity)
            told.append((port, discovery_usb.evidence_of(port, identity, self._heard.ports.get(bare.key, ()))))
        return told


def holds(endpoints: Iterable[str], evidence: Evidence) -> bool:
    """Whether a device is there already. A host is held as a whole, unless what was found has a port of its own."""
    port = evidence.ports.get(ClueKind.MDNS)
    for endpoint in endpoints:
        parts = urlsplit(endpoint)
        if evidence.path:
            if at_serial_port(endpoint) and same_port(_path(endpoint), evidence.path):
                return True
        elif parts.hostname == evidence.host and (port is None or port == parts.port):
            return True
    return False


def at_serial_port(endpoint: str) -> bool:
    scheme = urlsplit(endpoint).scheme
    return bool(endpoint) and (len(scheme) <= 1 or scheme == "serial")


def _path(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return parts.netloc + parts.path if parts.scheme == "serial" else endpoint


def bounded(told: Sequence[Found]) -> tuple[Found, ...]:
    """As many of them, the longest known first, as an inventory has room for."""
    room = MOST_BYTES
    kept = []
    for each in sorted(told, key=lambda found: (found.since_ms, found.key))[:MAX_FOUND]:
        room -= len(json.dumps(asdict(each), ensure_ascii=False).encode())
        if room < 0:
            break
        kept.append(each)
    return tuple(kept)
