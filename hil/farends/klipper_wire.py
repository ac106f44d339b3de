"""How a Klipper host and its micro-controller talk: blocks, numbers, messages. Pure.

Source: Klipper's docs/Protocol.md. A block is: length, sequence, messages, checksum in two bytes, 0x7e. A message is
a number and its parameters; numbers take one to five bytes of seven bits each.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

SYNC: Final = 0x7E
LEAST, MOST = 5, 64
"""Bytes of a block."""
_SEQUENCE_HIGH = 0x10
_PARAMETER = re.compile(r"(\w+)=(%\S+)")

Parameter = int | bytes


@dataclass(frozen=True, slots=True)
class Block:
    """A block that came whole. `sequence` counts from 0 to 15."""

    sequence: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A kind of message: its number in the dictionary and its parameters, each with its format."""

    number: int
    text: str

    @property
    def name(self) -> str:
        return self.text.partition(" ")[0]

    def encode(self, given: Mapping[str, Parameter]) -> bytes:
        out = number(self.number)
        for name, _ in _PARAMETER.findall(self.text):
            value = given[name]
            out += number(value) if isinstance(value, int) else bytes([len(value)]) + value
        return out

    def decode(self, data: bytes, at: int) -> tuple[dict[str, int], int]:
        """The numbers among its parameters, and where the next message begins."""
        found: dict[str, int] = {}
        for name, form in _PARAMETER.findall(self.text):
            if form.endswith("s"):
                at += 1 + data[at]
                continue
            value, at = read_number(data, at)
            found[name] = value if form in ("%i", "%hi") else value & 0xFFFF_FFFF
        return found, at


def number(value: int) -> bytes:
    """In as few bytes as hold it; from 2**31 on as the negative number of the same 32 bits."""
    value = value - (1 << 32) if value >= 1 << 31 else value
    out = [value & 0x7F]
    for shift in (7, 14, 21, 28):
        if -(1 << shift - 2) <= value < 3 << shift - 2:
            break
        out.insert(0, (value >> shift) & 0x7F | 0x80)
    return bytes(out)


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """The number, and where the next begins. Raises IndexError where it breaks off."""
    byte = data[at]
    value = byte & 0x7F
    if byte & 0x60 == 0x60:
        value -= 0x80
    while byte & 0x80:
        at += 1
        byte = data[at]
        value = value << 7 | byte & 0x7F
    return value, at + 1


def checksum(data: Iterable[int]) -> bytes:
    """CRC-16-CCITT, high byte first."""
    crc = 0xFFFF
    for byte in data:
        mixed = byte ^ crc & 0xFF
        mixed ^= (mixed & 0x0F) << 4
        crc = (mixed << 8 | crc >> 8) ^ mixed >> 4 ^ mixed << 3
    return (crc & 0xFFFF).to_bytes(2, "big")


def block(sequence: int, content: bytes = b"") -> bytes:
    """Without content it says only which block is wanted next."""
    head = bytes([len(content) + LEAST, _SEQUENCE_HIGH | sequence & 0x0F]) + content
    return head + checksum(head) + bytes([SYNC])


class Blocks:
    """Cuts a stream into blocks; what is none is passed over."""

    def __init__(self) -> None:
        self._data = bytearray()

    def receive(self, data: bytes) -> Iterator[Block | None]:
        """Each block; None for one that came damaged."""
        self._data += data
        while self._data:
            length = self._data[0]
            if not LEAST <= length <= MOST:
                del self._data[0]
                continue
            if len(self._data) < length:
                return
            whole = bytes(self._data[:length])
            del self._data[:length]
            sound = whole[-1] == SYNC and checksum(whole[:-3]) == whole[-3:-1]
            yield Block(whole[1] & 0x0F, whole[2:-3]) if sound else None
