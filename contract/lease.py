"""Leases: may this command begin now? And the signature that lets an agent trust its book with the network down."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from contract.messages import LeaseBook
from contract.model import Command, Lease

STOP = "stop"
"""The action that is never refused for want of a lease."""
STOP_EXPIRY_MS = 30_000
"""How long a stop stays valid, so that a late replay cannot stop another class's job."""
HAZARD_SUPERVISED = 3
"""From this hazard level on an adult must stand by and the clock must be certain."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the agent knows of itself when it asks."""

    clock_certain: bool = True
    online: bool = True


def refusal(
    command: Command,
    leases: Iterable[Lease],
    now_ms: int,
    circumstances: Circumstances = Circumstances(),
) -> str | None:
    """Why a guarded command may not begin at `now_ms`, as a stable code, or None if it may.

    Codes: `expired`, `no-lease`, `clock-uncertain`, `no-supervisor`. Ask it for guarded actions only; which those
    are, the device's profile says. Pure: controller and agent call the same function.
    """
    if command.expires_ms and now_ms >= command.expires_ms:
        return "expired"
    if command.action == STOP:
        return None
    held = list(valid(leases, command.device, now_ms))
    if not held:
        return "no-lease"
    hazardous = [each for each in held if each.hazard >= HAZARD_SUPERVISED]
    if not hazardous:
        return None
    if not circumstances.clock_certain:
        return "clock-uncertain"
    if not circumstances.online and not any(each.supervised for each in hazardous):
        return "no-supervisor"
    return None


def valid(leases: Iterable[Lease], device: str, now_ms: int) -> Iterator[Lease]:
    """Those in which the device may be used at `now_ms`."""
    return (each for each in leases if each.device == device and each.from_ms <= now_ms < each.until_ms)


def sign(book: LeaseBook, key: bytes) -> LeaseBook:
    """The same book with its HMAC-SHA256 under the agent's own key."""
    return replace(book, signature=_signature(book, key))


def verify(book: LeaseBook, key: bytes) -> bool:
    """Whether the book was signed with `key` and not changed since."""
    return hmac.compare_digest(book.signature.encode(), _signature(book, key).encode())


def supersedes(book: LeaseBook, other: LeaseBook | None) -> bool:
    """Whether `book` is newer than `other`. An equal one is not: a replay changes nothing."""
    return other is None or (book.generation, book.number) > (other.generation, other.number)


def _signature(book: LeaseBook, key: bytes) -> str:
    content = asdict(replace(book, signature=""))
    canonical = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode()
    return hmac.new(key, canonical, hashlib.sha256).hexdigest()
