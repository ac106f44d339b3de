"""A way to a far end on which every byte of a reply comes by itself."""

import socket
import threading
import time
from types import TracebackType
from typing import Self

from firmware_bridges.base import Link, LinkLost
from firmware_bridges.links import open_link

_BETWEEN_S = 0.0002
_TURN_S = 0.02


class Splitter:
    """Stands between a bridge and `endpoint`, at an endpoint of its own. One connection at a time.

    Once `cutting` is set a reply goes on one byte at a time, each in a packet; before, as it comes.
    """

    def __init__(self, endpoint: str, baud: int = 115_200) -> None:
        self.cutting = threading.Event()
        self._far = (endpoint, baud)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_TURN_S)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="splitter", daemon=True)

    @property
    def endpoint(self) -> str:
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            with near:
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                far = open_link(self._far[0], baud=self._far[1])
                try:
                    self._pass_on(near, far)
                except (LinkLost, OSError):
                    continue
                finally:
                    far.close()

    def _pass_on(self, near: socket.socket, far: Link) -> None:
        near.setblocking(False)
        while not self._ended.is_set():
            try:
                asked = near.recv(4096)
                if not asked:
                    return
                far.write(asked)
            except BlockingIOError:
                pass
            reply = far.read(_TURN_S / 10)
            size = 1 if self.cutting.is_set() else max(1, len(reply))
            for at in range(0, len(reply), size):
                near.sendall(reply[at : at + size])
                time.sleep(_BETWEEN_S)
