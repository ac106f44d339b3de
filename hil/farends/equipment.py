"""A piece of equipment as a process: a display, a plug or a projector behind TCP, with faults on its line.

    python -m hil.farends.equipment KIND [--port 0]

It tells on stdout `ready PORT`, and `heard HEX` for what it gets. It is told on stdin:

    state                   tell all that it knows of itself
    put NAME VALUE          change it, as by its own remote control
    stuck 0|1               say yes to every setting and do nothing
    fault NAME              how it answers from now on: none, frozen, garbage, huge, close, cut (half an answer)
    drop                    close every connection

It ends when its stdin closes.
"""

import argparse
import os
import selectors
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Protocol

from hil.farends import displays, mdc_display, plugs

GARBAGE = bytes(range(1, 256)) + b"\r\n:>"
HUGE = b"x" * 1_000_000


class Equipment(Protocol):
    """What is behind the line; `caller` numbers the connections."""

    state: dict[str, str]
    stuck: bool

    def receive(self, caller: int, data: bytes) -> bytes: ...


KINDS: Mapping[str, Callable[[], Equipment]] = {**displays.KINDS, **mdc_display.KINDS, **plugs.KINDS}


class Server:
    """Serves on one thread until its stdin closes."""

    def __init__(self, equipment: Equipment, port: int) -> None:
        self.equipment = equipment
        self.fault = "none"
        self.callers: list[socket.socket] = []
        self.numbers = count()
        self.told_bytes = b""
        self.listener = socket.create_server(("127.0.0.1", port))
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.selector.register(sys.stdin, selectors.EVENT_READ, self.told)

    def run(self) -> None:
        say(f"ready {self.listener.getsockname()[1]}")
        while True:
            for key, _ in self.selector.select():
                key.data()

    def accept(self) -> None:
        way, _ = self.listener.accept()
        way.settimeout(2.0)
        self.callers.append(way)
        self.selector.register(way, selectors.EVENT_READ, partial(self.came, way, next(self.numbers)))

    def came(self, way: socket.socket, number: int) -> None:
        if way not in self.callers:  # dropped in this very turn
            return
        data = b""
        with suppress(OSError):
            data = way.recv(4096)
        if not data:
            self.drop(way)
            return
        say(f"heard {data.hex()}")
        answer = self.equipment.receive(number, data)
        spoiled = {"frozen": b"", "garbage": GARBAGE, "huge": HUGE, "cut": answer[: len(answer) // 2]}
        with suppress(OSError):
            way.sendall(spoiled.get(self.fault, answer))
        if self.fault == "close":
            self.drop(way)

    def drop(self, way: socket.socket) -> None:
        self.callers.remove(way)
        self.selector.unregister(way)
        way.close()

    def told(self) -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            raise SystemExit
        *lines, self.told_bytes = (self.told_bytes + data).split(b"\n")
        for line in lines:
            self.obey(line.decode().split())

    def obey(self, words: list[str]) -> None:
        match words:
            case ["state"]:
                say("state " + " ".join(f"{name}={value}" for name, value in self.equipment.state.items()))
                return
            case ["put", name, value]:
                self.equipment.state[name] = value
            case ["stuck", on]:
                self.equipment.stuck = on == "1"
            case ["fault", name]:
                self.fault = name
            case ["drop"]:
                for way in tuple(self.callers):
                    self.drop(way)
            case _:
                say(f"unknown {' '.join(words)}")
                return
        say(f"did {' '.join(words)}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description="A display, a projector or a plug")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    Server(KINDS[given.kind](), given.port).run()


if __name__ == "__main__":
    main()
