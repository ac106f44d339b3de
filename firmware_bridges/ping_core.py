"""ICMP echo (RFC 792, RFC 4443) as bytes, and a window over what came back."""

import struct
from collections import deque
from dataclasses import dataclass
from typing import Final

from firmware_bridges.base import BadReply

_HEADER: Final = struct.Struct("!BBHHH")
_ECHO_REQUEST, _ECHO_REPLY = 8, 0
_ECHO_REQUEST_6, _ECHO_REPLY_6 = 128, 129
MAX_DATAGRAM: Final = 1_500


@dataclass(frozen=True, slots=True)
class Echo:
    """An echo reply. `payload` is what the request carried."""

    sequence: int
    payload: bytes


def request(sequence: int, payload: bytes, *, version: int = 4) -> bytes:
    """An echo request for an unprivileged ping socket, which fills in its own id."""
    kind = _ECHO_REQUEST if version == 4 else _ECHO_REQUEST_6
    head = _HEADER.pack(kind, 0, 0, 0, sequence)
    return _HEADER.pack(kind, 0, checksum(head + payload), 0, sequence) + payload


def reply(datagram: bytes, *, version: int = 4) -> Echo | None:
    """The echo reply in a datagram, with or without its IPv4 header; None if it is another ICMP message.

    Raises BadReply for what is no ICMP message at all.
    """
    if len(datagram) > MAX_DATAGRAM:
        raise BadReply(f"icmp: a datagram of {len(datagram)} bytes")
    at = (datagram[0] & 0x0F) * 4 if version == 4 and datagram and datagram[0] >> 4 == 4 else 0
    if len(datagram) - at < _HEADER.size:
        raise BadReply("icmp: cut off in its header")
    kind, code, _, _, sequence = _HEADER.unpack_from(datagram, at)
    if kind != (_ECHO_REPLY if version == 4 else _ECHO_REPLY_6) or code != 0:
        return None
    return Echo(sequence, datagram[at + _HEADER.size :])


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) // 2 * 2]))
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Window:
    """The last `size` probes of one far end. A probe is the milliseconds it took, or None if nothing came back."""

    def __init__(self, size: int = 20) -> None:
        self._probes: deque[float | None] = deque(maxlen=size)

    def add(self, took_ms: float | None) -> None:
        self._probes.append(took_ms)

    @property
    def latency_ms(self) -> float | None:
        """What the last probe took."""
        return self._probes[-1] if self._probes else None

    @property
    def loss_percent(self) -> float | None:
        """How many of the probes stayed without an answer; None before the first."""
        if not self._probes:
            return None
        return 100 * sum(took_ms is None for took_ms in self._probes) / len(self._probes)
