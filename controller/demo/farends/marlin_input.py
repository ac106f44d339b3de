"""How a Marlin printer reads lines: numbers and checksums. Pure. Source: marlinfw.org, M110, and its host guide."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 96
"""Bytes of a line that are read; the rest is dropped (MAX_CMD_SIZE)."""
_NUMBER = re.compile(r"\s*N\s*(-?\d+)\s*")
_CODE = re.compile(r"\s*([GMT])\s*(\d+)(?:\.\d+)?")
_WORD = re.compile(r"([A-Z])\s*([-+]?(?:\d+\.?\d*|\.\d+))?")


class Refused(Exception):
    """A line that cannot be taken; says why, as Marlin does."""


@dataclass(frozen=True, slots=True)
class Command:
    """`code` is like G1, empty for what is none; `words` are letters and numbers, 0 for a letter alone."""

    text: str
    code: str
    words: Mapping[str, float]


class Input:
    """Bytes in, lines out, and then commands. `last` is the number of the last line that was taken."""

    def __init__(self) -> None:
        self.last = 0
        self._kept = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without the empty ones."""
        *complete, rest = data.replace(b"\r", b"\n").split(b"\n")
        lines = []
        for piece in complete:
            line, self._kept = (self._kept + piece)[:_LONGEST], b""
            if line.strip():
                lines.append(line)
        self._kept = (self._kept + rest)[:_LONGEST]
        return lines

    def read(self, line: bytes) -> Command:
        """Raises Refused."""
        text = line.decode("latin-1")
        numbered = _NUMBER.match(text)
        if numbered:
            body, star, checksum = text.rpartition("*")
            renumbers = "M110" in text
            number = int(numbered[1])
            if renumbers and (named := re.search(r"M110\s*N\s*(\d+)", text)):
                number = int(named[1])
            if number != self.last + 1 and not renumbers:
                raise Refused("Line Number is not Last Line Number+1")
            if not star:
                raise Refused("No Checksum with line number")
            if checksum.strip() != str(checksum_of(body.encode("latin-1"))):
                raise Refused("checksum mismatch")
            self.last = number
            text = body[numbered.end() :]
        return command(text.partition("*")[0])


def command(text: str) -> Command:
    text = text.partition(";")[0].strip()
    code = _CODE.match(text)
    if not code:
        return Command(text, "", {})
    words = {letter: float(number or 0.0) for letter, number in _WORD.findall(text[code.end() :])}
    return Command(text, f"{code[1]}{int(code[2])}", words)


def checksum_of(body: bytes) -> int:
    """The exclusive or of all bytes before the asterisk."""
    checksum = 0
    for byte in body:
        checksum ^= byte
    return checksum
