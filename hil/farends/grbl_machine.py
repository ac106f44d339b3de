"""The machine of hil.farends.grbl_model behind a pseudo-terminal, with faults on its line.

    python -m hil.farends.grbl_machine LINK [--blank] [--set NUMBER=VALUE]...

LINK becomes a symbolic link to the terminal. It tells `ready NAME`, and is told on stdin:

    state            tell `state JSON`: what it did, and whether its beam is on
    ideal FILE       tell `ideal SECONDS`: how long its own planner takes for the lines of FILE
    set N=VALUE      one of its settings
    door open|close  its safety door
    limit            a switch at the end of an axis
    power            off and on again; `power blank`: and its memory is lost
    say TEXT         the line TEXT, as if it said it
    garbage COUNT    so many bytes that are no text
    huge COUNT       so many letters without a line end
    drip on|off      hand on every byte by itself
    freeze on|off    neither hear nor say anything
    unplug, plug     take the terminal away, which powers it too; give a new one under the same name

It ends when its stdin closes.
"""

import argparse
import json
import os
import select
import sys
import time
import tty
from pathlib import Path

from hil.farends.grbl_model import Machine, ideal_s

_TICK_S = 0.002


class FarEnd:
    """The terminal, and the machine behind it. One loop, no threads."""

    def __init__(self, link: Path, settings: dict[int, float], *, blank: bool) -> None:
        self.link = link
        self.machine = Machine(time.monotonic(), settings=settings)
        self.settings = settings
        if blank:
            self.machine.blank = True
            self.machine.power_on(time.monotonic())
        self.master = self.slave = -1
        self.frozen = self.drip = False
        self.waiting = bytearray()
        self.told_bytes = b""
        self.plug()

    def run(self) -> None:
        while True:
            watched = [sys.stdin.fileno()]
            if self.master >= 0 and not self.frozen:
                watched.append(self.master)
            ready, _, _ = select.select(watched, [], [], _TICK_S)
            if sys.stdin.fileno() in ready:
                self.told()
            heard = b""
            if self.master in ready:
                try:
                    heard = os.read(self.master, 4096)
                except OSError:
                    heard = b""
            said = self.machine.receive(heard, time.monotonic())
            if not self.frozen:
                self.waiting += said
                self.send()

    def send(self) -> None:
        while self.waiting and self.master >= 0:
            piece = bytes(self.waiting[: 1 if self.drip else 4096])
            try:
                done = os.write(self.master, piece)
            except OSError:  # nobody reads, or it is full
                del self.waiting[: -4096 or None]
                return
            del self.waiting[:done]

    def plug(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        fresh = self.link.with_suffix(".new")
        fresh.symlink_to(os.ttyname(self.slave))
        fresh.replace(self.link)
        say(f"ready {os.ttyname(self.slave)}")

    def unplug(self) -> None:
        self.link.unlink(missing_ok=True)
        os.close(self.slave)
        os.close(self.master)
        self.master = self.slave = -1
        self.waiting.clear()
        self.machine.power_on(time.monotonic())

    def told(self) -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            self.link.unlink(missing_ok=True)
            raise SystemExit
        *lines, self.told_bytes = (self.told_bytes + data).split(b"\n")
        for line in lines:
            self.obey(line.decode())

    def obey(self, line: str) -> None:
        name, _, text = line.partition(" ")
        match name:
            case "state":
                say(f"state {json.dumps(self.state())}")
                return
            case "ideal":
                say(f"ideal {ideal_s(Path(text).read_text('utf-8').split(chr(10)), self.settings):.4f}")
                return
            case "set":
                number, _, value = text.partition("=")
                self.machine.settings[int(number)] = float(value)
            case "door":
                self.machine.open_door(text == "open")
            case "limit":
                self.machine.hit_limit()
            case "power":
                self.machine.blank = text == "blank"
                self.machine.power_on(time.monotonic())
            case _:
                self.spoil(name, text)
        say(f"ok {name}")

    def spoil(self, name: str, text: str) -> None:
        """Orders that concern the line, not the machine."""
        match name:
            case "say":
                self.waiting += text.encode() + b"\r\n"
            case "garbage":
                self.waiting += (bytes(range(128, 256)) * (int(text) // 128 + 1))[: int(text)] + b"\n"
                self.send()
            case "huge":
                self.waiting += b"x" * int(text) + b"\n"
            case "drip":
                self.drip = text == "on"
            case "freeze":
                self.frozen = text == "on"
            case "unplug":
                self.unplug()
            case "plug":
                self.plug()

    def state(self) -> dict[str, float]:
        machine, now = self.machine, time.monotonic()
        place, speed = machine.planner.now(now)
        return {
            "x": place[0],
            "y": place[1],
            "speed": speed,
            "laser": machine.laser,
            "overruns": machine.counts.overruns,
            "most_rx": machine.counts.most_rx,
            "resets": machine.counts.resets,
            "moving_s": machine.planner.moving_s,
            "lines": len(machine.counts.lines),
        }


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description="A machine with GRBL 1.1h")
    parser.add_argument("link", type=Path)
    parser.add_argument("--blank", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="NUMBER=VALUE")
    given = parser.parse_args()
    pairs = (each.split("=") for each in given.set)
    FarEnd(given.link, {int(number): float(value) for number, value in pairs}, blank=given.blank).run()


if __name__ == "__main__":
    main()
