"""What the browser tests look at: the real controller as a process of its own, fed over its real broker."""

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from sqlmodel import Session, select

from contract.messages import BridgeState, DeviceEntry, Inventory, MetricEntry, Presence, ProfileEntry, Report, Status
from contract.messages import encode as encoded
from contract.model import Value
from contract.topics import Channel
from controller.config import BrokerConfig, ControllerConfig
from controller.database import make_engine
from controller.fleet.enrolment import Credentials, Place, enrol
from controller.fleet.tables import Device, Room
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.main import wall_ms
from device_profiles.profile import load as load_profile
from tests.databases import fresh
from tests.integration.mqtt import eventually
from tests.passwords import quick

PASSWORD = "rất dài và khó đoán"
HOUR_MS = 3_600_000
BEAT_S = 10.0
_EPOCH = "00000000000000aa"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(slots=True)
class Stage:
    """A controller that can be killed and started again at the same address."""

    state: Path
    port: int = field(default_factory=free_port)
    broker_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    database_url: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> ControllerConfig:
        broker = BrokerConfig(port=self.broker_port)
        return ControllerConfig(self.state, port=self.port, database_url=self.database_url, broker=broker)

    def start(self) -> None:
        command = (
            sys.executable,
            "-m",
            "controller.cli",
            "serve",
            "--state",
            str(self.state),
            "--port",
            str(self.port),
        )
        environment = os.environ | {
            "FABFLEET_BROKER_PORT": str(self.broker_port),
            "FABFLEET_DATABASE_URL": self.database_url,
        }
        with (self.state / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        eventually(self._ready, "the controller is ready", 60)

    def kill(self) -> None:
        """End it without a word, as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Let it live and say nothing more."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.thaw()
            self.process.terminate()
            self.process.wait(20)

    def broker_pid(self) -> int:
        """The broker is a child of the controller."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii").split()
        for path in Path(f"/proc/{self.process.pid}/task").iterdir():
            children += (path / "children").read_text("ascii").split()
        return int(children[0])

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.state / "serve.log").read_text("utf-8")[-2000:]
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def device_id(self, name: str) -> int:
        """The id of the device of that name."""
        engine = make_engine(self.config.database)
        try:
            with Session(engine) as db:
                found = db.exec(select(Device).where(Device.name == name)).one()
                assert found.id is not None
                return found.id
        finally:
            engine.dispose()

    def bridge_open(self, name: str) -> bool:
        """Whether the device of that name is there, and its agent in contact with it."""
        engine = make_engine(self.config.database)
        try:
            with Session(engine) as db:
                found = db.exec(select(Device).where(Device.name == name)).one_or_none()
                return found is not None and found.bridge_state == BridgeState.OPEN
        finally:
            engine.dispose()

    def room_id(self, name: str) -> int:
        engine = make_engine(self.config.database)
        try:
            with Session(engine) as db:
                found = db.exec(select(Room).where(Room.name == name)).one()
                assert found.id is not None
                return found.id
        finally:
            engine.dispose()


@dataclass(frozen=True, slots=True)
class Thing:
    """A device on the stage: its profile, its bridge's state and the values it has now."""

    id: str
    name: str
    profile: str
    values: Mapping[str, Value]
    state: BridgeState = BridgeState.OPEN


class Speaker:
    """An agent by hand, over the real broker. As agents do, it says its status on every connect and now and then."""

    def __init__(self, credentials: Credentials, port: int) -> None:
        self.address = credentials.address
        self._port = port
        self._credentials = credentials
        self._numbers = 0
        self._inventories = 0
        self._connections = 0
        self._client: paho.Client | None = None
        self._beats = threading.Event()
        self._beating = threading.Thread()
        self.things: tuple[Thing, ...] = ()

    def __enter__(self) -> "Speaker":
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def connect(self) -> None:
        """Come online, and stay so through restarts of the broker."""
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self.address.client_id)
        client.username_pw_set(self._credentials.user, self._credentials.password)
        self._write_will(client)
        client.reconnect_delay_set(1, 1)
        client.on_connect = self._greet
        self._client = client
        greeted = self._connections
        client.connect("127.0.0.1", self._port, keepalive=30)
        client.loop_start()
        eventually(lambda: self._connections > greeted, "the agent is online")
        self._beats.clear()
        self._beating = threading.Thread(target=self._beat, args=(client,), daemon=True)
        self._beating.start()

    def disconnect(self) -> None:
        """Leave in good order."""
        if self._client is not None:
            self._stop_beating()
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def vanish(self) -> None:
        """Be cut off: the broker publishes the will."""
        assert self._client is not None
        self._stop_beating()
        self._client.loop_stop()
        connection = self._client.socket()
        assert connection is not None
        connection.close()
        self._client = None

    def _beat(self, client: paho.Client) -> None:
        while not self._beats.wait(BEAT_S):
            client.publish(
                self.address.topic(Channel.STATUS), encoded(self._status(Presence.ONLINE, 0)), 1, retain=True
            )

    def _stop_beating(self) -> None:
        self._beats.set()
        self._beating.join()

    def _greet(self, client: paho.Client, *_: object) -> None:
        client.publish(self.address.topic(Channel.STATUS), encoded(self._status(Presence.ONLINE)), 1, retain=True)
        self._connections += 1
        self._write_will(client)

    def _write_will(self, client: paho.Client) -> None:
        """For the next connection, by its number."""
        client.will_set(self.address.topic(Channel.STATUS), encoded(self._status(Presence.OFFLINE)), 1, retain=True)

    def show(self, *things: Thing) -> None:
        """Say the inventory, and every value now."""
        self.things = things
        self._inventories += 1
        profiles = {profile.digest: profile for profile in (load_profile(thing.profile) for thing in things)}
        entries = {
            digest: ProfileEntry(
                profile.slug,
                profile.name,
                {name: MetricEntry(each.metric.unit, each.metric.kind) for name, each in profile.metrics.items()},
            )
            for digest, profile in profiles.items()
        }
        devices = tuple(
            DeviceEntry(
                thing.id, thing.name, load_profile(thing.profile).digest, thing.state, wall_ms(), f"SN-{thing.id}"
            )
            for thing in things
        )
        self._say(Channel.INVENTORY, encoded(Inventory(_EPOCH, self._inventories, entries, devices)), retain=True)
        self.report({thing.id: thing.values for thing in things if thing.state is BridgeState.OPEN})

    def report(self, values: Mapping[str, Mapping[str, Value]], at_ms: int | None = None) -> None:
        """Say one batch: a value of each metric, now or at `at_ms`."""
        self._numbers += 1
        series = {device: {name: ((0, value),) for name, value in of.items()} for device, of in values.items()}
        count = sum(len(of) for of in series.values())
        report = Report(
            _EPOCH, self._numbers, self._numbers, count, wall_ms() if at_ms is None else at_ms, series=series
        )
        self._say(Channel.REPORT, encoded(report))

    def _say(self, channel: Channel, payload: bytes, *, retain: bool = False) -> None:
        client = self._client
        assert client is not None
        eventually(client.is_connected, "the agent is online", 30)
        sent = client.publish(self.address.topic(channel), payload, 1, retain=retain)
        sent.wait_for_publish(10)
        assert sent.is_published()

    def _status(self, presence: Presence, ahead: int = 1) -> Status:
        return Status(_EPOCH, presence, self._connections + ahead, "0.1.0", wall_ms(), "boot", clock_certain=True)


PRINTER, PC, PROJECTOR = "demo/printer-3d", "computer/classroom-pc", "demo/projector"
FABLAB = (
    Thing(
        "3d-a", "Máy in 3D A", PRINTER, {"nozzle-temperature": 26.1, "printing": False, "state": "idle", "power": 9.0}
    ),
    Thing("3d-b", "Máy in 3D B", PRINTER, {"nozzle-temperature": 214.8, "printing": True, "state": "printing"}),
    Thing("3d-c", "Máy in 3D C", PRINTER, {"nozzle-temperature": 24.9, "filament-out": True, "state": "idle"}),
    Thing("3d-d", "Máy in 3D D", PRINTER, {"nozzle-temperature": 301.0, "state": "idle"}),
    Thing("pj-1", "Máy chiếu 1", PROJECTOR, {}, BridgeState.LOST),
)
COMPUTERS = tuple(Thing(f"pc-{n}", f"PC-{n:02d}", PC, {"cpu": 10.0 + n, "memory-used": 40.0}) for n in range(1, 9))


@dataclass(frozen=True, slots=True)
class Play:
    """The stage with its two speakers: a FabLab of one school and a computer room of another."""

    stage: Stage
    fablab: Speaker
    computers: Speaker


@contextmanager
def play(state: Path) -> Iterator[Play]:
    """Two invented schools with agents that are online, in every state that there is without a calendar."""
    stage = Stage(state)
    credentials = _seed(stage)
    with ExitStack() as opened:
        opened.callback(stage.stop)
        stage.start()
        fablab = opened.enter_context(Speaker(credentials[0], stage.broker_port))
        computers = opened.enter_context(Speaker(credentials[1], stage.broker_port))
        now = wall_ms()
        fablab.things = FABLAB
        fablab.show(*FABLAB)
        for hours in (6, 5, 2, 1):  # nothing came for two hours
            for minutes in range(0, 60, 5):
                at_ms = now - hours * HOUR_MS + minutes * 60_000
                fablab.report({"3d-a": {"nozzle-temperature": 20.0 + hours + minutes / 60}}, at_ms)
        computers.show(*COMPUTERS)
        yield Play(stage, fablab, computers)


@contextmanager
def empty(state: Path) -> Iterator[Stage]:
    """A controller that no agent was ever added to, with one technician."""
    stage = Stage(state)
    stage.config.folder.mkdir(parents=True)
    engine = fresh(stage.config.folder / "fabfleet.db")
    Admin(engine, quick(), wall_ms).add_user(NewUser("bao", "Trần Quốc Bảo", Role.TECHNICIAN, None), PASSWORD)
    engine.dispose()
    try:
        stage.start()
        yield stage
    finally:
        stage.stop()


def _seed(stage: Stage) -> tuple[Credentials, Credentials]:
    stage.config.folder.mkdir(parents=True)
    engine = fresh(stage.config.folder / "fabfleet.db")
    found = (
        enrol(engine, Place("canh-buom", "fablab", "THCS Cánh Buồm", "Cánh Buồm", "FabLab"), "pi-fablab"),
        enrol(engine, Place("hoa-gao", "p305", "THPT Hoa Gạo", "Hoa Gạo", "P.305 Tin học"), "pc-305"),
    )
    admin = Admin(engine, quick(), wall_ms)
    admin.add_user(NewUser("bao", "Trần Quốc Bảo", Role.TECHNICIAN, None), PASSWORD)
    admin.add_user(NewUser("ha", "Lê Minh Hà", Role.TEACHER, "canh-buom"), PASSWORD)
    engine.dispose()
    return found
