"""A name server on a port of its own, which knows no names but answers as it is told."""

import socket
import threading
from types import TracebackType
from typing import Self

_HEADER = 12


class Resolver:
    """A thread that answers each question over UDP with the response code `code`; `silent` keeps it from answering.

    `noise` is sent before every answer, as anybody on the network could. `asked` keeps the raw questions.
    """

    def __init__(self, code: int = 0, *, silent: bool = False, noise: bytes = b"") -> None:
        self.code = code
        self.silent = silent
        self.noise = noise
        self.asked: list[bytes] = []
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._wire.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="resolver", daemon=True)

    @property
    def port(self) -> int:
        return int(self._wire.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.sendto(b"", ("127.0.0.1", self.port))  # an empty datagram ends it
        self._thread.join()
        self._wire.close()

    def _serve(self) -> None:
        while True:
            question, sender = self._wire.recvfrom(4096)
            if not question:
                return
            self.asked.append(question)
            if self.silent:
                continue
            if self.noise:
                self._wire.sendto(self.noise, sender)
            flags = 0x8180 | self.code
            self._wire.sendto(question[:2] + flags.to_bytes(2, "big") + question[4:], sender)
