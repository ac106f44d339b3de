"""Watches machines and their leases: what happens when a lease ends in mid-use, and that a use without one is told."""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from agent.clock import Clock
from agent.commands import OWN
from agent.files import replace_file
from agent.outbox import random_epoch
from agent.roster import Roster, printable
from contract.lease import STOP_EXPIRY_MS, valid
from contract.messages import BridgeState
from contract.model import Command, ContractError, Event, Lease, Value
from contract.wire import decode
from device_profiles.profile import DeviceProfile, Enforces

FILE = "uses.json"
LOCK = "lock"
"""The action that takes a machine's permit back, where leases are enforced by power."""
BY = "lease-end"
"""Who gives the commands that end a use or a permit."""
_FINISH = "finish"
_DOING: Mapping[str, str] = {_FINISH: "finishing", "pause": "pausing", "stop": "stopping"}
_log = logging.getLogger(__name__)


class Notice(StrEnum):
    """What there is to tell of a machine in use; the codes of the events."""

    LEASE_ENDED = "lease-ended"
    WITHOUT_LEASE = "use-without-lease"


@dataclass(frozen=True, slots=True)
class Use:
    """A look at one machine: whether it was in use, and the leases that were valid for it then."""

    in_use: bool = False
    leases: tuple[Lease, ...] = ()


def judge(before: Use, now: Use) -> Notice | None:
    """What is new between two looks. Told once: from then on the use belongs to whoever holds a lease, or to nobody.

    A use begins between two looks, so one that is first seen after the end of a lease began inside it.
    """
    if not now.in_use or (now.leases and not before.in_use):
        return None
    if before.leases:
        return None if _go_on(before.leases, now.leases) else Notice.LEASE_ENDED
    return None if before.in_use or now.leases else Notice.WITHOUT_LEASE


def let_go(before: Use | None, now: Use) -> bool:
    """Whether the machine is nobody's from now on: neither in use nor leased, and that is new or the first look."""
    return now == Use() != before


def needs_lease(profile: DeviceProfile) -> bool:
    """Whether a use of such a machine without a lease is worth telling."""
    return profile.enforces is Enforces.POWER or any(action.guarded for action in profile.actions.values())


@dataclass(frozen=True, slots=True)
class _Noted:
    """The machines that are in use, as they are on disk."""

    uses: Mapping[str, Use] = field(default_factory=dict)


class LeaseWatch:
    """Safe to use from any thread. A machine out of contact is judged when it is back, by what it says then.

    What is in use survives a restart: a job that may finish after its lease does not become a use without one.
    `begin` takes a command of the agent's own.
    """

    def __init__(
        self,
        state: Path,
        profiles: Mapping[str, DeviceProfile],
        *,
        leases: Callable[[], Iterable[Lease]],
        roster: Roster,
        clock: Clock,
        begin: Callable[[Command], None],
        tell: Callable[[Event], None],
    ) -> None:
        self._path = state / FILE
        self._profiles = _watched(profiles)
        self._leases = leases
        self._roster = roster
        self._clock = clock
        self._begin = begin
        self._tell = tell
        self._lock = threading.Lock()
        self._noted = _read(self._path)
        self._uses = dict(self._noted.uses)
        self._answered: dict[str, bool] = {}

    def answered(self, device: str, values: Mapping[str, Value | None]) -> None:
        """The device's values were read just now."""
        with self._lock:
            profile = self._profiles.get(device)
            in_use = values.get(profile.in_use) if profile else None
            if in_use is True or in_use is False:
                self._answered[device] = in_use
                self._look(device)
                self._note()

    def follow(self, profiles: Mapping[str, DeviceProfile]) -> None:
        """The agent looks after these devices from now on."""
        with self._lock:
            watched = _watched(profiles)
            for device in self._profiles.keys() - watched.keys():
                self._answered.pop(device, None)
                self._uses.pop(device, None)
            self._profiles = watched

    def look(self) -> None:
        """Call every few seconds, at `next_end_ms`, and when there is another lease book."""
        with self._lock:
            for device in tuple(self._answered):
                entry = self._roster.device(device)
                if entry is not None and entry.state is BridgeState.OPEN:
                    self._look(device)
            self._note()

    def next_end_ms(self) -> int | None:
        """When a lease ends next, by `Clock.true_ms`."""
        now_ms = self._clock.true_ms()
        return min((each.until_ms for each in self._leases() if each.until_ms > now_ms), default=None)

    def _look(self, device: str) -> None:
        leases = tuple(valid(self._leases(), device, self._clock.true_ms()))
        profile, before, now = self._profiles[device], self._uses.get(device), Use(self._answered[device], leases)
        self._uses[device] = now
        if let_go(before, now) and profile.enforces is Enforces.POWER and LOCK in profile.actions:
            self._order(device, LOCK)
        before = before or Use()
        match judge(before, now):
            case Notice.LEASE_ENDED:
                self._end(device, before.leases[-1])
            case Notice.WITHOUT_LEASE if needs_lease(profile):
                self._say(Notice.WITHOUT_LEASE, device, "" if self._clock.certain else "clock-uncertain")

    def _end(self, device: str, ended: Lease) -> None:
        after = self._profiles[device].booking.after_lease
        self._say(Notice.LEASE_ENDED, device, f"{_DOING[after]} {ended.booking}".strip())
        if after != _FINISH:
            self._order(device, after)

    def _order(self, device: str, action: str) -> None:
        expires_ms = self._clock.true_ms() + STOP_EXPIRY_MS
        self._begin(Command(f"{OWN}{random_epoch()}", device, action, by=BY, expires_ms=expires_ms))

    def _say(self, notice: Notice, device: str, detail: str) -> None:
        self._tell(Event(notice, max(0, self._clock.now_ms()), device, printable(detail)))

    def _note(self) -> None:
        """Write down what is in use, after what there was to tell: a crash tells it twice rather than never."""
        noted = _Noted({device: use for device, use in self._uses.items() if use.in_use})
        if noted == self._noted:
            return
        try:
            replace_file(self._path, json.dumps(asdict(noted)).encode())
        except OSError as error:
            _log.warning("what is in use is not written down: %s", error)
            return
        self._noted = noted


def _go_on(before: Iterable[Lease], now: Iterable[Lease]) -> bool:
    """Whether one of the leases is of the same holder, or of the same booking, as one before."""
    return any(
        each.holder == other.holder or (each.booking and each.booking == other.booking)
        for each in before
        for other in now
    )


def _watched(profiles: Mapping[str, DeviceProfile]) -> Mapping[str, DeviceProfile]:
    return {device: profile for device, profile in profiles.items() if profile.in_use}


def _read(path: Path) -> _Noted:
    try:
        return decode(_Noted, path.read_bytes())
    except FileNotFoundError:
        return _Noted()
    except (OSError, ContractError) as error:
        _log.warning("%s is passed over: %s", path, error)
        return _Noted()
