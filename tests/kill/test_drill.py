"""The drill: a backup under load, more data and bookings, the database is destroyed, the backup is put back.

All by the commands that an operator would type, with the agents running all the time.
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from controller.database import make_engine
from controller.fleet.enrolment import Place
from controller.identity.admin import Admin
from controller.main import wall_ms
from controller.simulation import SimulatedAgent, SimulatedDevice
from tests.databases import PostgresServer
from tests.integration.bookable import Furnished, populated, school_day, span
from tests.kill.reckoning import Reckoning, reckon
from tests.kill.stage import Stage, eventually, verify
from tests.passwords import quick

pytestmark = [pytest.mark.kill, pytest.mark.xdist_group("machine"), pytest.mark.timeout(5_400)]

RATE = ("--tick", "0.2", "--speed", "25", "--every-value", "--hurry")
HOUR_S = 3_600.0
BOOKED_EVERY_S = 900.0
"""In the long form. One person may have twelve bookings at a time."""
BATCHES = 60
"""So many come between backup and loss, at the least."""
WAIT_S = 120.0
REPLAY_S = {False: WAIT_S, True: 1_800.0}
"""For all that came since the backup; in the long form that is an hour at 25 times the speed."""


class Drill:
    """The stage, and a teacher who books by the interface of programs."""

    def __init__(self, stage: Stage, furnished: Furnished) -> None:
        self.stage = stage
        self._furnished = furnished
        self._booked = 0
        token = Admin(furnished.engine, quick(), wall_ms).add_api_token("ha", "drill", None)
        self.client = httpx.Client(base_url=stage.url, headers={"authorization": f"Bearer {token}"}, timeout=30)

    def book(self) -> str:
        """The id of a booking, each of another time."""
        week, number = divmod(self._booked, 20)
        day, first = divmod(number, 4)
        self._booked += 1
        when = span(self._furnished.engine, school_day(day + 7 * week), first + 1, first + 1)
        items = [{"resource": self._furnished.things["3D-01"]}]
        wanted = {"items": items, "start_ms": when.start, "end_ms": when.stop, "title": "8A1"}
        answer = self.client.post("/api/v1/bookings", json=wanted)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def cancel(self, booking: str) -> None:
        answer = self.client.delete(f"/api/v1/bookings/{booking}")
        assert answer.status_code < 300, answer.text

    def has(self, booking: str) -> bool:
        return self.client.get(f"/api/v1/bookings/{booking}").status_code == 200

    def command(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            self.stage.cli(*arguments), env=self.stage.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def more_acked(self, batches: int) -> None:
        """Of those that are made from now on, whatever is being sent again meanwhile."""
        before = self.stage.newest()
        eventually(lambda: self.stage.acked_since(before) >= batches, WAIT_S, f"{batches} new batches are acked")


@pytest.fixture(name="drill", params=["sqlite", "postgresql"])
def _drill(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Drill, Callable[[], None]]]:
    devices = tuple(SimulatedDevice(f"d-{n}", f"D {n}", "demo/classroom-pc") for n in range(4))
    agents = [SimulatedAgent(Place("drill", room), room, devices) for room in ("one", "two", "three", "four")]
    url = ""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgresql")
        url = server.empty()
    stage = Stage(tmp_path / "state", agents, RATE, database_url=url)
    furnished = populated(make_engine(stage.database_url))
    drill = Drill(stage, furnished)

    def destroy() -> None:
        furnished.engine.dispose()
        if not url:
            stage.database.write_bytes(b"\0" * 100_000)  # a disk that went bad
            return
        name = url.rsplit("/", 1)[1]
        other = make_engine(url.rsplit("/", 1)[0] + "/postgres").execution_options(isolation_level="AUTOCOMMIT")
        with other.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        other.dispose()

    try:
        yield drill, destroy
    finally:
        drill.client.close()
        stage.stop_all()
        furnished.engine.dispose()


def test_drill_loses_no_reading_and_lists_every_lost_booking(
    drill: tuple[Drill, Callable[[], None]], tmp_path: Path, soak: bool
) -> None:
    scene, destroy = drill
    stage, file = scene.stage, tmp_path / "fabfleet.backup"
    stage.start_controller()
    stage.start_agents()
    scene.more_acked(20)
    kept = {scene.book() for _ in range(3)}
    cancelled_later = scene.book()

    began_s = time.monotonic()
    scene.command("backup", str(file))
    backed_up_s = time.monotonic() - began_s

    lost = {scene.book() for _ in range(4)}
    scene.cancel(cancelled_later)
    unwanted = scene.book()
    scene.cancel(unwanted)
    scene.more_acked(BATCHES)
    while soak and time.monotonic() - began_s < HOUR_S:
        lost.add(scene.book())
        time.sleep(BOOKED_EVERY_S)
    assert "a controller runs" in scene.command("restore", str(file), code=1)

    assert stage.controller is not None
    stage.controller.kill()
    eventually(lambda: not _broker_lives(stage), 10.0, "its broker is gone")
    destroy()
    began_s = time.monotonic()
    told = scene.command("restore", str(file))
    restored_s = time.monotonic() - began_s

    assert {_id(line) for line in told.splitlines() if line.startswith("  lost")} == lost
    assert {_id(line) for line in told.splitlines() if line.startswith("  changed")} == {cancelled_later}
    assert "unsure" not in told
    stage.controller.start_again()
    eventually(stage.ready, 60.0, "the controller is ready")
    assert {each for each in kept | lost | {cancelled_later, unwanted} if scene.has(each)} == kept | {cancelled_later}

    began_s = time.monotonic()
    scene.more_acked(20)
    live_s = time.monotonic() - began_s
    stage.drain(REPLAY_S[soak])
    stage.start_agents("--quiet")  # to be asked for what the controller has no more
    reckoning = _settled(stage, tmp_path, REPLAY_S[soak])
    replayed_s = time.monotonic() - began_s
    print(f"\nbackup {backed_up_s:.1f} s, restore {restored_s:.1f} s, live {live_s:.1f} s, all {replayed_s:.1f} s")
    print(reckoning)
    stage.stop(stage.agents)
    stage.stop(stage.controller)
    assert all(each in (stage.state / "controller.log").read_text("utf-8") for each in lost), "the log says it too"
    verified = verify(stage)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _settled(stage: Stage, folder: Path, within_s: float) -> Reckoning:
    """As soon as nothing is missing. Raises AssertionError with what is."""
    deadline_s, number = time.monotonic() + within_s, 0
    while True:
        number += 1
        found = reckon(stage.database_url, stage.log, folder / f"reckoning-{number}")
        if found.holds and stage.flow().unacked == 0:
            return found
        assert time.monotonic() < deadline_s, found
        time.sleep(1.0)


def _broker_lives(stage: Stage) -> bool:
    folder = str(stage.state / "controller" / "broker")
    return subprocess.run(["pgrep", "-f", folder], capture_output=True, check=False).returncode == 0


def _id(line: str) -> str:
    return line.rsplit(" ", 1)[1]
