"""Read one file of a print job, in a process of its own: minutes of arithmetic must not hold up pages and ingest.

    python -m controller.jobs.inspect FILE

Standard input: `{"work": ..., "limits": ...}` as JSON, where `limits` is the profile's `[options.limits]`, null for a
program. Standard output: `{"review": ..., "preview": ...}`.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from controller.jobs import program
from controller.jobs.work import Work
from device_profiles import gcode
from device_profiles.gcode import cut

_NICE = 10


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(_NICE)
    asked = json.load(sys.stdin)
    json.dump(_found(Path(sys.argv[1]), Work(asked["work"]), asked["limits"]), sys.stdout)


def _found(path: Path, work: Work, limits: Mapping[str, Any]) -> Mapping[str, Any]:
    if work is Work.RUN:
        return {"review": asdict(program.review(path.read_bytes())), "preview": None}
    with path.open("rb") as file:
        lines = gcode.lines(file)
        if work is Work.CUT:
            return asdict(cut.inspect(lines, cut.limits(limits)))
        return asdict(gcode.inspect(lines, gcode.limits(limits)))


if __name__ == "__main__":
    main()
