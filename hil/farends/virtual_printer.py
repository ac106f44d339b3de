"""OctoPrint's virtual Marlin printer behind a pseudo-terminal, with faults on its line. Runs in OctoPrint's own venv.

    PYTHON_OF_OCTOPRINT hil/farends/virtual_printer.py LINK [--set JSON]

LINK becomes a symbolic link to the terminal. It tells on stdout `ready NAME`, `did COMMAND` for each move that was
carried out, and answers. It is told on stdin:

    state               tell `state {"nozzle": ..., "bed": ..., "nozzle_target": ..., "bed_target": ..., "moves": ...}`
    debug COMMAND       one of the virtual printer's own faults: trigger_fatal_error_marlin, go_awol, send TEXT ...
    say TEXT            the line TEXT, as if the printer said it
    garbage COUNT       so many bytes that are no text
    huge COUNT          so many letters without a line end
    drip on|off         hand on every byte of an answer by itself
    noise COUNT         spoil every second numbered line on its way to the printer, so many in all
    freeze on|off       neither hear nor say anything, and let the line fill up
    unplug, plug        take the terminal away; give a new one under the same name

It ends when its stdin closes.
"""

# mypy: ignore-errors
# It runs in another Python, against a library without types.

import argparse
import contextlib
import json
import os
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path

import octoprint.plugins.virtual_printer.virtual as virtual
from octoprint.plugins.virtual_printer import VirtualPrinterPlugin

_RECEIVES = 4096
"""Bytes of the virtual printer's buffer. The terminal before it stands for what a real one has."""

_HOLDS_S = 10.0
"""How long bytes are kept for a host that does not read."""


class Settings:
    """What the virtual printer asks of OctoPrint's settings."""

    def __init__(self, changed: dict, folder: str) -> None:
        self._values = {**VirtualPrinterPlugin().get_settings_defaults(), "rxBuffer": _RECEIVES, **changed}
        self._folder = folder

    def get(self, path: list[str], **_: object):
        value = self._values
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def get_int(self, path: list[str], **_: object):
        value = self.get(path)
        return None if value is None else int(value)

    def get_float(self, path: list[str], **_: object):
        value = self.get(path)
        return None if value is None else float(value)

    def get_boolean(self, path: list[str], **_: object) -> bool:
        return bool(self.get(path))

    def global_get_basefolder(self, *_: object, **__: object) -> str:
        return self._folder


class Profiles:
    """A printer of 235 x 235 x 250 mm."""

    def get_current_or_default(self) -> dict:
        volume = {"width": 235, "depth": 235, "height": 250, "origin": "lowerleft", "custom_box": False}
        return {"volume": {**volume, "formFactor": "rectangular"}}


class NoPlugins:
    def get_hooks(self, *_: object) -> dict:
        return {}


def tell(text: str) -> None:
    with _TELLING:
        print(text, flush=True)


_TELLING = threading.Lock()


class Printer(virtual.VirtualPrinter):
    """Tells each move when it is carried out: the truth that a driver's claims are held against."""

    moves = 0

    def _performMove(self, line: str) -> None:  # noqa: N802 - the virtual printer's own name
        super()._performMove(line)
        self.moves += 1
        tell(f"did {line.strip()}")


class Line:
    """The terminal between the driver and the printer. Bytes pass through threads of their own."""

    def __init__(self, link: Path, printer: Printer) -> None:
        self.link = link
        self.printer = printer
        self.frozen = threading.Event()
        self.drip = False
        self.spoil = 0
        self.passed = 0
        self.master = self.slave = -1
        self.lock = threading.RLock()
        self.plug()
        for task in (self.carry_out, self.carry_in):
            threading.Thread(target=task, daemon=True).start()

    def plug(self) -> None:
        with self.lock:
            self.master, self.slave = os.openpty()
            tty.setraw(self.slave)
            name = os.ttyname(self.slave)
            fresh = self.link.with_suffix(".new")
            fresh.symlink_to(name)
            fresh.replace(self.link)
            os.set_blocking(self.master, False)
        tell(f"ready {name}")

    def unplug(self) -> None:
        with self.lock:
            self.link.unlink(missing_ok=True)
            os.close(self.slave)
            os.close(self.master)
            self.master = self.slave = -1
        self.printer._reset()  # a printer that is powered by its plug forgets
        tell("unplugged")

    def send(self, data: bytes) -> None:
        pieces = [data[at : at + 1] for at in range(len(data))] if self.drip else [data]
        for piece in pieces:
            rest = piece
            until = time.monotonic() + _HOLDS_S
            while rest and time.monotonic() < until:
                with self.lock:
                    if self.master < 0:
                        return
                    try:
                        rest = rest[os.write(self.master, rest) :]
                    except BlockingIOError:
                        pass
                    except OSError:
                        return
                if rest:
                    time.sleep(0.005)
            if self.drip:
                time.sleep(0.0005)

    def carry_out(self) -> None:
        while True:
            while self.frozen.is_set():
                time.sleep(0.02)
            line = self.printer.readline()
            if line and not self.frozen.is_set():
                self.send(line if line.endswith(b"\n") else line + b"\n")  # it leaves the end out on some lines

    def carry_in(self) -> None:
        kept = b""
        while True:
            data = b""
            if not self.frozen.is_set():
                with self.lock, contextlib.suppress(OSError):
                    data = os.read(self.master, 4096) if self.master >= 0 else b""
            if not data:
                time.sleep(0.002)
                continue
            *lines, kept = (kept + data).split(b"\n")
            for line in lines:
                data = self.spoiled(line) + b"\n"
                while self.printer.incoming.qsize() + len(data) > _RECEIVES:  # it locks itself up when it is full
                    time.sleep(0.002)
                self.printer.write(data)

    def spoiled(self, line: bytes) -> bytes:
        self.passed += 1
        if self.spoil and self.passed % 2 and line.startswith(b"N") and b"M110" not in line:
            self.spoil -= 1
            tell(f"spoiled {line.decode()}")
            at = line.index(b" ") + 1
            return line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]
        return line


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("link", type=Path)
    parser.add_argument("--set", default="{}", help="settings of the virtual printer, as JSON")
    arguments = parser.parse_args()
    virtual.plugin_manager = NoPlugins
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(json.loads(arguments.set), folder)
        printer = Printer(settings, Profiles(), data_folder=folder, read_timeout=0.2)
        line = Line(arguments.link, printer)
        orders: dict[str, Callable[[str], None]] = {
            "state": lambda _: tell(f"state {json.dumps(state(printer))}"),
            "debug": printer._debugTrigger,
            "say": lambda text: line.send(text.encode() + b"\n"),
            "garbage": lambda text: line.send((bytes(range(128, 256)) * (int(text) // 128 + 1))[: int(text)] + b"\n"),
            "huge": lambda text: line.send(b"x" * int(text) + b"\n"),
            "drip": lambda text: setattr(line, "drip", text == "on"),
            "noise": lambda text: setattr(line, "spoil", int(text)),
            "freeze": lambda text: line.frozen.set() if text == "on" else line.frozen.clear(),
            "unplug": lambda _: line.unplug(),
            "plug": lambda _: line.plug(),
        }
        for order in sys.stdin:
            name, _, text = order.strip().partition(" ")
            orders[name](text)
            tell(f"ok {name}")
        arguments.link.unlink(missing_ok=True)
    os._exit(0)  # the virtual printer's threads do not end by themselves


def state(printer: Printer) -> dict:
    return {
        "nozzle": printer.temp[0],
        "bed": printer.bedTemp,
        "nozzle_target": printer.targetTemp[0],
        "bed_target": printer.bedTargetTemp,
        "moves": printer.moves,
    }


if __name__ == "__main__":
    main()
