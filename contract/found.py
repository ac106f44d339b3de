"""What an agent sees and does not look after: things at its ports and in its network, and what they may be."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contract.model import ContractError, check_integer, check_text

MAX_FOUND: Final = 200
"""Things that one agent tells of."""
MAX_CLUES: Final = 12
MAX_CANDIDATES: Final = 8
SURE: Final = 80
"""From this confidence on a candidate needs no second look."""


class ClueKind(StrEnum):
    """What is known of a thing. Those from `USB` to `SSDP` are held against the profiles; the others tell which one it
    is and where.

    usb: vendor and product id, `2341:0043`. banner: what it says at its port unasked. probe: what it answers there.
    pjlink: maker, model and name. snmp: sysObjectID. mdns: service type. ssdp: device type. serial: its serial number.
    port: the USB path, `1-1.3`. host: address. mac: hardware address. pjlink-class: 1 or 2.
    """

    USB = "usb"
    BANNER = "banner"
    PROBE = "probe"
    PJLINK = "pjlink"
    SNMP = "snmp"
    MDNS = "mdns"
    SSDP = "ssdp"
    SERIAL = "serial"
    PORT = "port"
    HOST = "host"
    MAC = "mac"
    PJLINK_CLASS = "pjlink-class"


@dataclass(frozen=True, slots=True)
class Clue:
    kind: ClueKind
    text: str

    def __post_init__(self) -> None:
        check_text(self.text, "clues: text", 200)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A profile that fits. `endpoint` is where a device of it would be, `by` the clues that speak for it.

    `confidence` is 1 to 100, in per cent; from SURE on the clues fit no other profile.
    """

    profile: str
    endpoint: str
    confidence: int
    by: tuple[ClueKind, ...] = ()

    def __post_init__(self) -> None:
        check_text(self.profile, "candidates: profile", 128)
        check_text(self.endpoint, "candidates: endpoint", 200)
        check_integer(self.confidence, "candidates: confidence", 1, 100)
        if len(self.by) > MAX_CLUES:
            raise ContractError(f"candidates: more than {MAX_CLUES} clues")


@dataclass(frozen=True, slots=True)
class Found:
    """A thing that no device of this agent stands for. `key` is its name for as long as it is the same thing.

    `identity` is a serial number, else the USB path it hangs at; in the network a hardware address, else its address.
    `name` is what it calls itself. `candidates` are the profiles that fit, the likeliest first.
    """

    key: str
    name: str = ""
    identity: str = ""
    clues: tuple[Clue, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    since_ms: int = 0

    def __post_init__(self) -> None:
        if not self.key:
            raise ContractError("found: a key is empty")
        check_text(self.key, "found: key", 200)
        check_text(self.name, "found: name", 128)
        check_text(self.identity, "found: identity", 200)
        check_integer(self.since_ms, "found: since_ms", 0)
        if len(self.clues) > MAX_CLUES or len(self.candidates) > MAX_CANDIDATES:
            raise ContractError(f"found.{self.key[:60]}: too many clues or candidates")


def check_found(found: tuple[Found, ...]) -> None:
    """Raise ContractError for too many, or two of one key."""
    if len(found) > MAX_FOUND:
        raise ContractError(f"found: more than {MAX_FOUND}")
    if len({each.key for each in found}) != len(found):
        raise ContractError("found: two with one key")
