"""Record a conversation with the kernel's nl80211 as text: `> hex` is what was sent, `< hex` one datagram received.

Run on a machine with wireless: python -m hil.record_wireless
"""

import socket
import sys

from firmware_bridges.netlink_core import MAX_DATAGRAM
from firmware_bridges.nl80211_core import Conversation


def main() -> None:
    """Print the transcript of one whole conversation."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16) as wire:
        wire.bind((0, 0))
        wire.settimeout(5)
        conversation, sent = Conversation(), None
        while conversation.request is not None:
            if conversation.request is not sent:
                sent = conversation.request
                sys.stdout.write(f"> {sent.hex()}\n")
                wire.send(sent)
            datagram = wire.recv(MAX_DATAGRAM)
            sys.stdout.write(f"< {datagram.hex()}\n")
            conversation.receive(datagram)
    for link in conversation.links:
        sys.stdout.write(f"# {link}\n")


if __name__ == "__main__":
    main()
