"""One part of `bench.history`, in a process of its own: `WORK DATABASE ARCHIVE NOW_MS`. Prints the most memory that it
or a child of it had, in kB.
"""

import resource
import sys
from pathlib import Path

from controller.config import HistoryConfig
from controller.database import make_engine
from controller.ingest.verify import verify
from controller.telemetry.keeper import Keeper
from controller.telemetry.verify import faults


def main(work: str, url: str, folder: Path, now_ms: int) -> None:
    engine = make_engine(url)
    keeper = Keeper(engine, HistoryConfig(rows_days=400, rows_mb=1_000_000), folder, lambda: now_ms)
    wrong = False
    if work == "roll_up":
        keeper.roll()
    elif work == "archive":
        keeper.archive.seal(now_ms)
    elif work == "verify":
        wrong = not verify(engine).ok
    else:
        wrong = any(faults(engine, folder))
    if wrong:
        raise SystemExit(f"{work}: something is wrong")
    print(max(_own_kb(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))


def _own_kb() -> int:
    """Since this program began; `ru_maxrss` has that of the one that started it too."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
