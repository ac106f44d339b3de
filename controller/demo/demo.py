"""Starts the demo: seeds the state, then keeps controller, this machine's agent and the simulator running."""

import contextlib
import fcntl
import os
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from controller.config import ControllerConfig, is_loopback
from controller.database import make_engine, migrate, sqlite_url
from controller.demo.children import Child, Command, end_with_parent, stop_all, watch
from controller.demo.cluster import LAB_NAMES, LAB_ROOM, PEOPLE, SCHOOLS, THIS_MACHINE_ROOM, THIS_MACHINE_SCHOOL
from controller.demo.errors import DemoError
from controller.demo.furnish import furnish
from controller.demo.lab import Lab, free_ports, lock_file
from controller.demo.secrets import Secrets
from controller.demo.seed import agent_files, seed
from controller.simulation import simulator

_SEED = "1"
_READY_WITHIN_S = 60.0
_BROKER_HOST = "127.0.0.1"


class Demo:
    """One run of the demo on a state folder."""

    def __init__(self, state: Path, host: str, port: int) -> None:
        self._state = state.resolve()
        self._host = host
        self._port = port
        self._began_s = time.monotonic()
        self._stopping = threading.Event()
        self._broker_port, printer_port, projector_port = free_ports(3)
        self._lab = Lab(self._state, printer_port, projector_port)

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104 - compared, not bound
        return f"http://{host}:{self._port}"

    def run(self) -> int:
        """Until a signal says stop. Raises DemoError, NotOurs."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stopping.set())
        with self._alone():
            self._check_port()
            made = self._seed()
            children: list[Child] = []
            try:
                self._start(children)
                if not self._stopping.is_set():
                    self._invite(made)
                    watch(children, self._stopping.wait, self._say)
            finally:
                self._say("Stopping / Đang dừng ...")
                stop_all(children)
        self._say("Stopped; nothing is left running / Đã dừng hẳn")
        return 0

    def _say(self, words: str) -> None:
        print(f"[{time.monotonic() - self._began_s:5.1f} s] {words}", flush=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else runs a demo on this state meanwhile. Raises DemoError."""
        folder = self._state / "demo"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with lock_file(self._state).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise DemoError(f"a demo runs on {self._state} already; give another STATE") from None
            yield

    def _check_port(self) -> None:
        try:
            with socket.create_server((self._host, self._port)):
                pass
        except OSError as error:
            raise DemoError(f"{self._host}:{self._port}: {error.strerror}; give another PORT") from None

    def _seed(self) -> Secrets:
        folder = self._state / "controller"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._say(f"1/3 Database of three schools / Cơ sở dữ liệu của ba trường: {folder}")
        engine = make_engine(sqlite_url(folder / "fabfleet.db"))
        try:
            migrate(engine)
            now_ms = time.time_ns() // 1_000_000
            made = seed(engine, now_ms, self._state / "demo" / "secrets.json", self._plan)
            furnish(engine, lambda: now_ms, ZoneInfo(ControllerConfig().zone))
        finally:
            engine.dispose()
        agent_files(self._state / "agent", made, self.url, self._lab)
        self._lab.prepare()
        return made

    @property
    def _plan(self) -> Path:
        return self._state / "simulate" / "agents.jsonl"

    def _start(self, children: list[Child]) -> None:
        """Fill `children`, the controller first. Raises DemoError."""
        environment = {
            "FABFLEET_STATE": str(self._state),
            "FABFLEET_HOST": self._host,
            "FABFLEET_PORT": str(self._port),
            "FABFLEET_DEMO": "true",
            "FABFLEET_BROKER_HOST": _BROKER_HOST,
            "FABFLEET_BROKER_PORT": str(self._broker_port),
            "PYTHONUNBUFFERED": "1",
        }
        self._say("2/3 Controller and broker / Máy chủ và broker")
        serve = [sys.executable, "-m", "controller.cli", "serve"]
        if not is_loopback(self._host):
            self._say(f"Others can reach {self._host}: passwords cross the network in the clear, for a try only")
            serve.append("--plain-http-beyond-loopback")
        children.append(Child(Command("The controller", serve, self._log("controller"), environment)))
        self._await_controller(children[0])
        self._say("3/3 Agent of this machine, and simulated ones / Agent của máy này và các agent mô phỏng")
        children += [Child(command) for command in self._lab.commands()]
        run = (sys.executable, "-m", "agent.cli", "run", "--state", str(self._state))
        children.append(Child(Command("The agent", run, self._log("agent"), environment)))
        play = simulator(self._plan, f"{_BROKER_HOST}:{self._broker_port}", _SEED)
        children.append(Child(Command("The simulator", play, self._log("simulator"), environment)))

    def _log(self, name: str) -> Path:
        return self._state / "demo" / f"{name}.log"

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

    def _invite(self, made: Secrets) -> None:
        devices = sum(school.devices for school in SCHOOLS)
        place = f"{THIS_MACHINE_SCHOOL.name}, {THIS_MACHINE_ROOM.name}"
        lab = " + ".join(LAB_NAMES.values())
        lines = [
            "",
            f"  Open / Mở:  {self.url}",
            "",
            "  Sign in as / Đăng nhập bằng:",
            *(
                f"    {person.login:<6} {made.passwords[person.login]}   {person.name}, {person.role}"
                for person in PEOPLE
            ),
            "",
            f"  {devices} simulated devices in {len(SCHOOLS)} invented schools; this machine is real: {place}",
            f"  {devices} thiết bị mô phỏng ở {len(SCHOOLS)} trường; máy này là thật: {place}",
            f"  This machine's agent also drives / Agent của máy này còn điều khiển, {LAB_ROOM.name}: {lab}",
            f"  A file to print / Tệp để in thử:  {self._lab.sample}",
            "  Break something / Gây lỗi thử:  .venv/bin/fabfleet demo-fault --state " + str(self._state),
            "",
            "  Ctrl-C stops everything / Nhấn Ctrl-C để dừng tất cả",
            "",
        ]
        print("\n".join(lines), flush=True)


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
