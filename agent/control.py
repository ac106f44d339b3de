"""How the other commands reach the running agent: a loopback port, and a token in a file that its owner alone can read.

One request and one answer a connection, each one line of JSON.
"""

import contextlib
import hmac
import json
import logging
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.errors import NotRunning
from agent.files import replace_file

FILE = "control.json"
_LONGEST = 16_384
_REQUEST_S = 5.0
_log = logging.getLogger(__name__)

Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ControlServer:
    """Answers requests one after the other. `handlers` has one a value of `ask`; each takes the request's fields."""

    def __init__(self, state: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = state / FILE
        self._handlers = handlers
        self._token = secrets.token_hex(32)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Listen, and leave word where. Raises OSError."""
        port = self._socket.getsockname()[1]
        replace_file(self._path, json.dumps({"port": port, "token": self._token}).encode())
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        with contextlib.suppress(OSError):
            self._path.unlink()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _run(self) -> None:
        while not self._stopping:
            try:
                connection, _ = self._socket.accept()
                with connection:
                    connection.settimeout(_REQUEST_S)
                    self._answer(connection)
            except OSError as error:
                if not self._stopping:
                    _log.warning("control: %s", error)
            except Exception:  # noqa: BLE001 - outermost loop: the next request is none the worse for it
                _log.exception("control: fault")

    def _answer(self, connection: socket.socket) -> None:
        answer: Mapping[str, Any] = {"error": "the request is not understood"}
        with contextlib.suppress(ValueError, TypeError, KeyError):
            request = json.loads(_read_line(connection))
            if hmac.compare_digest(str(request.pop("token")), self._token):
                answer = self._handlers[request.pop("ask")](request)
        connection.sendall(json.dumps(answer).encode() + b"\n")


def ask(state: Path, what: str, timeout_s: float = 10.0, **given: Any) -> Mapping[str, Any]:
    """Ask the agent that runs on this state folder. Raises NotRunning."""
    try:
        known = json.loads((state / FILE).read_bytes())
        with socket.create_connection(("127.0.0.1", known["port"]), timeout=timeout_s) as connection:
            request = {**given, "ask": what, "token": known["token"]}
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer: Mapping[str, Any] = json.loads(_read_line(connection))
            return answer
    except (OSError, ValueError, KeyError) as error:
        raise NotRunning(f"no agent runs on {state} ({error})") from None


def _read_line(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n") and len(received) <= _LONGEST:
        piece = connection.recv(4096)
        if not piece:
            break
        received += piece
    return received
