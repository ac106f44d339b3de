"""A FabLab for the browser tests: the controller, a real agent, and machines that speak as real ones do."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.sync_api import FilePayload, Page, expect

from controller.database import make_engine
from controller.demo.alone import free_ports
from controller.demo.farends.faults import PRINTER, PROJECTOR, Fault
from controller.demo.farends.switch import Switch
from controller.fleet.enrolment import Credentials, Place, enrol
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.main import wall_ms
from tests.browser.agent_process import AgentProcess, Machine
from tests.browser.conftest import Visit
from tests.browser.stage import PASSWORD, Stage
from tests.databases import fresh
from tests.integration.mqtt import eventually
from tests.passwords import quick

PRINTER_NAME: Final = "Máy in 3D B"
PROJECTOR_NAME: Final = "Máy chiếu 1"
KIT_NAME: Final = "Máy in 3D mô phỏng"
SCHOOL_NAME: Final = "THCS Cánh Buồm"
CHECKED_MS: Final = 60_000
_SPEED: Final = 60
"""How much faster than real the machines move and heat."""


def gcode(minutes: float, name: str = "cau-gian.gcode") -> FilePayload:
    """A file that prints for so long, on a real machine."""
    moves = (f"G1 X{60 + 60 * (n % 2)} Y{60 + n % 40} E{n}" for n in range(1, round(minutes * 20)))
    lines = ("; moves of three seconds each", "M104 S60", "G28", "G1 Z0.2 F1200", *moves, "M104 S0", "M84", "")
    return {"name": name, "mimeType": "text/plain", "buffer": "\n".join(lines).encode()}


BAD: Final[FilePayload] = {
    "name": "nong.gcode",
    "mimeType": "text/plain",
    "buffer": b"G28\nM104 S320\nG1 X900 F1200\n",
}
"""Its second line is too hot, its third outside."""


@dataclass(frozen=True, slots=True)
class Lab:
    """What runs. `agent` and the machines are processes of their own; `ports` is where the machines listen."""

    stage: Stage
    folder: Path
    agent: AgentProcess
    ports: Mapping[str, int]

    def fault(self, machine: str, fault: Fault) -> None:
        """Break a machine, or put it right."""
        Switch(self.folder / machine).throw(fault)

    @property
    def printer(self) -> int:
        return self.stage.device_id(PRINTER_NAME)

    @property
    def projector(self) -> int:
        return self.stage.device_id(PROJECTOR_NAME)

    @property
    def kit(self) -> int:
        """A simulated printer: it takes no files."""
        return self.stage.device_id(KIT_NAME)


@contextmanager
def lab(state: Path, projector_speed: int = _SPEED, *, database_url: str = "") -> Iterator[Lab]:
    """A controller with two schools, and the agent of one: it drives machines over their own protocols.

    `database_url`: a migrated database; without it there is a new SQLite file.
    """
    stage = Stage(state, database_url=database_url)
    credentials = _seed(stage)
    ports = dict(zip((PRINTER, PROJECTOR), free_ports(2), strict=True))
    agent = AgentProcess(state / "room", credentials, stage, _machines(ports))
    with ExitStack() as opened:
        lamp = ("--lamp", str(state / "lamp"))
        opened.enter_context(_machine(state, PRINTER, ports[PRINTER], ("--speed", str(_SPEED))))
        opened.enter_context(_machine(state, PROJECTOR, ports[PROJECTOR], ("--speed", str(projector_speed), *lamp)))
        opened.callback(stage.stop)
        stage.start()
        opened.callback(agent.stop)
        agent.start()
        made = Lab(stage, state, agent, ports)
        eventually(lambda: _all_there(stage), "the machines have reported", 60)
        yield made


def _machines(ports: Mapping[str, int]) -> Sequence[Machine]:
    return (
        Machine(PRINTER, PRINTER_NAME, "creality/ender-3", f"tcp://127.0.0.1:{ports[PRINTER]}"),
        Machine(PROJECTOR, PROJECTOR_NAME, "pjlink/projector", f"tcp://127.0.0.1:{ports[PROJECTOR]}"),
        Machine("kit", KIT_NAME, "demo/printer-3d", "sim:1"),
    )


@contextmanager
def _machine(state: Path, machine: str, port: int, more: tuple[str, ...]) -> Iterator[None]:
    run = (sys.executable, "-m", "controller.demo.farends", machine, "--port", str(port))
    with (state / f"{machine}.log").open("wb") as log:
        process = subprocess.Popen((*run, "--switch", str(state / machine), *more), stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _all_there(stage: Stage) -> bool:
    return all(stage.bridge_open(name) for name in (PRINTER_NAME, PROJECTOR_NAME, KIT_NAME))


def _seed(stage: Stage) -> Credentials:
    stage.config.folder.mkdir(parents=True)
    its = stage.config
    engine = make_engine(its.database) if its.database_url else fresh(its.folder / "fabfleet.db")
    place = Place("canh-buom", "fablab", SCHOOL_NAME, "Cánh Buồm", "FabLab")
    found = enrol(engine, place, "pi-fablab")
    enrol(engine, Place("hoa-gao", "p305", "THPT Hoa Gạo", "Hoa Gạo", "P.305 Tin học"), "pc-305")
    admin = Admin(engine, quick(), wall_ms)
    admin.add_user(NewUser("bao", "Trần Quốc Bảo", Role.TECHNICIAN, None), PASSWORD)
    admin.add_user(NewUser("ha", "Lê Minh Hà", Role.TEACHER, "canh-buom"), PASSWORD)
    admin.add_user(NewUser("nam", "Phạm Hoài Nam", Role.TEACHER, "hoa-gao"), PASSWORD)
    engine.dispose()
    return found


def send(browser: Visit, made: Lab, file: FilePayload, group: str = "Nhóm 3", title: str = "Cầu giàn") -> Page:
    """Send a file to the printer; the page of the job, once the file was read."""
    page = browser.live(f"/devices/{made.printer}/jobs/new")
    page.set_input_files("#file", file)
    page.fill("#group", group)
    page.fill("#title", title)
    page.click("#send")
    page.wait_for_url(re.compile(r"/jobs/\d+$"))
    expect(page.locator("#job")).not_to_have_attribute("data-state", "checking", timeout=CHECKED_MS)
    return page
