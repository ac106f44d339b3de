"""The workers, one a device: hired and dismissed while the agent runs, so that one device disturbs no other."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from agent.devices import DeviceConfig
from agent.roster import Roster, profile_entry
from agent.worker import Worker
from contract.messages import DeviceEntry
from device_profiles.profile import DeviceProfile
from firmware_bridges import bridge_for
from firmware_bridges.base import Bridge, LinkLost
from firmware_bridges.fed import PLUG, FedBridge

_LEAVE_S = 5.0
"""How long a dismissed worker may take to let go of its device, before another may want the same port."""
_log = logging.getLogger(__name__)


def make_bridge(device: DeviceConfig) -> Bridge:
    """The device's bridge, not opened. Raises LinkLost for what cannot be set up like this."""
    options = {**device.profile.options, **device.options}
    plug = options.pop(PLUG, None)
    try:
        machine = bridge_for(device.profile.bridge, device.endpoint, options)
        if not plug:
            return machine
        told = dict(plug)
        return FedBridge(machine, bridge_for("smart_plug", str(told.pop("endpoint", "")), told))
    except KeyError as error:
        raise LinkLost(f"this agent has no bridge {error}") from None
    except ValueError as error:
        raise LinkLost(f"cannot be set up: {error}") from None


class Crew(Mapping[str, Worker]):
    """The workers by their device's id; others may read it at any time. `follow` is for one thread at a time.

    `hire` makes a worker, not started; `entry` is what the inventory says of a device at first.
    """

    def __init__(
        self,
        roster: Roster,
        *,
        hire: Callable[[DeviceConfig], Worker],
        entry: Callable[[DeviceConfig], DeviceEntry],
    ) -> None:
        self._roster = roster
        self._hire = hire
        self._entry = entry
        self._devices: dict[str, DeviceConfig] = {}
        self._workers: dict[str, Worker] = {}
        self._following = threading.Lock()
        self._started = False

    def __getitem__(self, device: str) -> Worker:
        return self._workers[device]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._workers))

    def __len__(self) -> int:
        return len(self._workers)

    @property
    def profiles(self) -> Mapping[str, DeviceProfile]:
        return {device.id: device.profile for device in tuple(self._devices.values())}

    def follow(self, devices: Iterable[DeviceConfig]) -> bool:
        """Look after exactly these. Whether that was news; a device that stays what it was is left alone."""
        with self._following:
            wanted = {device.id: device for device in devices}
            going = [each for each in self._devices.values() if wanted.get(each.id) != each]
            coming = [each for each in wanted.values() if self._devices.get(each.id) != each]
            self._dismiss(going, wanted.keys())
            for device in coming:
                self._devices[device.id] = device
                self._roster.declare(self._entry(device), profile_entry(device.profile))
                worker = self._workers[device.id] = self._hire(device)
                if self._started:
                    worker.start()
            return bool(going or coming)

    def start(self) -> None:
        with self._following:
            self._started = True
            for worker in self._workers.values():
                worker.start()

    def check_hung(self) -> None:
        for worker in tuple(self._workers.values()):
            worker.check_hung()

    def stop(self, within_s: float) -> None:
        """Ask all to end, and wait that long. A device that hangs is not waited for."""
        with self._following:
            _leave(tuple(self._workers.values()), within_s)

    def _dismiss(self, devices: Iterable[DeviceConfig], staying: Iterable[str]) -> None:
        leaving = []
        for device in devices:
            del self._devices[device.id]
            leaving.append(self._workers.pop(device.id))
        _leave(leaving, _LEAVE_S)
        for worker in leaving:
            if worker.device_id not in staying:
                self._roster.remove(worker.device_id)


def _leave(workers: Iterable[Worker], within_s: float) -> None:
    leaving = tuple(workers)
    for worker in leaving:
        worker.stop()
    until_s = time.monotonic() + within_s
    for worker in leaving:
        if not worker.join(max(0.0, until_s - time.monotonic())):
            _log.warning("device %s: its bridge does not let go", worker.device_id)
