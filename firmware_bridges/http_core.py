"""HTTP/1.1 as a small device speaks it: a request in bytes, and bytes into a response. No I/O, no clock.

For devices that answer some hundred bytes. http.client would cost 2 MB of the agent's memory and block on its own.
Source: RFC 9112 (messages, section 6 and 7: lengths, chunks), RFC 7616 (digest, with SHA-256 or MD5).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

MAX_HEAD: Final = 8_192
MAX_BODY: Final = 65_536
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: .*)?")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,6})(?:;.*)?")
_PAIR = re.compile(r'(\w+) *= *(?:"([^"]*)"|([^\s,]+))')
_ALGORITHMS = {"MD5": "md5", "SHA-256": "sha256"}


@dataclass(frozen=True, slots=True)
class Response:
    """Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes that are no response: the first of them, and why."""

    start: bytes
    why: str


Event: TypeAlias = Response | Noise


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a device wants a password to be proven with."""

    realm: str
    nonce: str
    algorithm: str = "MD5"

    def proof(self, asked: tuple[str, str], login: tuple[str, str], client_nonce: str, count: int) -> str:
        """The header Authorization (RFC 7616, section 3.4) for (method, target) by (user, password)."""
        (method, target), (user, password) = asked, login

        def digest(text: str) -> str:
            return hashlib.new(_ALGORITHMS[self.algorithm], text.encode(), usedforsecurity=False).hexdigest()

        known, wanted, number = digest(f"{user}:{self.realm}:{password}"), digest(f"{method}:{target}"), f"{count:08x}"
        response = digest(f"{known}:{self.nonce}:{number}:{client_nonce}:auth:{wanted}")
        return (
            f'Digest username="{user}", realm="{self.realm}", nonce="{self.nonce}", uri="{target}", '
            f'algorithm={self.algorithm}, qop=auth, nc={number}, cnonce="{client_nonce}", response="{response}"'
        )


def challenge(response: Response) -> Challenge | None:
    """What a 401 asks for; None if it is no digest that we can make."""
    scheme, _, rest = response.headers.get("www-authenticate", "").partition(" ")
    given = {name.lower(): quoted or bare for name, quoted, bare in _PAIR.findall(rest)}
    algorithm = given.get("algorithm", "MD5").upper()
    qualities = [each.strip() for each in given.get("qop", "").split(",")]
    if scheme.lower() != "digest" or algorithm not in _ALGORITHMS or "auth" not in qualities:
        return None
    return Challenge(given.get("realm", ""), given.get("nonce", ""), algorithm)


def request(method: str, host: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """One request, after which the device should close. Raises ValueError for a line break in a header."""
    told = {"Host": host, "Connection": "close", **(headers or {})}
    if body:
        told |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break in a header")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


class HttpCore:
    """One connection that carries one response. Feed it what came. Keeps at most MAX_HEAD and MAX_BODY bytes."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._ended = False

    def receive(self, data: bytes) -> list[Event]:
        """The response, when `data` completes it; noise once, when it cannot become one. Nothing after either."""
        if self._ended:
            return []
        self._kept += data[: MAX_HEAD + 2 * MAX_BODY - len(self._kept)]
        event = self._read()
        if event is None:
            return []
        self._ended = True
        self._kept.clear()
        return [event]

    def _read(self) -> Event | None:
        kept = bytes(self._kept)
        head, end, body = kept.partition(b"\r\n\r\n")
        if not end:
            begins = kept[:5] == b"HTTP/"[: len(kept)]
            return None if begins and len(kept) <= MAX_HEAD else Noise(kept[:32], "no head of a response")
        first, *lines = head.split(b"\r\n")
        status = _STATUS.fullmatch(first)
        if status is None:
            return Noise(kept[:32], "no head of a response")
        pairs = (line.decode("latin-1").partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        found = self._body(headers, body)
        return Response(int(status[1]), headers, found) if isinstance(found, bytes) else found

    def _body(self, headers: Mapping[str, str], body: bytes) -> bytes | Noise | None:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return _chunks(body)
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()) or len(length) > 6 or int(length) > MAX_BODY:
            return Noise(length.encode()[:32], "no length that a response may have")
        return body[: int(length)] if len(body) >= int(length) else None


def _chunks(body: bytes) -> bytes | Noise | None:
    """The body that all chunks make; None while one is missing."""
    whole = b""
    while True:
        line, end, rest = body.partition(b"\r\n")
        if not end:
            return Noise(line[:32], "no chunk") if len(line) > MAX_HEAD else None
        size = _CHUNK.fullmatch(line)
        if size is None or len(whole) + int(size[1], 16) > MAX_BODY:
            return Noise(line[:32], "no chunk that a response may have")
        length = int(size[1], 16)
        if length == 0:
            return whole
        if len(rest) < length + 2:
            return None
        if rest[length : length + 2] != b"\r\n":
            return Noise(rest[length : length + 32], "no end of a chunk")
        whole, body = whole + rest[:length], rest[length + 2 :]
