"""The devices of this agent and how they are, and what was found beside them: what the inventory message says."""

import threading
from collections.abc import Callable
from dataclasses import replace

from contract.found import Found
from contract.messages import BridgeState, DeviceEntry, Inventory, MetricEntry, ProfileEntry
from device_profiles.profile import DeviceProfile

_LONGEST_DETAIL = 300


def profile_entry(profile: DeviceProfile) -> ProfileEntry:
    """What the controller needs of a profile to store and show its values."""
    metrics = {name: MetricEntry(each.metric.unit, each.metric.kind) for name, each in profile.metrics.items()}
    return ProfileEntry(profile.slug, profile.name, metrics)


class Roster:
    """Safe to use from any thread. `changed` is called after each change, outside of all locks."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self.changed = changed
        self._lock = threading.Lock()
        self._profiles: dict[str, ProfileEntry] = {}
        self._devices: dict[str, DeviceEntry] = {}
        self._found: tuple[Found, ...] = ()
        self._number = 1

    @property
    def number(self) -> int:
        """Rises with each change."""
        return self._number

    def declare(self, device: DeviceEntry, profile: ProfileEntry) -> None:
        """Add a device, or put another in the place of the one with its id. `device.profile` is the digest."""
        with self._lock:
            self._profiles[device.profile] = profile
            self._devices[device.id] = device
            self._number += 1
        self.changed()

    def remove(self, device_id: str) -> None:
        """The agent looks after it no more."""
        with self._lock:
            if self._devices.pop(device_id, None) is None:
                return
            self._number += 1
        self.changed()

    def report(self, device_id: str, state: BridgeState, at_ms: int, detail: str = "", identity: str = "") -> bool:
        """Say how a device is. Whether that was news: not of one that was removed.

        Its `since_ms` moves only with its state.
        """
        with self._lock:
            before = self._devices.get(device_id)
            if before is None:
                return False
            after = replace(
                before,
                state=state,
                since_ms=before.since_ms if state is before.state else max(0, at_ms),
                detail=printable(detail),
                identity=identity or before.identity,
            )
            if after == before:
                return False
            self._devices[device_id] = after
            self._number += 1
        self.changed()
        return True

    def find(self, found: tuple[Found, ...]) -> None:
        """Say all that was found beside the devices."""
        with self._lock:
            if found == self._found:
                return
            self._found = found
            self._number += 1
        self.changed()

    def device(self, device_id: str) -> DeviceEntry | None:
        return self._devices.get(device_id)

    def inventory(self, epoch: str) -> Inventory:
        with self._lock:
            used = {device.profile for device in self._devices.values()}
            profiles = {digest: entry for digest, entry in self._profiles.items() if digest in used}
            return Inventory(epoch, self._number, profiles, tuple(self._devices.values()), self._found)


def printable(text: str) -> str:
    """A detail as the wire takes it."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")[:_LONGEST_DETAIL]
