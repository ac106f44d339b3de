"""Which addresses a sweep asks, and how fast. Pure but for the clock and the pause that it is given."""

import ipaddress
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

SNMP: Final = 161
PJLINK: Final = 4352
LEAST_PREFIX: Final = 22
"""The largest subnet: 1,022 addresses. A larger one is more than one school."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is swept: one subnet, with at most `packets_s` packets a second. The ports are the usual ones."""

    subnet: str
    community: str = "public"
    packets_s: float = 20.0
    snmp_port: int = SNMP
    pjlink_port: int = PJLINK


@dataclass(frozen=True, slots=True)
class Settings:
    """What is looked for. `sweep` None: no subnet is swept. A pause of 0 hours: only when asked."""

    sweep: Sweep | None = None
    sweep_every_h: float = 24.0
    hear_every_h: float = 0.5


def parse_subnet(text: str) -> ipaddress.IPv4Network:
    """Raises ValueError, saying why, for what is no private IPv4 subnet of at most a /22."""
    try:
        subnet = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 subnet such as 10.20.3.0/24") from None
    if subnet.prefixlen < LEAST_PREFIX:
        raise ValueError(f"{text}: at most a /{LEAST_PREFIX} is swept")
    if not (subnet.is_private or subnet.is_loopback):
        raise ValueError(f"{text}: only a private subnet is swept")
    return subnet


def hosts(subnet: ipaddress.IPv4Network, own: Collection[str]) -> tuple[str, ...]:
    """Every address of the subnet that a host may have, but for our own."""
    return tuple(str(each) for each in subnet.hosts() if str(each) not in own)


class Pacer:
    """Lets at most `per_s` packets a second go out, each at its own moment."""

    def __init__(self, per_s: float, clock: Callable[[], float], pause: Callable[[float], None]) -> None:
        self._step_s = 1 / per_s
        self._clock = clock
        self._pause = pause
        self._next = clock()

    def wait(self) -> None:
        """Return when the next packet may go."""
        now = self._clock()
        if now < self._next:
            self._pause(self._next - now)
            now = max(self._clock(), self._next)
        self._next = now + self._step_s
