"""A TCP connection, with TLS or without, on which no wait and no answer is longer than was said.

It stands in the place of a socket for `http.client` and `websocket`, which bound each single read and nothing more.
"""

import hashlib
import hmac
import io
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from string import hexdigits
from typing import Any, BinaryIO, Final, cast
from urllib.parse import urlsplit

from firmware_bridges.base import BadReply, LinkLost

MOST_BYTES: Final = 8 << 20
"""Of one answer."""
_PORTS: Final = {"http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}
_DIGITS: Final = 64


@dataclass(frozen=True, slots=True)
class Site:
    """Where a device's server is. With TLS it is trusted for what vouches for its certificate: those in `ca_file`, else
    the system's; or for the certificate's own SHA-256, `fingerprint`, whatever it says of itself."""

    host: str
    port: int
    tls: bool
    ca_file: str = ""
    fingerprint: str = ""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def connect(site: Site, connect_s: float) -> socket.socket:
    """A connection to the server that is meant, on which nothing was said yet. Raises LinkLost."""
    try:
        plain = socket.create_connection((site.host, site.port), connect_s)
    except OSError as error:
        raise LinkLost(f"{site.authority}: {error.strerror or error}") from None
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not site.tls:
        return plain
    try:
        return _secured(plain, site)
    except OSError as error:
        plain.close()
        raise LinkLost(f"{site.authority}: {_trouble(error)}") from None


def parse_site(endpoint: str, ca_file: str = "", port: int | None = None, fingerprint: str = "") -> Site:
    """Read `http://host[:port]` or `https://host[:port]`; `port` where http names none. Raises ValueError.

    `fingerprint` as people copy it: colons, spaces and capitals do not matter.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError(f"{endpoint!r} is not http://host[:port]")
    return site_of(endpoint, ca_file, None if parts.scheme == "https" else port, fingerprint)


def site_of(endpoint: str, ca_file: str = "", port: int | None = None, fingerprint: str = "") -> Site:
    """Whose server `endpoint` means, whatever path it names; `port` where it names none. Raises ValueError."""
    parts = urlsplit(endpoint)
    plain = parts.scheme.removesuffix("s")
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{endpoint!r} is not http://host[:port]")
    tls = parts.scheme != plain
    if fingerprint and (ca_file or not tls):
        raise ValueError("fingerprint: it goes with https or mqtts, and instead of ca_file")
    return Site(parts.hostname, parts.port or port or _PORTS[parts.scheme], tls, ca_file, _digits(fingerprint))


def _digits(fingerprint: str) -> str:
    digits = "".join(fingerprint.split()).replace(":", "").lower()
    if digits and (len(digits) != _DIGITS or not set(digits) <= set(hexdigits)):
        raise ValueError(f"fingerprint: {fingerprint[:100]!r} is no SHA-256: 64 hexadecimal digits are wanted")
    return digits


class Wire:
    """An open connection. After `within` every read and write ends when its seconds are over, or its bytes."""

    def __init__(self, site: Site, connect_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises LinkLost."""
        self._clock = clock
        self._until_s = 0.0
        self._left = 0
        self._socket = connect(site, connect_s)
        self.within(connect_s)

    def within(self, seconds: float, most: int = MOST_BYTES) -> None:
        """What follows ends in so many seconds, and with so many bytes."""
        self._until_s, self._left = self._clock() + seconds, most

    def recv(self, size: int) -> bytes:
        """Raises TimeoutError, OSError, and BadReply for too long an answer."""
        self._hurry()
        if self._left <= 0:
            raise BadReply("an answer without an end")
        data = self._socket.recv(min(size, self._left))
        self._left -= len(data)
        return data

    def sendall(self, data: Any) -> None:
        self._hurry()
        self._socket.sendall(data)

    def send(self, data: Any) -> int:
        self._hurry()
        return self._socket.send(data)

    def makefile(self, *_: Any, **__: Any) -> BinaryIO:
        """To read from; closing it closes nothing else."""
        return cast("BinaryIO", io.BufferedReader(_Reader(self)))

    def pending(self) -> bool:
        """Whether there is something to read, if only the end. Raises OSError."""
        ahead = self._socket.pending() if hasattr(self._socket, "pending") else 0
        return bool(ahead or select.select([self._socket], [], [], 0)[0])

    def fileno(self) -> int:
        return self._socket.fileno()

    def gettimeout(self) -> float | None:
        return max(self._until_s - self._clock(), 0.001)

    def settimeout(self, _seconds: float | None) -> None:
        """What `within` says goes."""

    def shutdown(self, how: int) -> None:
        self._socket.shutdown(how)

    def close(self) -> None:
        self._socket.close()

    def _hurry(self) -> None:
        left_s = self._until_s - self._clock()
        if left_s <= 0:
            raise TimeoutError("no answer in time")
        self._socket.settimeout(left_s)


class _Reader(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._wire.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _secured(plain: socket.socket, site: Site) -> socket.socket:
    """With TLS, to the server that is meant: nothing was said to it before. Raises OSError."""
    import ssl

    context = ssl.create_default_context(cafile=site.ca_file or None)
    if not site.fingerprint:
        return context.wrap_socket(plain, server_hostname=site.host)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the certificate itself is known: who vouches for it makes no difference
    secured = context.wrap_socket(plain, server_hostname=site.host)
    shown = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
    if not hmac.compare_digest(shown, site.fingerprint):
        secured.close()
        raise ConnectionError(f"not the server that was meant: its certificate has the fingerprint {shown}")
    return secured


def _trouble(error: OSError) -> str:
    """A certificate that nobody vouches for is told with the cure."""
    why = getattr(error, "verify_message", "")
    return (
        f"its certificate is not trusted ({why}); option ca_file or fingerprint says whom to trust"
        if why
        else str(error)
    )
