"""How long the server waits for a request to arrive: who sends it drop by drop holds no connection for ever."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S: Final = 10.0
"""For the first line and the headers of a request, from the connection or from the first byte after the last answer."""
PIECE_S: Final = 20.0
"""For the next piece of a body that is sent on as it comes."""
BODY_S: Final = 30.0
"""For the whole of a body that is small."""
_LATE: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

Tell: TypeAlias = Callable[[str], None]
"""Called in the event loop with the address of who was too slow."""


class PatientProtocol(H11Protocol):
    """Uvicorn's own, with an end to waiting for the head of a request."""

    tell: Tell | None = None

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base has it
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch(begun=bool(self.conn.trailing_data[0]))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unwatch()

    def _watch(self, *, begun: bool = True) -> None:
        """Set or call off the deadline: it runs while a head has begun to come, and not while a request is handled."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._unwatch()
        elif begun and self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(HEAD_S, self._too_slow)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        self.transport.write(_LATE)
        self.transport.close()
        if self.tell is not None and self.client is not None:
            self.tell(self.client[0])


def patient(tell: Tell) -> type[PatientProtocol]:
    """The protocol for a server that says who was too slow."""
    return type("PatientProtocol", (PatientProtocol,), {"tell": staticmethod(tell)})
