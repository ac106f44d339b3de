"""How fast a print job's G-code is read: `python -m bench.gcode [--layers 400] [FILE]`.

- floor: the lines of the file, each split into its words, which answers for nothing
- review: the printer's bridge before it prints: every line against the limits, time and material
- inspect: the controller when a file comes: the same, and the drawing

Three rounds, one after the other, medians of processor time, so that other work on the machine counts little. Without
FILE a truss bridge is taken, made up here as a slicer writes it. Memory is the most that Python held in one inspection.
"""

import argparse
import io
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from device_profiles import gcode
from device_profiles.profile import load
from tests.sliced import HEIGHT_MM, sliced

ROUNDS = 3
PROFILE = "creality/ender-3"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.gcode", description="Speed of reading G-code.")
    parser.add_argument("--layers", type=int, default=400)
    parser.add_argument("file", nargs="?", type=Path)
    given = parser.parse_args()
    data = given.file.read_bytes() if given.file else "\n".join(sliced(layer_mm=HEIGHT_MM / given.layers)).encode()
    allowed = gcode.limits(load(PROFILE).options["limits"])
    ways: dict[str, Callable[[], object]] = {
        "floor": lambda: sum(len(line.split()) for line in io.BytesIO(data)),
        "review": lambda: gcode.review(gcode.lines(io.BytesIO(data)), allowed),
        "inspect": lambda: gcode.inspect(gcode.lines(io.BytesIO(data)), allowed),
    }
    count = data.count(b"\n") + 1
    print(f"{count:,} lines, {len(data):,} bytes\n")
    took: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(ROUNDS):
        for way, run in ways.items():
            began = time.process_time()
            run()
            took[way].append(time.process_time() - began)
            print(f"{number + 1} {way:8} {count / took[way][-1]:12,.0f} lines/s")
    tracemalloc.start()
    ways["inspect"]()
    most_mb = tracemalloc.get_traced_memory()[1] / (1 << 20)
    tracemalloc.stop()
    per_s = {way: round(count / statistics.median(each)) for way, each in took.items()}
    print(f"\n{'median':8} {'lines/s':>12} {'us a line':>10}")
    for way, speed in per_s.items():
        print(f"{way:8} {speed:12,} {1e6 / speed:10.2f}")
    print(f"\n{most_mb:.1f} MB at most")
    ratios = {f"{way}_to_floor": round(per_s["floor"] / per_s[way], 1) for way in ("review", "inspect")}
    figures = {"lines": count, "lines_per_s": per_s, "most_mb": round(most_mb, 1)}
    print(json.dumps({"bench": "gcode", "figures": figures, "ratios": ratios}))


if __name__ == "__main__":
    main()
