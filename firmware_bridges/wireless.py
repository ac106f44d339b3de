"""The wireless links of this machine: Linux by nl80211, Windows by wlanapi; without a radio there are none."""

import socket
import sys
import time
from pathlib import Path
from typing import Final

from firmware_bridges.base import BadReply, LinkLost
from firmware_bridges.netlink_core import MAX_DATAGRAM
from firmware_bridges.nl80211_core import Conversation, WirelessLink

_GENERIC: Final = 16
_RADIOS: Final = Path("/sys/class/ieee80211")


def wireless_links(timeout_s: float = 1.0, radios: Path = _RADIOS) -> tuple[WirelessLink, ...]:
    """The links in managed mode, connected or not; empty where there is no wireless. Raises LinkLost and BadReply."""
    if sys.platform == "win32":
        from firmware_bridges.wlan import windows_links

        return windows_links()
    # Without a radio the kernel is not asked at all: naming an unknown family makes it look for a module each time.
    if sys.platform != "linux" or not radios.is_dir() or not any(radios.iterdir()):
        return ()
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _GENERIC) as wire:
            wire.bind((0, 0))
            return converse(wire, timeout_s)
    except OSError as error:
        raise LinkLost(f"nl80211: {error}") from None


def converse(wire: socket.socket, timeout_s: float) -> tuple[WirelessLink, ...]:
    """Hold a whole conversation over an open socket, within `timeout_s`. Raises BadReply and OSError."""
    conversation = Conversation()
    deadline_s = time.monotonic() + timeout_s
    sent = None
    while conversation.request is not None:
        if conversation.request is not sent:
            sent = conversation.request
            wire.send(sent)
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise BadReply("nl80211: no end of the answer in time")
        wire.settimeout(left_s)
        datagram, sender = wire.recvfrom(MAX_DATAGRAM)
        if sender[0] == 0:  # from the kernel, not from another process
            conversation.receive(datagram)
    return conversation.links
