"""A real PostgreSQL of the tests' own: made, started and stopped by them, on a free port of this machine."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import psutil

HOST = "127.0.0.1"
_ORDINARY_USER = 65534


def binary(name: str) -> str:
    """Where a program of the newest PostgreSQL here lies. Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    where = str(found[-1]) if found else shutil.which(name)
    assert where, f"{name} is missing: apt install postgresql"
    return where


class Server:
    """A server with an empty cluster; it can be killed, frozen and started again. `durable`: it waits for its disk.

    It lies in a folder of its own beside pytest's, which are root's alone: PostgreSQL refuses to run as root.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self._durable = durable
        self.environment: Mapping[str, str] = {}
        """Of the server's processes, besides what they have anyway; of the next start."""
        self._data = folder / "data"
        if os.getuid() == 0:
            os.chown(folder, _ORDINARY_USER, _ORDINARY_USER)
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self._port = probe.getsockname()[1]
        _run(
            *(binary("initdb"), "-D", str(self._data), "-U", "fabfleet", "-A", "trust", "-E", "UTF8", "--locale=C"),
            cwd=folder,
        )

    @property
    def url(self) -> str:
        """Of its first database."""
        return f"postgresql+psycopg://fabfleet@{HOST}:{self._port}/postgres"

    def start(self) -> None:
        """Returns when it takes connections."""
        options = f"-c listen_addresses={HOST} -p {self._port} -c unix_socket_directories= -c max_connections=120"
        if not self._durable:
            options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        self._control("-w", "-t", "60", "-o", options, "-l", f"{self._data}/log", "start")

    def stop(self, mode: str = "fast") -> None:
        self._control("-m", mode, "-w", "stop")

    def kill(self) -> None:
        """As a power cut does; its workers notice, and end too."""
        processes = self.processes()
        processes[0].kill()
        _, left = psutil.wait_procs(processes, timeout=30)
        assert not left

    def processes(self) -> list[psutil.Process]:
        """The postmaster, then its workers."""
        first = psutil.Process(int((self._data / "postmaster.pid").read_text("ascii").splitlines()[0]))
        return [first, *first.children()]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """None of it does anything for as long as the block lasts: a disk that hangs."""
        stopped = self.processes()
        for each in stopped:
            with suppress(psutil.NoSuchProcess):
                each.suspend()
        try:
            yield
        finally:
            for each in stopped:
                with suppress(psutil.NoSuchProcess):
                    each.resume()

    def _control(self, *command: str) -> None:
        _run(binary("pg_ctl"), "-D", str(self._data), *command, cwd=self.folder, environment=self.environment)


@contextmanager
def victim(*, durable: bool = True) -> Iterator[Server]:
    """A server of one's own, running, to do harm to; durable as the real one is."""
    with tempfile.TemporaryDirectory(prefix="fabfleet-postgres-") as name:
        one = Server(Path(name), durable=durable)
        one.start()
        try:
            yield one
        finally:
            one.stop("immediate")


@contextmanager
def server(*, durable: bool = False) -> Iterator[str]:
    """The URL of the first database of a server that nobody harms; `durable` where it counts what that costs."""
    with victim(durable=durable) as one:
        yield one.url


def _run(*command: str, cwd: Path, environment: Mapping[str, str] = MappingProxyType({})) -> None:
    user = _ORDINARY_USER if os.getuid() == 0 else None
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        user=user,
        group=user,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"
