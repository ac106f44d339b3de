"""`fabfleet simulate` beside a running controller, and before one is started."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kill.stage import Stage, eventually, opened

pytestmark = pytest.mark.integration


@contextmanager
def simulating(stage: Stage, agents: int, devices: int, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = stage.cli(
        "simulate", "--state", str(stage.state), "--agents", str(agents), "--devices", str(devices), "--seed", "x"
    )
    environment = {**stage.environment, **environment}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        try:
            yield run
        finally:
            run.kill()


def heard(stage: Stage) -> tuple[int, int]:
    """Agents online, and devices with a value."""
    with opened(stage.database) as db:
        online = db.execute("SELECT count(*) FROM agent WHERE presence = 'online'").fetchone()[0]
        devices = db.execute("SELECT count(DISTINCT device_id) FROM latest JOIN series ON series.id = series_id")
        return online, devices.fetchone()[0]


def test_simulate_adds_agents_to_a_running_controller_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "state", [])
    try:
        stage.start_controller()
        with simulating(stage, 3, 4, FABFLEET_BROKER_PORT="1") as run:  # it finds the one that runs
            eventually(lambda: heard(stage) == (3, 12), 90.0, "three agents with four devices each are heard")
            run.send_signal(signal.SIGINT)
            assert run.wait(15.0) == 0
        eventually(lambda: heard(stage)[0] == 0, 15.0, "the agents have said goodbye")
    finally:
        stage.stop_all()


def test_simulate_may_start_before_the_controller(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "state", [])
    try:
        with simulating(stage, 2, 2):
            plan = stage.state / "simulate" / "made-up" / "agents.jsonl"
            eventually(plan.exists, 60.0, "the agents are enrolled")
            stage.start_controller()
            eventually(lambda: heard(stage) == (2, 4), 90.0, "both agents are heard")
    finally:
        stage.stop_all()
