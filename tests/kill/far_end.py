"""The machines of the command tests, in a process that outlives every crash of the parts that command them.

    python -m tests.kill.far_end FOLDER projector:NAME printer:NAME ...

FOLDER/ports.json says where each machine listens. Every order that a machine carries out is a line in
FOLDER/orders.log, synced before it is answered. A file FOLDER/hold/NAME holds a pattern: as long as it is there, the
machine NAME carries out lines that begin like it, and does not answer.
"""

import argparse
import json
import os
import random
import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from controller.demo.farends.marlin_input import Input, Refused

HOST = "127.0.0.1"
PORTS, LOG, HOLD = "ports.json", "orders.log", "hold"
_LOOK_S = 0.03
_SLOW_S = 0.3
"""The longest that a machine takes over an order by itself, so that a kill by chance meets some at work."""
_HOMES_S = 3.0
"""So that a job is seen to run, however short it is: a printer is asked every 2 s."""
_COLD = "T:21.0 /0.0 B:21.0 /0.0 @:0 B@:0"


@dataclass(frozen=True, slots=True)
class Heard:
    """A line that a machine took, and what it says to it. `order`: it is one of those that are counted."""

    line: str
    answer: str
    order: bool = False
    takes_s: float = 0.0


class Machine(Protocol):
    """What is on the other side of one port."""

    greeting: bytes

    def hear(self, data: bytes) -> Iterator[Heard]:
        """The lines that `data` completes."""


class Projector:
    """A projector of PJLink class 1, always on. Its orders are those to change the input."""

    greeting = b"PJLINK 0\r"

    def __init__(self) -> None:
        self._came = b""
        self._answers = {"CLSS": "1", "POWR": "1", "INPT": "11", "INST": "11"}

    def hear(self, data: bytes) -> Iterator[Heard]:
        *lines, self._came = (self._came + data).split(b"\r")
        for line in lines:
            text = line.decode("ascii")
            body, parameter = text[2:6], text[7:]
            if parameter == "?":
                yield Heard(text, f"%1{body}={self._answers.get(body, 'ERR1')}\r")
            else:
                self._answers[body] = parameter
                yield Heard(text, f"%1{body}=OK\r", order=True)


class Printer:
    """A printer with Marlin's words. Its orders are those that heat or that a job gives; it does each at once."""

    greeting = b""

    def __init__(self) -> None:
        self._input = Input()

    def hear(self, data: bytes) -> Iterator[Heard]:
        for line in self._input.feed(data):
            try:
                command = self._input.read(line)
            except Refused as error:
                last = self._input.last
                yield Heard("", f"Error:{error}, Last Line: {last}\nResend: {last + 1}\nok\n")
                continue
            said = {"M105": f"ok {_COLD}\n", "M115": "FIRMWARE_NAME:Marlin of the tests\nok\n"}.get(
                command.code, "ok\n"
            )
            heats = command.code == "M104" and command.words.get("S", 0.0) > 0
            takes_s = _HOMES_S if command.code == "G28" else 0.0
            yield Heard(command.text, said, order=heats or command.code == "G4", takes_s=takes_s)


KINDS: Mapping[str, Callable[[], Machine]] = {"projector": Projector, "printer": Printer}


class Port:
    """One machine behind a TCP port. Whoever comes last has it: the one before is gone, or soon notices."""

    def __init__(self, name: str, kind: str, folder: Path, chance: random.Random) -> None:
        self.name = name
        self._make = KINDS[kind]
        self._folder = folder
        self._chance = chance
        self._machine = self._make()
        self._listener = socket.create_server((HOST, 0))
        self._host: socket.socket | None = None
        self._waiting: deque[tuple[float, Heard]] = deque()

    @property
    def number(self) -> int:
        number: int = self._listener.getsockname()[1]
        return number

    def register(self, selector: selectors.BaseSelector) -> None:
        selector.register(self._listener, selectors.EVENT_READ, partial(self._accept, selector))

    def answer(self) -> None:
        """Say what is due and not held, in order."""
        while self._waiting and self._host:
            due_s, heard = self._waiting[0]
            if time.monotonic() < due_s or self._holds(heard.line):
                return
            self._waiting.popleft()
            self._send(heard.answer.encode())

    def _holds(self, line: str) -> bool:
        try:
            pattern = (self._folder / HOLD / self.name).read_text("utf-8")
        except OSError:
            return False
        return re.match(pattern, line) is not None

    def _accept(self, selector: selectors.BaseSelector) -> None:
        self._let_go(selector)
        self._host, _ = self._listener.accept()
        self._machine = self._make()
        selector.register(self._host, selectors.EVENT_READ, partial(self._read, selector))
        self._send(self._machine.greeting)

    def _read(self, selector: selectors.BaseSelector) -> None:
        data = b""
        if self._host:
            try:
                data = self._host.recv(4096)
            except OSError:
                data = b""
        if not data:
            self._let_go(selector)
            return
        for heard in self._machine.hear(data):
            takes_s = heard.takes_s
            if heard.order:
                self._write_down(heard.line)
                takes_s += self._chance.random() * _SLOW_S
            self._waiting.append((time.monotonic() + takes_s, heard))

    def _write_down(self, line: str) -> None:
        log = os.open(self._folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(log, json.dumps([self.name, line]).encode() + b"\n")
            os.fsync(log)
        finally:
            os.close(log)

    def _send(self, data: bytes) -> None:
        if self._host and data:
            try:
                self._host.sendall(data)
            except OSError:
                self._waiting.clear()  # its end is read next

    def _let_go(self, selector: selectors.BaseSelector) -> None:
        self._waiting.clear()
        if self._host:
            selector.unregister(self._host)
            self._host.close()
            self._host = None


def main() -> None:
    parser = argparse.ArgumentParser(prog="far_end")
    parser.add_argument("folder", type=Path)
    parser.add_argument("machines", nargs="+", metavar="KIND:NAME")
    options = parser.parse_args()
    folder: Path = options.folder
    (folder / HOLD).mkdir(parents=True, exist_ok=True)
    chance = random.Random(0)
    asked = [text.partition(":") for text in options.machines]
    ports = [Port(name, kind, folder, chance) for kind, _, name in asked]
    selector = selectors.DefaultSelector()
    for port in ports:
        port.register(selector)
    draft = folder / f"{PORTS}.new"
    draft.write_text(json.dumps({port.name: port.number for port in ports}))
    draft.replace(folder / PORTS)
    while True:
        for key, _ in selector.select(_LOOK_S):
            key.data()
        for port in ports:
            port.answer()


if __name__ == "__main__":
    main()
