"""What a bridge is. One bridge drives one device and is touched by one thread only."""

from collections.abc import Mapping
from typing import Protocol

from contract.model import Value


class BridgeError(Exception):
    """The device could not be asked or told. Its leaves say what the caller does next."""


class LinkLost(BridgeError):
    """There is no way to the device: close, wait, open again."""


class BadReply(BridgeError):
    """The device answered what its protocol does not allow: count it and ask again."""


class Refused(BridgeError):
    """The device understood and will not: tell whoever asked; asking again does not help."""


class Bridge(Protocol):
    """Drives one device. Raises BridgeError and nothing else. Knows no MQTT, no ids and no wall clock."""

    def open(self) -> None:
        """Make contact, for the first time or again after `close`. May block for as long as its time-outs allow."""

    def poll(self) -> Mapping[str, Value | None]:
        """Ask for every metric once. None for one that was asked for and is unknown. LinkLost unless it is open."""

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        """Carry out one action of the profile and return when the device has confirmed it. Refused for any other."""

    def close(self) -> None:
        """Let go of the device. Never raises; may be called twice."""


class Link(Protocol):
    """A way to a device, in bytes."""

    def write(self, data: bytes) -> None:
        """Raises LinkLost."""

    def read(self, timeout_s: float) -> bytes:
        """What has come, at the latest after `timeout_s`; b"" if nothing came. Raises LinkLost."""

    def close(self) -> None:
        """Never raises."""
