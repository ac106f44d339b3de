"""A real agent as a process of its own, with the machines that a test gives it."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.fleet.enrolment import Credentials
from tests.browser.stage import Stage


@dataclass(frozen=True, slots=True)
class Machine:
    """One device as agent.toml names it. `options` is an inline table of TOML."""

    id: str
    name: str
    profile: str
    endpoint: str
    options: str = "{}"

    def entry(self) -> str:
        words = {"id": self.id, "name": self.name, "profile": self.profile, "endpoint": self.endpoint}
        lines = [f"{key} = {json.dumps(word, ensure_ascii=False)}" for key, word in words.items()]
        return "\n".join(("[[devices]]", *lines, f"options = {self.options}", ""))


def agent_files(
    credentials: Credentials, stage: Stage, machines: Sequence[Machine], host: str = "127.0.0.1"
) -> Mapping[str, bytes]:
    """What is in the agent's folder before its first start, by name. `host` is the stage's, as the agent sees it."""
    address = credentials.address
    config = (
        f'school = "{address.school}"\nagent = "{address.agent}"\nflush_s = 0.2\n'
        f'[broker]\nhost = "{host}"\nport = {stage.broker_port}\nkeepalive_s = 4\n'
        f'[controller]\nurl = "http://{host}:{stage.port}"\n' + "".join(machine.entry() for machine in machines)
    )
    secrets = {"user": credentials.user, "password": credentials.password, "lease_key": credentials.lease_key}
    return {"agent.toml": config.encode(), "credentials.json": json.dumps(secrets).encode()}


class AgentProcess:
    """Of the agent that was enrolled with `credentials`; it ends with this process at the latest."""

    def __init__(self, state: Path, credentials: Credentials, stage: Stage, machines: Sequence[Machine]) -> None:
        self._state = state
        self._process: subprocess.Popen[bytes] | None = None
        (state / "agent").mkdir(parents=True)
        for name, content in agent_files(credentials, stage, machines).items():
            (state / "agent" / name).write_bytes(content)

    def start(self) -> None:
        command = (sys.executable, "-m", "agent", "run", "--state", str(self._state), "--die-with-parent")
        with (self._state / "agent.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.communicate(timeout=30)
            self._process = None
