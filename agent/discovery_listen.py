"""Who is at a serial port? Listen first; then, and only if nothing was said, ask what harms no machine."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from agent.discovery_match import Hint, clue
from contract.found import Clue, ClueKind

LISTEN_S: Final = 3.0
"""A board that has just got its power needs 2 s before it says who it is."""
ANSWER_S: Final = 1.5
_MOST: Final = 4_096
_STEP_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Probe:
    """A question that no machine moves or heats for, whichever it is."""

    question: bytes
    baud: int


class Port(Protocol):
    """An open serial port."""

    def set_baud(self, baud: int) -> None: ...

    def write(self, data: bytes) -> None: ...

    def read(self, timeout_s: float) -> bytes: ...

    def close(self) -> None: ...


QUESTIONS: Final[Mapping[str, bytes]] = {
    "grbl": b"\n$I\n",  # build information: Grbl 1.1, Commands
    "marlin": b"\nM115\n",  # firmware information: marlinfw.org, M115
    "firmata": b"\xf0\x79\xf7",  # report firmware: Firmata protocol 2.x
}
"""By bridge: all that is ever written to a port that nobody has adopted."""


def probes(usb: str, hints: Iterable[Hint]) -> tuple[Probe, ...]:
    """What may be asked at a port of that USB id: only what a profile of such a thing understands, texts first."""
    admitted = [hint for hint in hints if usb in hint.recognise.usb and hint.bridge in QUESTIONS]
    admitted.sort(key=lambda hint: (tuple(QUESTIONS).index(hint.bridge), hint.baud))
    return tuple(dict.fromkeys(Probe(QUESTIONS[hint.bridge], hint.baud) for hint in admitted))


def listens(usb: str, hints: Iterable[Hint]) -> bool:
    """Whether a port of that USB id may be opened at all."""
    return any(usb in hint.recognise.usb for hint in hints)


def hear(
    open_port: Callable[[int], Port], asked: Sequence[Probe], clock: Callable[[], float] = time.monotonic
) -> tuple[Clue, ...]:
    """What is said at a port. Raises OSError if it cannot be opened or goes away."""
    port = open_port(asked[0].baud if asked else 115_200)
    try:
        said = _heard(port, LISTEN_S, clock)
        if said:
            return (clue(ClueKind.BANNER, plain(said)),)
        for each in asked:
            port.set_baud(each.baud)
            port.write(each.question)
            answer = plain(_heard(port, ANSWER_S, clock))
            if sum(letter.isalnum() for letter in answer) >= 2:
                return (clue(ClueKind.PROBE, answer),)
        return ()
    finally:
        port.close()


def plain(said: bytes) -> str:
    """As text. Firmata sends each letter of its name as two bytes of seven bits."""
    start = said.find(b"\xf0\x79")
    end = said.find(b"\xf7", start)
    if 0 <= start < end:
        body = said[start + 4 : end]
        said = bytes(low | high << 7 & 0xFF for low, high in zip(body[::2], body[1::2], strict=False))
    return said.decode("utf-8", "replace")


def _heard(port: Port, for_s: float, clock: Callable[[], float]) -> bytes:
    """What comes in that time, or until there was silence after something."""
    said, until = b"", clock() + for_s
    while clock() < until and len(said) < _MOST:
        piece = port.read(_STEP_S)
        if said and not piece:
            break
        said += piece
    return said


class SerialPort:
    """A real one, opened for this process alone and with DTR and RTS at rest, so that as few boards restart as can be.

    POSIX raises both for a moment when it opens a port; that cannot be helped, and is why each port is opened once.
    """

    def __init__(self, device: str, baud: int) -> None:
        import serial

        self._port = serial.Serial(timeout=_STEP_S, write_timeout=ANSWER_S, baudrate=baud)
        self._port.dtr = self._port.rts = False
        self._port.port = device
        if os.name == "posix":  # Windows opens every port for one process alone
            self._port.exclusive = True
        self._port.open()

    def set_baud(self, baud: int) -> None:
        self._port.baudrate = baud

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def read(self, timeout_s: float) -> bytes:
        self._port.timeout = timeout_s
        return bytes(self._port.read(1)) + bytes(self._port.read(self._port.in_waiting))

    def close(self) -> None:
        self._port.close()
