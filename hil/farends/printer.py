"""OctoPrint's virtual printer as a child process: how it is started, told and asked."""

import json
from collections.abc import Mapping
from pathlib import Path

from hil.farends.child import ROOT, Child
from hil.farends.octoprint_venv import interpreter

RUNNER = ROOT / "hil" / "farends" / "virtual_printer.py"
QUICK: Mapping[str, object] = {"simulated_errors": [], "throttle": 0.0, "sendBusy": True, "busyInterval": 1.0}

PROMPT: Mapping[str, float] = {"report_s": 1, "ok_s": 3.0, "silence_s": 7.0, "open_s": 6.0, "confirm_s": 30.0}
"""What its bridge is told: it answers at once, or after some seconds where the computer is busy."""


class SimulatedPrinter:
    """A printer at the terminal `link`. Raises CalledProcessError or OSError if OctoPrint cannot be had."""

    def __init__(self, link: Path, settings: Mapping[str, object] = QUICK) -> None:
        self.link = link
        self._settings = json.dumps(dict(settings))
        self._python = interpreter()
        self._done: list[str] = []
        self.child = self._start()

    def _start(self) -> Child:
        child = Child([self._python, RUNNER, self.link, "--set", self._settings])
        child.wait_for("ready")
        return child

    def tell(self, order: str) -> None:
        self.child.ask(order, f"ok {order.partition(' ')[0]}")

    def kill(self) -> None:
        self.link.unlink(missing_ok=True)  # first: the pty behind it is soon another far end's
        self._done = self.done()
        self.child.kill()

    def restart(self) -> None:
        self.child = self._start()

    def close(self) -> None:
        self.child.close()

    def state(self) -> Mapping[str, float]:
        told: dict[str, float] = json.loads(self.child.ask("state", "state").partition(" ")[2])
        return told

    def done(self) -> list[str]:
        return self._done + [line[4:] for _, line in self.child.lines if line.startswith("did ")]
