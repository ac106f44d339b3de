"""The demo's 3D printer as a process: a Marlin printer behind a port that TCP reaches, as behind a serial server.

TCP and not a pseudo-terminal: the terminal of a killed process is given to the next program that asks for one, and a
link that still names it would lead the agent's G-code into somebody's shell.
"""

import argparse
import select
import socket
import time
from pathlib import Path

from controller.demo.farends.faults import Fault
from controller.demo.farends.printer_model import Printer, Settings
from controller.demo.farends.switch import Switch

_LOOK_S = 0.25
"""How often the switch is looked at."""
_SEND_S = 2.0
"""A host that does not read is cut off after this long."""


class PrinterPort:
    """One thread. One host at a time: another one is turned away."""

    def __init__(self, printer: Printer, host: str, port: int, switch: Switch) -> None:
        self._printer = printer
        self._switch = switch
        self._listener: socket.socket | None = socket.create_server((host, port))
        self._address: tuple[str, int] = self._listener.getsockname()[:2]
        self._host: socket.socket | None = None

    @property
    def port(self) -> int:
        return self._address[1]

    def turn(self) -> None:
        """Wait until something happens, for a moment at most, and do it."""
        now = time.monotonic()
        waits = [way for way in (self._listener, self._host) if way]
        ready, _, _ = select.select(waits, [], [], min(_LOOK_S, self._printer.due(now)))
        self._throw()
        if self._listener in ready:
            self._take_host()
        data = self._hear() if self._host in ready else b""
        now = time.monotonic()
        self._say(self._printer.receive(data, now) if data else b"")
        self._say(self._printer.tick(now))

    def _throw(self) -> None:
        fault = self._switch.thrown()
        if fault is None:
            return
        if fault is Fault.UNPLUGGED:
            self._unplug()
        elif self._listener is None:
            self._listener = socket.create_server(self._address)
        self._say(self._printer.switch(fault, time.monotonic()))

    def _unplug(self) -> None:
        self._let_host_go()
        if self._listener:
            self._listener.close()
            self._listener = None

    def _take_host(self) -> None:
        if self._listener is None:  # unplugged just now
            return
        way, _ = self._listener.accept()
        if self._host:
            way.close()
            return
        way.settimeout(_SEND_S)
        way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = way

    def _hear(self) -> bytes:
        if self._host is None:
            return b""
        try:
            data = self._host.recv(4096)
        except OSError:
            data = b""
        if not data:
            self._let_host_go()
        return data

    def _say(self, data: bytes) -> None:
        """What nobody listens to is lost, as on a serial line."""
        if data and self._host:
            try:
                self._host.sendall(data)
            except OSError:
                self._let_host_go()

    def _let_host_go(self) -> None:
        if self._host:
            self._host.close()
            self._host = None


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="farends printer", description="A 3D printer with Marlin firmware")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--switch", type=Path, required=True, help="the file that says which fault it has")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than real it moves and heats")
    options = parser.parse_args(arguments)
    printer = Printer(Settings(speed=options.speed), time.monotonic())
    printer.tick(time.monotonic())  # it boots before anybody can listen
    port = PrinterPort(printer, options.host, options.port, Switch(options.switch))
    print(f"3D printer at tcp://{options.host}:{port.port}", flush=True)
    while True:
        port.turn()
