"""One SNMPv2c question to many: which object are you, what is your name? Bytes in and out. No I/O.

Source: RFC 3416 (GetRequest, Response), RFC 1901 (the message), RFC 3418 (system group); BER as in X.690.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

OBJECT_ID: Final = "1.3.6.1.2.1.1.2.0"
NAME: Final = "1.3.6.1.2.1.1.5.0"
_V2C = 1
_INTEGER, _OCTETS, _NULL, _OID, _SEQUENCE, _GET, _RESPONSE = 0x02, 0x04, 0x05, 0x06, 0x30, 0xA0, 0xA2
_MOST_PARTS = 128


@dataclass(frozen=True, slots=True)
class Told:
    """An answer. `object_id` is dotted, empty if it has none."""

    request: int
    object_id: str
    name: str


def question(community: str, request: int) -> bytes:
    """A datagram that asks for both. `request` is 0 to 127."""
    asked = b"".join(_tlv(_SEQUENCE, _oid(each) + _tlv(_NULL, b"")) for each in (OBJECT_ID, NAME))
    numbers = _tlv(_INTEGER, bytes([request])) + _tlv(_INTEGER, b"\0") * 2
    body = _tlv(_GET, numbers + _tlv(_SEQUENCE, asked))
    return _tlv(_SEQUENCE, _tlv(_INTEGER, bytes([_V2C])) + _tlv(_OCTETS, community.encode()) + body)


def answer(datagram: bytes) -> Told | None:
    """What a datagram tells; None if it is no answer."""
    try:
        ((outer, message),) = _parts(datagram)
        (_, version), _community, (kind, body) = _parts(message)
        (_, request), (_, error), _index, (_, bindings) = _parts(body)
        if outer != _SEQUENCE or kind != _RESPONSE or version != bytes([_V2C]) or error != b"\0" or len(request) != 1:
            return None
        found = {}
        for _, binding in _parts(bindings):
            (_, oid), (value_kind, value) = _parts(binding)
            found[_dotted(oid)] = _dotted(value) if value_kind == _OID else value.decode("utf-8", "replace")
    except (ValueError, IndexError):
        return None
    return Told(request[0], found.get(OBJECT_ID, ""), found.get(NAME, ""))


def _tlv(kind: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([kind, length]) + content
    return bytes([kind, 0x82, length >> 8, length & 0xFF]) + content


def _parts(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """The elements that `data` is made of. Raises ValueError, IndexError."""
    return tuple(_read(data))


def _read(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = count = 0
    while at < len(data):
        kind, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 3 or at + size > len(data):
                raise ValueError("a length that no datagram has")
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        count += 1
        if at + length > len(data) or count > _MOST_PARTS:
            raise ValueError("cut short, or too much")
        yield kind, data[at : at + length]
        at += length


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    content = bytearray([first * 40 + second])
    for number in rest:
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.append(number & 0x7F | 0x80)
        content += bytes(reversed(digits))
    return _tlv(_OID, bytes(content))


def _dotted(content: bytes) -> str:
    if not content or len(content) > _MOST_PARTS:
        return ""
    numbers = [min(content[0] // 40, 2), content[0] - 40 * min(content[0] // 40, 2)]
    number = 0
    for each in content[1:]:
        number = number << 7 | each & 0x7F
        if not each & 0x80:
            numbers.append(number)
            number = 0
    return ".".join(map(str, numbers))
