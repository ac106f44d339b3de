"""The controller's own MQTT connection: hears every agent, and says what is committed."""

import logging
import secrets
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from contract.topics import RETAINED, UP, Address, Channel, filter_for
from controller.broker.access import OUTWARD, Login
from controller.ingest.loop import Loop

log = logging.getLogger(__name__)

KEEPALIVE_S = 15
_MAX_INFLIGHT = 1_000


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and who we are there. `tls` says whom to believe that it is the broker; None is plain TCP."""

    host: str
    port: int
    login: Login
    tls: ssl.SSLContext | None = None


class Link:
    """Connects, and again whenever the connection is lost; each time all subscriptions are made anew.

    `heard(topic, payload, retained)`, `connected(bool)` and `echo(topic, payload)` are called from its thread; the last
    with what is retained for foreign programs (`echoes` are the filters), also what this link says itself.
    """

    def __init__(
        self,
        broker: BrokerAddress,
        heard: Callable[[str, bytes, bool], None],
        connected: Callable[[bool], None],
        *,
        echoes: Sequence[str] = (),
        echo: Callable[[str, bytes], None] = lambda _topic, _payload: None,
    ) -> None:
        self._broker = broker
        self._heard = heard
        self._told = connected
        self._echoes = tuple(echoes)
        self._echo = echo
        self._subscribing: int | None = None
        self._connected = threading.Event()
        # Its own for each of several controllers: the broker ends a connection when another comes by its name.
        client_id = f"{broker.login.user}-{secrets.token_hex(4)}"
        self._client = client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
        client.username_pw_set(broker.login.user, broker.login.password)
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        client.max_inflight_messages_set(_MAX_INFLIGHT)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        self._loop: Loop | None = None

    @property
    def connected(self) -> bool:
        return self._connected.is_set()

    def start(self) -> None:
        """Begin to connect; does not wait for it."""
        self._client.connect_async(self._broker.host, self._broker.port, KEEPALIVE_S)
        self._loop = Loop(self._client)
        self._loop.start()

    def stop(self) -> None:
        """Send what was said, and end. Within a second."""
        if self._loop is not None:
            self._loop.stop()

    def say(self, address: Address, channel: Channel, payload: bytes) -> bool:
        """Publish to one agent; False if there is no connection, and then nothing is kept for later."""
        if not self.connected:
            return False
        self._client.publish(address.topic(channel), payload, qos=1, retain=channel in RETAINED)
        return True

    def tell(self, topic: str, payload: bytes) -> bool:
        """Retain a message for foreign programs, an empty one takes it back; False if there is no connection."""
        if not self.connected:
            return False
        self._client.publish(topic, payload, qos=1, retain=True)
        return True

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.error("the broker refuses the controller: %s", reason)
            return
        _, self._subscribing = client.subscribe([(filter_for(channel), 1) for channel in UP])
        if self._echoes:
            client.subscribe([(each, 0) for each in self._echoes])

    def _on_subscribe(self, _client: paho.Client, _data: Any, mid: int, codes: Any, _properties: Any) -> None:
        """Connected only now: what agents publish before the broker has our subscriptions, it gives to nobody."""
        if mid != self._subscribing:
            if any(code.is_failure for code in codes):
                log.warning("the broker's access list is an old one: Home Assistant cannot be told of devices")
        elif any(code.is_failure for code in codes):
            log.error("the broker refuses the controller's subscriptions: %s", ", ".join(map(str, codes)))
        elif not self.connected:
            self._connected.set()
            self._told(True)

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        was_connected = self._connected.is_set()
        self._connected.clear()
        if was_connected:
            if reason.is_failure:
                log.warning("connection to the broker lost: %s", reason)
            self._told(False)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if message.topic.startswith(f"{OUTWARD}/"):
            self._echo(message.topic, bytes(message.payload))
        else:
            self._heard(message.topic, bytes(message.payload), message.retain)
