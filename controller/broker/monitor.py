"""Asks the embedded server whose connection it was that its log tells of: there only the id stands that was claimed."""

import http.client
import json
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_TIMEOUT_S: Final = 0.5
_MOST: Final = 10_000
"""Connections whose user is remembered."""


class Monitor:
    """The server listens for questions on loopback, at a port of its choice, below a path that nobody else knows."""

    def __init__(self, folder: Path, path: str) -> None:
        self._folder = folder
        self._path = path
        self._known: dict[tuple[int, int], str] = {}

    def user(self, process: int, connection: int) -> str:
        """Who signed in on that connection, be it over or not; empty if the server cannot say it any more."""
        key = (process, connection)
        if key not in self._known:
            user = self._asked(process, connection)
            if not user:
                return ""
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = user
        return self._known[key]

    def _asked(self, process: int, connection: int) -> str:
        """A server that was started anew counts its connections anew: so the process is asked that wrote the line."""
        try:
            ports = json.loads((self._folder / f"nats-server_{process}.ports").read_text("utf-8"))
            server = http.client.HTTPConnection(urlsplit(ports["monitoring"][0]).netloc, timeout=_TIMEOUT_S)
            try:
                server.request("GET", f"{self._path}/connz?auth=true&state=all&cid={connection}")
                found = json.loads(server.getresponse().read())["connections"]
            finally:
                server.close()
            return next((str(each["authorized_user"]) for each in found if each["cid"] == connection), "")
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
            return ""
