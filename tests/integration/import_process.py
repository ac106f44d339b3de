"""An import of a timetable in a process of its own, which stops in the middle: run by test_import_killed."""

import sys
from pathlib import Path

from sqlmodel import Session

from controller.database import make_engine
from controller.fleet.live import LiveFleet
from controller.identity.store import principal, user_by_login
from controller.main import wall_ms
from controller.scheduling.office import Office
from controller.scheduling.stocktaking import Stocktaking
from controller.timetable.editing import Timetables
from controller.timetable.importer import Importer, Task
from controller.timetable.layouts import Kind
from controller.timetable.sheets import read
from tests.integration.bookable import HERE, ZONE

HERE_WORD, DONE_WORD = "here", "booked"


class Clock:
    """Stands still for ever when it was asked so often since it was wound."""

    def __init__(self) -> None:
        self.left = 0

    def __call__(self) -> int:
        self.left -= 1
        if self.left == 0:
            print(HERE_WORD, flush=True)
            sys.stdin.readline()
        return wall_ms()


def main(url: str, file: str, asks: int) -> None:
    engine, clock = make_engine(url), Clock()
    office = Office(engine, LiveFleet(engine, clock), ZONE, clock, _nothing)
    importer = Importer(
        engine,
        Timetables(engine, ZONE, clock),
        Stocktaking(engine, clock, _nothing),
        office,
        now_ms=clock,
        changed=_nothing,
    )
    with Session(engine) as db:
        found = user_by_login(db, "lan")
        assert found is not None
        who = principal(found)
    task = Task(HERE, Kind.LESSONS, read(Path(file).read_bytes()))
    digest = importer.look(who, task).digest
    clock.left = asks
    print(DONE_WORD, importer.apply(who, task, digest, "import").booked, flush=True)


def _nothing() -> None:
    pass


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
