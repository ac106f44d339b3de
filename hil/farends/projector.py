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
import hashlib
import os
import secrets
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from functools import partial

from hil.farends.projector_model import Projector, Settings

_GARBAGE = bytes(range(1, 256)).replace(b"\r", b"") + b"\r"
_HUGE = 1_000_000
_LONGEST = 1024
_SEND_S = 2.0
"""A peer that does not read holds nobody up for longer."""


@dataclass(slots=True, eq=False)
class Client:
    way: socket.socket
    heard_at: float
    salt: str = ""
    proven: bool = True
    came: bytes = b""
    to_send: list[tuple[float, bytes]] = field(default_factory=list)
    """(when, bytes), in order."""
    closing: bool = False


class Server:
    """One thread, one selector."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        scale = arguments.scale
        settings = Settings(
            pjclass=arguments.pjclass,
            warm_up_s=arguments.warm_up * scale,
            cool_down_s=arguments.cool_down * scale,
            lamp_hours=arguments.lamp_hours,
        )
        self.projector = Projector(settings, time.monotonic())
        self.password: str = arguments.password
        self.idle_s: float = arguments.idle
        self.fault = "none"
        self.drip_s = 0.01
        self.clients: list[Client] = []
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server((arguments.host, arguments.port))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((arguments.host, arguments.udp_port))
        host, _, port = arguments.notify.rpartition(":")
        self.notify = (host, int(port)) if port else None
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.selector.register(self.udp, selectors.EVENT_READ, self.searched)
        self.selector.register(sys.stdin, selectors.EVENT_READ, self.told)
        self.told_bytes = b""

    def run(self) -> None:
        say(f"ready {self.listener.getsockname()[1]} {self.udp.getsockname()[1]}")
        self.announce([f"%2LKUP={self.projector.settings.mac}"])
        while True:
            for key, _ in self.selector.select(0.01 if any(each.to_send for each in self.clients) else 0.05):
                key.data()
            now = time.monotonic()
            self.announce(self.projector.notices(now))
            for client in tuple(self.clients):
                self.serve(client, now)

    def announce(self, notices: list[str]) -> None:
        if self.notify and self.projector.settings.pjclass == 2:
            for line in notices:
                self.udp.sendto(f"{line}\r".encode(), self.notify)

    def accept(self) -> None:
        way, _ = self.listener.accept()
        way.settimeout(_SEND_S)
        now = time.monotonic()
        if self.fault == "deaf":
            way.close()
            return
        client = Client(way, now)
        if self.password:
            client.salt, client.proven = secrets.token_hex(4), False
        self.clients.append(client)
        self.selector.register(way, selectors.EVENT_READ, partial(self.came, client))
        self.say_to(client, f"PJLINK 1 {client.salt}" if client.salt else "PJLINK 0", now)

    def serve(self, client: Client, now: float) -> None:
        """Send what is due; close a connection that has been idle."""
        try:
            while client.to_send and client.to_send[0][0] <= now:
                client.way.sendall(client.to_send.pop(0)[1])
        except OSError:
            self.drop(client)
            return
        if not client.to_send and (client.closing or now - client.heard_at > self.idle_s):
            self.drop(client)

    def drop(self, client: Client) -> None:
        if client in self.clients:
            self.clients.remove(client)
            self.selector.unregister(client.way)
            client.way.close()

    def came(self, client: Client) -> None:
        try:
            data = client.way.recv(4096)
        except OSError:
            data = b""
        if not data:
            self.drop(client)
            return
        now = client.heard_at = time.monotonic()
        *lines, client.came = (client.came + data)[-_LONGEST:].split(b"\r")
        for line in lines:
            self.line(client, line.decode("utf-8", "replace"), now)

    def line(self, client: Client, line: str, now: float) -> None:
        if not client.proven:
            proof = hashlib.md5((client.salt + self.password).encode(), usedforsecurity=False).hexdigest()
            if line[:32] != proof:
                client.closing = True
                self.say_to(client, "PJLINK ERRA", now)
                return
            client.proven, line = True, line[32:]
        say(f"heard {line}")
        answer = self.projector.answer(line, now)
        if self.fault == "close":
            self.drop(client)
        else:
            self.say_to(client, answer, now)

    def say_to(self, client: Client, text: str, now: float) -> None:
        data = f"{text}\r".encode()
        match self.fault:
            case "frozen":
                return
            case "garbage":
                client.to_send.append((now, _GARBAGE))
            case "huge":
                client.to_send.append((now, text.encode() + b"x" * _HUGE + b"\r"))
            case "drip":
                client.to_send += [(now + i * self.drip_s, data[i : i + 1]) for i in range(len(data))]
            case _:
                client.to_send.append((now, data))

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
                self.fault = name
                self.drip_s = float(value[0]) if value else self.drip_s
            case ["drop"]:
                for client in tuple(self.clients):
                    self.drop(client)
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
    Server(parser.parse_args()).run()


if __name__ == "__main__":
    main()
