"""The whole thread of a setting: wanted for a room, in force at a real agent; one that would cut it off is given up."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from agent.control import ask
from contract.desired import DesiredDevice
from contract.messages import Config
from contract.model import Value
from controller.desired.desk import AgentStand
from controller.desired.drift import Drift
from controller.desired.inheritance import Level, Place
from controller.fleet.tables import Agent, Device, Series
from controller.identity.policy import Principal, Role
from controller.ingest.tables import StoredEvent
from controller.scope import CLUSTER
from tests.integration.agent_process import AgentProcess
from tests.integration.mqtt import eventually
from tests.integration.running import Running, running, seed

pytestmark = pytest.mark.integration
CHIEF = Principal("chief", "chief", "Chief", Role.ADMINISTRATOR, None)
ROLLBACK_S = 6
WAIT_S = 60.0


class Thread:
    """A real controller and the real agent pc-1 of An Phú, in one room."""

    def __init__(self, controller: Running, agent: AgentProcess, state: Path) -> None:
        self.controller = controller
        self.agent = agent
        self.state = state / "agent"
        with Session(self._engine) as db:
            row = db.exec(select(Agent).where(Agent.school_id == "an-phu")).one()
            self.agent_id, self.room = row.id or 0, Place(Level.ROOM, id=row.room_id or 0)

    @property
    def _engine(self) -> Engine:
        return self.controller.services.engine

    def want(self, settings: Mapping[str, Value]) -> None:
        self.controller.services.configs.write(CHIEF, self.room, settings)

    def stand(self) -> AgentStand:
        found = self.controller.services.configs.stands(CLUSTER)
        return next(each for each in found if each.agent.id == self.agent_id)

    def comes_to(self, drift: Drift) -> AgentStand:
        eventually(lambda: self.stand().drift is drift, f"{drift}; it is {self.stand()}", WAIT_S)
        return self.stand()

    def events(self) -> list[str]:
        with Session(self._engine) as db:
            return list(db.exec(select(StoredEvent.kind).where(StoredEvent.agent_id == self.agent_id)).all())

    def devices(self) -> dict[str, tuple[str, int]]:
        """State and since when, of the devices that are present."""
        with Session(self._engine) as db:
            rows = db.exec(select(Device).where(Device.agent_id == self.agent_id, Device.present)).all()
            return {row.slug: (row.bridge_state, row.bridge_since_ms) for row in rows}

    def on_disk(self) -> Mapping[str, Mapping[str, object]]:
        found: Mapping[str, Mapping[str, object]] = json.loads((self.state / "desired.json").read_text())
        return found

    def process(self) -> int:
        return int(ask(self.state, "status")["process"])


@pytest.fixture(name="thread", scope="module")
def _thread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thread]:
    state = tmp_path_factory.mktemp("desired")
    cluster = seed(state / "controller")
    with running(state / "controller") as controller:
        agent = AgentProcess(state / "pc", cluster.agents["an-phu"], controller.broker_port)
        file = state / "pc" / "agent" / "agent.toml"
        server = f'[controller]\nurl = "{controller.url}"\n'
        file.write_text(f"rollback_s = {ROLLBACK_S}\n{file.read_text('utf-8')}{server}", "utf-8")
        agent.start()
        try:
            one = Thread(controller, agent, state / "pc")
            eventually(lambda: "computer" in one.devices(), "its devices are known", WAIT_S)
            yield one
        finally:
            agent.stop()


def test_setting_of_a_room_is_in_force_at_its_agent_without_a_restart(thread: Thread) -> None:
    process, before = thread.process(), thread.devices()
    thread.want({"flush_s": 0.5, "outbox.kept_h": 24})
    stand = thread.comes_to(Drift.IN_FORCE)
    assert stand.said.digest == Config(1, 1, {"flush_s": 0.5, "outbox.kept_h": 24}).digest
    assert thread.on_disk()["good"]["settings"] == {"flush_s": 0.5, "outbox.kept_h": 24}
    assert (thread.process(), thread.devices()) == (process, before)


def test_adopted_device_is_opened_and_let_go_beside_the_others_without_a_restart(thread: Thread) -> None:
    process, before = thread.process(), thread.devices()
    desk = thread.controller.services.configs
    desk.put_device(CHIEF, thread.agent_id, DesiredDevice("found", "demo/projector", "sim:9", "Máy chiếu mới"))
    thread.comes_to(Drift.IN_FORCE)
    eventually(lambda: thread.devices().get("found", ("", 0))[0] == "open", "it is open", WAIT_S)

    def measured() -> bool:
        with Session(thread.controller.services.engine) as db:
            return bool(db.exec(select(Series.id).join(Device).where(Device.slug == "found")).all())

    eventually(measured, "it is measured", WAIT_S)
    told = subprocess.run(
        (sys.executable, "-m", "agent", "secret", "found", "key", "--state", str(thread.state.parent)),
        input=b"sekret\n",
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert told.stdout == told.stderr == b""
    assert json.loads((thread.state / "secrets" / "found.json").read_text()) == {"key": "sekret"}
    desk.put_device(CHIEF, thread.agent_id, DesiredDevice("computer", "demo/projector", "sim:8"))
    eventually(lambda: "device-shadowed" in thread.events(), "agent.toml counts", WAIT_S)
    for slug in ("found", "computer"):
        desk.remove_device(CHIEF, thread.agent_id, slug)
    eventually(lambda: "found" not in thread.devices(), "it is let go", WAIT_S)
    assert (thread.process(), thread.devices()) == (process, before)


def test_configuration_that_this_agent_cannot_take_is_refused_whole_and_told(thread: Thread) -> None:
    desk = thread.controller.services.configs
    held = thread.stand().said.digest
    desk.put_device(CHIEF, thread.agent_id, DesiredDevice("unknown", "nobody/knows"))
    stand = thread.comes_to(Drift.REFUSED)
    assert "devices.unknown: nobody/knows" in stand.said.reason
    assert stand.said.digest == held
    desk.remove_device(CHIEF, thread.agent_id, "unknown")
    thread.comes_to(Drift.IN_FORCE)
    assert "config-refused" in thread.events()


def test_agent_moves_to_another_address_of_the_broker_and_proves_it(thread: Thread) -> None:
    process = thread.process()
    thread.want({"flush_s": 0.5, "broker.host": "localhost", "broker.keepalive_s": 3})
    thread.comes_to(Drift.IN_FORCE)
    assert thread.on_disk()["good"]["settings"]["broker.host"] == "localhost"  # type: ignore[index]
    assert thread.process() == process


@pytest.mark.parametrize("wrong", [{"broker.port": 1}, {"controller.url": "http://127.0.0.1:1"}])
def test_address_that_cannot_be_reached_is_rolled_back_even_through_a_kill(
    thread: Thread, wrong: Mapping[str, Value]
) -> None:
    good: Mapping[str, Value] = {"flush_s": 0.7}
    thread.want(good)
    thread.comes_to(Drift.IN_FORCE)
    thread.want({**good, **wrong})
    eventually(lambda: thread.on_disk()["trial"]["number"], "it tries", WAIT_S)
    thread.agent.stop(signal.SIGKILL)
    thread.agent.start()
    stand = thread.comes_to(Drift.ROLLED_BACK)
    assert "no answer from the server within 6 s" in stand.said.reason
    assert thread.on_disk()["good"]["settings"] == good
    eventually(lambda: "config-rolled-back" in thread.events(), "it is told", WAIT_S)
    tries = thread.on_disk()
    time.sleep(2.0)
    assert thread.on_disk() == tries  # that number is not tried again
    thread.want({"flush_s": 0.9})
    thread.comes_to(Drift.IN_FORCE)


def test_killed_agent_takes_what_was_wanted_meanwhile(thread: Thread) -> None:
    thread.agent.stop(signal.SIGKILL)
    eventually(lambda: not thread.stand().agent.online, "it is missed", WAIT_S)
    thread.want({"flush_s": 1.5})
    assert thread.stand().drift is Drift.OFFLINE
    thread.agent.start()
    thread.comes_to(Drift.IN_FORCE)
