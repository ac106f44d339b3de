"""Record what is said between this computer and a device, for tests and for fault reports.

    python -m firmware_bridges.record ENDPOINT [--out FILE] [--baud N] [--send LINE]... [--seconds S]

A transcript is text. Lines that begin with `#` say what was recorded. Then one row a piece:

    <way> <monotonic ms> <hex> <the same as text, for people>

`<` came from the device, `>` went to it, `!` is a mark that whoever recorded has set.

End the agent first: a port takes one program. Nothing is sent but the lines that are given. For example

    python -m firmware_bridges.record /dev/ttyUSB0 --baud 115200 --send M115 --send M105 --out printer.txt

A transcript in tests/transcripts is played to a core by tests/replay.py; read it first: it holds all that was said.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TextIO

from firmware_bridges.base import Link, LinkLost
from firmware_bridges.links import BAUD, open_link


class Way(StrEnum):
    FROM_DEVICE = "<"
    TO_DEVICE = ">"
    MARK = "!"


@dataclass(frozen=True, slots=True)
class Piece:
    """What went one way at once. `at_ms` counts from the recording's start; a mark's `data` is its name."""

    way: Way
    at_ms: int
    data: bytes

    def __str__(self) -> str:
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in self.data)
        return f"{self.way} {self.at_ms} {self.data.hex() or '-'} {text}".rstrip()


def parse(rows: Iterable[str]) -> Iterator[Piece]:
    """Read a transcript. Raises ValueError for a row that is none."""
    for row in rows:
        if row.strip() and not row.startswith("#"):
            way, at_ms, data = row.split(" ", 3)[:3]
            yield Piece(Way(way), int(at_ms), b"" if data.strip() == "-" else bytes.fromhex(data))


class RecordedLink:
    """A link that writes down all that passes it."""

    def __init__(self, link: Link, out: TextIO, now_ms: Callable[[], int]) -> None:
        self._link = link
        self._out = out
        self._now_ms = now_ms
        self._start_ms = now_ms()

    def write(self, data: bytes) -> None:
        self._link.write(data)
        self._note(Way.TO_DEVICE, data)

    def read(self, timeout_s: float) -> bytes:
        data = self._link.read(timeout_s)
        if data:
            self._note(Way.FROM_DEVICE, data)
        return data

    def mark(self, name: str) -> None:
        self._note(Way.MARK, name.encode())

    def close(self) -> None:
        self._link.close()

    def _note(self, way: Way, data: bytes) -> None:
        self._out.write(f"{Piece(way, self._now_ms() - self._start_ms, data)}\n")
        self._out.flush()


def main(arguments: list[str] | None = None) -> int:
    """Send lines, listen, write it all down. 0 if the device was there to the end, 1 if it was lost."""
    parser = argparse.ArgumentParser(
        prog="python -m firmware_bridges.record",
        description=__doc__.partition("\n")[0],
        epilog=__doc__[__doc__.index("A transcript is text") :],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("endpoint", help="/dev/serial/by-id/..., COM3, tcp://host:port, udp://..., rfc2217://...")
    parser.add_argument("--out", type=Path, help="the file to write; without it the transcript is printed")
    parser.add_argument("--baud", type=int, default=BAUD)
    parser.add_argument("--send", action="append", default=[], metavar="LINE", help="may be given several times")
    parser.add_argument("--end", default="\\n", help="what ends a sent line: \\n, \\r or \\r\\n")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to listen after each line")
    given = parser.parse_args(arguments)
    end = given.end.encode().decode("unicode_escape").encode()
    out = given.out.open("w", encoding="utf-8") if given.out else sys.stdout
    try:
        out.write(f"# {given.endpoint} at {given.baud} baud\n")
        link = RecordedLink(open_link(given.endpoint, baud=given.baud), out, lambda: time.monotonic_ns() // 1_000_000)
        try:
            _listen(link, given.seconds)
            for line in given.send:
                link.write(line.encode() + end)
                _listen(link, given.seconds)
        finally:
            link.close()
    except (LinkLost, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        if given.out:
            out.close()
    return 0


def _listen(link: Link, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        link.read(left)


if __name__ == "__main__":
    sys.exit(main())
