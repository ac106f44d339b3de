"""An ingest by itself, in a process of its own, as one of several controllers on one database.

    python -m tests.kill.writer DATABASE_URL PORT

It reads the broker's user and password from BROKER_USER and BROKER_PASSWORD, and writes its counts to standard output,
a JSON object a line, every second.
"""

import json
import os
import sys
import time

from controller.broker.access import Login
from controller.database import make_engine
from controller.ingest.link import BrokerAddress
from controller.ingest.observer import Unobserved
from controller.ingest.service import Ingest


def main() -> None:
    url, port = sys.argv[1:]
    login = Login(os.environ["BROKER_USER"], os.environ["BROKER_PASSWORD"])
    ingest = Ingest(make_engine(url), BrokerAddress("127.0.0.1", int(port), login), Unobserved())
    ingest.start()
    while True:
        time.sleep(1.0)
        stats = ingest.stats
        told = {"batches": stats.batches, "duplicates": stats.duplicates, "conflicts": stats.conflicts}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
