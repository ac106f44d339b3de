"""The network loop of an MQTT client, by paho's interface for loops from outside.

Paho's own waits with `select`, which takes no descriptor above 1,023: once that many pages are open in the process, it
never connects again, and says nothing.
"""

import logging
import select
import selectors
import socket
import ssl
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 5.0
_TURN_S = 1.0
"""So often the keepalive is looked after when nothing happens."""
_LEAVE_S = 0.5
_STOP_S = 1.0
_PACKETS = 50
"""Most that are read before anything else is looked after."""


class Loop:
    """Keeps `client` connected to where its `connect_async` said, in a thread of its own, which calls its callbacks.

    Between two attempts is a pause, which doubles until the broker lets us in. An error out of a callback is logged and
    the connection made anew. Other threads may publish and subscribe at any time. Not used again after `stop`.
    """

    def __init__(self, client: paho.Client) -> None:
        self._client = client
        self._stopping = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._held_up = False
        self._thread = threading.Thread(target=self._run, name="broker-link", daemon=True)
        client.on_socket_open = self._on_open
        client.on_socket_close = self._on_close
        client.on_socket_register_write = self._on_output

    def start(self) -> None:
        """Begin to connect; does not wait for it."""
        self._thread.start()

    def stop(self) -> None:
        """Send what waits, take leave, end. Within a second; an attempt to connect that takes longer ends by itself."""
        self._stopping.set()
        self._wake()
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        pause_s = 0.0
        with self._selector, self._woken, self._waker:
            while not self._stopping.wait(pause_s):
                try:
                    welcome = self._attempt()
                except Exception:
                    log.exception("the connection to the broker is made anew after an error")
                    welcome = False
                pause_s = _FIRST_PAUSE_S if welcome else min(max(2 * pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)

    def _attempt(self) -> bool:
        """Connect, and serve the connection to its end. Whether the broker let us in."""
        try:
            return self._connect() and self._serve()
        finally:
            self._drop()

    def _connect(self) -> bool:
        try:
            self._client.reconnect()
        except OSError as error:
            log.warning("no broker at %s:%d (%s); trying again", self._client.host, self._client.port, error)
            return False
        return True

    def _serve(self) -> bool:
        welcome = False
        while (sock := self._client.socket()) is not None and not self._stopping.is_set():
            self._turn(sock, _TURN_S)
            welcome = welcome or self._client.is_connected()
        if self._stopping.is_set():
            self._take_leave()
        return welcome

    def _take_leave(self) -> None:
        self._client.disconnect()
        deadline = monotonic() + _LEAVE_S
        while (sock := self._client.socket()) is not None and (left_s := deadline - monotonic()) > 0:
            self._turn(sock, left_s)

    def _turn(self, sock: "SocketLike", patience_s: float) -> None:
        """Wait until there is something to do, and do it."""
        client = self._client
        if client.want_write() != self._held_up:  # still, after it was written: the broker takes no more for now
            self._held_up = not self._held_up
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(sock, both if self._held_up else selectors.EVENT_READ)
        decrypted = _decrypted(sock)
        ready = {key.fileobj: events for key, events in self._selector.select(0 if decrypted else patience_s)}
        if decrypted or ready.get(sock, 0) & selectors.EVENT_READ:
            self._read(sock)
        if self._woken in ready:
            self._woken.recv(4096)
        client.loop_write()  # without output too: only after it does paho call `_on_output` again
        client.loop_misc()

    def _read(self, sock: "SocketLike") -> None:
        """What has come, up to a bound: paho reads one packet a call, and all else in a turn costs more than that."""
        coming = select.poll()
        coming.register(sock, select.POLLIN)
        for _ in range(_PACKETS):
            self._client.loop_read()
            if self._client.socket() is not sock or not (_decrypted(sock) or coming.poll(0)):
                break

    def _drop(self) -> None:
        """Close what is still open, and have that told. Paho notices a lost connection when it writes to it."""
        sock = self._client.socket()
        if sock is not None:
            sock.close()
            self._client.disconnect()
            self._client.loop_write()

    def _wake(self) -> None:
        with suppress(OSError):  # full: it wakes anyway; closed: it has ended
            self._waker.send(b"\0")

    def _on_open(self, _client: paho.Client, _data: Any, sock: Any) -> None:
        self._selector.register(sock, selectors.EVENT_READ)
        self._held_up = False

    def _on_close(self, _client: paho.Client, _data: Any, sock: Any) -> None:
        with suppress(KeyError, ValueError):  # never registered: that failed
            self._selector.unregister(sock)

    def _on_output(self, _client: paho.Client, _data: Any, _sock: Any) -> None:
        """There is something to write. Called by whichever thread brought it; our own writes it before it waits."""
        if threading.get_ident() != self._thread.ident:
            self._wake()


def _decrypted(sock: "SocketLike") -> bool:
    """Whether bytes wait that no selector knows of, since they have left the kernel."""
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
