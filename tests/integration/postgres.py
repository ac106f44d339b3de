"""A real PostgreSQL of the tests' own: made, started and stopped by them, on a free port of this machine."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.1"
_ORDINARY_USER = 65534


def binary(name: str) -> str:
    """Where a program of the newest PostgreSQL here lies. Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    where = str(found[-1]) if found else shutil.which(name)
    assert where, f"{name} is missing: apt install postgresql"
    return where


@contextmanager
def server() -> Iterator[str]:
    """A server with an empty cluster; the URL of its first database. Durable, as the real one is.

    It lies in a folder of its own beside pytest's, which are root's alone: PostgreSQL refuses to run as root.
    """
    with tempfile.TemporaryDirectory(prefix="fabfleet-postgres-") as name, socket.socket() as probe:
        folder = Path(name)
        if os.getuid() == 0:
            os.chown(folder, _ORDINARY_USER, _ORDINARY_USER)
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
        probe.close()
        data = folder / "data"
        _run(binary("initdb"), "-D", str(data), "-U", "fabfleet", "-A", "trust", "-E", "UTF8", "--locale=C", cwd=folder)
        options = f"-c listen_addresses={HOST} -p {port} -c unix_socket_directories= -c max_connections=120"
        _run(
            binary("pg_ctl"), "-D", str(data), "-w", "-t", "60", "-o", options, "-l", f"{data}/log", "start", cwd=folder
        )
        try:
            yield f"postgresql+psycopg://fabfleet@{HOST}:{port}/postgres"
        finally:
            _run(binary("pg_ctl"), "-D", str(data), "-m", "fast", "-w", "stop", cwd=folder)


def _run(*command: str, cwd: Path) -> None:
    user = _ORDINARY_USER if os.getuid() == 0 else None
    done = subprocess.run(
        command,
        cwd=cwd,
        user=user,
        group=user,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"
