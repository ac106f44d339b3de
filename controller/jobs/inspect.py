"""Read one file of a print job, in a process of its own: minutes of arithmetic must not hold up pages and ingest.

    python -m controller.jobs.inspect FILE

Standard input: the profile's `[options.limits]` as JSON. Standard output: `{"review": ..., "preview": ...}`.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from device_profiles import gcode

_LONGEST = 1 << 16
_NICE = 10


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(_NICE)
    allowed = gcode.limits(json.load(sys.stdin))
    review = gcode.review(_lines(Path(sys.argv[1])), allowed)
    json.dump({"review": asdict(review), "preview": None}, sys.stdout)


def _lines(path: Path) -> Iterator[str]:
    """Each cut at a length that no machine takes, as the machine's bridge reads them."""
    with path.open("rb") as file:
        while line := file.readline(_LONGEST):
            yield line.decode("utf-8", "replace")


if __name__ == "__main__":
    main()
