"""A guest as a process: QEMU with Debian's kernel, a network to this machine alone, and USB ports to plug things into.

The guest sees this machine's files, read-only, and so runs the project's own environment; /run is its own. QEMU is told
to emulate the processor (TCG): a machine in the cloud has no KVM.
"""

import contextlib
import pickle
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from hil.farends.child import ROOT
from hil.guest import inside
from hil.guest.kernel import first_files, image, linux
from hil.guest.qmp import Qmp

P = ParamSpec("P")
R = TypeVar("R")
BOOT_S: Final = 200.0
"""It takes 8 s when the computer has nothing else to do."""
ANSWER_S: Final = 120.0
_APPEND: Final = "console=ttyS0 quiet panic=-1 net.ifnames=0 nokaslr mitigations=off"


class GuestLost(Exception):
    """The guest did not start, or does not answer; the message is the end of its console."""


class Guest:
    """Starts at once. `ask` has a function called in it; `plug` and `unplug` are done from outside.

    Raises MissingGuest, GuestLost and OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._console = folder / "console.log"
        self._chardevs: set[str] = set()
        kernel = linux()
        with socket.create_server(("127.0.0.1", 0)) as server:
            key = secrets.token_hex(16)
            settings = {
                "repo": str(ROOT),
                "python": sys.executable,
                "port": str(server.getsockname()[1]),
                "key": key,
            }
            # A path of a socket is short, and that of a test's folder is not.
            with tempfile.TemporaryDirectory(prefix="guest-") as short:
                self._start(kernel, first_files(kernel, settings, folder), Path(short) / "qmp")
                try:
                    self._qmp = Qmp(Path(short) / "qmp")
                    self._connection = self._greeted(server, key)
                except BaseException:
                    self._process.kill()
                    self._process.wait()
                    raise
        self.kernel = kernel

    def begin(self, function: Callable[P, R], *args: P.args, **keywords: P.kwargs) -> Callable[[], R]:
        """Have a function called within the guest; call what is returned to wait for its value, or its error."""
        self._connection.send_bytes(pickle.dumps((function, args, keywords)))

        def value() -> R:
            if not self._connection.poll(ANSWER_S):
                raise GuestLost(f"{function}: no answer in {ANSWER_S:g} s: {self._last_words()}")
            outcome: inside.Outcome = pickle.loads(self._connection.recv_bytes())
            if outcome.error is not None:
                raise outcome.error
            result: R = outcome.value
            return result

        return value

    def ask(self, function: Callable[P, R], *args: P.args, **keywords: P.kwargs) -> R:
        """What a function returns that is called within the guest. What it raises is raised here."""
        return self.begin(function, *args, **keywords)()

    def load(self, *modules: str, **options: str) -> None:
        """Kernel modules, with options for the last one."""
        for module in modules:
            last = [f"{name}={value}" for name, value in options.items()] if module == modules[-1] else []
            self.ask(inside.run, "modprobe", "-d", str(self.kernel), module, *last)

    def plug(self, name: str, far_end: Path | None, serial: str, port: int) -> None:
        """Put a USB serial adapter (FTDI's) with this serial number into a port of the guest.

        `far_end` is the serial port of what is at its other side, None for nothing. By the same name it can be
        unplugged and plugged in again.
        """
        if name not in self._chardevs:
            device = {"type": "null", "data": {}}
            if far_end is not None:
                device = {"type": "serial", "data": {"device": str(far_end.resolve())}}
            self._qmp.execute("chardev-add", id=f"far-{name}", backend=device)
            self._chardevs.add(name)
        self._qmp.execute(
            "device_add",
            driver="usb-serial",
            id=name,
            chardev=f"far-{name}",
            bus="xhci.0",
            port=str(port),
            serial=serial,
            always_plugged=True,
        )

    def unplug(self, name: str) -> None:
        self._qmp.remove(name)

    def close(self) -> None:
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()
        self._qmp.close()

    def _start(self, kernel: Path, first: Path, qmp: Path) -> None:
        share = "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"
        words: list[Any] = [
            *("qemu-system-x86_64", "-M", "q35,accel=tcg", "-cpu", "qemu64,+rdrand", "-m", "768", "-smp", "1"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-kernel", image(kernel), "-initrd", first, "-append", _APPEND, "-serial", f"file:{self._console}"),
            *("-fsdev", share, "-device", "virtio-9p-pci,fsdev=root,mount_tag=root"),
            *("-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="),
            *("-device", "qemu-xhci,id=xhci", "-qmp", f"unix:{qmp},server=on,wait=off"),
        ]
        with (self._folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _greeted(self, server: socket.socket, key: str) -> Connection:
        """Wait for the guest to call."""
        server.settimeout(1)
        deadline = time.monotonic() + BOOT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(TimeoutError):
                made, _ = server.accept()
                connection = Connection(made.detach())
                if connection.poll(10) and connection.recv_bytes(64) == key.encode():
                    return connection
                connection.close()
        raise GuestLost(f"it did not start: {self._last_words()}")

    def _last_words(self) -> str:
        logs = (self._folder / "qemu.log", self._console)
        return "".join(log.read_text("utf-8", "replace")[-600:] for log in logs if log.exists())
