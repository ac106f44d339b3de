"""Netlink framing (linux/netlink.h, linux/genetlink.h): requests as bytes, datagrams as messages and attributes.

Native byte order, as the kernel speaks it. Every length is checked; a wrong one raises BadReply.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from firmware_bridges.base import BadReply

REQUEST: Final = 0x01
DUMP: Final = 0x300
ERROR: Final = 2
DONE: Final = 3
FIRST_FAMILY: Final = 0x10
"""Message types below this one are netlink's own; this one is the generic netlink controller."""
MAX_DATAGRAM: Final = 65_536

_HEADER: Final = struct.Struct("=IHHII")
_COMMAND: Final = struct.Struct("=BBH")
_ATTRIBUTE: Final = struct.Struct("=HH")
_KIND_MASK: Final = 0x3FFF  # the two high bits say "nested" and "network byte order"


@dataclass(frozen=True, slots=True)
class Message:
    """One netlink message. `kind` is a family's id, or ERROR or DONE."""

    kind: int
    sequence: int
    payload: bytes

    @property
    def error(self) -> int:
        """The errno of an ERROR or DONE message, 0 for success."""
        if len(self.payload) < 4:
            return 0
        return -int.from_bytes(self.payload[:4], _ORDER, signed=True)


_ORDER: Final = "little" if struct.pack("=H", 1) == b"\1\0" else "big"


def request(family: int, sequence: int, command: int, attributes: bytes = b"", *, dump: bool = False) -> bytes:
    """A generic netlink request of protocol version 1."""
    body = _COMMAND.pack(command, 1, 0) + attributes
    flags = REQUEST | DUMP if dump else REQUEST
    return _HEADER.pack(_HEADER.size + len(body), family, flags, sequence, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def messages(datagram: bytes) -> Iterator[Message]:
    """The messages of one datagram. Raises BadReply where a length cannot be."""
    if len(datagram) > MAX_DATAGRAM:
        raise BadReply(f"netlink: a datagram of {len(datagram)} bytes")
    at = 0
    while at < len(datagram):
        if len(datagram) - at < _HEADER.size:
            raise BadReply("netlink: a message cut off in its header")
        length, kind, _, sequence, _ = _HEADER.unpack_from(datagram, at)
        if not _HEADER.size <= length <= len(datagram) - at:
            raise BadReply(f"netlink: a message of {length} bytes where {len(datagram) - at} are left")
        yield Message(kind, sequence, datagram[at + _HEADER.size : at + length])
        at += length + -length % 4


def command(payload: bytes) -> tuple[int, bytes]:
    """A generic netlink payload as (command, attributes). Raises BadReply."""
    if len(payload) < _COMMAND.size:
        raise BadReply("netlink: no command in the message")
    return payload[0], payload[_COMMAND.size :]


def attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by kind; of several with one kind the last counts. Raises BadReply."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        if len(data) - at < _ATTRIBUTE.size:
            raise BadReply("netlink: an attribute cut off in its header")
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if not _ATTRIBUTE.size <= length <= len(data) - at:
            raise BadReply(f"netlink: an attribute of {length} bytes where {len(data) - at} are left")
        found[kind & _KIND_MASK] = data[at + _ATTRIBUTE.size : at + length]
        at += length + -length % 4
    return found


def number(found: Mapping[int, bytes], kind: int, *, signed: bool = False) -> int | None:
    """An integer attribute of 1, 2, 4 or 8 bytes; None if it is not there. Raises BadReply."""
    value = found.get(kind)
    if value is None:
        return None
    if len(value) not in (1, 2, 4, 8):
        raise BadReply(f"netlink: attribute {kind} is no integer: {len(value)} bytes")
    return int.from_bytes(value, _ORDER, signed=signed)
