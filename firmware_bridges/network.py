"""The network as this computer sees it: its links, the gateway, the controller, the resolver, and Wi-Fi."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import psutil

from contract.model import Value
from firmware_bridges.base import BridgeError, LinkLost, Refused
from firmware_bridges.dns import NO_ANSWER, Lookup, lookup, resolvers
from firmware_bridges.gateway import Gateway, default_gateway
from firmware_bridges.nl80211_core import WirelessLink, channel
from firmware_bridges.options import Options
from firmware_bridges.ping import Pinger
from firmware_bridges.slug import unique_slug
from firmware_bridges.wireless import wireless_links

MAX_LINKS: Final = 16
_SYS_NET: Final = Path("/sys/class/net")
_LONGEST_ADDRESSES: Final = 200

Values: TypeAlias = Iterator[tuple[str, Value | None]]


@dataclass(frozen=True, slots=True)
class FarEnds:
    """What the bridge probes, from its options. An empty `controller_host` is not probed.

    `resolvers` empty means those of the system; `links` empty means the physical ones and the one to the gateway.
    """

    controller_host: str = ""
    controller_port: int = 443
    gateway_port: int = 53
    resolvers: tuple[str, ...] = ()
    dns_port: int = 53
    dns_name: str = "."
    links: tuple[str, ...] = ()
    timeout_s: float = 1.0


def far_ends(options: Mapping[str, Any]) -> FarEnds:
    """Raises ValueError, naming the option."""
    given, default = Options(options), FarEnds()
    ends = FarEnds(
        controller_host=given.text("controller_host", default.controller_host),
        controller_port=_port(given, "controller_port", default.controller_port),
        gateway_port=_port(given, "gateway_port", default.gateway_port),
        resolvers=given.texts("resolvers", default.resolvers),
        dns_port=_port(given, "dns_port", default.dns_port),
        dns_name=given.text("dns_name", default.dns_name),
        links=given.texts("links", default.links),
        timeout_s=given.number("timeout_s", default.timeout_s, 0.01, 10),
    )
    given.done()
    return ends


def _port(given: Options, name: str, default: int) -> int:
    return given.whole(name, default, 1, 65_535)


class NetworkBridge:
    """Bridge `network`. The endpoint is not used. Options: the fields of FarEnds."""

    def __init__(
        self,
        _endpoint: str,
        options: Mapping[str, Any],
        *,
        wireless: Callable[[], tuple[WirelessLink, ...]] = wireless_links,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ends = far_ends(options)
        self._wireless = wireless
        self._monotonic = monotonic
        self._traffic: dict[str, tuple[float, int, int]] = {}
        self._gateway: Pinger | None = None
        self._controller: Pinger | None = None
        self._seen: set[str] | None = None

    def open(self) -> None:
        self._traffic.clear()
        self._seen = set()
        self._gateway = None
        ends = self._ends
        self._controller = (
            Pinger(ends.controller_host, ends.controller_port, ends.timeout_s) if ends.controller_host else None
        )

    def poll(self) -> Mapping[str, Value | None]:
        """Probe everything once; takes up to `timeout_s` a far end. A part that fails spoils no other."""
        if self._seen is None:
            raise LinkLost("not open")
        gateway = default_gateway()
        parts: tuple[Callable[[], Values], ...] = (
            lambda: self._links(gateway),
            lambda: self._to_gateway(gateway),
            self._to_controller,
            self._resolver,
            self._radio,
        )
        values: dict[str, Value | None] = dict.fromkeys(self._seen)
        for part in parts:
            try:
                values.update(part())
            except (BridgeError, OSError, psutil.Error, ValueError, RuntimeError):
                continue  # its values read None; psutil raises RuntimeError where Windows does not list its adapters
        self._seen.update(values)
        return values

    def execute(self, action: str, args: Mapping[str, Value]) -> None:  # noqa: ARG002 - it has no actions
        raise Refused(f"no such action: {action}")

    def close(self) -> None:
        self._gateway = self._controller = self._seen = None

    def _links(self, gateway: Gateway | None) -> Values:
        states, addresses = psutil.net_if_stats(), psutil.net_if_addrs()
        counters = psutil.net_io_counters(pernic=True, nowrap=False)
        taken: set[str] = set()
        for link in sorted(states):
            if len(taken) == MAX_LINKS:
                return
            if not self._wanted(link, gateway):
                continue
            name = unique_slug(link, taken)
            taken.add(name)
            yield f"link-{name}-up", states[link].isup
            if states[link].isup and 0 < states[link].speed < 65_535:  # some drivers say 65535 for "unknown"
                yield f"link-{name}-speed", states[link].speed
            yield f"link-{name}-addresses", _addresses(addresses.get(link, ()))
            if link in counters:
                count = counters[link]
                yield f"link-{name}-errors", count.errin + count.errout + count.dropin + count.dropout
                yield from self._rates(link, name, count.bytes_recv, count.bytes_sent)

    def _wanted(self, link: str, gateway: Gateway | None) -> bool:
        if self._ends.links:
            return link in self._ends.links
        if gateway is not None and link == gateway.link:
            return True
        if _SYS_NET.is_dir():
            return (_SYS_NET / link / "device").exists()
        return "loopback" not in link.lower()

    def _rates(self, link: str, name: str, received: int, sent: int) -> Values:
        """Mbit/s since the last poll; nothing on the first one, and after the counters began anew."""
        now_s = self._monotonic()
        before = self._traffic.get(link)
        self._traffic[link] = (now_s, received, sent)
        if before is None or now_s <= before[0] or received < before[1] or sent < before[2]:
            return
        per_second = 8 / 1e6 / (now_s - before[0])
        yield f"link-{name}-in", round((received - before[1]) * per_second, 3)
        yield f"link-{name}-out", round((sent - before[2]) * per_second, 3)

    def _to_gateway(self, gateway: Gateway | None) -> Values:
        yield "gateway", gateway.address if gateway else "none"
        if gateway is None:
            self._gateway = None
            return
        if self._gateway is None or self._gateway.host != gateway.address:
            self._gateway = Pinger(gateway.address, self._ends.gateway_port, self._ends.timeout_s)
        self._gateway.probe()
        if self._gateway.answered:  # some gateways never answer anybody: that is no loss
            yield from _probe("gateway", self._gateway)

    def _to_controller(self) -> Values:
        if self._controller is not None:
            self._controller.probe()
            yield from _probe("controller", self._controller)

    def _resolver(self) -> Values:
        """The first resolver that answers, as the system itself would ask them."""
        result = Lookup(NO_ANSWER, None)
        for server in (self._ends.resolvers or resolvers())[:2]:
            result = lookup(server, self._ends.dns_name, self._ends.timeout_s, self._ends.dns_port)
            if result.took_ms is not None:
                break
        yield "dns", result.code
        yield "dns-time", None if result.took_ms is None else round(result.took_ms, 2)

    def _radio(self) -> Values:
        links = self._wireless()
        if not links:
            yield "wifi", "none"
            return
        link = next((each for each in links if each.bssid), links[0])
        yield "wifi", "connected" if link.bssid else "not-connected"
        yield from (
            ("wifi-signal", link.signal_dbm),
            ("wifi-rate-in", link.rate_in_mbit),
            ("wifi-rate-out", link.rate_out_mbit),
            ("wifi-channel", None if link.frequency_mhz is None else channel(link.frequency_mhz)),
            ("wifi-network", link.ssid if link.bssid else None),
            ("wifi-bssid", link.bssid or None),
            ("wifi-retries", link.retries),
            ("wifi-failed", link.failed),
            ("wifi-beacon-loss", link.beacon_loss),
        )


def _probe(name: str, pinger: Pinger) -> Values:
    latency_ms = pinger.window.latency_ms
    yield f"{name}-latency", None if latency_ms is None else round(latency_ms, 2)
    yield f"{name}-loss", pinger.window.loss_percent


def _addresses(addresses: Any) -> str:
    """The link's IPv4 and IPv6 addresses, without those that mean nothing beyond it."""
    kept = [
        each.address
        for each in addresses
        if each.family.name in ("AF_INET", "AF_INET6") and not each.address.lower().startswith("fe80:")
    ]
    return ", ".join(kept)[:_LONGEST_ADDRESSES]
