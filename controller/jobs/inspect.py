"""Read one file of a print job, in a process of its own: minutes of arithmetic must not hold up pages and ingest.

    python -m controller.jobs.inspect FILE

Standard input: the profile's `[options.limits]` as JSON. Standard output: `{"review": ..., "preview": ...}`.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from device_profiles import gcode

_NICE = 10


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(_NICE)
    allowed = gcode.limits(json.load(sys.stdin))
    with Path(sys.argv[1]).open("rb") as file:
        json.dump(asdict(gcode.inspect(gcode.lines(file), allowed)), sys.stdout)


if __name__ == "__main__":
    main()
