"""A websocket to a device's own server, over a connection that bounds every wait and every answer. No asyncio."""

from collections.abc import Iterator
from contextlib import contextmanager

import websocket

from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.wire import Site, Wire

UNAUTHORIZED = (401, 403)


class Overdue(LinkLost):
    """Nothing came in time; the connection may live."""


class WebsocketLink:
    """Open from the start. Every method but `close` raises LinkLost, Overdue and BadReply."""

    def __init__(self, site: Site, path: str, headers: list[str], connect_s: float, reply_s: float) -> None:
        """Raises Refused if the server wants to know who asks."""
        self._where = site.authority
        self._wire = Wire(site, connect_s)
        self._socket = websocket.WebSocket(enable_multithread=False)
        self._wire.within(reply_s)
        try:
            with self._failing():
                self._socket.connect(  # type: ignore[no-untyped-call]
                    f"ws://{site.authority}{path}", socket=self._wire, suppress_origin=True, header=headers
                )
        except BaseException:
            self._wire.close()
            raise

    def send(self, text: str, within_s: float) -> None:
        """What follows, the answer too, ends in so many seconds."""
        self._wire.within(within_s)
        with self._failing():
            self._socket.send(text)

    def receive(self, within_s: float | None = None) -> str | bytes:
        """The next message, which comes whole in so many seconds, or in what `send` has left."""
        if within_s is not None:
            self._wire.within(within_s)
        with self._failing():
            return self._socket.recv()

    def pending(self) -> bool:
        """Whether something has come."""
        return self._wire.pending()

    def close(self) -> None:
        self._wire.close()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turn every way in which a websocket fails into one of ours."""
        try:
            yield
        except websocket.WebSocketBadStatusException as error:
            if error.status_code in UNAUTHORIZED:
                raise Refused(f"{self._where} wants a key (option key or key_file), or another one") from None
            raise BadReply(f"{self._where}: no websocket there ({error.status_code})") from None
        except (websocket.WebSocketTimeoutException, TimeoutError):
            raise Overdue(f"{self._where}: no answer in time") from None
        except websocket.WebSocketConnectionClosedException:
            raise LinkLost(f"{self._where}: the connection was closed") from None
        except (websocket.WebSocketException, ValueError) as error:
            raise BadReply(f"{self._where}: no websocket ({type(error).__name__})") from None
        except OSError as error:
            raise LinkLost(f"{self._where}: {error.strerror or error}") from None
