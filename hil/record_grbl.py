"""Record the transcripts of tests/transcripts/grbl from the emulator: python -m hil.record_grbl."""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from firmware_bridges.grbl_core import GrblCore
from firmware_bridges.grbl_state import State
from firmware_bridges.grbl_view import Job
from firmware_bridges.links import open_link
from firmware_bridges.record import RecordedLink
from hil.farends.child import ROOT
from hil.farends.cutter import SimulatedCutter

FOLDER = ROOT / "tests" / "transcripts" / "grbl"


class Scene:
    """One conversation, as it is written down. Each mark is the name of what the host did then."""

    def __init__(self, machine: SimulatedCutter, link: RecordedLink) -> None:
        self.machine = machine
        self.core = GrblCore()
        self._link = link

    def begin(self) -> None:
        self.core.start(_now_ms())
        self.until(lambda: self.core.state in (State.READY, State.ALARM))

    def until(self, true: Callable[[], bool], at_most_s: float = 60.0) -> None:
        deadline = time.monotonic() + at_most_s
        while not true():
            if time.monotonic() > deadline:
                raise TimeoutError(f"still {self.core.state}")
            self._write()
            if data := self._link.read(0.05):
                self.core.receive(data, _now_ms())
            self.core.tick(_now_ms())
        self._write()

    def do(self, name: str, act: Callable[[], object]) -> None:
        self._link.mark(name)
        act()

    def cut(self) -> None:
        self.do("cut", lambda: self.core.run_job(job()))

    def _write(self) -> None:
        if data := self.core.to_send():
            self._link.write(data)


def job() -> Job:
    """The job of every scene."""
    lines = ["G0 X10 Y10", "M4 S500 F3000", *(f"G1 X{10 + at % 2} Y{10 + at * 0.5:g}" for at in range(60))]
    return Job("sign", iter(lines), len(lines))


def done(scene: Scene) -> None:
    scene.begin()
    scene.cut()
    scene.until(lambda: scene.core.view().ended is not None)


def paused(scene: Scene) -> None:
    scene.begin()
    scene.cut()
    scene.until(lambda: scene.core.view().done > 10)
    scene.do("pause", scene.core.pause)
    scene.until(lambda: scene.core.state is State.PAUSED)
    scene.do("resume", scene.core.resume)
    scene.until(lambda: scene.core.view().done > 30)
    scene.do("stop", scene.core.stop)
    scene.until(lambda: scene.core.view().ended is not None and scene.core.state is State.READY)


def alarm(scene: Scene) -> None:
    scene.begin()
    scene.cut()
    scene.until(lambda: scene.core.view().done > 10)
    scene.machine.tell("limit")
    scene.until(lambda: scene.core.state is State.ALARM and scene.core.view().reports > 0)
    scene.until(lambda: scene.core.state is State.IDENTIFYING)
    scene.until(lambda: scene.core.state is State.ALARM)
    scene.do("clear", lambda: scene.core.order(("$X",)))
    scene.until(lambda: scene.core.state is State.READY)


SCENES: Mapping[str, Callable[[Scene], None]] = {"done": done, "paused": paused, "alarm": alarm}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, play in SCENES.items():
        with tempfile.TemporaryDirectory() as folder, (FOLDER / f"{name}.txt").open("w", encoding="utf-8") as out:
            out.write(f"# hil/farends/grbl_model, GRBL 1.1h: {name}\n")
            machine = SimulatedCutter(Path(folder) / "cutter")
            link = RecordedLink(open_link(str(Path(folder) / "cutter")), out, _now_ms)
            try:
                play(Scene(machine, link))
            finally:
                link.close()
                machine.close()


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


if __name__ == "__main__":
    main()
