"""What a simulated agent sees beside its devices: told as a real one tells it, and taken on when somebody adopts it."""

from collections.abc import Sequence
from contextlib import suppress

from agent.clock import wall_ms
from agent.discovery import holds, read_hints
from agent.discovery_match import Evidence, found
from agent.roster import Roster, profile_entry
from contract.desired import DesiredDevice
from contract.messages import BridgeState, Config, DeviceEntry
from device_profiles.profile import ProfileError, load


class Sights:
    """What is adopted becomes a device that is out of reach, as there is no machine; given back, it is seen again.

    Each method is for one thread at a time.
    """

    def __init__(self, sees: Sequence[Evidence], roster: Roster) -> None:
        self._sees = sees
        self._roster = roster
        self._hints = read_hints() if sees else ()
        self._since_ms = wall_ms()
        self._adopted: tuple[DesiredDevice, ...] = ()

    def take(self, config: Config) -> None:
        """The devices that this agent is to look after, beside those of its plan."""
        for gone in self._adopted:
            if gone not in config.devices:
                self._roster.remove(gone.id)
        for new in config.devices:
            if new not in self._adopted:
                with suppress(ProfileError):  # a profile that is not here: as much as a plan could say of it
                    self._declare(new)
        self._adopted = config.devices
        self.tell()

    def tell(self) -> None:
        """All that is seen and that no device stands for."""
        endpoints = [each.endpoint for each in self._adopted]
        free = [each for each in self._sees if not holds(endpoints, each)]
        self._roster.find(tuple(found(each, self._hints, self._since_ms) for each in free))

    def _declare(self, device: DesiredDevice) -> None:
        profile = load(device.profile)
        entry = DeviceEntry(
            device.id,
            device.name or profile.name,
            profile.digest,
            BridgeState.LOST,
            since_ms=wall_ms(),
            room=device.room,
        )
        self._roster.declare(entry, profile_entry(profile))
