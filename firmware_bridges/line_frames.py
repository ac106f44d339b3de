"""Bytes into the lines or fixed frames of a device, with a bound on what it can make us keep. Pure.

A frame is read and written as upper-case hexadecimal text, two digits a byte, so that one kind of pattern fits both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final, TypeAlias

MAX_LINE: Final = 512
"""Bytes. No command set that we know has a longer answer."""
CHECKSUMS: Final[Mapping[str, Callable[[bytes], int]]] = {
    "none": lambda _: 0,
    "sum": lambda data: sum(data) & 0xFF,
    "xor": lambda data: reduce(lambda left, right: left ^ right, data, 0),
    "two-complement": lambda data: -sum(data) & 0xFF,
}
"""How the last byte of a frame is made from those before it."""


@dataclass(frozen=True, slots=True)
class Line:
    """What was said, without its end; a frame as hexadecimal text."""

    text: str


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes that are no line and no frame: the first of them, and why."""

    start: bytes
    why: str


Said: TypeAlias = Line | Noise


@dataclass(frozen=True, slots=True)
class Lines:
    """Text that ends with `end`; what a device is told ends with `send_end`. `strip`: letters around each line.

    With `blank` an empty line says something as well; else it is left out.
    """

    end: bytes = b"\r"
    send_end: bytes = b"\r"
    strip: str = " \r\n\t"
    blank: bool = False

    def encode(self, text: str) -> bytes:
        return text.encode("latin-1", "replace") + self.send_end

    def cut(self, kept: bytearray) -> Said | None:
        """Take the first thing out of what came; None if it is not complete."""
        at = kept.find(self.end)
        if at < 0:
            if len(kept) <= MAX_LINE:
                return None
            start = bytes(kept[:32])
            kept.clear()
            return Noise(start, f"a line of more than {MAX_LINE} bytes")
        text = bytes(kept[:at]).decode("latin-1").strip(self.strip)
        del kept[: at + len(self.end)]
        return Line(text)


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames that begin with `start`: `length` bytes, and as many more as the byte at `length_at` says, if that is
    given. The last byte is the `checksum` of those from `checksum_from` on, unless that is "none"."""

    start: bytes
    length: int
    length_at: int | None = None
    checksum: str = "none"
    checksum_from: int = 0

    def encode(self, text: str) -> bytes:
        """Raises ValueError for a text that is not hexadecimal."""
        data = bytes.fromhex(text)
        if self.checksum == "none":
            return data
        return data + bytes([CHECKSUMS[self.checksum](data[self.checksum_from :])])

    def cut(self, kept: bytearray) -> Said | None:
        """Take the first thing out of what came; None if it is not complete. Looks for the next start after noise."""
        at = kept.find(self.start)
        if at != 0:
            keep = _overlap(kept, self.start) if at < 0 else len(kept) - at
            lost = bytes(kept[: len(kept) - keep])
            del kept[: len(kept) - keep]
            return Noise(lost[:32], "no start of a frame") if lost else None
        if self.length_at is not None and len(kept) <= self.length_at:
            return None
        length = self.length + (0 if self.length_at is None else kept[self.length_at])
        if len(kept) < length:
            return None
        data = bytes(kept[:length])
        if self.checksum != "none" and CHECKSUMS[self.checksum](data[self.checksum_from : -1]) != data[-1]:
            del kept[:1]
            return Noise(data[:32], "wrong checksum")
        del kept[:length]
        return Line(data.hex().upper())


Framing: TypeAlias = Lines | Frames


class FrameCore:
    """One connection. Feed it what came; it gives out what that completes."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._kept = bytearray()

    def receive(self, data: bytes) -> list[Said]:
        """What `data` completes."""
        said: list[Said] = []
        for at in range(0, len(data), MAX_LINE):
            self._kept += data[at : at + MAX_LINE]
            while (each := self._framing.cut(self._kept)) is not None:
                if each != Line("") or (isinstance(self._framing, Lines) and self._framing.blank):
                    said.append(each)
        return said


def _overlap(kept: bytes | bytearray, start: bytes) -> int:
    """How many of the last bytes may be the beginning of a start."""
    return next((size for size in range(len(start) - 1, 0, -1) if kept.endswith(start[:size])), 0)
