"""The equipment of hil.farends.equipment as a child process: how it is started, told and asked."""

import sys
from collections.abc import Mapping

from hil.farends.child import Child

PROMPT: Mapping[str, float] = {"reply_s": 1.5}
"""What its bridge is told: it answers at once, or after a second where the computer is busy."""


class SimulatedEquipment:
    """Running equipment of that kind. Killed and restarted, it keeps its port."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.port = 0
        self.restart()

    def restart(self) -> None:
        self.child = Child([sys.executable, "-m", "hil.farends.equipment", self._kind, "--port", str(self.port)])
        self.port = int(self.child.wait_for("ready").split()[1])

    @property
    def endpoint(self) -> str:
        scheme = "http" if self._kind in ("tasmota", "shelly") else "tcp"
        return f"{scheme}://127.0.0.1:{self.port}"

    def tell(self, order: str) -> None:
        self.child.ask(order, "did")

    def kill(self) -> None:
        self.child.kill()

    def close(self) -> None:
        self.child.close()

    def state(self) -> Mapping[str, str]:
        """What the equipment itself says of its state."""
        words = self.child.ask("state", "state").split()[1:]
        return {name: value for name, _, value in (word.partition("=") for word in words)}

    def heard(self) -> list[bytes]:
        """All that it got, oldest first."""
        return [bytes.fromhex(line[6:]) for _, line in self.child.lines if line.startswith("heard ")]
