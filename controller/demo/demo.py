"""Runs the demo: the controller, and with it all that it shows.

What takes long to load is loaded while the controller loads too.
"""

import contextlib
import os
import signal
import sys
import threading
import time
import urllib.request
from pathlib import Path

from controller.config import is_loopback
from controller.demo.alone import HOST, alone, check_port, free_ports
from controller.demo.children import Child, Command, end_with_parent, stop_all, watch
from controller.demo.errors import DemoError

_READY_WITHIN_S = 60.0


class Demo:
    """One run of the demo on a state folder."""

    def __init__(self, state: Path, host: str, port: int) -> None:
        self._state = state.resolve()
        self._host = host
        self._port = port
        self._began_s = time.monotonic()
        self._stopping = threading.Event()
        (self._broker_port,) = free_ports(1)

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104 - compared, not bound
        return f"http://{host}:{self._port}"

    def run(self) -> int:
        """Until a signal says stop. Raises DemoError, NotOurs."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stopping.set())
        with alone(self._state):
            check_port(self._host, self._port)
            children = [Child(self._controller())]
            try:
                self._show(children)
            finally:
                self._say("Stopping / Đang dừng ...")
                stop_all(children)
        self._say("Stopped; nothing is left running / Đã dừng hẳn")
        return 0

    def _say(self, words: str) -> None:
        print(f"[{time.monotonic() - self._began_s:5.1f} s] {words}", flush=True)

    def _show(self, children: list[Child]) -> None:
        """Seed the state, let the controller begin, and all else after it. Raises DemoError, NotOurs."""
        self._say(f"1/3 Database of three schools / Cơ sở dữ liệu của ba trường: {self._state / 'controller'}")
        from controller.demo.scene import Scene

        scene = Scene(self._state, self.url, self._broker_port)
        made = scene.seed()
        self._say("2/3 Controller and broker / Máy chủ và broker")
        children[0].release()
        self._await_controller(children[0])
        self._say("3/3 Agent of this machine, and simulated ones / Agent của máy này và các agent mô phỏng")
        children += [Child(command) for command in scene.commands(self._environment)]
        if not self._stopping.is_set():
            print(scene.invitation(made), flush=True)
            watch(children, self._stopping.wait, self._say)

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "FABFLEET_STATE": str(self._state),
            "FABFLEET_HOST": self._host,
            "FABFLEET_PORT": str(self._port),
            "FABFLEET_DEMO": "true",
            "FABFLEET_BROKER_HOST": HOST,
            "FABFLEET_BROKER_PORT": str(self._broker_port),
            "PYTHONUNBUFFERED": "1",
        }

    def _controller(self) -> Command:
        serve = [sys.executable, "-m", "controller.cli", "serve", "--hold"]
        if not is_loopback(self._host):
            self._say(f"Others can reach {self._host}: passwords cross the network in the clear, for a try only")
            serve.append("--plain-http-beyond-loopback")
        log = self._state / "demo" / "controller.log"
        return Command("The controller", serve, log, self._environment, held=True)

    def _await_controller(self, controller: Child) -> None:
        deadline_s = time.monotonic() + _READY_WITHIN_S
        while not self._stopping.is_set():
            if not controller.running:
                raise DemoError(f"the controller does not start:\n{controller.last_words()}")
            if time.monotonic() > deadline_s:
                raise DemoError(
                    f"the controller is not ready after {_READY_WITHIN_S:.0f} s:\n{controller.last_words()}"
                )
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=2.0):  # noqa: S310
                return
            self._stopping.wait(0.1)


def run(state: Path, host: str, port: int, *, with_parent: bool = False) -> int:
    """The command `fabfleet demo`. 0 after a stop by signal, 1 if it could not run.

    `with_parent`: it stops as well when the process that started it ends, however that ends.
    """
    if with_parent:
        end_with_parent()
    os.umask(0o077)
    try:
        return Demo(state, host, port).run()
    except DemoError as error:
        print(f"fabfleet demo: {error}", file=sys.stderr)
        return 1
