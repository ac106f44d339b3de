"""How a job file comes from the controller: one HTTP request, straight to it, bounded in size, silence and time.

The agent proves with its lease key who it is; the key itself does not travel.
"""

import hashlib
import hmac
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent.errors import NoFile, NoFileYet
from contract.topics import Address

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

NO_FILE = f"/api/v1/files/{'0' * 64}"
"""A file that no server has."""
SILENCE_S = 10.0
"""How long the controller may say nothing."""
_CHUNK = 65_536
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Source:
    """Where job files are. `url` is the controller's, empty if it was never told.

    `tls_ca` is a file of certificates to trust with https, empty for the system's. `key` signs what is asked for.
    """

    url: str
    address: Address
    key: bytes = field(repr=False)
    tls_ca: str = ""


class Download:
    """A file on its way. `size` is in bytes."""

    def __init__(self, response: "HTTPResponse", size: int) -> None:
        self.size = size
        self._response = response

    def pieces(self) -> Iterator[bytes]:
        """All `size` bytes as they come. Raises NoFileYet."""
        left = self.size
        while left:
            try:
                piece, why = self._response.read1(_CHUNK), ""
            except OSError as error:
                piece, why = b"", f": {error}"
            if not piece:
                raise NoFileYet(f"the server broke off, {left} bytes before the end{why}")
            left -= len(piece)
            yield piece


@contextmanager
def opened(source: Source, digest: str, largest: int, over: Callable[[], str]) -> Iterator[Download]:
    """Ask for a file of at most `largest` bytes.

    `over` tells why to end it, empty to go on; it is asked several times a second, and within as much it is ended.
    Raises NoFile and NoFileYet, here and from within.
    """
    connection = connection_to(source)
    path = f"/api/v1/files/{digest}"
    try:
        try:
            connection.connect()
        except OSError as error:
            leaf = NoFile if isinstance(error, ValueError) else NoFileYet  # a certificate that is not believed stays so
            raise leaf(f"{source.url} cannot be reached: {error}") from None
        with _cut_off(connection.sock, over):
            response = _response(connection, source, path)
            yield Download(response, _size(response, largest))
    except NoFile:
        if why := over():
            raise NoFile(why) from None
        raise
    finally:
        connection.close()


def connection_to(source: Source, silence_s: float = SILENCE_S) -> "HTTPConnection":
    """Not connected yet. Goes past any proxy, and with https believes only a certificate that can be verified.

    Raises NoFile for an address that is none.
    """
    from http.client import HTTPConnection, HTTPSConnection  # 2 MB, not needed before the first job

    parts = urlsplit(source.url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme not in ("http", "https") or not host:
        raise NoFile("controller.url in agent.toml does not say where the server is (http://host:port)")
    if parts.scheme == "http":
        return HTTPConnection(host, port, timeout=silence_s)
    import ssl

    try:
        context = ssl.create_default_context(cafile=source.tls_ca or None)
    except OSError as error:
        raise NoFile(f"controller.tls_ca = {source.tls_ca}: {error}") from None
    return HTTPSConnection(host, port, timeout=silence_s, context=context)


def authorization(address: Address, key: bytes, path: str, method: str = "GET") -> str:
    """The header for a request of `path`."""
    signature = hmac.new(key, f"{method} {path}".encode(), hashlib.sha256).hexdigest()
    return f"Fabfleet {address.user} {signature}"


def ask_who(source: Source) -> None:
    """Make sure that the server there knows this agent: it says that it has no file for it. Raises NoFile."""
    from http.client import HTTPException

    connection = connection_to(source)
    proof = authorization(source.address, source.key, NO_FILE)
    try:
        connection.request("GET", urlsplit(source.url).path.rstrip("/") + NO_FILE, headers={"Authorization": proof})
        response = connection.getresponse()
        status, kind = response.status, response.headers.get_content_type()
    except (OSError, HTTPException) as error:
        raise NoFileYet(f"{source.url} does not answer: {error}") from None
    finally:
        connection.close()
    if status != 404 or kind != "application/json":
        raise NoFile(f"{source.url} does not know this agent (answers {status})")


def _response(connection: "HTTPConnection", source: Source, path: str) -> "HTTPResponse":
    """The controller's answer, if it is the file. Raises NoFile."""
    from http.client import HTTPException

    where = urlsplit(source.url).path.rstrip("/") + path
    try:
        connection.request("GET", where, headers={"Authorization": authorization(source.address, source.key, path)})
        response = connection.getresponse()
    except OSError as error:
        raise NoFileYet(f"{source.url} does not answer: {error}") from None
    except HTTPException as error:
        raise NoFile(f"{source.url} answers what no server of Fabfleet answers: {error!r}") from None
    if response.status != 200:
        leaf = NoFileYet if response.status in _AWAY else NoFile
        raise leaf(_ANSWERS.get(response.status, f"the server answers {response.status} {response.reason}"))
    return response


_ANSWERS = {
    **dict.fromkeys((301, 302, 303, 307, 308), "the server points elsewhere, where nobody goes; see controller.url"),
    401: "the server does not know this agent (401); enrol it again",
    403: "the server does not let this agent have it (403)",
    404: "the server does not have it for this agent (404)",
}

_AWAY = frozenset({502, 503, 504})
"""What a proxy before the controller answers while that is away."""


def _size(response: "HTTPResponse", largest: int) -> int:
    """Raises NoFile for an answer that does not say how long it is, or is too long."""
    if response.length is None:
        raise NoFile("the server does not say how large it is")
    if response.length > largest:
        raise NoFile(f"{response.length} bytes, at most {largest} are taken (files.largest_mb)")
    return response.length


@contextmanager
def _cut_off(connection: socket.socket, over: Callable[[], str]) -> Iterator[None]:
    """Whatever is waited for within, it ends when `over` says so: a server may say one byte every few seconds."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK_S):
            if over():
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)  # not TLS's own, which waits for an answer
                return

    watching = threading.Thread(target=watch, name="download", daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()
