"""Record conversations with a kernel's nl80211 as text: `> hex` is what was sent, `< hex` one datagram received.

python -m hil.record_wireless FOLDER starts the guest and writes not-connected.txt, access-point.txt and connected.txt.
"""

import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from firmware_bridges.netlink_core import MAX_DATAGRAM
from firmware_bridges.nl80211_core import Conversation
from hil.guest import air
from hil.guest.air import AccessPoint
from hil.guest.kernel import version
from hil.guest.machine import Guest

POINT: Final = AccessPoint(radio=0, channel=6)
HEAD: Final = """# nl80211, {state}: Linux {version} in QEMU, radios of mac80211_hwsim, hostapd and wpa_supplicant.
# Recorded by hil.record_wireless. > is a request, < one datagram of the kernel, in hexadecimal.
"""
_JOIN_S: Final = 60.0


def conversation() -> str:
    """The transcript of one whole conversation with the kernel that this runs on."""
    lines = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16) as wire:
        wire.bind((0, 0))
        wire.settimeout(5)
        talk, sent = Conversation(), None
        while talk.request is not None:
            if talk.request is not sent:
                sent = talk.request
                lines.append(f"> {sent.hex()}")
                wire.send(sent)
            datagram = wire.recv(MAX_DATAGRAM)
            lines.append(f"< {datagram.hex()}")
            talk.receive(datagram)
    return "\n".join([*lines, *(f"# {link}" for link in talk.links), ""])


def record(guest: Guest, folder: Path) -> None:
    def keep(state: str) -> None:
        head = HEAD.format(state=state, version=version(guest.kernel))
        (folder / f"{state}.txt").write_text(head + guest.ask(conversation))

    guest.load(*air.MODULES, radios=str(air.RADIOS))
    keep("not-connected")
    guest.ask(air.begin, POINT)
    keep("access-point")
    guest.ask(air.join, POINT)
    deadline = time.monotonic() + _JOIN_S
    while POINT.bssid not in guest.ask(conversation) and time.monotonic() < deadline:
        time.sleep(0.5)
    keep("connected")


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        guest = Guest(Path(scratch))
        try:
            record(guest, folder)
        finally:
            guest.close()


if __name__ == "__main__":
    main()
