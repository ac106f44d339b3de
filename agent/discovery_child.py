"""Listens for what announces itself by mDNS and SSDP and tells it as lines of JSON: `python -m agent.discovery_child`.

A process of its own: zeroconf runs on asyncio, which the agent never loads, and whatever goes wrong here ends with it.
"""

import argparse
import dataclasses
import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from zeroconf import ServiceBrowser, ServiceListener, Zeroconf

from agent.discovery_announced import MOST, Announced
from agent.discovery_match import LONGEST_CLUE, tidy
from agent.discovery_ssdp import GROUP, SEARCH, answer, device_type, title
from contract.found import ClueKind
from contract.model import ContractError

_LARGEST = 65_536
_INFO_MS = 1_500
_LOCAL = ".local."
_DESCRIPTION_S = 2.0


class Teller:
    """Writes each thing once, at most MOST. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: set[Announced] = set()

    def tell(self, way: ClueKind, kind: str, name: str, host: str, port: int = 0) -> None:
        try:
            each = Announced(way, tidy(kind, LONGEST_CLUE), tidy(name), tidy(host), port)
        except ContractError:
            return
        with self._lock:
            if each not in self._told and len(self._told) < MOST:
                self._told.add(each)
                print(json.dumps(dataclasses.asdict(each)), flush=True)


class Services(ServiceListener):
    """Hears of mDNS services."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        info = zc.get_service_info(type_, name, _INFO_MS)
        if info is None:
            return
        kind = type_.removesuffix(_LOCAL)
        for host in info.parsed_addresses()[:1]:
            self._teller.tell(ClueKind.MDNS, kind, name.removesuffix(f".{type_}"), host, info.port or 0)

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.add_service(zc, type_, name)

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        """It may come back; the next listening tells."""


def search(teller: Teller, until: float, interface: str) -> None:
    """Ask for all SSDP devices, and tell those that answer until then."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
        if interface:
            way.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        way.sendto(SEARCH, GROUP)
        for datagram, host in _datagrams(way, until):
            fields = answer(datagram)
            kind = device_type(fields) if fields else ""
            if fields and kind:
                teller.tell(ClueKind.SSDP, kind, _title(fields.get("location", ""), host), host)


def _datagrams(way: socket.socket, until: float) -> Iterator[tuple[bytes, str]]:
    while (left_s := until - time.monotonic()) > 0:
        way.settimeout(left_s)
        try:
            datagram, (host, _) = way.recvfrom(_LARGEST)
        except TimeoutError:
            return
        yield datagram, host


def _title(location: str, host: str) -> str:
    """What the device's description says it is called. Asked of the device itself alone, whatever it points to."""
    parts = urlsplit(location)
    if parts.scheme != "http" or parts.hostname != host:
        return ""
    connection = http.client.HTTPConnection(host, parts.port or 80, timeout=_DESCRIPTION_S)
    try:
        connection.request("GET", parts.path or "/")
        return title(connection.getresponse().read(_LARGEST).decode("utf-8", "replace"))
    except (OSError, ValueError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--interface", default="", help="address of the only interface to use")
    parser.add_argument("types", nargs="*", help="mDNS service types, such as _octoprint._tcp")
    given = parser.parse_args(arguments)
    teller, until = Teller(), time.monotonic() + given.seconds
    zeroconf = Zeroconf(interfaces=[given.interface]) if given.interface else Zeroconf()
    try:
        if given.types:
            ServiceBrowser(zeroconf, [f"{each}{_LOCAL}" for each in given.types], Services(teller))
        try:
            search(teller, until, given.interface)
        except OSError as error:
            print(f"SSDP: {error}", file=sys.stderr)
        time.sleep(max(0.0, until - time.monotonic()))
    finally:
        zeroconf.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
