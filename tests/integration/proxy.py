"""A reverse proxy that speaks TLS, with a certificate of its own, before a server that does not."""

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from controller.tls.authority import KeyPair
from tests.tls import write

_OWN = frozenset({"connection", "transfer-encoding", "content-length"})


@contextmanager
def proxied(port: int, pair: KeyPair, folder: Path) -> Iterator[str]:
    """Its address. It says whom it passes on, and that they came by HTTPS, as proxies do."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            told |= {"X-Forwarded-For": self.client_address[0], "X-Forwarded-Proto": "https"}
            server = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                server.request(self.command, self.path, body, told)
                answer = server.getresponse()
                content = answer.read()
            finally:
                server.close()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OWN:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _pass_on  # noqa: N815 - as the base class names them

        def log_message(self, *_: object) -> None:
            pass

    folder.mkdir()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write(pair, folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, name="proxy")
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
