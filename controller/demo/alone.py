"""One demo at a time on a state folder, on ports that nobody else has."""

import contextlib
import fcntl
import socket
from collections.abc import Iterator
from pathlib import Path

from controller.demo.errors import DemoError

HOST = "127.0.0.1"


def lock_file(state: Path) -> Path:
    """Held by the demo that runs on `state`."""
    return state / "demo" / "lock"


@contextlib.contextmanager
def alone(state: Path) -> Iterator[None]:
    """Nobody else runs a demo on this state meanwhile. Raises DemoError."""
    lock_file(state).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock_file(state).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoError(f"a demo runs on {state} already; give another STATE") from None
        yield


def check_port(host: str, port: int) -> None:
    """Raises DemoError if somebody listens there."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise DemoError(f"{host}:{port}: {error.strerror}; give another PORT") from None


def free_ports(count: int) -> list[int]:
    """So many that differ."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]
