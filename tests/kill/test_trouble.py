"""What else goes wrong on disks and clocks, end to end: real processes, real outboxes, the real database."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from controller.fleet.enrolment import Place
from controller.ingest.codec import Reason
from controller.simulation import SimulatedAgent, SimulatedDevice, write_private
from tests.kill.reckoning import lines, reckon
from tests.kill.stage import Stage, eventually, opened, verify

pytestmark = [pytest.mark.kill, pytest.mark.xdist_group("machine"), pytest.mark.timeout(600)]

YEAR_MS = 365 * 86_400_000
RATE = ("--tick", "0.2", "--speed", "25", "--every-value", "--hurry")
ROOMS = ("one", "two")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    devices = tuple(SimulatedDevice(f"d-{n}", f"D {n}", "demo/classroom-pc") for n in range(3))
    agents = [SimulatedAgent(Place("trouble", room), room, devices) for room in ROOMS]
    stage = Stage(tmp_path / "state", agents, RATE)
    try:
        yield stage
    finally:
        stage.stop_all()


def prove(stage: Stage, scratch: Path) -> None:
    """Nothing that was logged is missing, doubled or changed, by our own count and by the controller's."""
    reckoning = reckon(stage.database_url, stage.log, scratch)
    assert reckoning.holds, reckoning
    stage.stop(stage.controller)
    verified = verify(stage)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def more_acked(stage: Stage, what: str) -> None:
    acked = stage.flow().acked
    eventually(lambda: stage.flow().acked >= acked + 4, 60.0, what)


def test_controller_on_a_full_disk_takes_nothing_and_catches_up_by_itself(stage: Stage, tmp_path: Path) -> None:
    stage.start_controller()
    stage.start_agents()
    more_acked(stage, "batches are acked")
    assert stage.controller is not None
    controller = psutil.Process(stage.controller.pid)
    unlimited = controller.rlimit(psutil.RLIMIT_FSIZE)

    controller.rlimit(psutil.RLIMIT_FSIZE, (1, unlimited[1]))  # from here on every write to a file fails
    eventually(lambda: not stage.ready(), 30.0, "the controller says that it is not ready")
    acked, unacked = stage.flow().acked, stage.flow().unacked
    eventually(lambda: stage.flow().unacked >= unacked + 20, 60.0, "the agents keep what they cannot deliver")
    assert stage.flow().acked == acked
    assert not stage.ready()

    controller.rlimit(psutil.RLIMIT_FSIZE, unlimited)
    eventually(stage.ready, 30.0, "the controller is ready again, with no restart")
    more_acked(stage, "batches are acked again")
    stage.drain()
    prove(stage, tmp_path / "reckoning")


def test_outbox_rolled_back_to_an_earlier_copy_gives_no_number_a_second_meaning(stage: Stage, tmp_path: Path) -> None:
    stage.start_agents()
    eventually(lambda: stage.flow().unacked >= 20, 60.0, "a backlog")
    stage.stop(stage.agents)
    copy = tmp_path / "copy"
    shutil.copytree(stage.plan.parent, copy)

    stage.start_controller()
    stage.start_agents()
    more_acked(stage, "what came after the copy is acked")
    stage.drain()
    for room in ROOMS:
        outbox = stage.plan.parent / f"trouble.{room}"
        shutil.rmtree(outbox)
        shutil.copytree(copy / outbox.name, outbox)

    assert stage.flow().unacked >= 20
    stage.start_agents()
    more_acked(stage, "batches of the rolled back outboxes are acked")
    stage.drain()
    with opened(stage.database) as db:
        epochs, conflicts = db.execute("SELECT count(DISTINCT epoch), sum(conflicts) FROM ledger").fetchone()
    assert epochs >= 3 * len(ROOMS)
    assert conflicts == 0
    prove(stage, tmp_path / "reckoning")


def test_clock_that_jumps_a_year_ahead_has_its_readings_quarantined_and_harms_nobody(
    stage: Stage, tmp_path: Path
) -> None:
    plans = [json.loads(line) for line in stage.plan.read_text("utf-8").splitlines()]
    plans[0] |= {"jump_after_s": 3.0, "jump_ms": YEAR_MS}
    write_private(stage.plan, "".join(f"{json.dumps(plan)}\n" for plan in plans))
    stage.start_controller()
    stage.start_agents()
    eventually(lambda: quarantined(stage) > 200, 60.0, "readings from next year are quarantined")
    more_acked(stage, "batches are acked all the same")
    stage.drain()

    jumped = f"trouble/{plans[0]['agent']}"
    logged = list(lines(stage.log))
    limit_ms = min(at_ms for _, _, _, at_ms, _ in logged) + YEAR_MS // 2
    impossible = [line for line in logged if line[3] > limit_ms]
    assert {line[0] for line in impossible} == {jumped}
    assert quarantined(stage) == len(impossible)
    with opened(stage.database) as db:
        reasons = {reason for (reason,) in db.execute("SELECT DISTINCT reason FROM quarantine")}
        latest = db.execute("SELECT max(at_ms) FROM latest").fetchone()[0]
    assert reasons == {Reason.CLOCK_AHEAD}
    assert latest < limit_ms

    stage.log.write_text("".join(f"{json.dumps(line)}\n" for line in logged if line[3] <= limit_ms), "utf-8")
    prove(stage, tmp_path / "reckoning")


def quarantined(stage: Stage) -> int:
    with opened(stage.database) as db:
        return int(db.execute("SELECT coalesce(sum(quarantined), 0) FROM ledger").fetchone()[0])
