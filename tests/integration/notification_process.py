"""A process that sends what is due, for tests that kill it: DATABASE-URL, FOLDER, and the time (ms) that is now."""

import sys
from pathlib import Path

from controller.config import NoticesConfig
from controller.database import make_engine
from controller.notifications.outlet import Outlet
from controller.notifications.sealing import Seal
from tests.integration.notifying import make_sender


def main() -> None:
    url, folder, now_ms = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    engine, seal = make_engine(url), Seal(folder)
    outlet = Outlet(engine, seal, NoticesConfig(private_addresses=True), lambda: now_ms)
    make_sender(engine, outlet, seal, lambda: now_ms).turn()


if __name__ == "__main__":
    main()
