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

from agent.errors import NoAnswer, NotRunning
from agent.files import replace_file
from device_profiles.profile import Words

FILE = "control.json"
_LONGEST = 16_384
_LONGEST_ANSWER = 1 << 20
_REQUEST_S = 5.0
_AT_ONCE = 8
_log = logging.getLogger(__name__)

Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ControlServer:
    """Answers several at once: one that waits for a machine keeps nobody from asking how the agent is.

    `handlers` has one a value of `ask`; each takes the request's fields, and may be called from several threads.
    """

    def __init__(self, state: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = state / FILE
        self._handlers = handlers
        self._token = secrets.token_hex(32)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._stopping = False
        self._room = threading.BoundedSemaphore(_AT_ONCE)
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
            self._room.acquire()
            try:
                connection, _ = self._socket.accept()
            except OSError as error:
                self._room.release()
                if not self._stopping:
                    _log.warning("control: %s", error)
                continue
            threading.Thread(target=self._serve, args=(connection,), name="control answer", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(_REQUEST_S)
                self._answer(connection)
        except OSError as error:
            _log.info("control: %s", error)
        except Exception:  # noqa: BLE001 - outermost of this thread: the next request is none the worse for it
            _log.exception("control: fault")
        finally:
            self._room.release()

    def _answer(self, connection: socket.socket) -> None:
        answer: Mapping[str, Any] = {"error": "the request is not understood"}
        with contextlib.suppress(ValueError, TypeError, KeyError):
            request = json.loads(_read_line(connection))
            if hmac.compare_digest(str(request.pop("token")), self._token):
                answer = self._handlers[request.pop("ask")](request)
        connection.sendall(json.dumps(answer).encode() + b"\n")


def ask(state: Path, what: str, timeout_s: float = 10.0, **given: Any) -> Mapping[str, Any]:
    """Ask the agent that runs on this state folder. Raises NotRunning, NoAnswer."""
    try:
        known = json.loads((state / FILE).read_bytes())
        request = json.dumps({**given, "ask": what, "token": known["token"]}).encode() + b"\n"
        connection = socket.create_connection(("127.0.0.1", known["port"]), timeout=timeout_s)
    except (OSError, ValueError, KeyError) as error:
        raise NotRunning(
            Words(f"no agent runs on {state} ({error})", f"không có agent nào chạy với {state} ({error})")
        ) from None
    with connection:
        try:
            connection.sendall(request)
            answer: Mapping[str, Any] = json.loads(_read_line(connection, _LONGEST_ANSWER))
        except (OSError, ValueError) as error:
            raise NoAnswer(
                Words(f"the agent on {state} does not answer ({error})", f"agent ở {state} không trả lời ({error})")
            ) from None
    return answer


def _read_line(connection: socket.socket, longest: int = _LONGEST) -> bytes:
    received = b""
    while not received.endswith(b"\n") and len(received) <= longest:
        piece = connection.recv(4096)
        if not piece:
            break
        received += piece
    return received
