"""Devices of the lab's own broker: ESPHome, Tasmota, and whatever tells of itself by Home Assistant's discovery."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from contract.model import ContractError, Value, check_name
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.mqtt_device_core import DeviceCore
from firmware_bridges.options import Options

PORT: Final = 1883
KEEPALIVE_S: Final = 60
DISCOVER_S: Final = 5.0
"""A broker sends what is retained at once; without a message for so long the device has not told of itself."""
CONFIRM_S: Final = 10.0
_MOST_AT_ONCE: Final = 500
"""So many messages are taken at one poll; a broker that has more is asked again at the next one."""
_NOT_ALLOWED = frozenset(("Not authorized", "Bad user name or password"))


class MqttDeviceBridge:
    """One device at `mqtt://host[:port]/DEVICE`: its node id, one of its identifiers, its name or Tasmota's topic.

    Options: `user`, `password` for the broker; `prefix` of the discovery topics; `names`, a table from
    `component/object` to the metric's name; in seconds `connect_s`, `discover_s`, `confirm_s`.

    The metrics are named by what is measured and by the device's own word for it: `temperature-air`, `switch-lamp`.
    A device that says that it is gone is a lost link. The client runs in the caller's thread; nothing runs between
    two polls, which must follow within the keep-alive of 60 s.

    Actions: `switch-on`, `switch-off` (`switch`: the metric, or its end), done when the device says so.
    """

    def __init__(
        self, endpoint: str, options: Mapping[str, Any], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        parts = urlsplit(endpoint)
        self._device = unquote(parts.path.strip("/"))
        if parts.scheme != "mqtt" or not parts.hostname or not self._device or "/" in self._device:
            raise ValueError(f"{endpoint!r} is not mqtt://host[:port]/device")
        self._host, self._port = parts.hostname, parts.port or PORT
        given = Options(options)
        self._user, self._password = given.text("user"), given.text("password")
        self._prefix = given.text("prefix", "homeassistant")
        self._names = _names(given.table("names"))
        self._connect_s = given.number("connect_s", 3.0, 0.1, 60)
        self._discover_s = given.number("discover_s", DISCOVER_S, 0.1, 60)
        self._confirm_s = given.number("confirm_s", CONFIRM_S, 0.1, 600)
        given.done()
        if not self._prefix.strip("/") or any(letter in self._prefix for letter in "+#\0"):
            raise ValueError(f"prefix: {self._prefix!r} is no beginning of a topic")
        self._clock = clock
        self._core = DeviceCore(self._device)
        self._client: Any = None
        self._subscribed: set[str] = set()
        self._came = 0
        self._answer = ""

    def open(self) -> None:
        self.close()
        self._core = DeviceCore(self._device, self._prefix, self._names)
        self._subscribed, self._answer = set(), ""
        try:
            self._connect()
            self._discover()
        except BaseException:
            self.close()
            raise

    def poll(self) -> Mapping[str, Value | None]:
        self._take_what_came()
        self._subscribe(self._core.topics)
        if not self._core.known:
            raise LinkLost(f"{self._device!r} has withdrawn what it told of itself")
        if self._core.available is False:
            raise LinkLost(f"{self._device!r} says that it is gone")
        values = dict(self._core.values())
        return {**values, "entities": len(values)}

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        self._take_what_came()
        if action not in ("switch-on", "switch-off"):
            raise Refused(f"this device has no action {action!r}")
        on = action == "switch-on"
        metric = self._switch(args.get("switch"))
        order = self._core.order(metric, on=on)
        if order is None:
            raise Refused(f"{metric} cannot be switched")
        self._client.publish(order.topic, order.payload, qos=1)
        self._wait(lambda: self._core.values().get(metric) is on, self._confirm_s)
        if self._core.values().get(metric) is not on:
            raise BadReply(f"was told, and {metric} was not {'on' if on else 'off'} in {self._confirm_s:g} s")

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.on_message = client.on_connect = None
            client.disconnect()
            client.loop(0.0)
            client._sock_close()  # noqa: SLF001 - there is no public way to let go of a socket that is no more
            for each in (client._sockpairR, client._sockpairW):  # noqa: SLF001 - nor of the pair that wakes a thread
                if each is not None:
                    each.close()

    def _discover(self) -> None:
        self._subscribe(self._core.discovery)
        self._wait(lambda: self._core.known, self._discover_s)
        if not self._core.known:
            raise LinkLost(f"no device {self._device!r} has told the broker of itself")
        self._subscribe(self._core.topics)
        self._wait(lambda: None not in self._core.values().values(), self._discover_s / 5)

    def _connect(self) -> None:
        import paho.mqtt.client as paho  # the agent has loaded it already, without what it does not need
        from paho.mqtt.enums import CallbackAPIVersion

        client = self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        if self._user:
            client.username_pw_set(self._user, self._password)
        client.connect_timeout = self._connect_s
        client.on_connect = self._connected
        client.on_message = self._message
        try:
            client.connect(self._host, self._port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise LinkLost(f"the broker at {self._host}:{self._port}: {error}") from None
        self._wait(lambda: bool(self._answer), self._connect_s)
        if self._answer in _NOT_ALLOWED:
            raise Refused(f"the broker says: {self._answer}")
        if self._answer != "Success":
            raise LinkLost(f"the broker at {self._host}:{self._port}: {self._answer or 'no answer in time'}")

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._answer = str(reason)

    def _message(self, _client: Any, _data: Any, message: Any) -> None:
        self._came += 1
        self._core.receive(message.topic, bytes(message.payload))

    def _subscribe(self, topics: Iterable[str]) -> None:
        new = sorted(set(topics) - self._subscribed)
        if new:
            self._client.subscribe([(topic, 1) for topic in new])
            self._subscribed.update(new)

    def _take_what_came(self) -> None:
        if self._client is None:
            raise LinkLost("not open")
        for _ in range(_MOST_AT_ONCE):
            before = self._came
            self._turn(0.0)
            if self._came == before and not self._client.want_write():
                return

    def _wait(self, done: Callable[[], bool], most_s: float) -> None:
        deadline = self._clock() + most_s
        while not done() and (left_s := deadline - self._clock()) > 0:
            self._turn(min(left_s, 0.2))
            if self._core.known:
                self._subscribe(self._core.topics)

    def _turn(self, wait_s: float) -> None:
        code = self._client.loop(wait_s)
        if code and self._answer not in _NOT_ALLOWED:
            raise LinkLost(
                f"the broker at {self._host}:{self._port}: {self._answer if self._answer != 'Success' else 'gone'}"
            )

    def _switch(self, wanted: Value | None) -> str:
        text, known = str(wanted or "").strip().casefold(), self._core.switches()
        for metric in known:
            if text in (metric, metric.partition("-")[2]) or (not text and len(known) == 1):
                return metric
        raise Refused(f"no switch {text[:40]!r}; there are {', '.join(known) or 'none'}")


def _names(given: Mapping[str, Any]) -> Mapping[str, str]:
    for entity, metric in given.items():
        try:
            check_name(metric, "metric")
        except (ContractError, TypeError):
            raise ValueError(f"names: {entity}: {metric!r} is no name of a metric") from None
    return {str(entity): str(metric) for entity, metric in given.items()}
