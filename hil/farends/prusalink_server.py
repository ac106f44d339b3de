"""A printer's PrusaLink as its specification has it, with a job that takes its time: for what the real one cannot do
without a printer. Access by API key or by Digest.

Source: Prusa-Link-Web, spec/openapi.yaml (1.0.0-draft): /api/v1/status (StatusPrinter, StatusJob), /api/v1/job,
DELETE /api/v1/job/{id}, PUT .../pause and .../resume, GET, PUT and DELETE /api/v1/files/{storage}/{path} with
Print-After-Upload and Overwrite; Create-Folder as Prusa-Link and Prusa-Firmware-Buddy have it.
"""

import hashlib
import json
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

KEY = "0123456789abcdef"
PASSWORD = "s3cret"
REALM = "Printer API"


@dataclass(slots=True)
class Model:
    """The printer. A job takes `job_s` seconds.

    `fault` is how it answers: none, garbage, huge, silent, error, or locked (to every key).
    """

    job_s: float = 3.0
    state: str = "IDLE"
    number: int = 0
    file: str = ""
    content: bytes = b""
    printed_s: float = 0.0
    seen_s: float = 0.0
    fault: str = "none"
    stored: dict[str, str] = field(default_factory=dict)
    """Files on its stick: the short name (8.3) by the long one, each with its folder."""
    folders: set[str] = field(default_factory=lambda: {""})
    most: int = 100
    """So many files fit on its stick."""
    names: int = 0

    def pass_time(self) -> None:
        now_s = time.monotonic()
        if self.state == "PRINTING":
            self.printed_s += now_s - self.seen_s
            if self.printed_s >= self.job_s:
                self.state = "FINISHED"
        self.seen_s = now_s

    @property
    def works(self) -> bool:
        return self.state in ("PRINTING", "PAUSED", "ATTENTION")


class PrusalinkServer:
    """At http://127.0.0.1:PORT, until `close`; closed and begun again it keeps its port."""

    def __init__(self) -> None:
        self.model = Model()
        self.heard: list[str] = []
        """Each request line, oldest first."""
        self.nonce = secrets.token_hex(8)
        self.port = 0
        self.begin()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def lets_in(self, method: str, path: str, key: str, authorization: str) -> bool:
        """By key, or by a Digest of its own nonce, reckoned after RFC 7616, section 3.4."""
        if key:
            return key == KEY
        told: dict[str, str] = dict(re.findall(r'(\w+)="?([^",]+)"?', authorization.partition(" ")[2]))
        if told.get("nonce") != self.nonce or told.get("uri") != path or told.get("username") != "maker":
            return False
        one = _md5(f"{_md5(f'maker:{REALM}:{PASSWORD}')}:{self.nonce}:{told['cnonce']}")
        two = _md5(f"{method}:{path}")
        return told.get("response") == _md5(f"{one}:{self.nonce}:{told['nc']}:{told['cnonce']}:auth:{two}")

    def answer(self, method: str, path: str, body: bytes, wishes: Mapping[str, str]) -> tuple[int, Any]:
        """Status and what is told as JSON; None for nothing."""
        model = self.model
        model.pass_time()
        match method, path.split("/")[3:]:
            case "GET", _ if path == "/api/version":
                return 200, {"api": "2.0.0", "text": "PrusaLink", "firmware": "6.0.0"}
            case "GET", ["status"]:
                return 200, self._status()
            case "GET", ["job"]:
                return (
                    (
                        200,
                        {**self._job(), "state": model.state, "file": {"name": "A~1.GCO", "display_name": model.file}},
                    )
                    if (model.number and model.state != "IDLE")
                    else (204, None)
                )
            case _, ["files", "usb", *levels]:
                return self._filed(method, unquote("/".join(levels)), body, wishes)
            case ("PUT", ["job", number, ("pause" | "resume") as word]):
                return self._told(number, {"pause": "PAUSED", "resume": "PRINTING"}[word])
            case ("DELETE", ["job", number]):
                return self._told(number, "STOPPED")
            case _:
                return 409, {"title": "not in this state"}

    def _filed(self, method: str, path: str, body: bytes, wishes: Mapping[str, str]) -> tuple[int, Any]:
        """What becomes of its stick."""
        model = self.model
        long = next((long for long, short in model.stored.items() if path in (long, short)), "")
        match method:
            case "PUT" if wishes.get("Create-Folder") == "?1":
                if path in model.folders:
                    return 409, {"title": "already there"}
                model.folders.add(path)
                return 201, None
            case "PUT":
                return self._taken(path, body, wishes), None
            case "GET" if path in model.folders:
                return 200, {"type": "FOLDER", "name": path, "children": self._children(path)}
            case "DELETE" if long and model.works and model.file == long.rpartition("/")[2]:
                return 409, {"title": "it is printed"}
            case "DELETE" if long:
                del model.stored[long]
                return 204, None
        return 404, {"title": "not there"}

    def _children(self, folder: str) -> list[dict[str, Any]]:
        inside = [each for each in self.model.stored if each.rpartition("/")[0] == folder]
        files = [
            {"name": self.model.stored[each].rpartition("/")[2], "display_name": each.rpartition("/")[2]}
            for each in inside
        ]
        return [{"type": "PRINT_FILE", **each} for each in files]

    def _taken(self, name: str, body: bytes, wishes: Mapping[str, str]) -> int:
        """A file, which is printed if that is wished for: flags are `?1` and `?0`, after RFC 8941, section 3.3.6."""
        model = self.model
        folder, _, short = name.rpartition("/")
        if folder not in model.folders:
            return 404
        prints = wishes.get("Print-After-Upload", "?0") == "?1"
        if (prints and model.works) or (name in model.stored and wishes.get("Overwrite", "?0") != "?1"):
            return 409
        if name not in model.stored and len(model.stored) >= model.most:
            return 507
        model.names += 1
        model.stored[name] = f"{folder}/{short[:1].upper()}~{model.names}.GCO".removeprefix("/")
        if prints:
            model.number += 1
            model.state, model.file, model.content, model.printed_s = "PRINTING", short, body, 0.0
        return 201

    def _told(self, number: str, state: str) -> tuple[int, Any]:
        """What is to become of a job: 404 if it is not the printer's, 409 if it has ended."""
        model = self.model
        if number != str(model.number):
            return 404, {"title": "no such job"}
        if not model.works:
            return 409, {"title": "not in this state"}
        model.state = state
        return 204, None

    def _status(self) -> dict[str, Any]:
        model = self.model
        hot = 215.0 if model.works else 25.0
        told: dict[str, Any] = {
            "state": model.state,
            "temp_nozzle": hot,
            "target_nozzle": 215.0 if model.works else 0.0,
            "temp_bed": 60.0 if model.works else 25.0,
            "target_bed": 60.0 if model.works else 0.0,
            "status_printer": {"ok": model.state != "ERROR", "message": "THERMAL RUNAWAY"},
        }
        return {"printer": told, **({"job": self._job()} if model.works else {})}

    def _job(self) -> dict[str, Any]:
        share = 100 * min(self.model.printed_s / self.model.job_s, 1.0)
        return {"id": self.model.number, "progress": round(share, 1), "time_printing": round(self.model.printed_s)}


def _handler(server: PrusalinkServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            server.heard.append(self.requestline)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            key, proof = self.headers.get("X-Api-Key", ""), self.headers.get("Authorization", "")
            match server.model.fault:
                case "silent":
                    time.sleep(3.0)
                    return
                case "garbage":
                    self.wfile.write(b"\x00\x01 what?\r\n\r\n")
                    return
                case "huge":
                    self.tell(200, b"[" * 1_000_000)
                    return
                case "error":
                    self.tell(500, b"")
                    return
            locked = server.model.fault == "locked"
            if locked or not server.lets_in(self.command, self.path, key, proof):
                self.tell(401, b"", f'Digest realm="{REALM}", nonce="{server.nonce}", algorithm=MD5-sess, qop="auth"')
                return
            status, told = server.answer(self.command, self.path, body, dict(self.headers.items()))
            self.tell(status, b"" if told is None else json.dumps(told).encode())

        def tell(self, status: int, content: bytes, challenge: str = "") -> None:
            self.send_response(status)
            if challenge:
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_DELETE = answer  # noqa: N815 - as http.server calls them

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
