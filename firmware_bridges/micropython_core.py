"""MicroPython's raw REPL: bytes in, events out. Pure.

The REPL's own document: docs.micropython.org, "The raw REPL". Ctrl-A enters it, and the board answers
`raw REPL; CTRL-B to exit` and a prompt `>`. Ctrl-D after the text of a program runs it: `OK`, what it prints, 0x04,
what went wrong, 0x04, and the prompt. Ctrl-C stops what runs; Ctrl-B goes back to the friendly REPL.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from contract.model import Value

BAUD: Final = 115_200
ENTER: Final = b"\x01"
LEAVE: Final = b"\x02"
INTERRUPT: Final = b"\x03"
RUN: Final = b"\x04"
MAX_OUTPUT: Final = 65_536
"""Bytes that a program may print before it ends, for `Ran`; what comes after them is left out."""
MAX_NOISE: Final = 65_536
"""Bytes that a board may say before it says what was asked for."""
MAX_TEXT: Final = 200
RESTARTED: Final = b"the board was restarted"
_GREETED = re.compile(
    rb'(?:Type "help\(\)" for more information\.\r\n>>> |soft reboot\r\nraw REPL; CTRL-B to exit\r\n>)\Z'
)
"""How a board that has just started waits for whoever listens (MicroPython, shared/runtime/pyexec.c)."""
_PROMPT: Final = b"\r\n>>> "
_PROMPTS = re.compile(rb"(?:\r\n>>> )+")
"""What it says to interrupts that come after it started: any number, and they say nothing new."""
_TAIL = 128
_BANNER: Final = b"raw REPL; CTRL-B to exit\r\n>"
_IDENTITY: Final = """
import sys
def say(name, value):
    print(name, repr(str(value)))
try:
    import os
    u = os.uname()
    say('board', u.machine)
    say('firmware', u.release)
    say('platform', u.sysname)
except (ImportError, AttributeError):
    say('board', sys.platform)
    say('firmware', '.'.join([str(each) for each in sys.implementation[1][:3]]))
    say('platform', sys.platform)
say('python', sys.version.split(';')[0])
try:
    import machine
    say('serial', ''.join(['%02x' % each for each in machine.unique_id()]))
except (ImportError, AttributeError):
    pass
import gc
gc.collect()
print('memory-free', gc.mem_free())
"""
IDENTITY: Final = _IDENTITY.strip()
"""Asks what the board is. It runs on every port: what one lacks is left out."""
_TEXTS: Final = frozenset(("board", "firmware", "platform", "python", "serial"))


@dataclass(frozen=True, slots=True)
class Ready:
    """In the raw REPL, at its prompt."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The board has the program and runs it."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A program ended: what it printed and what went wrong, empty if nothing did."""

    output: bytes
    error: bytes


@dataclass(frozen=True, slots=True)
class Noise:
    """What a raw REPL does not say."""

    start: bytes
    why: str


Event: TypeAlias = Ready | Taken | Ran | Noise


class State(Enum):
    """What is heard next."""

    FRIENDLY = auto()
    PROMPT = auto()
    OK = auto()
    OUTPUT = auto()
    ERROR = auto()
    END = auto()


_BUSY: Final = frozenset({State.OK, State.OUTPUT, State.ERROR})
"""A program is on its way, or runs."""


class ReplCore:
    """`enter` and `run` give the bytes to send; `receive` gives what they brought, at any size of pieces.

    A board that was reset while it ran a program has ended it with the error RESTARTED. After that, and after noise, it
    is to be entered again: its state is FRIENDLY.
    """

    def __init__(self) -> None:
        self.state = State.FRIENDLY
        self._heard = bytearray()
        self._tail = b""
        self._output = self._error = b""

    def enter(self) -> bytes:
        """Stop what runs, and enter the raw REPL from whatever the board is in."""
        self.state = State.FRIENDLY
        self._heard.clear()
        self._tail = b""
        return b"\r" + INTERRUPT * 2 + ENTER

    def run(self, program: str) -> bytes:
        self.state, self._tail = State.OK, b""
        return program.encode() + RUN

    def receive(self, data: bytes) -> list[Event]:
        self._heard += data
        self._tail = _PROMPTS.sub(_PROMPT, self._tail + data)[-_TAIL:]
        events: list[Event] = []
        while (event := self._next()) is not None:
            events.append(event)
            if isinstance(event, Noise):
                self._leave()
                return events
        if self.state in _BUSY and _GREETED.search(self._tail):
            events.append(Ran(b"", RESTARTED))
            self._leave()
        return events

    def _leave(self) -> None:
        self._heard.clear()
        self.state = State.FRIENDLY

    def _next(self) -> Event | None:
        match self.state:
            case State.FRIENDLY:
                return self._friendly()
            case State.PROMPT:
                return self._prompt()
            case State.OK:
                return self._ok()
            case State.OUTPUT | State.ERROR:
                return self._ending()
            case State.END:
                return self._end()

    def _friendly(self) -> Event | None:
        at = self._heard.find(_BANNER)
        if at >= 0:
            del self._heard[: at + len(_BANNER)]
            self.state = State.PROMPT
            return Ready()
        if len(self._heard) > MAX_NOISE:
            return self._noise("no raw REPL")
        return None

    def _prompt(self) -> Event | None:
        """Nobody asked: the board has nothing to say. A second Ctrl-A repeats the banner, which is no harm."""
        return self._noise("nothing was asked") if self._heard and not _only(self._heard, b">\r\n") else None

    def _ok(self) -> Event | None:
        self._heard = self._heard.lstrip(b">\r\n")  # an interrupt that came too late repeats the prompt
        if len(self._heard) < 2:
            return None
        if not self._heard.startswith(b"OK"):
            return self._noise("not OK")
        del self._heard[:2]
        self.state = State.OUTPUT
        return Taken()

    def _ending(self) -> Event | None:
        at = self._heard.find(RUN)
        if at < 0:
            if len(self._heard) > MAX_OUTPUT:
                del self._heard[MAX_OUTPUT:]
            return None
        said = bytes(self._heard[: min(at, MAX_OUTPUT)])
        del self._heard[: at + 1]
        if self.state is State.OUTPUT:
            self._output, self.state = said, State.ERROR
        else:
            self._error, self.state = said, State.END
        return self._next()

    def _end(self) -> Event | None:
        """The next program may be sent only after the prompt."""
        if not self._heard:
            return None
        if not self._heard.startswith(b">"):
            return self._noise("no prompt")
        del self._heard[:1]
        self.state = State.PROMPT
        return Ran(self._output, self._error)

    def _noise(self, why: str) -> Noise:
        return Noise(bytes(self._heard[:40]), why)


def identity(output: bytes) -> dict[str, Value | None]:
    """The metrics that IDENTITY printed. A line that it would not print is left out."""
    values: dict[str, Value | None] = {}
    for line in output.decode("utf-8", "replace").splitlines():
        name, _, told = line.partition(" ")
        if name == "memory-free" and told.isascii() and told.isdigit() and len(told) < 12:
            values[name] = int(told)
        elif name in _TEXTS:
            values[name] = _quoted(told)
    return values


def complaint(error: bytes) -> str:
    """The last line of a traceback: `ZeroDivisionError: divide by zero`."""
    lines = plain(error).splitlines()
    return lines[-1][:MAX_TEXT] if lines else ""


def plain(said: bytes) -> str:
    """As a reader sees it."""
    text = said.decode("utf-8", "replace").replace("\r\n", "\n")
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n").strip()


def checks(output: bytes) -> Mapping[str, bool]:
    """What a self-test printed: `NAME ok` or `NAME wrong` a line, with a name of small letters and hyphens."""
    found: dict[str, bool] = {}
    for line in plain(output).splitlines()[:64]:
        name, _, result = line.strip().partition(" ")
        if result in ("ok", "wrong") and name.replace("-", "").isalnum() and name.isascii() and len(name) <= 40:
            found[name.lower().strip("-") or "x"] = result == "ok"
    return found


def _quoted(told: str) -> str | None:
    try:
        value = ast.literal_eval(told[:400])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return "".join(each for each in str(value) if each.isprintable())[:MAX_TEXT] if isinstance(value, str) else None


def _only(heard: bytearray, letters: bytes) -> bool:
    return all(each in letters for each in heard)
