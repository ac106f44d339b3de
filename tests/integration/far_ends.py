"""The far ends of notifications: real servers on this machine that keep what they get, and answer as a test says."""

import asyncio
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True, slots=True)
class Got:
    """A request. `said` is its JSON, or its form."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    said: dict[str, Any]


@dataclass
class HttpEnd:
    """Answers with the statuses in `script`, then always with 200 and `answer`."""

    url: str
    got: list[Got] = field(default_factory=list)
    script: list[int] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=lambda: {"ok": True, "error": 0})
    location: str = ""
    meanwhile: Callable[[], None] = lambda: None

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0))).decode()
        asked = urlsplit(handler.path)
        said = json.loads(body) if body.startswith("{") else dict(parse_qsl(body))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.got.append(Got(asked.path, dict(parse_qsl(asked.query)), headers, said))
        self.meanwhile()
        content = json.dumps(self.answer).encode()
        handler.send_response(self.script.pop(0) if self.script else 200)
        if self.location:
            handler.send_header("location", self.location)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


@contextmanager
def http_end(tls: tuple[Path, Path] | None = None) -> Iterator[HttpEnd]:
    """On a free port of this machine; with `tls`, certificate and key, over HTTPS."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            end.take(self)

        do_GET = do_POST  # noqa: N815 - as above

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    end = HttpEnd(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield end
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    paths = folder / "far-end.crt", folder / "far-end.key"
    subprocess.run(
        (
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-out", str(paths[0]), "-keyout", str(paths[1])),
        ),
        check=True,
        capture_output=True,
    )
    return paths


class _FreePort(Controller):
    """Knows which port it was given before it looks whether it answers there."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # it has no types


@dataclass
class MailEnd:
    """`refuse` is answered to a message instead of taking it."""

    port: int = 0
    got: list[tuple[list[str], Message]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    refuse: str = ""

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        if self.refuse:
            return self.refuse
        content = envelope.original_content or b""
        self.got.append((list(envelope.rcpt_tos), message_from_bytes(content, policy=default)))
        return "250 OK"

    def login(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == b"dung-roi", handled=False)


@contextmanager
def mail_end(tls: tuple[Path, Path] | None = None) -> Iterator[MailEnd]:
    """An SMTP server; with `tls` it offers STARTTLS and wants a login, whose password is `dung-roi`."""
    end = MailEnd()
    options: dict[str, Any] = {}
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        options = {"tls_context": context, "require_starttls": True, "authenticator": end.login, "auth_required": True}
    controller = _FreePort(end, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        end.port = controller.port
        yield end
    finally:
        controller.stop()
