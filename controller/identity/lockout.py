"""How long somebody waits after tries that did not succeed. Pure.

Counted are the tries at one account from one place, and all of an account from places it is not known at. A stranger so
locks out strangers, never the person whose login it is, who comes from where they came from before.
"""

from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address
from typing import Final

FORGET_MS: Final = 2 * 3_600_000
"""So long after the last try nothing is counted any more. Longer than any wait."""
KNOWN_MS: Final = 90 * 86_400_000
"""So long a place stays known after the last sign-in from there."""


@dataclass(frozen=True, slots=True)
class Tries:
    """How many, and when the first and the last of them were."""

    count: int
    since_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class Rule:
    """After every `free` tries there is a wait: `first_ms`, then each time twice as long, up to `longest_ms`."""

    free: int
    first_ms: int
    longest_ms: int

    def wait_ms(self, tries: Tries | None, now_ms: int) -> int:
        """How long until the next try is taken; 0: at once."""
        if tries is None or _forgotten(tries, now_ms) or tries.count % self.free or not tries.count:
            return 0
        doublings = min(tries.count // self.free - 1, 16)
        return max(0, tries.last_ms + min(self.first_ms << doublings, self.longest_ms) - now_ms)


AT_PLACE: Final = Rule(free=5, first_ms=5 * 60_000, longest_ms=3_600_000)
FROM_STRANGERS: Final = Rule(free=30, first_ms=15 * 60_000, longest_ms=3_600_000)


def one_more(tries: Tries | None, now_ms: int) -> Tries:
    if tries is None or _forgotten(tries, now_ms):
        return Tries(1, now_ms, now_ms)
    return replace(tries, count=tries.count + 1, last_ms=now_ms)


def _forgotten(tries: Tries, now_ms: int) -> bool:
    """Also if the clock was set back behind it."""
    return not tries.since_ms <= now_ms < tries.last_ms + FORGET_MS


def place_of(address: str) -> str:
    """Whoever has one address of an IPv6 network has 2^64 of them, so the network is the place."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return f"{IPv6Address(int(found) >> 64 << 64)}/64"
    return str(found)
