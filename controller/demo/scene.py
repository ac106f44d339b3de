"""What the demo shows: the seeded state, the processes beside the controller, and how to get in."""

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from controller.config import ControllerConfig
from controller.database import make_engine, migrate, sqlite_url
from controller.demo.alone import HOST, free_ports
from controller.demo.children import Command
from controller.demo.cluster import LAB_NAMES, LAB_ROOM, PEOPLE, SCHOOLS, THIS_MACHINE_ROOM, THIS_MACHINE_SCHOOL
from controller.demo.furnish import furnish
from controller.demo.lab import Lab
from controller.demo.secrets import Secrets
from controller.demo.seed import agent_files, seed
from controller.simulation import simulator

_SEED = "1"


class Scene:
    """Of one run. `url` is the controller's."""

    def __init__(self, state: Path, url: str, broker_port: int) -> None:
        self._state = state
        self._url = url
        self._broker_port = broker_port
        self._lab = Lab(state, *free_ports(2))
        self._plan = state / "simulate" / "agents.jsonl"

    def seed(self) -> Secrets:
        """Make everything if the state is empty; what is in it otherwise. Raises NotOurs."""
        folder = self._state / "controller"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        engine = make_engine(sqlite_url(folder / "fabfleet.db"))
        try:
            migrate(engine)
            now_ms = time.time_ns() // 1_000_000
            made = seed(engine, now_ms, self._state / "demo" / "secrets.json", self._plan)
            furnish(engine, lambda: now_ms, ZoneInfo(ControllerConfig().zone))
        finally:
            engine.dispose()
        agent_files(self._state / "agent", made, self._url, self._lab)
        self._lab.prepare()
        return made

    def commands(self, environment: Mapping[str, str]) -> Iterator[Command]:
        """The lab's machines, this machine's agent, the simulated agents."""
        yield from self._lab.commands()
        logs = self._state / "demo"
        run = (sys.executable, "-m", "agent.cli", "run", "--state", str(self._state))
        yield Command("The agent", run, logs / "agent.log", environment)
        play = simulator(self._plan, f"{HOST}:{self._broker_port}", _SEED)
        yield Command("The simulator", play, logs / "simulator.log", environment)

    def invitation(self, made: Secrets) -> str:
        devices = sum(school.devices for school in SCHOOLS)
        place = f"{THIS_MACHINE_SCHOOL.name}, {THIS_MACHINE_ROOM.name}"
        lab = " + ".join(LAB_NAMES.values())
        lines = [
            "",
            f"  Open / Mở:  {self._url}",
            "",
            "  Sign in as / Đăng nhập bằng:",
            *(
                f"    {person.login:<6} {made.passwords[person.login]}   {person.name}, {person.role}"
                for person in PEOPLE
            ),
            "",
            f"  {devices} simulated devices in {len(SCHOOLS)} invented schools; this machine is real: {place}",
            f"  {devices} thiết bị mô phỏng ở {len(SCHOOLS)} trường; máy này là thật: {place}",
            f"  This machine's agent also drives / Agent của máy này còn điều khiển, {LAB_ROOM.name}: {lab}",
            f"  A file to print / Tệp để in thử:  {self._lab.sample}",
            "  Break something / Gây lỗi thử:  .venv/bin/fabfleet demo-fault --state " + str(self._state),
            "",
            "  Ctrl-C stops everything / Nhấn Ctrl-C để dừng tất cả",
            "",
        ]
        return "\n".join(lines)
