"""A program from the server to the board: sent, checked, released, fetched, run and stopped on real firmware.

Controller, broker and agent are processes of their own; the kit is a micro:bit that QEMU simulates.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.fleet.enrolment import Place, enrol
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.main import wall_ms
from hil.farends.microbit import PATIENT, Microbit, MissingFarEnd
from hil.lab import missing
from tests.browser.agent_process import AgentProcess, Machine
from tests.browser.stage import PASSWORD, Stage
from tests.databases import fresh
from tests.integration.mqtt import eventually
from tests.passwords import quick

pytestmark = [pytest.mark.hil, pytest.mark.sim_only]
KIT = "Micro:bit 1"
FOR_EVER = b"from microbit import display\nwhile True:\n    display.scroll('xin chao')\n"
WAIT_S = 90


class School:
    """What a teacher does with programs, over the API."""

    def __init__(self, client: httpx.Client, kit: int) -> None:
        self._client = client
        self._kit = kit

    def send(self, program: bytes, name: str = "robot.py") -> httpx.Response:
        return self._client.post(f"/api/v1/devices/{self._kit}/jobs", files={"file": (name, program)})

    def read(self, program: bytes) -> dict[str, Any]:
        """A job, once its file was read."""
        answer = self.send(program)
        assert answer.status_code == 201, answer.text
        return self.until(answer.json()["id"], "waiting", "refused")

    def job(self, job_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get(f"/api/v1/jobs/{job_id}").json()
        return found

    def until(self, job_id: int, *states: str) -> dict[str, Any]:
        eventually(lambda: self.job(job_id)["state"] in states, f"the job is one of {states}", WAIT_S)
        return self.job(job_id)

    def act(self, job_id: int, what: str, **given: object) -> None:
        answer = self._client.post(f"/api/v1/jobs/{job_id}/{what}", json=given or None)
        assert answer.status_code == 200, answer.text

    def ran(self, program: bytes, *states: str) -> dict[str, Any]:
        """A program that was released, in one of these states."""
        job_id = int(self.read(program)["id"])
        self.act(job_id, "release", bed_clear=True)
        return self.until(job_id, *states)


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    with ExitStack() as opened:
        try:
            board = Microbit(tmp_path)
        except (MissingFarEnd, OSError) as error:
            missing("micro:bit", error)
        opened.callback(board.close)
        stage = Stage(tmp_path)
        stage.config.folder.mkdir(parents=True)
        engine = fresh(stage.config.folder / "fabfleet.db")
        credentials = enrol(engine, Place("canh-buom", "stem", "THCS Cánh Buồm", "Cánh Buồm", "P.201 STEM"), "pi-stem")
        admin = Admin(engine, quick(), wall_ms)
        admin.add_user(NewUser("ha", "Lê Minh Hà", Role.TEACHER, "canh-buom"), PASSWORD)
        token = admin.add_api_token("ha", "tests", None)
        engine.dispose()
        options = "{ " + ", ".join(f"{key} = {value}" for key, value in PATIENT.items()) + " }"
        kit = Machine("kit-1", KIT, "bbc/microbit", board.endpoint, options)
        agent = AgentProcess(tmp_path / "room", credentials, stage, (kit,))
        opened.callback(stage.stop)
        stage.start()
        opened.callback(agent.stop)
        agent.start()
        eventually(lambda: stage.bridge_open(KIT), "the kit has reported", WAIT_S)
        headers = {"authorization": f"Bearer {token}"}
        client = opened.enter_context(httpx.Client(base_url=stage.url, headers=headers, timeout=20))
        yield School(client, stage.device_id(KIT))


def test_program_goes_the_whole_way_to_the_firmware_and_back(school: School) -> None:
    wrong = school.read(b"for step in range(3)\n    pass\n")
    assert (wrong["state"], wrong["detail"]) == ("refused", "line 1: expected ':'")
    assert school.send(b"G28\n", "cube.gcode").json()["code"] == "type"

    done = school.ran(b"print(sum(range(10)))\n", "done", "failed")
    assert (done["work"], done["state"]) == ("run", "done")
    failed = school.ran(b"import no_such_part\n", "done", "failed")
    assert (failed["state"], failed["detail"][:11]) == ("failed", "ImportError")

    running = school.ran(FOR_EVER, "printing", "failed")
    assert running["state"] == "printing"
    school.act(running["id"], "cancel")
    stopped = school.until(running["id"], "cancelled", "failed", "unknown")
    assert [line["kind"] for line in stopped["log"]][-3:] == ["started", "stopping", "cancelled"]
