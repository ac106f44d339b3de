"""An afternoon of a technician: real agents enrolled by one command each, over HTTPS pinned by the token, and what
becomes of them: a broker that restarts, a copied disk, a computer installed anew."""

import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from controller.api.enrol import SPREAD_S
from controller.database import make_engine, sqlite_url
from controller.fleet.door_tables import Arrival, Twin
from controller.fleet.tables import Agent
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.identity.store import audit_lines
from controller.ingest.tables import Ledger
from controller.main import wall_ms
from tests.browser.stage import free_port
from tests.databases import fresh
from tests.integration.mqtt import eventually
from tests.passwords import quick
from tests.unit.test_machine import computer

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("machine"), pytest.mark.timeout(900)]

PASSWORD = "rất dài và khó đoán"
SCHOOL = "an-phu"
BACK_S = 60.0
PATIENCE_S = 180.0


@dataclass
class Controller:
    """A process that serves HTTPS and MQTT by TLS, from an authority of its own."""

    state: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def folder(self) -> Path:
        return self.state / "controller"

    @property
    def environment(self) -> Mapping[str, str]:
        return os.environ | {"FABFLEET_OWN_TLS": "true", "FABFLEET_BROKER_TLS_PORT": str(self.broker_port)}

    def __post_init__(self) -> None:
        self.broker_port = free_port()

    def start(self) -> None:
        command = ("serve", "--state", str(self.state), "--port", str(self.port))
        with (self.state / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                (sys.executable, "-m", "controller.cli", *command), env=dict(self.environment), stdout=log, stderr=log
            )
        eventually((self.folder / "tls" / "ca.pem").exists, "it has an authority", 60)
        eventually(self._ready, "it is ready", 60)

    def browser(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=_trusting(self.folder / "tls" / "ca.pem"), timeout=30)

    def _ready(self) -> bool:
        try:
            with self.browser() as browser:
                return browser.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def token(self, uses: int) -> str:
        asked = ("enrol-token", "--school", SCHOOL, "--room", "p1", "--uses", str(uses), "--expires", "4h")
        command = (sys.executable, "-m", "controller.cli", *asked, "--state", str(self.state))
        return subprocess.run(
            command, env=dict(self.environment), check=True, capture_output=True, text=True
        ).stdout.strip()

    def kill_broker(self) -> None:
        assert self.process is not None
        (broker,) = [each for each in psutil.Process(self.process.pid).children() if "nats" in each.name()]
        broker.send_signal(signal.SIGKILL)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)


def _trusting(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority))


@dataclass
class Pc:
    """A classroom computer: its parts, its disk, and the agent on it."""

    folder: Path
    name: str
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def log(self) -> str:
        return (self.folder / "agent.log").read_text("utf-8")

    def agent(self, *words: str) -> "subprocess.Popen[bytes]":
        environment = os.environ | {"FABFLEET_HOST_ROOT": str(self.folder / "root"), "LANG": "C"}
        stdin = subprocess.PIPE if words[0] == "run" else subprocess.DEVNULL
        command = ("nice", "-n", "19", sys.executable, "-m", "agent", *words, "--state", str(self.state))
        with (self.folder / "agent.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdin=stdin, stdout=log, stderr=log)

    def enrol(self, url: str, token: str, *more: str) -> int:
        """Its only command."""
        return self.agent("enrol", url, token, "--name", self.name, *more).wait(PATIENCE_S)

    def run(self) -> None:
        config = self.state / "agent" / "agent.toml"
        head, devices, rest = config.read_text("utf-8").partition("\n[[devices]]")
        config.write_text(head + devices + rest.partition("\n[[devices]]")[0], "utf-8")  # the computer alone
        self.process = self.agent("run", "--die-with-parent", "--verbose")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.communicate(timeout=30)
            self.process = None


def new_pc(folder: Path, number: int, name: str = "") -> Pc:
    folder.mkdir()
    computer(folder / "root", f"PF{number:04}", f"52:54:00:00:{number // 256:02x}:{number % 256:02x}", f"{number:032x}")
    return Pc(folder, name or f"pc-{number}")


@dataclass
class Fleet:
    controller: Controller
    engine: Engine
    browser: httpx.Client
    pcs: list[Pc] = field(default_factory=list)

    def agents(self) -> Mapping[str, Agent]:
        with Session(self.engine) as db:
            return {each.name: each for each in db.exec(select(Agent).where(Agent.school_id == SCHOOL))}

    def say(self, path: str) -> None:
        """Press a button of the page of agents."""
        page = self.browser.get("/agents").text
        assert f'action="/agents/{path}"' in page, path
        csrf = page.split('name="csrf" value="', 1)[1].split('"', 1)[0]
        assert self.browser.post(f"/agents/{path}", data={"csrf": csrf}).status_code == 303


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """20 agents; 60 with --soak."""
    state = tmp_path_factory.mktemp("enrol-fleet")
    count = 60 if request.config.getoption("--soak") else 20
    controller = Controller(state)
    controller.folder.mkdir()
    fresh(controller.folder / "fabfleet.db").dispose()
    engine = make_engine(sqlite_url(controller.folder / "fabfleet.db"))
    Admin(engine, quick(), wall_ms).add_user(NewUser("ky", "Kỹ", Role.TECHNICIAN, None), PASSWORD)
    controller.start()
    browser = controller.browser()
    csrf = browser.get("/signin").text.split('name="csrf" value="', 1)[1].split('"', 1)[0]
    browser.post("/signin", data={"login": "ky", "password": PASSWORD, "csrf": csrf})
    made = Fleet(
        controller, engine, browser, [new_pc(state / f"pc-{number}", number) for number in range(1, count + 1)]
    )
    try:
        yield made
    finally:
        browser.close()
        for pc in made.pcs:
            if pc.process is not None:
                pc.process.terminate()
        for pc in made.pcs:
            pc.stop()
        controller.stop()
        engine.dispose()


def test_fleet_is_enrolled_by_one_command_each_and_comes_back_spread_out(fleet: Fleet) -> None:
    token = fleet.controller.token(len(fleet.pcs))
    assert re.fullmatch(r"ffe_[\w-]{43}\.[0-9a-f]{64}", token)

    with ThreadPoolExecutor(3) as three:
        codes = list(three.map(lambda pc: pc.enrol(fleet.controller.url, token), fleet.pcs))
    assert codes == [0] * len(fleet.pcs), fleet.pcs[0].log
    assert new_pc(fleet.controller.state / "late", 999).enrol(fleet.controller.url, token) == 2, "used up"
    stranger = f"{token.partition('.')[0]}.{'0' * 64}"
    assert new_pc(fleet.controller.state / "fooled", 998).enrol(fleet.controller.url, stranger) == 2, "not pinned"

    for pc in fleet.pcs:
        pc.run()
    eventually(lambda: all(each.online for each in fleet.agents().values()), "all are there", PATIENCE_S)
    before = {name: each.connection for name, each in fleet.agents().items()}
    fleet.controller.kill_broker()
    began = time.monotonic()
    back: dict[str, float] = {}
    while len(back) < len(before) and time.monotonic() - began < BACK_S:
        for name, agent in fleet.agents().items():
            if agent.connection > before[name]:
                back.setdefault(name, time.monotonic() - began)
        time.sleep(0.1)

    busiest = Counter(int(second) for second in back.values()).most_common(1)[0][1]
    print(f"{len(back)} of {len(before)} back within {max(back.values()):.1f} s, at most {busiest} in a second")
    assert len(back) == len(before), f"not back within {BACK_S} s: {before.keys() - back.keys()}"
    assert busiest <= len(before) / 10
    assert max(back.values()) > SPREAD_S / 2


def test_copied_disk_is_quarantined_and_parted_by_one_click(fleet: Fleet) -> None:
    original = fleet.pcs[2]
    copy = new_pc(fleet.controller.state / "copy", 903, original.name)
    original.stop()
    shutil.copytree(original.state, copy.state)
    fleet.pcs.append(copy)
    for pc in (original, copy):
        config = pc.state / "agent" / "agent.toml"
        config.write_text(re.sub(r"place = .*", "place = 0.05", config.read_text("utf-8")), "utf-8")
        pc.process = pc.agent("run", "--die-with-parent", "--verbose")
    eventually(lambda: fleet.agents()[original.name].doubled, "two are seen", PATIENCE_S)

    page = fleet.browser.get("/agents", headers={"accept-language": "en"}).text
    keeps = re.findall(r"/agents/twins/(\d+)/keep", page)
    assert len(keeps) == 2, "one for each computer"
    agent = fleet.agents()[original.name]
    with Session(fleet.engine) as db:
        twins = db.exec(select(Twin).where(Twin.agent_id == agent.id)).all()
        held = sum(each.produced for each in db.exec(select(Ledger).where(Ledger.agent_id == agent.id)))
    assert len({each.machine for each in twins}) == 2
    first = next(each for each in twins if each.machine == agent.machine)
    time.sleep(3)
    with Session(fleet.engine) as db:
        later = sum(each.produced for each in db.exec(select(Ledger).where(Ledger.agent_id == agent.id)))
    assert later == held, "nothing of theirs is taken"

    chosen = next(each for each in keeps if int(each) in {each.id for each in twins if each.machine == first.machine})
    fleet.say(f"twins/{chosen}/keep")
    eventually(lambda: f"{original.name}-2" in fleet.agents(), "the other has a name of its own", PATIENCE_S)
    eventually(
        lambda: all(fleet.agents()[name].online for name in (original.name, f"{original.name}-2")), "both", PATIENCE_S
    )
    both = fleet.agents()
    assert both[original.name].machine == first.machine
    assert both[f"{original.name}-2"].machine != first.machine
    assert both[original.name].instance != both[f"{original.name}-2"].instance
    with Session(fleet.engine) as db:
        actions = [each.action for each in audit_lines(db)]
    assert actions.count("agent-split") == 1


def test_computer_installed_anew_gets_its_name_back_after_one_word(fleet: Fleet) -> None:
    pc = fleet.pcs[4]
    before = fleet.agents()[pc.name]
    pc.stop()
    shutil.rmtree(pc.state)
    (pc.folder / "root/etc/machine-id").write_text("f00d" * 8)
    asking = pc.agent("enrol", fleet.controller.url, fleet.controller.token(1), "--name", "desktop-7f3a")

    def waiting() -> list[Arrival]:
        with Session(fleet.engine) as db:
            return list(db.exec(select(Arrival).where(Arrival.stand == "waiting")))

    eventually(waiting, "it waits", PATIENCE_S)
    eventually(lambda: "press “Let it back in”" in pc.log, "it says what to do")
    fleet.say(f"arrivals/{waiting()[0].id}/admit")
    assert asking.wait(PATIENCE_S) == 0
    pc.run()

    eventually(lambda: fleet.agents()[pc.name].epoch != before.epoch, "it is back", PATIENCE_S)
    after = fleet.agents()
    assert (after[pc.name].id, after[pc.name].doubled) == (before.id, False)
    assert "desktop-7f3a" not in after


def test_revoked_agent_is_gone_at_once(fleet: Fleet) -> None:
    pc = fleet.pcs[5]
    agent = fleet.agents()[pc.name]
    fleet.say(f"{agent.id}/revoke")
    eventually(lambda: not fleet.agents()[pc.name].online, "the broker drops it", 20)
    eventually(lambda: "no new credentials (403)" in pc.log, "it asks, and gets none", PATIENCE_S)
    assert pc.process is not None
    assert pc.process.poll() is None


def test_each_copy_of_a_seeded_image_enrols_by_itself_and_may_be_frozen(fleet: Fleet) -> None:
    master = new_pc(fleet.controller.state / "master", 910)
    assert master.agent("enrol", "--at-first-boot", fleet.controller.url, fleet.controller.token(2)).wait(60) == 0
    copies = [new_pc(fleet.controller.state / f"image-{number}", number) for number in (911, 912)]
    known = set(fleet.agents())
    for pc in copies:
        shutil.copytree(master.state, pc.state)
        fleet.pcs.append(pc)
        pc.process = pc.agent("run", "--die-with-parent", "--verbose")

    def new() -> list[Agent]:
        return [each for name, each in fleet.agents().items() if name not in known and each.online]

    eventually(lambda: len(new()) == 2, "both are in", PATIENCE_S)
    assert len({each.machine for each in new()}) == 2
    frozen = copies[0]
    frozen.stop()
    shutil.copytree(frozen.state, frozen.folder / "as it was")
    for _ in range(3):  # each boot finds the disk as it was
        epochs = {each.epoch for each in fleet.agents().values()}
        shutil.rmtree(frozen.state)
        shutil.copytree(frozen.folder / "as it was", frozen.state)
        frozen.process = frozen.agent("run", "--die-with-parent", "--verbose")
        eventually(lambda before=epochs: {each.epoch for each in new()} - before, "it is back", PATIENCE_S)  # type: ignore[misc]
        frozen.stop()
    assert not any(each.doubled for each in fleet.agents().values())
