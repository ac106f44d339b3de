"""One connection to the broker, from its first byte to its last; never used again after it ended. A shell over paho."""

import hmac
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from agent import VERSION
from agent.light_paho import import_paho
from contract.messages import MAX_PAYLOAD, Presence, Status, encode
from contract.topics import DOWN, Address, Channel

if TYPE_CHECKING:
    from paho.mqtt.client import Client

CONNECT_TIMEOUT_S = 5.0
SYSTEM = "system"
"""As `tls_ca`: this computer's own authorities, wherever its system keeps them."""
_INBOX = 1_000
_CROWDED = 10
"""From so many unconfirmed messages on, each confirmation is news: whoever allows fewer would wait in vain."""
_WAKES_A_KEEPALIVE = 4
_NOT_LET_IN = frozenset({134, 135})
"""Bad user name or password, not authorized: as paho calls MQTT 3.1.1's 4 and 5."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and how to be let in. `tls_ca` is a file of certificates to trust, or SYSTEM; empty: no TLS.

    After a connection that was up, the next one is opened within `spread_s`, at our own `place` (0 to 1) in them: so
    that a fleet does not come back all at once.
    """

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    tls_ca: str = ""
    keepalive_s: int = 10
    spread_s: float = 0.0
    place: float = 0.0

    def same_way(self, other: "Broker") -> bool:
        """Whether a connection by one proves the other; whoever signs in is no matter."""
        return (self.host, self.port, self.keepalive_s) == (other.host, other.port, other.keepalive_s)


class LinkState(StrEnum):
    """Connecting, subscribed and usable, or over."""

    OPENING = "opening"
    UP = "up"
    DOWN = "down"


class Connection:
    """Subscribed to all that is for this agent. `notify` is called, from the network's thread, when there is news."""

    def __init__(self, broker: Broker, address: Address, will: Status, notify: Callable[[], None]) -> None:
        self.broker = broker
        self._address = address
        self._notify = notify
        self._sent = 0
        self._confirmed = 0
        self.state = LinkState.OPENING
        self.why = ""
        self.refused = False
        self.inbox: deque[tuple[Channel, bytes]] = deque(maxlen=_INBOX)
        self._client = _new_client(client_id(address, broker.password), broker)
        self._client.will_set(address.topic(Channel.STATUS), encode(will), qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect

    @property
    def unconfirmed(self) -> int:
        """Messages that the broker has not confirmed.

        Two counters, each written by one thread only: a lock here would be taken under paho's own in one thread and
        around it in the other.
        """
        return self._sent - self._confirmed

    def open(self) -> None:
        """Connect and start the network's thread. Raises OSError when nobody answers."""
        self._client.connect(self.broker.host, self.broker.port, keepalive=self.broker.keepalive_s)
        self._client.loop_start()

    def publish(self, channel: Channel, payload: bytes, *, retain: bool = False) -> None:
        """Hand one message to the network's thread. For the uplink's thread only."""
        self._sent += 1
        self._client.publish(self._address.topic(channel), payload, qos=1, retain=retain)

    def close(self) -> None:
        """End it in an orderly way: the broker does not publish the will."""
        self._client.disconnect()
        self._client.loop_stop()
        self.state = LinkState.DOWN
        # paho closes two of its sockets only when nobody refers to it: no cycle may keep it for the collector
        self._client.on_connect = self._client.on_subscribe = self._client.on_publish = None
        self._client.on_message = self._client.on_disconnect = None
        del self._client.loop_forever

    def _on_connect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self.why = f"the broker refused: {reason}"
            self.refused = reason.value in _NOT_LET_IN
            return
        self._client.subscribe([(self._address.topic(channel), 1) for channel in DOWN])

    def _on_subscribe(self, _client: Any, _userdata: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self.why = "the broker refused a subscription"
            self._client.disconnect()
            return
        self.state = LinkState.UP
        self._notify()

    def _on_publish(self, _client: Any, _userdata: Any, _mid: int, _reason: Any, _properties: Any) -> None:
        crowded = self.unconfirmed >= _CROWDED
        self._confirmed += 1
        if crowded:  # else nobody waits for room
            self._notify()

    def _on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        if len(message.payload) <= MAX_PAYLOAD:
            self.inbox.append((Channel(message.topic.rpartition("/")[2]), message.payload))
            self._notify()

    def _on_disconnect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.why = self.why or str(reason)
        self.state = LinkState.DOWN
        self._notify()


def client_id(address: Address, password: str) -> str:
    """What an agent calls itself at the broker: the same on each connection with this password, and a secret.

    A broker ends a connection when another one comes by its id, whoever that is: an id that others know is an attack.
    """
    if not password:
        return address.client_id
    return f"{address.client_id}/{hmac.new(password.encode(), b'fabfleet client id', 'sha256').hexdigest()[:16]}"


def _new_client(name: str, broker: Broker) -> "Client":
    paho = import_paho(tls=bool(broker.tls_ca))
    client: Client = paho.Client(
        paho.CallbackAPIVersion.VERSION2,
        client_id=name,
        clean_session=True,
        protocol=paho.MQTTv311,
        reconnect_on_failure=False,
    )
    # its thread wakes every second by itself; looking after the keepalive takes less
    client.loop_forever = partial(client.loop_forever, timeout=broker.keepalive_s / _WAKES_A_KEEPALIVE)  # type: ignore[method-assign]
    client.connect_timeout = CONNECT_TIMEOUT_S
    if broker.username:
        client.username_pw_set(broker.username, broker.password)
    if broker.tls_ca:
        from agent.tls import context_for

        client.tls_set_context(context_for(broker.tls_ca))
    return client


def refusal_of(broker: Broker, address: Address) -> str:
    """Why the broker does not let this agent in; empty if it does. Ends an agent that is connected.

    Raises OSError when nobody answers.
    """
    news = threading.Event()
    offline = Status("0" * 16, Presence.OFFLINE, 0, VERSION, 0)
    connection = Connection(broker, address, offline, news.set)
    connection.open()
    try:
        while connection.state is LinkState.OPENING and news.wait(CONNECT_TIMEOUT_S):
            news.clear()
        return "" if connection.state is LinkState.UP else connection.why or "it does not answer"
    finally:
        connection.close()
