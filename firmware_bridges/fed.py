"""A machine together with the metering plug that feeds it: the machine's own values, and what its power says of it."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Final

from contract.model import Kind, Metric, Value
from device_profiles.profile import DeviceProfile, MetricProfile, Words
from firmware_bridges.base import Bridge, BridgeError

PLUG: Final = "plug"
"""The option of a device or a profile that names the plug: `endpoint`, and the options of the bridge `smart_plug`."""
_TOLD: Final[Mapping[str, str]] = {"energised": "energised", "working": "plug-working", "power": "plug-power"}
"""A plug's metric -> what it is called beside the machine's own."""
METRICS: Final[Mapping[str, MetricProfile]] = {
    "energised": MetricProfile(Metric("energised", "1", Kind.BOOL), Words("Machine has power", "Máy có điện")),
    "plug-working": MetricProfile(
        Metric("plug-working", "1", Kind.BOOL), Words("Draws as at work", "Điện như đang làm việc")
    ),
    "plug-power": MetricProfile(
        Metric("plug-power", "W", Kind.FLOAT, 1.0), Words("Power at the plug", "Công suất ở ổ cắm")
    ),
}


def fed(profile: DeviceProfile) -> DeviceProfile:
    """The profile of a machine that a plug feeds. What the profile says of these metrics itself stands."""
    digest = sha256(f"{profile.digest} {PLUG}".encode()).hexdigest()[: len(profile.digest)]
    return replace(profile, digest=digest, metrics={**METRICS, **profile.metrics})


class FedBridge:
    """Both, as one device. A plug that cannot be read makes its values unknown and nothing else."""

    def __init__(self, machine: Bridge, plug: Bridge) -> None:
        self._machine = machine
        self._plug = plug
        self._plug_open = False

    def open(self) -> None:
        self._machine.open()

    def poll(self) -> Mapping[str, Value | None]:
        return {**self._of_plug(), **self._machine.poll()}

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        self._machine.execute(action, args)

    def close(self) -> None:
        self._plug_open = False
        self._plug.close()
        self._machine.close()

    def _of_plug(self) -> Mapping[str, Value | None]:
        try:
            if not self._plug_open:
                self._plug.open()
                self._plug_open = True
            told = self._plug.poll()
        except BridgeError:
            self._plug_open = False
            self._plug.close()
            return dict.fromkeys(_TOLD.values())
        return {name: told.get(metric) for metric, name in _TOLD.items()}
