"""How close a streamed laser job comes to the machine's own speed: `python -m bench.grbl [--lines 2000] [--step 0.15]`.

- planner: the emulator's own planner with every line at hand, which nothing that streams can beat
- streamed: the same lines from the bridge over a terminal at 115200 baud, by character counting
- in turns: the bridge's core and the emulator alone, in their own time, with a host that looks every 4 ms: what the
  streaming itself costs, whatever else this computer does
- one by one: the same lines, each sent when the one before was answered, as simple senders do

The others' time is the clock's: from the job's beginning to the last motion, so they want a computer that has nothing
else to do. Circles in steps of `--step` mm at 100 mm/s.
"""

import argparse
import hashlib
import json
import math
import tempfile
import time
from pathlib import Path

from device_profiles.profile import load
from firmware_bridges.grbl import GrblBridge
from firmware_bridges.grbl_core import GrblCore
from firmware_bridges.grbl_state import State
from firmware_bridges.grbl_view import Job
from firmware_bridges.links import open_link
from hil.farends.cutter import PROMPT, SimulatedCutter
from hil.farends.grbl_model import Machine

PROFILE = "grbl/laser"
_TURN_S = 0.004


def job(count: int, step_mm: float) -> list[str]:
    """Round a circle of 20 mm."""
    turns = (at * step_mm / 10 for at in range(count - 2))
    return [
        "G0 X50 Y60",
        "M4 S500 F6000",
        *(f"G1 X{50 + 10 * math.sin(at):.3f} Y{50 + 10 * math.cos(at):.3f}" for at in turns),
    ]


def streamed(machine: SimulatedCutter, path: Path) -> float:
    """Seconds from the bridge's `cut` to the end that it reports."""
    bridge = GrblBridge(str(machine.link), {**load(PROFILE).options, **PROMPT})
    bridge.open()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    bridge.execute("cut", {"path": str(path), "digest": digest, "name": path.name})
    began = time.monotonic()
    while bridge.poll()["job-result"] == "":
        time.sleep(0.005)
    took = time.monotonic() - began
    bridge.close()
    return took


def in_turns(lines: list[str]) -> float:
    """Seconds of the machine's own time."""
    machine, core, now_s, began_s = Machine(0.0), GrblCore(), 0.0, 0.0
    core.start(0)
    while core.view().ended is None:
        if core.state is State.READY:
            core.run_job(Job("circles", iter(lines), len(lines)))
            began_s = now_s
        now_s += _TURN_S
        heard = machine.receive(core.to_send(), now_s)
        if heard:
            core.receive(heard, round(now_s * 1000))
        core.tick(round(now_s * 1000))
    return now_s - began_s


def one_by_one(machine: SimulatedCutter, lines: list[str]) -> float:
    """Seconds of a sender that waits for each answer."""
    link = open_link(str(machine.link))
    heard = b""
    began = time.monotonic()
    for line in [*lines, "G4 P0.01"]:
        link.write(line.encode() + b"\n")
        while b"ok" not in heard:
            heard += link.read(1.0)
        heard = heard.partition(b"ok")[2]
    link.close()
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.grbl", description="Streaming to GRBL against its own planner.")
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--step", type=float, default=0.15)
    given = parser.parse_args()
    lines = job(given.lines, given.step)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "circles.gcode"
        path.write_text("\n".join(lines), "utf-8")
        machine = SimulatedCutter(Path(folder) / "cutter")
        took = {"planner": machine.ideal_s(path), "in_turns": in_turns(lines), "streamed": streamed(machine, path)}
        state = machine.state()
        machine.close()
        machine.restart()
        took["one_by_one"] = one_by_one(machine, lines)
        machine.close()
    for way, seconds in took.items():
        print(f"{way:12} {seconds:8.2f} s {seconds / took['planner']:8.3f}")
    print(f"\n{state['overruns']:.0f} bytes lost, at most {state['most_rx']:.0f} of 128 in its buffer")
    ratios = {
        f"{way}_to_planner": round(took[way] / took["planner"], 3) for way in ("in_turns", "streamed", "one_by_one")
    }
    figures = {"lines": given.lines, "seconds": took, "overruns": state["overruns"], "most_rx": state["most_rx"]}
    print(json.dumps({"bench": "grbl", "figures": figures, "ratios": ratios}))


if __name__ == "__main__":
    main()
