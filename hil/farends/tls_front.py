"""HTTPS before a printer's server that has none: what a school puts there, as nginx or stunnel would be."""

import contextlib
import select
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_TURN_S = 0.1


class TlsFront:
    """Stands before `endpoint`, http://host:port, at an https endpoint of its own. Use as a context manager."""

    def __init__(self, endpoint: str, certificate: Path, key: Path) -> None:
        parts = urlsplit(endpoint)
        self._far = (parts.hostname or "", parts.port or 80)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_TURN_S)
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._serve, name="tls-front")]
        self.heard = 0
        """Bytes that clients have said so far."""

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._threads[0].join()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                plain, _ = self._listener.accept()
                thread = threading.Thread(target=self._meet, args=(plain,), name="tls-front")
                self._threads.append(thread)
                thread.start()

    def _meet(self, plain: socket.socket) -> None:
        """One client, until either side has enough of it. A client that does not trust us has ended it already."""
        plain.settimeout(5)
        with (
            plain,
            contextlib.suppress(OSError),
            self._context.wrap_socket(plain, server_side=True) as near,
            socket.create_connection(self._far, 5) as far,
        ):
            while not self._ended.is_set() and self._passed_on(near, far):
                pass

    def _passed_on(self, near: ssl.SSLSocket, far: socket.socket) -> bool:
        """What has come from either side; False once one has ended. One thread: a TLS connection takes no two."""
        ready = [near] if near.pending() else select.select([near, far], [], [], _TURN_S)[0]
        for source, sink in ((near, far), (far, near)):
            if source in ready:
                data = source.recv(65_536)
                if not data:
                    return False
                self.heard += len(data) if source is near else 0
                sink.sendall(data)
        return True
