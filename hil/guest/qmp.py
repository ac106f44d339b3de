"""QEMU's own language for what happens to a machine from outside: QMP, JSON lines over a socket."""

import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_STEP_S = 20.0


class QmpError(Exception):
    """QEMU did not do what it was told; the message is its own."""


class Qmp:
    """A connection, ready for commands."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_STEP_S)
        try:
            self._connect(path)
            self._lines = self._socket.makefile("r", encoding="utf-8")
            self._next()
            self.execute("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def execute(self, command: str, **arguments: Any) -> Any:
        """Its answer. Raises QmpError."""
        request = {"execute": command, "arguments": {name.replace("_", "-"): each for name, each in arguments.items()}}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            told = self._next()
            if "error" in told:
                raise QmpError(f"{command}: {told['error']['desc']}")
            if "return" in told:
                return told["return"]

    def remove(self, device: str) -> None:
        """Take a device out and wait until QEMU says that it is gone. Raises QmpError."""
        request = {"execute": "device_del", "arguments": {"id": device}}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        answered = gone = False
        while not (answered and gone):
            told = self._next()
            if "error" in told:
                raise QmpError(f"device_del: {told['error']['desc']}")
            answered = answered or "return" in told
            gone = gone or (told.get("event") == "DEVICE_DELETED" and told["data"].get("device") == device)

    def close(self) -> None:
        if hasattr(self, "_lines"):
            self._lines.close()
        self._socket.close()

    def _connect(self, path: Path) -> None:
        deadline = time.monotonic() + _STEP_S
        while True:
            try:
                self._socket.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def _next(self) -> Mapping[str, Any]:
        line = self._lines.readline()
        if not line:
            raise QmpError("QEMU is gone")
        told: Mapping[str, Any] = json.loads(line)
        return told
