"""Devices of the lab's own broker: ESPHome, Tasmota, and whatever tells of itself by Home Assistant's discovery."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from contract.model import ContractError, Value, check_name
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.mqtt_client import KEEPALIVE_S, let_go, make_client
from firmware_bridges.mqtt_device_core import DeviceCore
from firmware_bridges.mqtt_entity import Order
from firmware_bridges.options import Options
from firmware_bridges.wire import site_of

DISCOVER_S: Final = 5.0
"""A broker sends what is retained at once; without a message for so long the device has not told of itself."""
CONFIRM_S: Final = 10.0
_MOST_AT_ONCE: Final = 500
"""So many messages are taken at one poll; a broker that has more is asked again at the next one."""
_NOT_ALLOWED = frozenset(("Not authorized", "Bad user name or password"))


class MqttDeviceBridge:
    """One device at `mqtt://host[:port]/DEVICE`: its node id, one of its identifiers, its name or Tasmota's topic.

    Options: `user`, `password` for the broker, which go in clear; with `mqtts://` they do not, and `ca_file` or
    `fingerprint` says whom to trust. `prefix` of the discovery topics; `names`, a table from `component/object` to the
    metric's name; in seconds `connect_s`, `discover_s`, `confirm_s`.

    The metrics are named by what is measured and by the device's own word for it: `temperature-air`, `switch-lamp`.
    `entities` are the values that it tells, `left-out` those that it tells too and that cannot be read here.
    A device that says that it is gone is a lost link. The client runs in the caller's thread; nothing runs between
    two polls, which must follow within the keep-alive of 60 s.

    Actions: `switch-on`, `switch-off` (`switch`: the metric, or its end), done when the device says so.
    """

    def __init__(
        self, endpoint: str, options: Mapping[str, Any], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        parts = urlsplit(endpoint)
        self._device = unquote(parts.path.strip("/"))
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or not self._device or "/" in self._device:
            raise ValueError(f"{endpoint!r} is not mqtt://host[:port]/device")
        given = Options(options)
        self._site = site_of(endpoint, given.text("ca_file"), None, given.text("fingerprint"))
        self._login = given.text("user"), given.text("password")
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
        self._follow()
        if not self._core.known:
            raise LinkLost(f"{self._device!r} has withdrawn what it told of itself")
        self._tell_gone()
        values = dict(self._core.values())
        return {**values, "entities": len(values), "left-out": self._core.left_out}

    def execute(self, action: str, args: Mapping[str, Value]) -> None:
        self._take_what_came()
        if action not in ("switch-on", "switch-off"):
            raise Refused(f"this device has no action {action!r}")
        on = action == "switch-on"
        metric = self._switch(args.get("switch"))
        order = self._core.order(metric, on=on)
        if order is None:
            raise Refused(f"{metric} cannot be switched")
        self._tell_gone()
        for each in (order, *self._core.begin()):
            self._say(each)
        self._wait(lambda: self._core.obeyed(metric, on=on) or self._core.available is False, self._confirm_s)
        if not self._core.obeyed(metric, on=on):
            self._tell_gone()
            raise BadReply(f"was told, and {metric} was not {'on' if on else 'off'} in {self._confirm_s:g} s")

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            let_go(client)

    def _discover(self) -> None:
        self._subscribe(self._core.discovery)
        self._wait(lambda: self._core.known, self._discover_s)
        if not self._core.known:
            raise LinkLost(f"no device {self._device!r} has told the broker of itself")
        self._follow()
        self._wait(lambda: None not in self._core.values().values(), self._discover_s / 5)

    def _connect(self) -> None:
        client = self._client = make_client(self._site, self._login, self._connect_s)
        client.on_connect = self._connected
        client.on_message = self._message
        try:
            client.connect(self._site.host, self._site.port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise LinkLost(f"the broker at {self._site.host}:{self._site.port}: {error}") from None
        self._wait(lambda: bool(self._answer), self._connect_s)
        if self._answer in _NOT_ALLOWED:
            raise Refused(f"the broker says: {self._answer}")
        if self._answer != "Success":
            raise LinkLost(f"the broker at {self._site.host}:{self._site.port}: {self._answer or 'no answer in time'}")

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._answer = str(reason)

    def _message(self, _client: Any, _data: Any, message: Any) -> None:
        self._came += 1
        self._core.receive(message.topic, bytes(message.payload), kept=bool(message.retain))

    def _tell_gone(self) -> None:
        if self._core.available is False:
            raise LinkLost(f"{self._device!r} says that it is gone")

    def _follow(self) -> None:
        """Listen wherever the device speaks by now, and ask it for what the broker has not kept."""
        if self._subscribe(self._core.topics):
            for question in self._core.questions:
                self._say(question)

    def _subscribe(self, topics: Iterable[str]) -> bool:
        """Whether any was new. Listening ends where the device does not speak any more."""
        wanted = set(topics) | set(self._core.discovery)
        new, old = sorted(wanted - self._subscribed), sorted(self._subscribed - wanted)
        if new:
            self._client.subscribe([(topic, 1) for topic in new])
        if old:
            self._client.unsubscribe(old)
        self._subscribed = wanted
        return bool(new)

    def _say(self, order: Order) -> None:
        self._client.publish(order.topic, order.payload, qos=1)

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
                self._follow()

    def _turn(self, wait_s: float) -> None:
        code = self._client.loop(wait_s)
        if code and self._answer not in _NOT_ALLOWED:
            host, port = self._site.host, self._site.port
            raise LinkLost(f"the broker at {host}:{port}: {self._answer if self._answer != 'Success' else 'gone'}")

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
