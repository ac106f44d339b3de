"""Numbered lines with checksums, one on the way at a time, sent again when the printer asks. Pure.

The printer answers each line with `ok`, or refuses it with `Resend: n` and `ok`. Because lines are numbered, sending
one twice is harmless: a printer that had it answers `Resend: n+1`. That is how a lost `ok` is cured.
"""

from collections import deque
from typing import Final

KEPT: Final = 64
"""How many lines can be asked for again."""
_SETTLE_MS: Final = 300
_PATIENCE: Final = 10
"""How often one line may be asked for again before the way is held to be broken."""
_DOUBT: Final = 3
"""How often it may be one that the printer had taken: late answers to a line that went twice come no oftener."""


def encode(number: int, line: str) -> bytes:
    """`N<number> <line>*<checksum>`: the checksum is the exclusive or of all bytes before the asterisk."""
    body = f"N{number} {line}".encode("ascii", "replace")
    checksum = 0
    for byte in body:
        checksum ^= byte
    return body + b"*%d\n" % checksum


class OutOfStep(Exception):
    """The printer asks for a line that was never sent, or long ago: it restarted, or hears somebody else."""


class Lines:
    """The lines' way to the printer. `acknowledged` is the highest number that the printer has surely taken."""

    def __init__(self) -> None:
        self.last = 0
        self.acknowledged = 0
        self.sent_ms = 0
        self.resends = 0
        self._kept: deque[bytes] = deque(maxlen=KEPT)
        self._in_flight = 0
        self._again_from = 0
        self._asked = 0
        self._latest = 0
        self._times = 0
        self._twice = False
        self._settle_until_ms = 0

    @property
    def waiting(self) -> bool:
        """Whether a line is on its way, or the printer still has to ask for what it wants again."""
        return bool(self._in_flight or self._asked)

    def idle(self, now_ms: int) -> bool:
        """Whether a new line may go."""
        return not self.waiting and not self._again_from and now_ms >= self._settle_until_ms

    def send(self, line: str, now_ms: int) -> bytes:
        """Give `line` the next number. Call only when idle."""
        self.last += 1
        data = encode(self.last, line)
        self._kept.append(data)
        self._in_flight, self.sent_ms = self.last, now_ms
        return data

    def ok(self, now_ms: int, number: int | None = None) -> None:
        """The printer said ok. One that names another line than the one on its way is an old one."""
        if self._asked:
            self._again_from, self._asked = self._asked, 0
            if self._twice:  # more answers to the line that went twice may follow; they must not be mistaken
                self._settle_until_ms, self._twice = now_ms + _SETTLE_MS, False
            else:
                self._in_flight = 0
            return
        if not self._in_flight or (number is not None and number != self._in_flight):
            return
        self.acknowledged, self._in_flight = self._in_flight, 0
        if self._again_from and self._again_from <= self.acknowledged:
            self._again_from = self.acknowledged + 1
        if self._again_from > self.last:
            self._again_from = 0

    def asked_again(self, number: int) -> None:
        """The printer said Resend. Raises OutOfStep."""
        if not max(1, self.last - len(self._kept) + 1) <= number <= self.last + 1:
            raise OutOfStep(f"line {number} was asked for, {self.last} is the last")
        self.resends += 1
        self._times = self._times + 1 if number == self._latest else 1
        self._latest = number
        if self._times > (_PATIENCE if number > self.acknowledged else _DOUBT):
            raise OutOfStep(f"line {number} was asked for {self._times} times")
        self.acknowledged = max(self.acknowledged, number - 1)
        self._asked = number

    def replay(self, now_ms: int) -> bytes:
        """The next line that was asked for again, if one is due."""
        if not self._again_from or now_ms < self._settle_until_ms or self._asked:
            return b""
        if self._settle_until_ms:
            self._settle_until_ms, self._in_flight = 0, 0
        number = max(self._again_from, self.acknowledged + 1)
        if self._in_flight:
            return b""
        if number > self.last:
            self._again_from = 0
            return b""
        self._again_from = number + 1 if number < self.last else 0
        self._in_flight, self.sent_ms = number, now_ms
        return self._kept[number - self.last - 1]

    def repeat(self, now_ms: int) -> bytes:
        """Send the line on its way once more: its ok may be lost."""
        number = self._asked or self._in_flight
        if not 0 < number <= self.last:
            self._asked = self._in_flight = 0
            return b""
        if self._asked:
            self._again_from = number + 1 if number < self.last else 0
        self._asked, self._in_flight, self.sent_ms, self._twice = 0, number, now_ms, True
        return self._kept[number - self.last - 1]
