"""Stand-ins for the other side."""

import contextlib
import hashlib
import ssl
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from itertools import count

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from contract import topics
from contract.messages import Ack, Inventory, Presence, Report, Status, digest_of, encode
from contract.model import Value
from contract.topics import UP, Address, Channel
from contract.wire import decode
from firmware_bridges.base import LinkLost


class FakeBridge:
    """A bridge that answers `values`, raises what `poll` is told to, and notes what it is asked to do."""

    def __init__(self, values: Mapping[str, Value | None]) -> None:
        self.values = dict(values)
        self.trouble: Exception | None = None
        self.hang: threading.Event | None = None
        self.opened = self.closed = self.polled = 0
        self.executed: list[tuple[str, dict[str, Value]]] = []

    def open(self) -> None:
        if isinstance(self.trouble, LinkLost):
            raise self.trouble
        self.opened += 1

    def poll(self) -> Mapping[str, Value | None]:
        self.polled += 1
        if self.hang:
            self.hang.wait()
        if self.trouble:
            raise self.trouble
        return dict(self.values)

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        if self.trouble:
            raise self.trouble
        self.executed.append((action, dict(args)))

    def close(self) -> None:
        self.closed += 1


class FakeLink:
    """A way to a device that greets whoever opens it and answers what is written to it.

    Time passes only where somebody waits, in seconds.

    `spoil` is given each answer with its number, from 0 on, and gives what comes in its place.
    """

    def __init__(
        self,
        answer: Callable[[bytes, float], bytes],
        spoil: Callable[[int, bytes], bytes] = lambda _, said: said,
        greeting: bytes = b"",
    ) -> None:
        self.now_s = 0.0
        self.closed = True
        self._greeting = greeting
        self._answer = answer
        self._spoil = spoil
        self._answers = count()
        self._said = b""

    def open(self) -> "FakeLink":
        self.closed, self._said = False, self._spoil(next(self._answers), self._greeting)
        return self

    def write(self, data: bytes) -> None:
        self._hear(data)

    def read(self, timeout_s: float) -> bytes:
        if not self._said:
            self.now_s += timeout_s
            self._hear(b"")
        said, self._said = self._said, b""
        return said

    def close(self) -> None:
        self.closed = True

    def _hear(self, data: bytes) -> None:
        said = self._answer(data, self.now_s)
        if data or said:
            self._said += self._spoil(next(self._answers), said)


class FakeController:
    """Hears all agents, keeps every report in memory and acks it. `acking` may be switched off."""

    def __init__(
        self, host: str, port: int, user: str = "", password: str = "", *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=user.replace(".", "/") or "fabfleet-controller"
        )
        if user:
            self._client.username_pw_set(user, password)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._where = (host, port)
        self._ready = threading.Event()
        self.acking = True
        self.generation = 1
        self.reports: dict[tuple[str, int], Report] = {}
        self.digests: dict[tuple[str, int], str] = {}
        self.conflicts: list[tuple[str, int]] = []
        self.resent = 0
        self.order: list[tuple[str, int]] = []
        self.statuses: list[Status] = []
        self.inventories: list[Inventory] = []
        self.refuse: dict[tuple[str, int], str] = {}
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message

    def start(self) -> None:
        self._client.connect(*self._where, keepalive=10)
        self._client.loop_start()
        assert self._ready.wait(10.0), "no subscription"

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, address: Address, channel: Channel, payload: bytes) -> None:
        self._client.publish(address.topic(channel), payload, qos=1, retain=channel in topics.RETAINED)

    def numbers(self, epoch: str) -> tuple[tuple[int, int], ...]:
        """What is committed of an epoch, in as few ranges as tell it."""
        ranges: list[tuple[int, int]] = []
        for first, last in sorted(
            (report.first, report.number) for (e, _), report in self.reports.items() if e == epoch
        ):
            if ranges and first == ranges[-1][1] + 1:
                ranges[-1] = (ranges[-1][0], last)
            else:
                ranges.append((first, last))
        return tuple(ranges)

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe([(topics.filter_for(channel), 1) for channel in UP])

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        address, channel = topics.parse(message.topic)
        payload = bytes(message.payload)
        if channel is Channel.STATUS:
            status = decode(Status, payload)
            self.statuses.append(status)
            if status.presence is Presence.ONLINE and self.acking:
                for held in status.held:
                    self._ack(address, Ack(self.generation, 1, held.epoch, self.numbers(held.epoch), complete=True))
        elif channel is Channel.INVENTORY:
            self.inventories.append(decode(Inventory, payload))
        else:
            self._take(address, payload)

    def _take(self, address: Address, payload: bytes) -> None:
        report = decode(Report, payload)
        digest = digest_of(payload)
        assert digest, "a report without its digest"
        if not self.acking:
            return
        key = report.epoch, report.number
        if self.digests.setdefault(key, digest) != digest:
            self.conflicts.append(key)
            return
        self.resent += key in self.reports
        self.reports[key] = report
        self.order.append(key)
        self._ack(address, Ack(self.generation, 1, report.epoch, ((report.first, report.number),)))

    def _ack(self, address: Address, ack: Ack) -> None:
        self.publish(address, Channel.ACK, encode(ack))


class JobServer:
    """Stands for the controller where job files are: answers what it was told to, at the pace it was told to."""

    def __init__(self, port: int = 0) -> None:
        self.answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        self.cut_short = 0
        """How many more answers break off half-way."""
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens elsewhere before a request is answered."""
        self._byte_every_s = 0.0
        self._ending = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.headers.append(dict(self.headers.items()))
                fake.asked.append(self.path)
                fake.meanwhile()
                code, body, headers = fake.answers.get(self.path, (404, b"", {}))
                self.send_response(code)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    if not (name == "Content-Length" and "Transfer-Encoding" in headers):
                        self.send_header(name, value)
                self.end_headers()
                fake._send(self.wfile, fake._cut(body))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def offer(self, content: bytes, at: str = "", byte_every_s: float = 0.0) -> str:
        """Have a file; its digest. Slow: a byte at a time, or none for as long."""
        digest = hashlib.sha256(content).hexdigest()
        self.answers[f"{at}/api/v1/files/{digest}"] = (200, content, {})
        self._byte_every_s = byte_every_s
        return digest

    def stop(self) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()

    def _cut(self, body: bytes) -> bytes:
        if not self.cut_short:
            return body
        self.cut_short -= 1
        return body[: len(body) // 2]

    def _send(self, out: BufferedIOBase, body: bytes) -> None:
        if not self._byte_every_s:
            out.write(body)
            return
        with contextlib.suppress(OSError):
            for byte in body:
                if self._ending.wait(self._byte_every_s):
                    return
                out.write(bytes([byte]))
