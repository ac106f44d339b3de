"""A receiver of webhooks, a process of its own: `python -m tests.integration.hook_receiver FILE` prints its port.

It appends each request to FILE as a line of JSON, and answers as the path says: `/ok`, `/500`, `/410`, `/307` (to what
the query names), `/slow` (a byte now and then, never an end), `/drop` (nothing at all), `/flaky` (500 twice to each
delivery, then 200).
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Receiver:
    url: str
    file: Path

    @property
    def got(self) -> list[Request]:
        """What came so far."""
        lines = [json.loads(line) for line in self.file.read_text("utf-8").splitlines()]
        return [Request(each["path"], each["headers"], each["body"].encode()) for each in lines]


@contextmanager
def receiver(folder: Path) -> Iterator[Receiver]:
    file = folder / "received"
    file.touch()
    command = (sys.executable, "-m", __name__, str(file))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Receiver(f"http://127.0.0.1:{int(process.stdout.readline())}", file)
        finally:
            process.terminate()


class _Handler(BaseHTTPRequestHandler):
    file: Path
    seen: ClassVar[Counter[str]] = Counter()

    def do_POST(self) -> None:
        asked = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"path": asked.path, "headers": headers, "body": body}) + "\n")
        self.seen[self._delivery] += 1
        self._answer(asked.path.strip("/"), asked.query)

    @property
    def _delivery(self) -> str:
        return self.headers.get("webhook-id", "")

    do_GET = do_POST  # noqa: N815 - http.server's name

    def _answer(self, word: str, query: str) -> None:
        if word == "drop":
            self.close_connection = True
            self.connection.close()
            return
        if word == "slow":
            for _ in range(600):
                self.wfile.write(b"x")
                time.sleep(0.1)
            return
        if word == "flaky":
            status = 500 if self.seen[self._delivery] <= 2 else 200
        else:
            status = int(word) if word.isdigit() else 200
        self.send_response(status)
        if query:
            self.send_header("location", query)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


def main() -> None:
    _Handler.file = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
