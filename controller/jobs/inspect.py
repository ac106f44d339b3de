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
from device_profiles.gcode import cut

_NICE = 10


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(_NICE)
    limits = json.load(sys.stdin)
    with Path(sys.argv[1]).open("rb") as file:
        lines = gcode.lines(file)
        if "most_power_s" in limits:
            found = cut.inspect(lines, cut.limits(limits))
        else:
            found = gcode.inspect(lines, gcode.limits(limits))
        json.dump(asdict(found), sys.stdout)


if __name__ == "__main__":
    main()
