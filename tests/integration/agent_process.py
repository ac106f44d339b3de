"""A real agent as a process of its own, with simulated devices."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from controller.fleet.enrolment import Credentials

DEVICES = """
[[devices]]
id = "printer"
profile = "demo/printer-3d"
endpoint = "sim:1"
[[devices]]
id = "projector"
profile = "demo/projector"
endpoint = "sim:2"
[[devices]]
id = "computer"
profile = "demo/classroom-pc"
endpoint = "sim:3"
[[devices]]
id = "stubborn"
profile = "demo/projector"
endpoint = "sim:4"
options = { effects = {} }
"""
"""The last one's bridge refuses every action."""


class AgentProcess:
    """A real agent with simulated devices."""

    def __init__(self, state: Path, credentials: Credentials, broker_port: int, *, tls_ca: Path | None = None) -> None:
        folder = state / "agent"
        folder.mkdir(parents=True)
        address = credentials.address
        (folder / "agent.toml").write_text(
            f'school = "{address.school}"\nagent = "{address.agent}"\nflush_s = 0.1\n'
            f"[broker]\nport = {broker_port}\nkeepalive_s = 2\n"
            + (f'tls_ca = "{tls_ca}"\n' if tls_ca else "")
            + DEVICES
        )
        secrets = {"user": credentials.user, "password": credentials.password, "lease_key": credentials.lease_key}
        (folder / "credentials.json").write_text(json.dumps(secrets))
        self._state = state
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = (sys.executable, "-m", "agent", "run", "--state", str(self._state), "--die-with-parent")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.communicate(timeout=30)
            self._process = None
