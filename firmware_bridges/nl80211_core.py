"""What the Linux kernel knows of its wireless links (linux/nl80211.h), without a socket.

A Conversation says what to send next and is given what came back. It asks for the stations of links in managed mode
only: on an access point they would be people's own devices.
"""

import struct
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from firmware_bridges import netlink_core as netlink
from firmware_bridges.base import BadReply

MAX_MESSAGES: Final = 4_096
"""Most messages of one conversation: a full band has a few hundred networks."""
MAX_INTERFACES: Final = 16

_GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 3, 1, 2
_GET_INTERFACE, _GET_STATION, _GET_SCAN = 5, 17, 32
_IFINDEX, _IFNAME, _IFTYPE, _MAC, _STA_INFO, _FREQUENCY, _BSS, _SSID = 3, 4, 5, 6, 21, 38, 47, 52
_MANAGED = 2
_STA_SIGNAL, _STA_RATE_OUT, _STA_RETRIES, _STA_FAILED, _STA_SIGNAL_MEAN, _STA_RATE_IN, _STA_BEACON_LOSS = (
    7, 8, 11, 12, 13, 14, 18,
)  # fmt: skip
_RATE, _RATE_32 = 1, 5
_BSS_BSSID, _BSS_FREQUENCY, _BSS_ELEMENTS, _BSS_SIGNAL, _BSS_STATUS = 1, 2, 6, 7, 9
_ASSOCIATED = 1
_SSID_ELEMENT, _SSID_LONGEST = 0, 32


@dataclass(frozen=True, slots=True)
class WirelessLink:
    """One wireless interface in managed mode. None is what the driver does not tell; `bssid` is empty if not connected.

    Rates are as this machine sees them: in is received. Retries, failures and beacon losses count from association.
    """

    index: int
    name: str
    ssid: str = ""
    bssid: str = ""
    frequency_mhz: int | None = None
    signal_dbm: int | None = None
    rate_in_mbit: float | None = None
    rate_out_mbit: float | None = None
    retries: int | None = None
    failed: int | None = None
    beacon_loss: int | None = None


def channel(frequency_mhz: int) -> int | None:
    """The channel number of a centre frequency (IEEE 802.11-2020, 17.3.8.4 and annex E); None outside the bands."""
    if frequency_mhz == 2484:
        return 14
    if 2412 <= frequency_mhz <= 2472:
        return (frequency_mhz - 2407) // 5
    if 5160 <= frequency_mhz <= 5885:
        return (frequency_mhz - 5000) // 5
    if frequency_mhz == 5935:
        return 2
    if 5955 <= frequency_mhz <= 7115:
        return (frequency_mhz - 5950) // 5
    return None


class _Ask(Enum):
    FAMILY = _GET_FAMILY
    INTERFACES = _GET_INTERFACE
    STATION = _GET_STATION
    SCAN = _GET_SCAN


class Conversation:
    """Send `request`, pass every datagram to `receive`, until `request` is None; then `links` is the answer."""

    def __init__(self) -> None:
        self.request: bytes | None = None
        self._links: dict[int, WirelessLink] = {}
        self._to_ask: deque[tuple[_Ask, int]] = deque([(_Ask.FAMILY, 0)])
        self._asked = _Ask.FAMILY
        self._index = 0
        self._family = netlink.FIRST_FAMILY
        self._sequence = 0
        self._messages = 0
        self._ask_next()

    @property
    def links(self) -> tuple[WirelessLink, ...]:
        """What is known so far, by interface index; empty where there is no wireless."""
        return tuple(self._links[index] for index in sorted(self._links))

    def receive(self, datagram: bytes) -> None:
        """Take one datagram of the kernel's. Raises BadReply; the conversation is over then."""
        try:
            self._receive(datagram)
        except BadReply:
            self.request = None
            raise

    def _receive(self, datagram: bytes) -> None:
        for message in netlink.messages(datagram):
            self._messages += 1
            if self._messages > MAX_MESSAGES:
                raise BadReply("nl80211: an answer without end")
            if self.request is None or message.sequence != self._sequence:
                continue  # the tail of an answer to an earlier question
            if message.kind in (netlink.ERROR, netlink.DONE):
                # An error ends one question only: no such family, no such interface any more, not supported.
                self._ask_next()
            elif message.kind == self._family:
                _, data = netlink.command(message.payload)
                self._hear(netlink.attributes(data))

    def _ask_next(self) -> None:
        if not self._to_ask:
            self.request = None
            return
        self._asked, self._index = self._to_ask.popleft()
        self._sequence += 1
        attributes = b""
        if self._asked is _Ask.FAMILY:
            attributes = netlink.attribute(_FAMILY_NAME, b"nl80211\0")
        elif self._index:
            attributes = netlink.attribute(_IFINDEX, struct.pack("=I", self._index))
        self.request = netlink.request(
            self._family, self._sequence, self._asked.value, attributes, dump=self._asked is not _Ask.FAMILY
        )

    def _hear(self, found: Mapping[int, bytes]) -> None:
        if self._asked is _Ask.FAMILY:
            family = netlink.number(found, _FAMILY_ID)
            if family is None or not netlink.FIRST_FAMILY < family <= 0xFFFF:
                raise BadReply("nl80211: a family without an id")
            self._family = family
            self._to_ask.append((_Ask.INTERFACES, 0))
            self._ask_next()
        elif self._asked is _Ask.INTERFACES:
            self._hear_interface(found)
        elif self._asked is _Ask.STATION:
            self._links[self._index] = _with_station(self._links[self._index], found)
        else:
            self._links[self._index] = _with_network(self._links[self._index], found)

    def _hear_interface(self, found: Mapping[int, bytes]) -> None:
        index = netlink.number(found, _IFINDEX)
        if not index or netlink.number(found, _IFTYPE) != _MANAGED or index in self._links:
            return  # a radio without an interface, or an interface that is no client
        if len(self._links) == MAX_INTERFACES:
            raise BadReply(f"nl80211: more than {MAX_INTERFACES} interfaces")
        if index > 0xFFFF_FFFF:
            raise BadReply("nl80211: an interface index out of range")
        self._links[index] = WirelessLink(
            index=index,
            name=_text(found.get(_IFNAME, b"").rstrip(b"\0")),
            ssid=_text(found.get(_SSID, b"")[:_SSID_LONGEST]),
            frequency_mhz=netlink.number(found, _FREQUENCY),
        )
        self._to_ask += [(_Ask.STATION, index), (_Ask.SCAN, index)]


def _with_station(link: WirelessLink, found: Mapping[int, bytes]) -> WirelessLink:
    info = netlink.attributes(found.get(_STA_INFO, b""))
    signal = netlink.number(info, _STA_SIGNAL_MEAN, signed=True)
    return replace(
        link,
        bssid=_address(found.get(_MAC, b"")),
        signal_dbm=netlink.number(info, _STA_SIGNAL, signed=True) if signal is None else signal,
        rate_in_mbit=_rate(info.get(_STA_RATE_IN, b"")),
        rate_out_mbit=_rate(info.get(_STA_RATE_OUT, b"")),
        retries=netlink.number(info, _STA_RETRIES),
        failed=netlink.number(info, _STA_FAILED),
        beacon_loss=netlink.number(info, _STA_BEACON_LOSS),
    )


def _with_network(link: WirelessLink, found: Mapping[int, bytes]) -> WirelessLink:
    """Fill from the network we are associated with what the driver did not tell before."""
    network = netlink.attributes(found.get(_BSS, b""))
    if netlink.number(network, _BSS_STATUS) != _ASSOCIATED:
        return link
    signal_mbm = netlink.number(network, _BSS_SIGNAL, signed=True)
    frequency_mhz = netlink.number(network, _BSS_FREQUENCY)
    return replace(
        link,
        bssid=link.bssid or _address(network.get(_BSS_BSSID, b"")),
        ssid=link.ssid or _ssid(network.get(_BSS_ELEMENTS, b"")),
        frequency_mhz=frequency_mhz if link.frequency_mhz is None else link.frequency_mhz,
        signal_dbm=signal_mbm // 100 if link.signal_dbm is None and signal_mbm is not None else link.signal_dbm,
    )


def _address(mac: bytes) -> str:
    if len(mac) != 6:
        raise BadReply(f"nl80211: a hardware address of {len(mac)} bytes")
    return mac.hex(":")


def _rate(info: bytes) -> float | None:
    """A nested NL80211_RATE_INFO in Mbit/s; the kernel counts in 100 kbit/s."""
    rate = netlink.attributes(info)
    steps = netlink.number(rate, _RATE_32)
    if steps is None:
        steps = netlink.number(rate, _RATE)
    return None if steps is None or steps > 0xFFFF_FFFF else steps / 10


def _ssid(elements: bytes) -> str:
    """The SSID among a beacon's information elements: kind, length, content, ..."""
    at = 0
    while at + 2 <= len(elements):
        kind, length = elements[at], elements[at + 1]
        if kind == _SSID_ELEMENT and length <= _SSID_LONGEST and at + 2 + length <= len(elements):
            return _text(elements[at + 2 : at + 2 + length])
        at += 2 + length
    return ""


def _text(given: bytes) -> str:
    """Text that came over the air: what cannot be printed becomes a replacement character."""
    decoded = given.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in decoded)
