"""A real OctoPrint with its virtual printer: started, told and asked."""

import json
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

from hil.farends.octoprint_venv import interpreter

KEY = "0123456789ABCDEF0123456789ABCDEF"
"""Of its only user."""
PROMPT: Mapping[str, Any] = {"key": KEY, "reply_s": 5.0, "connect_s": 5.0, "confirm_s": 40.0}
"""What its bridge is told: it answers at once, or after some seconds where the computer is busy."""
_UP_S = 90.0
_CONFIG = """
server:
  firstRun: false
  onlineCheck: {enabled: false}
  pluginBlacklist: {enabled: false}
serial: {autoconnect: true, port: VIRTUAL, baudrate: 115200}
webcam: {timelapse: {type: "off"}}
plugins:
  virtual_printer: {enabled: true, throttle: 0.0, sendBusy: true}
  _disabled: [softwareupdate, announcements, tracking, discovery, pluginmanager, gcodeviewer, errortracking, backup,
    health_check, achievements, firmware_check, pi_support, action_command_notification]
"""
_USERS = """
hil: {active: true, apikey: "%s", groups: [admins, users], password: "none", permissions: [], roles: [user, admin],
  settings: {}}
"""


class SimulatedOctoprint:
    """At http://127.0.0.1:PORT. Raises CalledProcessError or OSError if it cannot be had."""

    def __init__(self, folder: Path) -> None:
        self._python = interpreter()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(_CONFIG)
        (folder / "users.yaml").write_text(_USERS % KEY)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port: int = taken.getsockname()[1]
        self._process = self._start()
        self._wait_until_up()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def uploads(self) -> Path:
        """Where its print jobs lie."""
        return self._folder / "uploads"

    @property
    def log(self) -> Path:
        return self._folder / "out.log"

    def tell(self, order: str) -> None:
        """`freeze`, `thaw`, `connect`, or an order of the virtual printer, such as `!!DEBUG:drop_connection`."""
        match order:
            case "freeze":
                self._process.send_signal(signal.SIGSTOP)
            case "thaw":
                self._process.send_signal(signal.SIGCONT)
            case "connect":
                self._ask("/api/connection", {"command": "connect"})
            case _:
                self._ask("/api/printer/command", {"command": order})

    def kill(self) -> None:
        """The job of its printer ends with it."""
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait(10)

    def restart(self) -> None:
        self._process = self._start()
        self._wait_until_up()

    def close(self) -> None:
        self.kill()

    def state(self) -> Mapping[str, float]:
        """As OctoPrint itself says."""
        told = self._ask("/api/printer")["temperature"]
        return {
            "nozzle": told["tool0"]["actual"],
            "nozzle_target": told["tool0"]["target"],
            "bed_target": told["bed"]["target"],
        }

    def done(self) -> list[str]:
        """It does not tell its moves."""
        return []

    def _start(self) -> "subprocess.Popen[bytes]":
        words = ["-m", "octoprint", "serve", "--iknowwhatimdoing", "--basedir", str(self._folder)]
        where = ["--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("ab") as out:
            return subprocess.Popen([self._python, *words, *where], stdout=out, stderr=out)

    def _wait_until_up(self) -> None:
        """Raises OSError."""
        deadline = time.monotonic() + _UP_S
        while not self._is_up():
            if time.monotonic() > deadline:
                self.kill()
                raise OSError(f"OctoPrint is not ready: {self.log.read_text()[-300:]}")
            time.sleep(0.1)

    def _is_up(self) -> bool:
        try:
            return bool(self._ask("/api/printer"))
        except (OSError, ValueError, HTTPException):  # the last by the server that fills in while it starts
            return False

    def _ask(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        request = urllib.request.Request(self.endpoint + path, headers={"X-Api-Key": KEY})
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            content = answer.read()
        return json.loads(content) if content else None
