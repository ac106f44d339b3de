"""A printer with real Klipper host code and a real Moonraker before our own micro-controller: started, told, asked."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from hil.farends.child import Child
from hil.farends.fetch import environment
from hil.farends.pins import KLIPPER

PROMPT: Mapping[str, float] = {"reply_s": 5.0, "connect_s": 5.0, "confirm_s": 40.0}
"""What its bridge is told: it answers at once, or after some seconds where the computer is busy."""
_UP_S = 60.0
_PRINTER = """
[mcu]
serial: {mcu}
restart_method: command
[printer]
kinematics: none
max_velocity: 300
max_accel: 3000
[virtual_sdcard]
path: {gcodes}
[pause_resume]
[display_status]
[respond]
[gcode_macro CANCEL_PRINT]
rename_existing: BASE_CANCEL_PRINT
gcode:
  TURN_OFF_HEATERS
  BASE_CANCEL_PRINT
[extruder]
nozzle_diameter: 0.4
filament_diameter: 1.75
heater_pin: P1
sensor_type: EPCOS 100K B57560G104F
sensor_pin: P2
control: watermark
min_temp: 0
max_temp: 280
min_extrude_temp: 0
[verify_heater extruder]
max_error: 100000
[heater_bed]
heater_pin: P3
sensor_type: EPCOS 100K B57560G104F
sensor_pin: P4
control: watermark
min_temp: 0
max_temp: 130
[verify_heater heater_bed]
max_error: 100000
"""
_MOONRAKER = """
[server]
host: 127.0.0.1
port: {port}
klippy_uds_address: {uds}
[machine]
provider: none
validate_service: False
validate_config: False
[authorization]
{trusted}
[history]
"""


class SimulatedKlipper:
    """At http://127.0.0.1:PORT. Raises CalledProcessError or OSError if it cannot be had.

    When `locked`, only who knows its key is let in; that stands in `key_file`, which its owner alone may read.
    """

    def __init__(self, folder: Path, *, locked: bool = False) -> None:
        self._python = environment(KLIPPER, _compile) / "bin" / "python"
        self._folder = folder
        for name in ("config", "gcodes", "logs", "database"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.port = _free_port()
        self.key_file = folder / "key"
        self.locked = locked
        mcu, uds = folder / "mcu", folder / "klippy.sock"
        (folder / "config" / "printer.cfg").write_text(_PRINTER.format(mcu=mcu, gcodes=folder / "gcodes"))
        trusted = "force_logins: False" if locked else "trusted_clients:\n    127.0.0.1"
        moonraker = _MOONRAKER.format(port=self.port, uds=uds, trusted=trusted)
        (folder / "config" / "moonraker.conf").write_text(moonraker)
        self._mcu = Child([sys.executable, "-m", "hil.farends.klipper_mcu", mcu])
        self._mcu.wait_for("ready")
        self._klippy = self._run("klippy", "-a", str(uds), "-l", str(folder / "logs" / "klippy.log"), _config(folder))
        self._moonraker = self._start_moonraker()
        self._wait_until_up()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def uploads(self) -> Path:
        """Where its print jobs lie."""
        return self._folder / "gcodes"

    def tell(self, order: str) -> None:
        """`freeze`, `thaw`, `host kill` (the Klipper host alone) and `host start`, or what klipper_mcu knows."""
        match order:
            case "freeze":
                self._moonraker.send_signal(signal.SIGSTOP)
            case "thaw":
                self._moonraker.send_signal(signal.SIGCONT)
            case "host kill":
                _end(self._klippy, signal.SIGKILL)
            case "host start":
                uds, log = self._folder / "klippy.sock", self._folder / "logs" / "klippy.log"
                self._klippy = self._run("klippy", "-a", str(uds), "-l", str(log), _config(self._folder))
            case _:
                self._mcu.ask(order, "did")

    def kill(self) -> None:
        """Moonraker alone; a job goes on, as it does on a real machine."""
        _end(self._moonraker, signal.SIGKILL)

    def restart(self) -> None:
        self._moonraker = self._start_moonraker()
        self._wait_until_up()

    def close(self) -> None:
        for process in (self._moonraker, self._klippy):
            process.send_signal(signal.SIGCONT)
            _end(process, signal.SIGKILL)
        self._mcu.close()
        shutil.rmtree(self._folder / "database", ignore_errors=True)

    def state(self) -> Mapping[str, float]:
        found: dict[str, float] = json.loads(self._mcu.ask("state", "state").partition(" ")[2])
        return found

    def done(self) -> list[str]:
        """Its micro-controller has no motors, so it does not know its moves."""
        return []

    def _start_moonraker(self) -> "subprocess.Popen[bytes]":
        return self._run("moonraker", "-d", str(self._folder), "-c", str(self._folder / "config" / "moonraker.conf"))

    def _run(self, module: str, *words: str) -> "subprocess.Popen[bytes]":
        # Moonraker names an upload's temporary file by the second: two of them would take each other's.
        apart = {**os.environ, "TMPDIR": str(self._folder / "logs")}
        with (self._folder / "logs" / f"{module}.out").open("ab") as out:
            command = [str(self._python), "-m", module, *words]
            return subprocess.Popen(command, stdout=out, stderr=out, cwd=self._folder, env=apart)

    def _wait_until_up(self) -> None:
        """Raises OSError."""
        deadline = time.monotonic() + _UP_S
        while (state := self._host_state()) != "ready":
            if state == "error":  # the host found its micro-controller too slow, and says what to do
                self._ask("/printer/firmware_restart", method="POST")
            if time.monotonic() > deadline:
                self.close()
                raise OSError(f"Klipper is not ready: {(self._folder / 'logs' / 'moonraker.out').read_text()[-300:]}")
            time.sleep(0.1)

    def _host_state(self) -> str:
        """What Klipper says of itself; empty where nobody answers."""
        return str(self._ask("/server/info").get("klippy_state", ""))

    def _ask(self, path: str, *, method: str = "GET") -> Mapping[str, object]:
        """Empty where nobody answers."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        if self.locked:
            self._learn_key()
            request.add_header("X-Api-Key", self.key_file.read_text() if self.key_file.exists() else "")
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
                result = json.load(answer)["result"]
        except (OSError, urllib.error.HTTPError, ValueError):
            return {}
        return result if isinstance(result, dict) else {}

    def _learn_key(self) -> None:
        """Moonraker makes its key by itself and keeps it in its database."""
        code = "import sqlite3,sys;print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])"
        query = "SELECT password FROM authorized_users WHERE username='_API_KEY_USER_'"
        database = self._folder / "database" / "moonraker-sql.db"
        if not database.exists() or self.key_file.exists():
            return
        done = subprocess.run(
            [sys.executable, "-c", code, database, query], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            self.key_file.touch(0o600)
            self.key_file.write_text(done.stdout.strip())


def _config(folder: Path) -> str:
    return str(folder / "config" / "printer.cfg")


def _compile(folder: Path) -> None:
    """Klipper builds its C part when it is first started; here, so that two tests do not build it at once."""
    command = [str(folder / "bin" / "python"), "-c", "from klippy import chelper; chelper.get_ffi()"]
    subprocess.run(command, check=True, capture_output=True)


def _end(process: "subprocess.Popen[bytes]", number: int) -> None:
    process.send_signal(number)
    process.wait(10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
