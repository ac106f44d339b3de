"""A way to a web server on which answers are spoiled when somebody says so."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_NOISE = b"\x00\x01 what?\r\n\r\n"
_TURN_S = 0.05


class Spoiler:
    """Stands between a bridge and the server at `endpoint`, at an endpoint of its own, while the context lasts.

    While `spoiling` is set each piece of an answer becomes noise; the requests go on as they are.
    """

    def __init__(self, endpoint: str) -> None:
        where = urlsplit(endpoint)
        self.spoiling = threading.Event()
        self.spoiled = 0
        """Pieces so far."""
        self._far = (where.hostname or "", where.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_TURN_S)
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._serve, name="spoiler", daemon=True)]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for each in self._threads:
            each.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                near, _ = self._listener.accept()
                carrier = threading.Thread(target=self._carry, args=(near,), name="spoiler", daemon=True)
                self._threads.append(carrier)
                carrier.start()

    def _carry(self, near: socket.socket) -> None:
        """One connection, until either side ends it."""
        with near, suppress(OSError), socket.create_connection(self._far) as far:
            for each in (near, far):
                each.settimeout(_TURN_S)
            while not self._ended.is_set():
                for source, sink in ((near, far), (far, near)):
                    with suppress(TimeoutError):
                        piece = source.recv(65_536)
                        if not piece:
                            return
                        if source is far and self.spoiling.is_set():
                            piece = _NOISE
                            self.spoiled += 1
                        sink.sendall(piece)
