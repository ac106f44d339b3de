"""A client on a lab's broker: in the caller's thread, with TLS or without, and nothing is said to another server."""

import socket
from typing import Any, Final

from firmware_bridges.wire import Site, connect

KEEPALIVE_S: Final = 60


def make_client(site: Site, login: tuple[str, str], connect_s: float) -> Any:
    """A client of paho that connects to `site`; `connect` raises LinkLost. The user of `login` may be empty."""
    import paho.mqtt.client as paho  # the agent has loaded it already, without what it does not need
    from paho.mqtt.enums import CallbackAPIVersion

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    user, password = login
    if user:
        client.username_pw_set(user, password)
    made = _Patient if site.tls else _same
    vars(client)["_create_socket_connection"] = lambda: made(connect(site, connect_s))  # paho has no public way
    return client


def let_go(client: Any) -> None:
    """Say good-bye if anybody listens, and keep no descriptor."""
    client.on_message = client.on_connect = None
    client.disconnect()
    client.loop(0.0)
    client._sock_close()  # noqa: SLF001 - there is no public way to let go of a socket that is no more
    for each in (client._sockpairR, client._sockpairW):  # noqa: SLF001 - nor of the pair that wakes a thread
        if each is not None:
            each.close()


def _same(plain: socket.socket) -> socket.socket:
    return plain


class _Patient:
    """A TLS connection for a paho that may have been loaded without TLS: to wait for is told as without."""

    def __init__(self, secured: Any) -> None:
        import ssl

        self._secured = secured
        self._waits = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
        self.close, self.fileno, self.pending = secured.close, secured.fileno, secured.pending
        self.setblocking = secured.setblocking

    def recv(self, size: int) -> bytes:
        """Raises BlockingIOError and OSError."""
        try:
            return bytes(self._secured.recv(size))
        except self._waits:
            raise BlockingIOError from None

    def send(self, data: bytes) -> int:
        """Raises BlockingIOError and OSError."""
        try:
            return int(self._secured.send(data))
        except self._waits:
            raise BlockingIOError from None
