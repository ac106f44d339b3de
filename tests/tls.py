"""A TLS server of one certificate, in a thread: says one line of HTTP to whoever trusts it."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.tls.authority import KeyPair, issue, make_authority

LOCAL = ("127.0.0.1", "localhost")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


def now() -> datetime:
    return datetime.now(UTC)


def signed(authority: KeyPair | None = None, *hosts: str, ago: timedelta = timedelta(0)) -> KeyPair:
    """A server's certificate, made that long ago, for this machine unless said otherwise."""
    return issue(authority or make_authority(now()), hosts or LOCAL, now() - ago)


def write(pair: KeyPair, folder: Path) -> tuple[Path, Path]:
    """Certificate and key as files."""
    certificate, key = folder / "server.pem", folder / "server.key"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    return certificate, key


@contextmanager
def served(pair: KeyPair, folder: Path) -> Iterator[int]:
    """The port it listens on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write(pair, folder))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_serve, args=(listener, context))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def _serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        plain.settimeout(5)
        with plain, suppress(OSError), context.wrap_socket(plain, server_side=True) as wire:
            if wire.recv(4096):
                wire.sendall(ANSWER)
