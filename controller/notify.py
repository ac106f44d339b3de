"""What systemd wants to hear of a service, in its notify protocol; without systemd nothing is said."""

import os
import socket
from collections.abc import Mapping

READY = "READY=1"
ALIVE = "WATCHDOG=1"
ENDING = "STOPPING=1"


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Tell the service manager one of the states above. Never raises: that nobody listens is no reason to stop."""
    address = environment.get("NOTIFY_SOCKET", "")
    family = getattr(socket, "AF_UNIX", None)
    if not address or family is None:
        return
    abstract = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as channel:
            channel.connect(abstract)
            channel.sendall(state.encode())
    except OSError:
        return
