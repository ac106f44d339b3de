"""Record the transcripts of tests/transcripts/marlin from OctoPrint's virtual printer: python -m hil.record_marlin."""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from firmware_bridges.links import open_link
from firmware_bridges.marlin_core import MarlinCore
from firmware_bridges.marlin_state import State
from firmware_bridges.marlin_view import Job
from firmware_bridges.record import RecordedLink
from hil.farends.child import ROOT
from hil.farends.pins import OCTOPRINT
from hil.farends.printer import SimulatedPrinter

FOLDER = ROOT / "tests" / "transcripts" / "marlin"


class Scene:
    """One conversation, as it is written down. Each mark is the name of what the host did then."""

    def __init__(self, printer: SimulatedPrinter, link: RecordedLink, now_ms: Callable[[], int]) -> None:
        self.printer = printer
        self.core = MarlinCore()
        self._link = link
        self._now_ms = now_ms

    def begin(self) -> None:
        self.core.start(self._now_ms())
        self.until_ready()

    def until_ready(self) -> None:
        self.until(lambda: self.core.state is State.READY and self.core.view().temperatures.bed is not None)

    def until(self, true: Callable[[], bool], at_most_s: float = 60.0) -> None:
        deadline = time.monotonic() + at_most_s
        while not true():
            if time.monotonic() > deadline:
                raise TimeoutError(f"still {self.core.state}")
            if data := self.core.to_send():
                self._link.write(data)
            data = self._link.read(0.1)
            if data:
                self.core.receive(data, self._now_ms())
            self.core.tick(self._now_ms())

    def print_moves(self) -> None:
        self._link.mark("print")
        self.core.print_job(job())

    def do(self, name: str, act: Callable[[], object]) -> None:
        self._link.mark(name)
        act()


def job() -> Job:
    """The job of every scene."""
    lines = [f"G1 X{number} Y10 F9000" for number in range(60)]
    return Job("moves", iter(lines), len(lines))


def printed(scene: Scene) -> None:
    scene.begin()
    scene.printer.tell("noise 5")
    scene.print_moves()
    scene.until(lambda: scene.core.view().ended is not None)


def cancelled(scene: Scene) -> None:
    scene.begin()
    scene.print_moves()
    scene.until(lambda: scene.core.view().sent > 20)
    scene.do("pause", scene.core.pause)
    scene.until(lambda: scene.core.state is State.PAUSED)
    scene.do("resume", scene.core.resume)
    scene.until(lambda: scene.core.view().sent > 40)
    scene.do("cancel", scene.core.cancel)
    scene.until(lambda: scene.core.view().ended is not None)


def runaway(scene: Scene) -> None:
    scene.begin()
    scene.print_moves()
    scene.until(lambda: scene.core.view().sent > 20)
    scene.printer.tell("debug trigger_fatal_error_marlin")
    scene.until(lambda: scene.core.state is State.HALTED)
    scene.printer.tell("debug reset")
    scene.until_ready()


SCENES: Mapping[str, Callable[[Scene], None]] = {"printed": printed, "cancelled": cancelled, "runaway": runaway}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, play in SCENES.items():
        with tempfile.TemporaryDirectory() as folder, (FOLDER / f"{name}.txt").open("w", encoding="utf-8") as out:
            out.write(f"# {OCTOPRINT}, virtual printer: {name}\n")
            printer = SimulatedPrinter(Path(folder) / "printer")
            link = RecordedLink(open_link(str(Path(folder) / "printer")), out, _now_ms)
            try:
                play(Scene(printer, link, _now_ms))
            finally:
                link.close()
                printer.close()


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


if __name__ == "__main__":
    main()
