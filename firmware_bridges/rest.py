"""Requests to a device's own web server: one connection each, bounded in time and size. No asyncio, no proxy."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, IncompleteRead
from io import BufferedReader
from typing import Any, Final

from firmware_bridges.base import BadReply, LinkLost
from firmware_bridges.wire import Site, Wire

_CHUNK: Final = 65_536


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds: to make a connection, for an answer, for an upload."""

    connect_s: float
    reply_s: float
    upload_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """`challenge` is the header WWW-Authenticate."""

    status: int
    content: bytes
    challenge: str = ""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


class Rest:
    """Asks a server. Every method raises LinkLost and BadReply; what the server answers is for the caller to judge."""

    def __init__(self, site: Site, patience: Patience) -> None:
        self._site = site
        self._patience = patience

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, object] | None = None
    ) -> Answer:
        """`body` is sent as JSON."""
        data = None if body is None else json.dumps(body).encode()
        told = {**headers, "Content-Type": "application/json"} if data else headers
        return self._exchange(method, path, told, data, self._patience.reply_s)

    def put(self, path: str, headers: Mapping[str, str], file: BufferedReader) -> Answer:
        """Send a file as it is, from its beginning."""
        length = file.seek(0, 2)
        file.seek(0)
        told = {**headers, "Content-Length": str(length), "Content-Type": "text/x.gcode"}
        return self._exchange("PUT", path, told, iter(lambda: file.read(_CHUNK), b""), self._patience.upload_s)

    def upload(
        self, path: str, headers: Mapping[str, str], fields: Mapping[str, str], name: str, file: BufferedReader
    ) -> Answer:
        """Send a file and `fields` as a form does (RFC 7578), from the file's beginning."""
        border = secrets.token_hex(16)
        head = b"".join(
            f'--{border}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in fields.items()
        )
        head += (
            f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{border}--\r\n".encode()
        length = len(head) + file.seek(0, 2) + len(tail)
        file.seek(0)
        told = {
            **headers,
            "Content-Type": f"multipart/form-data; boundary={border}",
            "Content-Length": str(length),
        }
        return self._exchange("POST", path, told, _form(head, file, tail), self._patience.upload_s)

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: Any, reply_s: float) -> Answer:
        wire = Wire(self._site, self._patience.connect_s)
        connection = HTTPConnection(self._site.host, self._site.port)
        connection.sock = _Lent(wire)
        wire.within(reply_s)
        try:
            with _failing(self._site):
                connection.request(method, path, body, {**headers, "Connection": "close"})
                response = connection.getresponse()
                return Answer(response.status, response.read(), response.headers.get("WWW-Authenticate", ""))
        finally:
            connection.close()
            wire.close()


class _Lent:
    """A connection as `http.client` may have it: that closes it before it has read the answer to its end."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.sendall = wire.sendall
        self.makefile = wire.makefile

    def close(self) -> None:
        """Whoever lent it closes it."""


def _form(head: bytes, file: BufferedReader, tail: bytes) -> Iterator[bytes]:
    yield head
    while piece := file.read(_CHUNK):
        yield piece
    yield tail


@contextmanager
def _failing(site: Site) -> Iterator[None]:
    """Turn every way in which a conversation fails into LinkLost or BadReply."""
    try:
        yield
    except TimeoutError:
        raise LinkLost(f"{site.authority}: no answer in time") from None
    except (OSError, EOFError) as error:
        raise LinkLost(f"{site.authority}: {getattr(error, 'strerror', None) or error}") from None
    except IncompleteRead:
        raise LinkLost(f"{site.authority}: broke off in mid-answer") from None
    except (HTTPException, ValueError) as error:
        raise BadReply(f"answers something other than HTTP: {type(error).__name__}") from None
