"""The machine of hil.farends.grbl_machine as a child process: how it is started, told and asked."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from hil.farends.child import Child

HOMING: Mapping[int, float] = {22: 1}
"""It has switches to home with, and so is locked until it was."""
PROMPT: Mapping[str, float] = {"silence_s": 3.0, "open_s": 6.0, "confirm_s": 20.0}
"""What its bridge is told: it answers at once, or after some seconds where the computer is busy."""


class SimulatedCutter:
    """A machine at the terminal `link`. Killed and restarted it forgets all but `settings`."""

    def __init__(self, link: Path, settings: Mapping[int, float] | None = None) -> None:
        self.link = link
        self._settings = [f"--set={number}={value}" for number, value in (settings or {}).items()]
        self.restart()

    def restart(self) -> None:
        self.child = Child([sys.executable, "-m", "hil.farends.grbl_machine", self.link, *self._settings])
        self.child.wait_for("ready")

    def tell(self, order: str) -> None:
        self.child.ask(order, f"ok {order.partition(' ')[0]}")

    def kill(self) -> None:
        self.link.unlink(missing_ok=True)  # first: the pty behind it is soon another far end's
        self.child.kill()

    def close(self) -> None:
        self.child.close()

    def state(self) -> Mapping[str, float]:
        told: dict[str, float] = json.loads(self.child.ask("state", "state").partition(" ")[2])
        return told

    def done(self) -> list[str]:
        """It counts lines and does not tell them."""
        return []

    def ideal_s(self, job: Path) -> float:
        return float(self.child.ask(f"ideal {job}", "ideal").split()[1])
