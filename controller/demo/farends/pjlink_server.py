"""PJLink over TCP for a projector model, with faults on its line."""

import hashlib
import secrets
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from controller.demo.farends.projector_model import Projector

_GARBAGE = bytes(range(1, 256)).replace(b"\r", b"") + b"\r"
_HUGE = 1_000_000
_LONGEST = 1024
_SEND_S = 2.0
"""A peer that does not read holds nobody up for longer."""


@dataclass(slots=True, eq=False)
class _Client:
    way: socket.socket
    heard_at: float
    salt: str = ""
    proven: bool = True
    came: bytes = b""
    to_send: list[tuple[float, bytes]] = field(default_factory=list)
    """(when, bytes), in order."""
    closing: bool = False


class PjlinkServer:
    """Used by one thread. `heard` is told each request. `fault` is how it answers from now on: none, frozen, close,
    garbage, huge, drip (a byte each `drip_s`) or deaf (closes at once)."""

    def __init__(
        self,
        projector: Projector,
        address: tuple[str, int],
        *,
        clock: Callable[[], float],
        password: str = "",
        idle_s: float = 30.0,
        heard: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.projector = projector
        self.fault = "none"
        self.drip_s = 0.01
        self.selector = selectors.DefaultSelector()
        self._clock = clock
        self._password = password
        self._idle_s = idle_s
        self._heard = heard
        self._clients: list[_Client] = []
        self._address = address
        self._listener: socket.socket | None = None
        self.plug()

    @property
    def port(self) -> int:
        return self._address[1]

    def plug(self) -> None:
        """Listen, where it listened before."""
        if self._listener is None:
            self._listener = socket.create_server(self._address)
            self._address = self._listener.getsockname()[:2]
            self.selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def unplug(self) -> None:
        """Drop every connection and refuse new ones."""
        self.drop_all()
        if self._listener is not None:
            self.selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def drop_all(self) -> None:
        for client in tuple(self._clients):
            self._drop(client)

    def turn(self, wait_s: float) -> float:
        """Serve for `wait_s` at most, also what others registered in `selector`; the time it is now."""
        for key, _ in self.selector.select(0.01 if any(each.to_send for each in self._clients) else wait_s):
            key.data()
        now = self._clock()
        for client in tuple(self._clients):
            self._serve(client, now)
        return now

    def _accept(self) -> None:
        if self._listener is None:
            return
        way, _ = self._listener.accept()
        way.settimeout(_SEND_S)
        now = self._clock()
        if self.fault == "deaf":
            way.close()
            return
        client = _Client(way, now)
        if self._password:
            client.salt, client.proven = secrets.token_hex(4), False
        self._clients.append(client)
        self.selector.register(way, selectors.EVENT_READ, partial(self._came, client))
        self._say(client, f"PJLINK 1 {client.salt}" if client.salt else "PJLINK 0", now)

    def _serve(self, client: _Client, now: float) -> None:
        """Send what is due; close a connection that has been idle."""
        try:
            while client.to_send and client.to_send[0][0] <= now:
                client.way.sendall(client.to_send.pop(0)[1])
        except OSError:
            self._drop(client)
            return
        if not client.to_send and (client.closing or now - client.heard_at > self._idle_s):
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self.selector.unregister(client.way)
            client.way.close()

    def _came(self, client: _Client) -> None:
        if client not in self._clients:  # dropped in this very turn
            return
        try:
            data = client.way.recv(4096)
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        now = client.heard_at = self._clock()
        *lines, client.came = (client.came + data)[-_LONGEST:].split(b"\r")
        for line in lines:
            self._line(client, line.decode("utf-8", "replace"), now)

    def _line(self, client: _Client, line: str, now: float) -> None:
        if not client.proven:
            proof = hashlib.md5((client.salt + self._password).encode(), usedforsecurity=False).hexdigest()
            if line[:32] != proof:
                client.closing = True
                self._say(client, "PJLINK ERRA", now)
                return
            client.proven, line = True, line[32:]
        self._heard(line)
        answer = self.projector.answer(line, now)
        if self.fault == "close":
            self._drop(client)
        else:
            self._say(client, answer, now)

    def _say(self, client: _Client, text: str, now: float) -> None:
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
