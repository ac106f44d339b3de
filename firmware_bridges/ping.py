"""How long a far end takes to answer: ICMP echo where the system allows unprivileged ping sockets, else TCP."""

import os
import socket
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from firmware_bridges import ping_core
from firmware_bridges.base import BadReply

_IPPROTO_ICMPV6: Final = 58
_POLLS_BEFORE_RESOLVING_AGAIN: Final = 6

Address: TypeAlias = tuple[int, tuple[str, int]]
"""(address family, what connect takes)."""
Way: TypeAlias = Callable[[Address, float], float | None]


class Pinger:
    """Probes one far end. The way that answered first (ICMP, else TCP to `port`) is kept from then on."""

    def __init__(self, host: str, port: int, timeout_s: float = 1.0) -> None:
        self.host = host
        self.window = ping_core.Window()
        self.answered = False
        self._port = port
        self._timeout_s = timeout_s
        self._ways: tuple[Way, ...] = (icmp_ms, tcp_ms)
        self._address: Address | None = None
        self._failures = 0

    def probe(self) -> None:
        """Ask once, within the time-out a way, and enter the result in `window`."""
        took_ms = None
        address = self._resolve()
        for way in self._ways if address else ():
            took_ms = way(address, self._timeout_s) if address else None
            if took_ms is not None:
                self._ways, self.answered = (way,), True
                break
        self._failures = self._failures + 1 if took_ms is None else 0
        self.window.add(took_ms)

    def _resolve(self) -> Address | None:
        """The system's resolver may block for seconds: ask it once, and again only after a row of failures."""
        if self._failures % _POLLS_BEFORE_RESOLVING_AGAIN == 0 and (self._address is None or self._failures):
            try:
                found = socket.getaddrinfo(self.host, self._port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                return self._address
            family, _, _, _, address = found[0]
            self._address = (family, address)  # type: ignore[assignment]  # IPv6 adds flow and scope, as connect wants
        return self._address


def icmp_ms(address: Address, timeout_s: float) -> float | None:
    """Milliseconds of one ICMP echo; None without an answer or without the right to ask."""
    family, target = address
    version, protocol = (4, socket.IPPROTO_ICMP) if family == socket.AF_INET else (6, _IPPROTO_ICMPV6)
    payload = os.urandom(16)
    try:
        with socket.socket(family, socket.SOCK_DGRAM, protocol) as wire:
            wire.connect(target)
            began_s = time.perf_counter()
            wire.send(ping_core.request(1, payload, version=version))
            while (left_s := began_s + timeout_s - time.perf_counter()) > 0:
                wire.settimeout(left_s)
                if _is_answer(wire.recv(ping_core.MAX_DATAGRAM), payload, version):
                    return (time.perf_counter() - began_s) * 1000
    except OSError:
        return None
    return None


def _is_answer(datagram: bytes, payload: bytes, version: int) -> bool:
    try:
        echo = ping_core.reply(datagram, version=version)
    except BadReply:
        return False
    return echo is not None and echo.payload == payload


def tcp_ms(address: Address, timeout_s: float) -> float | None:
    """Milliseconds until a TCP connect was taken or refused: either way the far end answered."""
    family, target = address
    with socket.socket(family, socket.SOCK_STREAM) as wire:
        wire.settimeout(timeout_s)
        began_s = time.perf_counter()
        try:
            wire.connect(target)
        except ConnectionRefusedError:
            pass
        except OSError:
            return None
        return (time.perf_counter() - began_s) * 1000
