"""Runs within the guest: calls the functions that a test sends it, and sends back what they return or raise.

`main` is started by init.sh with PORT and KEY. Guest and test are the same files, so functions and values
travel as pickles, in both directions over one connection that the guest opens.
"""

import pickle
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

HOST: Final = "10.0.2.2"
"""The machine that the guest runs on: there, its own loopback address."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call."""

    value: Any = None
    error: BaseException | None = None


def serve(connection: Connection) -> None:
    """Until the other side is gone."""
    with suppress(EOFError, ConnectionResetError):
        while True:
            connection.send_bytes(_answer(connection.recv_bytes()))


def _answer(request: bytes) -> bytes:
    try:
        function, args, keywords = pickle.loads(request)
        return pickle.dumps(Outcome(function(*args, **keywords)))
    except Exception as error:  # noqa: BLE001 - outermost: whatever it is, the test is to hear it
        with suppress(Exception):
            return pickle.dumps(Outcome(error=error))
        return pickle.dumps(Outcome(error=RuntimeError(repr(error))))


def launch(command: list[str], log: Path) -> int:
    """Start a program that goes on by itself; its process number."""
    with log.open("ab") as out:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True).pid


def run(*command: str) -> str:
    """What a program prints. Raises CalledProcessError."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def main() -> None:
    port, key = sys.argv[1:]
    connection = Connection(socket.create_connection((HOST, int(port))).detach())
    connection.send_bytes(key.encode())
    serve(connection)
