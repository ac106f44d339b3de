"""What guards every request and marks every response, as plain ASGI: nothing behind it can be reached around it."""

import asyncio
import logging
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.identity.refusals import Kind, Refusals
from controller.web.patience import BODY_S, PIECE_S
from controller.web.refusal import Why, refuse

_log = logging.getLogger(__name__)
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
STRICT_TRANSPORT = "max-age=31536000"
PRIVATE = "no-store"
"""Pages and answers hold what only their reader may see, and what is true now."""
STATIC_CACHE = "public, max-age=3600"
VERSIONED_CACHE = "public, max-age=31536000, immutable"
MAX_BODY = 64 * 1024
"""Bytes of the largest request body, files aside."""
SHEETS = "/import"
MAX_SHEET = 2_100_000
"""Bytes of the largest body that comes there: a table in a plain form, which is held as a whole like any other form."""
UPLOAD = re.compile(r"/api/v1/devices/\d{1,18}/jobs")
"""Where files are sent to. Such a body is never held as a whole: it comes to the route in pieces, as they arrive."""


_HOST = re.compile(r"(?:(?P<name>[^][:/?#@\s]+)|\[(?P<address>[0-9A-Fa-f:.]+)\])(?::\d{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Names under which we may be asked for. A bare address is always right: no foreign name leads to one."""

    names: frozenset[str]

    def allow(self, header: str) -> bool:
        """Whether a `Host` header may be answered. It keeps other sites from reaching us under a name of theirs."""
        name = bare(header)
        if not name:
            return False
        if name in self.names:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True


def bare(header: str) -> str:
    """The name in a `Host` header, without port and brackets, as names are compared; empty if it is none."""
    found = _HOST.fullmatch(header)
    return (found["name"] or found["address"]).rstrip(".").lower() if found else ""


def is_secure(connection: HTTPConnection) -> bool:
    """Whether a cookie may be marked so that it never travels in the clear."""
    return connection.url.scheme == "https"


def own_hosts(configured: Iterable[str]) -> Hosts:
    """This machine's own names and the configured ones."""
    machine = socket.gethostname().lower()
    return Hosts(frozenset({"localhost", machine, f"{machine}.local", *(name.lower() for name in configured)}))


class SecurityHeaders:
    """Puts the security headers on every response, and says how long it may be kept.

    Around all else: whoever asks for `https_host` came by HTTPS, even if the proxy there does not say so; else it is
    what the connection or a trusted proxy says. All within go by the request's scheme. `is_away` knows errors of a
    database that cannot be asked now.
    """

    def __init__(
        self, app: ASGIApp, *, https_host: str = "", is_away: Callable[[Exception], bool] = lambda _error: False
    ) -> None:
        self._app = app
        self._is_away = is_away
        self._https_host = https_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._https_host and bare(Headers(scope=scope).get("host", "")) == self._https_host:
            scope["scheme"] = "https"
        begun = False

        async def marked(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if scope.get("scheme") == "https":
                    headers["strict-transport-security"] = STRICT_TRANSPORT
                good = message["status"] in (200, 206, 304)
                headers.setdefault("cache-control", _static_cache(scope["path"]) if good else PRIVATE)
                begun = True
            await send(message)

        try:
            await self._app(scope, receive, marked)
        except Exception as error:
            if begun:
                raise
            away = self._is_away(error)
            await refuse(scope, marked, Why.AWAY if away else Why.FAULT)
            if not away:
                raise
            _log.warning("the database cannot be asked: %s", error)


def _static_cache(path: str) -> str:
    if path.startswith("/static/v-"):
        return VERSIONED_CACHE
    return STATIC_CACHE if path.startswith("/static/") else PRIVATE


class Gate:
    """Refuses what need not be looked at: a foreign host name, a path that leads out, and a body that is too large.

    Nothing of a file is read before the route asks for it, behind `Access`: so none comes in that nobody signed for.
    """

    def __init__(
        self, app: ASGIApp, hosts: Hosts, max_upload: int, refusals: Refusals, max_body: int = MAX_BODY
    ) -> None:
        self._app = app
        self._refusals = refusals
        self._hosts = hosts
        self._max_upload = max_upload
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._hosts.allow(Headers(scope=scope).get("host", "")):
            await refuse(scope, send, Why.HOST)
            return
        if leads_out(scope["path"]):
            await self._tell(Kind.PATH, scope)
            await refuse(scope, send, Why.MALFORMED)
            return
        if scope["method"] == "POST" and UPLOAD.fullmatch(scope["path"]):
            await self._app(scope, self._metered(scope, receive), send)
            return
        table = scope["method"] == "POST" and scope["path"] == SHEETS
        try:
            async with asyncio.timeout(BODY_S):
                body = await self._body(receive, MAX_SHEET if table else self._max_body)
        except TimeoutError:
            await self._tell(Kind.TOO_SLOW, scope)
            await refuse(scope, send, Why.SLOW)
            return
        if body is None:
            await self._tell(Kind.TOO_LARGE, scope)
            await refuse(scope, send, Why.LARGE)
            return
        if holds_nul(scope["query_string"], Headers(scope=scope).get("content-type", ""), body):
            await refuse(scope, send, Why.MALFORMED)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _tell(self, kind: Kind, scope: Scope) -> None:
        address = scope["client"][0] if scope.get("client") else ""
        detail = f"{scope['method']} {ascii(scope['path'])[1:-1]}"
        await to_thread.run_sync(partial(self._refusals.tell, kind, address, detail=detail))

    def _metered(self, scope: Scope, receive: Receive) -> Receive:
        """A `receive` that raises HTTPException, which the application answers, if too much comes or too slowly."""
        left, coming = self._max_upload, True

        async def metered() -> Message:
            nonlocal left, coming
            try:
                async with asyncio.timeout(PIECE_S if coming else None):
                    message = await receive()
            except TimeoutError:
                await self._tell(Kind.TOO_SLOW, scope)
                raise HTTPException(408, "the file came too slowly") from None
            coming = message.get("more_body", False)
            left -= len(message.get("body", b""))
            if left < 0:
                await self._tell(Kind.TOO_LARGE, scope)
                raise HTTPException(413, "the file is far too large")
            return message

        return metered

    async def _body(self, receive: Receive, most: int) -> bytes | None:
        """The whole body; None as soon as it is too large."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b"".join(parts)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                return None
            if not message.get("more_body", False):
                return b"".join(parts)


def leads_out(path: str) -> bool:
    """Whether a path, its escapes undone, climbs out of a folder or cuts a name short. None of ours does."""
    return "\0" in path or ".." in re.split(r"[/\\]", path)


def holds_nul(query: bytes, kind: str, body: bytes) -> bool:
    """Whether there is a NUL in what was asked or sent as text: no person types one, no database of ours takes it."""
    escape = b"\\u0000" if kind.startswith("application/json") else b"%00"
    files = kind.startswith("multipart/")
    return b"%00" in query or (not files and (escape in body or b"\0" in body))


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once, and then what comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
