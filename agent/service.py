"""What a service manager wants to hear. Speaks systemd's notify protocol itself; without one it says nothing."""

import os
import socket
from collections.abc import Mapping
from typing import Protocol


class Manager(Protocol):
    """Whoever started the agent and looks whether it lives: systemd, or Windows (agent/windows_service.py)."""

    def ready(self) -> None: ...

    def alive(self) -> None: ...

    def ending(self) -> None: ...


class Notifier:
    """Tells systemd that the agent is ready, alive and ending. Raises nothing: no manager is no reason to stop."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        watchdog_us = environment.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(watchdog_us) / 1e6 if watchdog_us.isdecimal() else 0.0
        """How often the manager wants a sign of life at least; 0: never."""

    def ready(self) -> None:
        self._send("READY=1")

    def alive(self) -> None:
        if self.watchdog_s:
            self._send("WATCHDOG=1")

    def ending(self) -> None:
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        family = getattr(socket, "AF_UNIX", None)
        if not self._address or family is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as channel:
                channel.connect(address)
                channel.sendall(text.encode())
        except OSError:
            return
