"""The whole thread of a found device: a projector appears, waits, is adopted, reports, and is given back."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import Session, col, select

from agent.control import ask
from controller.fleet.tables import Device
from hil.farends.child import Child
from tests.integration.agent_process import AgentProcess
from tests.integration.mqtt import eventually
from tests.integration.running import Running, csrf_of, running, seed

pytestmark = pytest.mark.integration
SUBNET, HOST = "127.77.3.0/30", "127.77.3.2"
"""Addresses of this machine that it does not take for its own."""
WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Room:
    """A controller and its agent, which sweeps one subnet when it is asked to."""

    controller: Running
    state: Path

    def look(self) -> list[dict[str, Any]]:
        """As `fabfleet-agent discover` does."""
        told = ask(self.state, "discover", timeout_s=WAIT_S)
        assert told["ended"]
        found: list[dict[str, Any]] = told["found"]
        return found

    def device(self, name: str) -> Device | None:
        with Session(self.controller.services.engine) as db:
            return db.exec(select(Device).where(Device.name == name, col(Device.present))).one_or_none()


@pytest.fixture(name="room")
def _room(tmp_path: Path) -> Iterator[Room]:
    cluster = seed(tmp_path / "controller")
    with running(tmp_path / "controller") as controller:
        agent = AgentProcess(tmp_path / "pc", cluster.agents["an-phu"], controller.broker_port)
        file = tmp_path / "pc" / "agent" / "agent.toml"
        file.write_text(f'{file.read_text("utf-8")}[discovery]\nsubnet = "{SUBNET}"\nhear_every_h = 0\n', "utf-8")
        agent.start()
        try:
            yield Room(controller, file.parent)
        finally:
            agent.stop()


@pytest.fixture(name="projector")
def _projector() -> Iterator[Child]:
    ports = ("--host", HOST, "--port", "4352", "--udp-port", "4352")
    child = Child((sys.executable, "-m", "hil.farends.projector", *ports))
    child.wait_for("ready")
    yield child
    child.close()


def waiting(program: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = program.get("/api/v1/found").json()["items"]
    return items


@pytest.mark.usefixtures("projector")
def test_projector_that_appears_waits_is_adopted_reports_and_can_be_given_back(room: Room) -> None:
    browser = room.controller.signed_in("ky")
    eventually(lambda: room.device("Printer 3D") or (room.state / "control.json").exists(), "the agent runs", WAIT_S)
    found = room.look()
    assert [each["identity"] for each in found] == [HOST]
    eventually(lambda: len(waiting(browser)) == 1, "it waits", WAIT_S)
    (thing,) = waiting(browser)
    choice = thing["choices"][0]
    assert (choice["profile"], choice["endpoint"], choice["sure"]) == ("pjlink/projector", f"tcp://{HOST}:4352", True)
    page = browser.get("/agents/found?lang=en").text
    assert "pjlink/projector" in page
    assert f"PJLink {HOST}" in page

    number = thing["id"]
    form = {"csrf": csrf_of(browser), f"d-{number}": "on", f"name-{number}": "Máy chiếu mới"}
    answer = browser.post("/agents/found", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/agents/found?done=1")

    def read() -> bool:
        device = room.device("Máy chiếu mới")
        if device is None:
            return False
        told = browser.get(f"/api/v1/devices/{device.id}").json()
        values = {
            each["metric"]: each["value"] for each in told.get("values", ())
        }  # the page learns of a device a moment later
        return values.get("lamp-hours") == 1200

    eventually(read, "it reports", WAIT_S)
    device = room.device("Máy chiếu mới")
    assert device is not None
    assert "1.200" in browser.get(f"/devices/{device.id}?lang=vi").text, "its lamp hours are on its page"
    assert waiting(browser) == []
    assert room.look() == [], "what is looked after is found no more"

    assert browser.post(f"/agents/found/{number}/back", data={"csrf": csrf_of(browser)}).status_code == 303
    eventually(lambda: room.device("Máy chiếu mới") is None, "it is let go", WAIT_S)
    eventually(lambda: [each["id"] for each in waiting(browser)] == [number], "it waits again", WAIT_S)
