"""A projector as a process: PJLink class 1 and 2 over TCP and UDP, with faults.

    python -m hil.farends.projector [--port 0] [--password TEXT] [--scale 0.01] ...

It tells on stdout `ready TCP UDP`, then `heard LINE` for each request and `state ...` when asked. It is told on stdin:

    state                   tell power, input, mute and lamp hours
    power 0|1               as by its own remote control
    lamp HOURS | error PART LEVEL | trouble BODY|* ERRn|none
    stuck 0|1               say OK to every setting and do nothing
    fault NAME [VALUE]      how it answers from now on: none, frozen, close, garbage, huge, drip SECONDS, deaf
    drop                    close every connection

It ends when its stdin closes.
"""

import argparse
import os
import selectors
import socket
import sys
import time

from controller.demo.farends.pjlink_server import PjlinkServer
from controller.demo.farends.projector_model import Projector, Settings


class FarEnd:
    """The projector with search and notices over UDP, told by stdin. One thread."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        scale = arguments.scale
        settings = Settings(
            pjclass=arguments.pjclass,
            warm_up_s=arguments.warm_up * scale,
            cool_down_s=arguments.cool_down * scale,
            lamp_hours=arguments.lamp_hours,
        )
        self.projector = Projector(settings, time.monotonic())
        self.server = PjlinkServer(
            self.projector,
            (arguments.host, arguments.port),
            clock=time.monotonic,
            password=arguments.password,
            idle_s=arguments.idle,
            heard=lambda line: say(f"heard {line}"),
        )
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((arguments.host, arguments.udp_port))
        host, _, port = arguments.notify.rpartition(":")
        self.notify = (host, int(port)) if port else None
        self.server.selector.register(self.udp, selectors.EVENT_READ, self.searched)
        self.server.selector.register(sys.stdin, selectors.EVENT_READ, self.told)
        self.told_bytes = b""

    def run(self) -> None:
        say(f"ready {self.server.port} {self.udp.getsockname()[1]}")
        self.announce([f"%2LKUP={self.projector.settings.mac}"])
        while True:
            self.announce(self.projector.notices(self.server.turn(0.05)))

    def announce(self, notices: list[str]) -> None:
        if self.notify and self.projector.settings.pjclass == 2:
            for line in notices:
                self.udp.sendto(f"{line}\r".encode(), self.notify)

    def searched(self) -> None:
        datagram, sender = self.udp.recvfrom(512)
        if datagram.rstrip(b"\r\n") == b"%2SRCH" and self.projector.settings.pjclass == 2:
            self.udp.sendto(f"%2ACKN={self.projector.settings.mac}\r".encode(), sender)

    def told(self) -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            raise SystemExit
        *lines, self.told_bytes = (self.told_bytes + data).split(b"\n")
        for line in lines:
            self.obey(line.decode().split())

    def obey(self, words: list[str]) -> None:
        now = time.monotonic()
        projector = self.projector
        match words:
            case ["state"]:
                muted = int(projector.picture_muted and projector.sound_muted)
                hours = projector.lamp_hours(now)
                say(f"state power={projector.power(now)} input={projector.input} muted={muted} lamp={hours:.3f}")
                return
            case ["power", on]:
                projector.switch(on == "1", now)
            case ["lamp", hours]:
                projector.settings.lamp_hours = float(hours)
            case ["error", part, level]:
                projector.errors[part] = int(level)
            case ["trouble", body, answer]:
                projector.trouble = {} if answer == "none" else projector.trouble | {body: answer}
            case ["stuck", on]:
                projector.stuck = on == "1"
            case ["fault", name, *value]:
                self.server.fault = name
                self.server.drip_s = float(value[0]) if value else self.server.drip_s
            case ["drop"]:
                self.server.drop_all()
            case _:
                say(f"unknown {' '.join(words)}")
                return
        say(f"did {' '.join(words)}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description="A projector that speaks PJLink")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--udp-port", type=int, default=0)
    parser.add_argument("--notify", default="", help="host:port that is told of changes")
    parser.add_argument("--password", default="")
    parser.add_argument("--pjclass", type=int, default=2, choices=(1, 2))
    parser.add_argument("--scale", type=float, default=1.0, help="of the times to warm up and cool down")
    parser.add_argument("--warm-up", type=float, default=30.0, help="seconds")
    parser.add_argument("--cool-down", type=float, default=60.0, help="seconds")
    parser.add_argument("--idle", type=float, default=30.0, help="seconds after which a quiet connection is closed")
    parser.add_argument("--lamp-hours", type=float, default=1200.0)
    FarEnd(parser.parse_args()).run()


if __name__ == "__main__":
    main()
