"""Lines on their way to GRBL, counted in bytes. Pure.

GRBL's receive buffer has 128 bytes (serial.h, RX_BUFFER_SIZE), and what does not fit is lost without a word. Each line
is answered, in order, once it has left that buffer. So what is sent and not answered never exceeds IN_FLIGHT.
Source: gnea/grbl, doc/markdown/interface.md, "Streaming Protocol: Character-Counting"; grbl/motion_control.c, mc_dwell.
"""

import re
from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

from device_profiles.gcode.syntax import NUMBER

IN_FLIGHT: Final = 127
"""Bytes, line ends included."""


_DWELL = re.compile(rf"G *0*4(?:\.0*)?(?![\d.]).*?P *({NUMBER})")


class Sent(NamedTuple):
    """A line on its way. `order` 0: a line of the job, the `number`-th of it."""

    size: int
    order: int
    number: int
    text: str

    @property
    def dwell_ms(self) -> float:
        """How long the machine stands idle before it answers (G4: P seconds)."""
        dwell = _DWELL.search(self.text)
        return max(0.0, 1000 * float(dwell[1])) if dwell else 0.0


ASK, HOLD, RESUME, RESET, JOG_CANCEL = b"?", b"!", b"~", b"\x18", b"\x85"
"""Bytes that GRBL takes out of the stream at once, wherever they stand."""
BEGINNING: Final = ("M5 S0", "G21 G90 G94 G17 G54")
"""So that a job is read as it was inspected, whatever ran before it."""
END: Final = ("M5 S0", "G4 P0.01")
"""A dwell is answered when the machine stands."""


@dataclass(slots=True)
class Order:
    """Lines that somebody gave, on their way."""

    number: int
    lines: deque[str]
    open: int = 0
    """Lines that are not answered yet."""


class Stream:
    """What waits for an answer. `most` is the highest number of bytes that ever did."""

    def __init__(self) -> None:
        self._waiting: deque[Sent] = deque()
        self.in_flight = 0
        self.most = 0

    @property
    def waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def dwell_ms(self) -> float:
        """How long the machine stands idle for what waits."""
        return sum(sent.dwell_ms for sent in self._waiting)

    def fits(self, line: str) -> bool:
        """Whether the line may go now."""
        return self.in_flight + len(line) + 1 <= IN_FLIGHT

    def send(self, line: str, order: int = 0, number: int = 0) -> bytes:
        """The bytes of a line that fits. Text of a line is ASCII."""
        self._waiting.append(Sent(len(line) + 1, order, number, line))
        self.in_flight += len(line) + 1
        self.most = max(self.most, self.in_flight)
        return line.encode("ascii") + b"\n"

    def answered(self) -> Sent | None:
        """The oldest line was answered; None if none waits: the answer is to somebody else's line."""
        if not self._waiting:
            return None
        sent = self._waiting.popleft()
        self.in_flight -= sent.size
        return sent

    def clear(self) -> None:
        """The firmware was reset, and its buffer with it."""
        self._waiting.clear()
        self.in_flight = 0
