"""A foreign MQTT client for tests: says what it is told to and keeps what it hears."""

import queue
import socket
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

WAIT_S = 20.0
LONGEST_PAUSE_S = 0.05
"""What comes at once is seen at once; what takes its time is not asked for all the time."""


def eventually(condition: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
    """Fail unless `condition` becomes true in time."""
    deadline = time.monotonic() + timeout_s
    pause_s = 0.002
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(pause_s)
        pause_s = min(1.5 * pause_s, LONGEST_PAUSE_S)


def _send_at_once(_client: object, _data: object, way: Any) -> None:
    """Else each packet waits 40 ms for the one before to be confirmed."""
    way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Client:
    """Connected while the with block runs. `heard` holds (topic, payload) in order of arrival."""

    def __init__(
        self,
        port: int,
        user: str,
        password: str,
        client_id: str = "",
        will: tuple[str, bytes] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._paho = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id or user.replace(".", "/"))
        self._paho.username_pw_set(user, password)
        if tls:
            self._paho.tls_set_context(tls)
        if will:
            self._paho.will_set(*will, qos=1, retain=True)
        self._port = port
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.refused = False
        self.connects = 0
        self.disconnects = 0
        self.granted: dict[int | None, int] = {}
        self._paho.on_socket_open = _send_at_once
        self._paho.on_message = lambda _c, _u, message: self.heard.put((message.topic, bytes(message.payload)))
        self._paho.on_connect = self._on_connect
        self._paho.on_disconnect = self._on_disconnect
        self._paho.on_subscribe = self._on_subscribe

    def _on_connect(self, _client: object, _data: object, _flags: object, reason: object, _properties: object) -> None:
        self.refused = bool(getattr(reason, "is_failure", False))
        self.connects += 1

    def _on_disconnect(self, *_: object) -> None:
        self.disconnects += 1

    def _on_subscribe(
        self, _client: paho.Client, _data: object, mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self.granted[mid] = codes[0].value

    def __enter__(self) -> "Client":
        self._paho.connect("127.0.0.1", self._port, keepalive=10)
        self._paho.loop_start()
        eventually(lambda: self.connects, "connected")
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._paho.disconnect()
        self._paho.loop_stop()

    def subscribe(self, topic: str, qos: int = 1) -> bool:
        """Whether the broker granted it. Asked again where the connection was lost before the answer, as agents do."""
        asked: dict[int | None, int] = {}

        def answered() -> bool:
            if self.connects not in asked.values():
                connects = self.connects
                asked[self._paho.subscribe(topic, qos)[1]] = connects
            return not self.granted.keys().isdisjoint(asked)

        eventually(answered, "subscription answered")
        return next(self.granted[mid] for mid in asked if mid in self.granted) < 128

    def say(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        """Publish and, at QoS 1, wait until the broker says that it has it."""
        sent = self._paho.publish(topic, payload, qos, retain)
        if qos:
            sent.wait_for_publish(WAIT_S)

    def shout(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Publish at QoS 1 and wait for nothing."""
        self._paho.publish(topic, payload, 1, retain)
        return False

    def vanish(self) -> None:
        """Lose the connection without saying good-bye, so that the broker publishes the will."""
        self._paho.loop_stop()
        way = self._paho.socket()
        assert way is not None
        way.close()

    def next(self, timeout_s: float = WAIT_S) -> tuple[str, bytes]:
        return self.heard.get(timeout=timeout_s)
