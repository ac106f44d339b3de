"""Ways to a device: serial port, TCP, UDP and RFC 2217, each behind the Link protocol of base.py. No asyncio.

One string names a device's endpoint:

    /dev/serial/by-id/usb-...   COM3   serial:///dev/ttyUSB0?baud=250000
    tcp://host:port   udp://host:port   rfc2217://host:port?baud=115200
"""

import errno
import os
import re
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import serial
import serial.rfc2217

from firmware_bridges.base import Link, LinkLost

BAUD: Final = 115_200
CHUNK: Final = 65_536
"""Most bytes that one read returns."""
_SLICE_S: Final = 0.1
_WINDOWS_PORT = re.compile(r"(?:\\\\\.\\)?COM\d{1,3}", re.IGNORECASE)
_T = TypeVar("_T", serial.Serial, socket.socket)


class Scheme(StrEnum):
    SERIAL = "serial"
    TCP = "tcp"
    UDP = "udp"
    RFC2217 = "rfc2217"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a device is. `path` is a serial port's; `host` and `port` are a network address."""

    scheme: Scheme
    path: str = ""
    host: str = ""
    port: int = 0
    baud: int = BAUD


def parse_endpoint(text: str, baud: int = BAUD) -> Endpoint:
    """Read an endpoint string; `baud` is used where it names none. Raises ValueError, saying what is wrong."""
    if text.startswith("/") or _WINDOWS_PORT.fullmatch(text):
        return Endpoint(Scheme.SERIAL, path=text, baud=baud)
    parts = urlsplit(text)
    try:
        scheme = Scheme(parts.scheme)
    except ValueError:
        raise ValueError(f"{text!r} is neither a serial port nor one of {', '.join(Scheme)}://") from None
    query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    try:
        baud = int(query.pop("baud", baud))
    except ValueError:
        raise ValueError(f"{text!r}: baud is not a number") from None
    if query:
        raise ValueError(f"{text!r}: nobody knows {next(iter(query))!r}")
    if not 50 <= baud <= 4_000_000:
        raise ValueError(f"{text!r}: {baud} baud is no speed of a serial port")
    if scheme is Scheme.SERIAL:
        path = unquote(parts.netloc + parts.path)
        if not path:
            raise ValueError(f"{text!r} names no port")
        return Endpoint(scheme, path=path, baud=baud)
    if not parts.hostname or not parts.port:
        raise ValueError(f"{text!r} is not {scheme}://host:port")
    return Endpoint(scheme, host=parts.hostname, port=parts.port, baud=baud)


def parse_stream(text: str, baud: int = BAUD) -> Endpoint:
    """Read an endpoint whose bytes come whole and in order. Raises ValueError for any other."""
    where = parse_endpoint(text, baud)
    if where.scheme is Scheme.UDP:
        raise ValueError(f"{text!r}: this device does not speak in datagrams")
    return where


def open_link(endpoint: str, *, baud: int = BAUD, timeout_s: float = 5.0) -> Link:
    """Open the way to a device. `timeout_s` bounds opening and every write.

    Raises LinkLost if there is no way now, ValueError for a string that is no endpoint.
    """
    where = parse_endpoint(endpoint, baud)
    return _OPENERS[where.scheme](where, timeout_s)


@contextmanager
def _lost(what: str) -> Iterator[None]:
    """Turn every way in which ports and sockets fail into LinkLost."""
    try:
        yield
    except LinkLost:
        raise
    except TimeoutError:
        raise LinkLost(f"{what}: no answer in time") from None
    except serial.SerialTimeoutException:
        raise LinkLost(f"{what}: takes no more bytes") from None
    except (OSError, ValueError, TypeError) as error:  # pyserial lets the last two out when a port closes under it
        raise LinkLost(f"{what}: {_plain(error)}") from None


def _plain(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.EACCES, errno.EPERM):
        return "no permission (on Linux the account must be in the group dialout)"
    if number in (errno.EBUSY, errno.EWOULDBLOCK):
        return "in use by another program"
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return "is not there"
    if number == errno.EIO:
        return "was unplugged"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text)[:200]


class SerialLink:
    """A serial port, opened for this process alone.

    The modem line DTR is left as it is on closing (POSIX): boards that restart on its edge do not lose a running job
    when the agent restarts.
    """

    def __init__(self, where: Endpoint, timeout_s: float) -> None:
        self._name = where.path
        with _lost(self._name):
            self._port = serial.Serial(
                where.path, where.baud, timeout=_SLICE_S, write_timeout=timeout_s, exclusive=_exclusive()
            )
        with _closing_unless_done(self._port), _lost(self._name):
            self._ready: Callable[[float], bool] = (
                _keep_dtr_and_poll(self._port.fileno()) if os.name == "posix" else _always
            )

    def write(self, data: bytes) -> None:
        with _lost(self._name):
            self._port.write(data)

    def read(self, timeout_s: float) -> bytes:
        with _lost(self._name):
            if os.name == "posix":
                if not self._ready(timeout_s):
                    return b""
                try:
                    data = os.read(self._port.fileno(), CHUNK)
                except BlockingIOError:
                    return b""
                if not data:
                    raise LinkLost(f"{self._name}: was unplugged")
                return data
            return _read_sliced(self._port, timeout_s)

    def close(self) -> None:
        with suppress(OSError, ValueError, TypeError):
            self._port.close()


class _Remote(serial.rfc2217.Serial):
    """pyserial's, which forgets to close the socket of a connection that broke."""

    def close(self) -> None:
        broken: socket.socket | None = getattr(self, "_socket", None)
        super().close()
        if broken:
            broken.close()


class Rfc2217Link:
    """A serial port that another computer shares over TCP (RFC 2217)."""

    def __init__(self, where: Endpoint, timeout_s: float) -> None:
        self._name = f"rfc2217://{where.host}:{where.port}"
        host = f"[{where.host}]" if ":" in where.host else where.host
        with _lost(self._name):
            # pyserial connects with a time-out of its own of 5 s; this one is for the negotiation after it.
            self._port = _Remote(f"rfc2217://{host}:{where.port}?timeout={timeout_s}", where.baud, timeout=_SLICE_S)

    def write(self, data: bytes) -> None:
        with _lost(self._name):
            self._port.write(data)

    def read(self, timeout_s: float) -> bytes:
        with _lost(self._name):
            return _read_sliced(self._port, timeout_s)

    def close(self) -> None:
        with suppress(OSError, ValueError, TypeError):
            self._port.close()


class TcpLink:
    """A TCP connection. One that the other side ends is lost."""

    def __init__(self, where: Endpoint, timeout_s: float) -> None:
        self._name = f"tcp://{where.host}:{where.port}"
        self._timeout_s = timeout_s
        with _lost(self._name):
            self._socket = socket.create_connection((where.host, where.port), timeout_s)
        with _closing_unless_done(self._socket), _lost(self._name):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
                with suppress(AttributeError, OSError):  # not every system has them, or takes them
                    self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)

    def write(self, data: bytes) -> None:
        with _lost(self._name):
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(data)

    def read(self, timeout_s: float) -> bytes:
        with _lost(self._name):
            data = _receive(self._socket, timeout_s)
            if data == b"":
                raise LinkLost(f"{self._name}: closed by the other side")
            return data or b""

    def close(self) -> None:
        self._socket.close()


class UdpLink:
    """Datagrams to and from one address. A read returns one datagram; one that is empty counts as nothing."""

    def __init__(self, where: Endpoint, timeout_s: float) -> None:
        self._name = f"udp://{where.host}:{where.port}"
        self._timeout_s = timeout_s
        with _lost(self._name):
            family, kind, protocol, _, address = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
        with _closing_unless_done(self._socket), _lost(self._name):
            self._socket.connect(address)

    def write(self, data: bytes) -> None:
        with _lost(self._name):
            self._socket.settimeout(self._timeout_s)
            self._socket.send(data)

    def read(self, timeout_s: float) -> bytes:
        with _lost(self._name):
            return _receive(self._socket, timeout_s) or b""

    def close(self) -> None:
        self._socket.close()


class _Opener(Protocol):
    def __call__(self, where: Endpoint, timeout_s: float) -> Link: ...


_OPENERS: Final[dict[Scheme, _Opener]] = {
    Scheme.SERIAL: SerialLink,
    Scheme.TCP: TcpLink,
    Scheme.UDP: UdpLink,
    Scheme.RFC2217: Rfc2217Link,
}


@contextmanager
def _closing_unless_done(thing: _T) -> Iterator[None]:
    try:
        yield
    except BaseException:
        thing.close()
        raise


def _exclusive() -> bool | None:
    return True if os.name == "posix" else None  # Windows opens every port exclusively, and pyserial says so loudly


def _always(_timeout_s: float) -> bool:
    return True


def _keep_dtr_and_poll(descriptor: int) -> Callable[[float], bool]:
    """Clear HUPCL, and return a wait for readable bytes that knows no limit on descriptor numbers."""
    if sys.platform == "win32":
        return _always
    import termios

    attributes = termios.tcgetattr(descriptor)
    attributes[2] &= ~termios.HUPCL
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return lambda timeout_s: bool(poller.poll(max(0, round(timeout_s * 1000))))


def _read_sliced(port: serial.Serial | serial.rfc2217.Serial, timeout_s: float) -> bytes:
    """Wait in short slices: changing pyserial's own time-out would reconfigure the port each time."""
    deadline = time.monotonic() + timeout_s
    while True:
        data = bytes(port.read(1))
        if data:
            return data + bytes(port.read(min(port.in_waiting, CHUNK - 1)))
        if time.monotonic() >= deadline:
            return b""


def _receive(link: socket.socket, timeout_s: float) -> bytes | None:
    """What came, None if nothing came in time. A time-out of 0 would make the socket non-blocking."""
    link.settimeout(max(timeout_s, 0.000_001))
    try:
        return link.recv(CHUNK)
    except TimeoutError:
        return None
