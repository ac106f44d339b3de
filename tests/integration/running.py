"""A real controller in this process, with its real broker and database, and agents that say what they are told to."""

import json
import os
import queue
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from contract.messages import (
    Ack,
    BridgeState,
    DeviceEntry,
    Inventory,
    MetricEntry,
    Presence,
    ProfileEntry,
    Report,
    Status,
    encode,
)
from contract.model import Kind, Value
from contract.topics import Address, Channel
from contract.wire import decode
from controller.config import BrokerConfig, ControllerConfig, JobsConfig, NoticesConfig
from controller.fleet.enrolment import Credentials, Place, enrol
from controller.identity.admin import Admin, NewUser
from controller.identity.oidc_provider import Provider
from controller.identity.policy import Role
from controller.main import create_app, wall_ms
from controller.services import Services
from tests.databases import fresh
from tests.integration.mqtt import Client, eventually
from tests.passwords import quick

PASSWORD = "rất dài và khó đoán"
METRIC = "nozzle-temperature"
PROFILE = ProfileEntry("demo/printer-3d", "Printer", {METRIC: MetricEntry("Cel", Kind.FLOAT)})


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def settings(state: Path) -> ControllerConfig:
    return ControllerConfig(state=state, port=0, broker=BrokerConfig(port=0, tls_port=0))


class Running:
    """One controller that answers at `url` while `running` lasts."""

    def __init__(self, app: FastAPI, server: uvicorn.Server) -> None:
        self.app = app
        self.services: Services = app.state.services
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        tls = self.services.config.tls
        self.url = f"{'https' if tls else 'http'}://{host}:{port}"
        self._trust = ssl.create_default_context(cadata=self.services.plant.authorities().pem) if tls else True
        self._clients = ExitStack()

    @property
    def broker_port(self) -> int:
        return self.services.plant.address().port

    def client(self) -> httpx.Client:
        """A browser without cookies."""
        return self._clients.enter_context(httpx.Client(base_url=self.url, timeout=20, verify=self._trust))

    def bearer(self, token: str) -> httpx.Client:
        """A program with a token."""
        client = self.client()
        client.headers["authorization"] = f"Bearer {token}"
        return client

    def close_clients(self) -> None:
        self._clients.close()

    def signed_in(self, login: str, password: str = PASSWORD) -> httpx.Client:
        """A browser with a session."""
        browser = self.client()
        answer = browser.post("/signin", data={"login": login, "password": password, "csrf": csrf_of(browser)})
        assert answer.status_code == 303, answer.text
        assert "error" not in answer.headers["location"]
        return browser

    def stop_broker(self) -> None:
        """Kill the broker's process; it comes back by itself."""
        pid = self.services.plant.broker_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)


@contextmanager
def running(
    state: Path,
    jobs: JobsConfig | None = None,
    *,
    now_ms: Callable[[], int] = wall_ms,
    database_url: str = "",
    notices: NoticesConfig | None = None,
    oidc: tuple[Provider, ...] = (),
    own_tls: bool = False,
) -> Iterator[Running]:
    """Serve on a free port until the block ends. Streams are ended as a signal would end them."""
    given = replace(settings(state), database_url=database_url, oidc=oidc, own_tls=own_tls)
    config = replace(given, notices=notices or NoticesConfig())
    app = create_app(config if jobs is None else replace(config, jobs=jobs), now_ms)
    certificates = app.state.services.plant.certificates
    if own_tls:
        certificates.look()
    certificate = certificates.file if own_tls else None
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=2, ssl_certfile=certificate)
    )
    thread = threading.Thread(target=server.run, name="controller")
    thread.start()
    try:
        eventually(lambda: server.started or not thread.is_alive(), "the controller is up", 30)
        assert server.started, "the controller did not come up; its log says why"
        controller = Running(app, server)
        eventually(lambda: controller.services.live.broker, "it hears the broker", 30)
        try:
            yield controller
        finally:
            controller.close_clients()
    finally:
        app.state.services.hub.close_soon()
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def csrf_of(browser: httpx.Client) -> str:
    """The token of the sign-in form, or of any page's sign-out form."""
    page = browser.get("/signin", follow_redirects=True)
    return page.text.split('name="csrf" value="', 1)[1].split('"', 1)[0]


@dataclass
class Cluster:
    """Two schools, each with an agent in a room; people of every kind; a token for a program."""

    admin: Admin
    agents: dict[str, Credentials] = field(default_factory=dict)


SCHOOLS: Mapping[str, tuple[str, str]] = {
    "an-phu": ("THCS An Phú", "Phòng An"),
    "binh-minh": ("THPT Bình Minh", "Phòng Bình"),
}


def seed(state: Path) -> Cluster:
    """Fill an empty state."""
    config = settings(state)
    config.folder.mkdir(parents=True)
    engine = fresh(config.folder / "fabfleet.db")
    cluster = Cluster(Admin(engine, quick(), wall_ms))
    for slug, (name, room) in SCHOOLS.items():
        cluster.agents[slug] = enrol(engine, Place(slug, "p1", name, "", room), "pc-1")
    for login, role, school in (
        ("ha", Role.TEACHER, "an-phu"),
        ("minh", Role.TECHNICIAN, "binh-minh"),
        ("ky", Role.TECHNICIAN, None),
        ("tri", Role.ADMINISTRATOR, None),
    ):
        cluster.admin.add_user(NewUser(login, f"Person {login}", role, school), PASSWORD)
    return cluster


class Speaker:
    """An agent by hand: says status, inventory and reports over the real broker. Use as a context manager."""

    def __init__(self, credentials: Credentials, port: int, epoch: str = "00000000000000aa") -> None:
        self.address: Address = credentials.address
        self._epoch = epoch
        self._number = 0
        self._inventories = 0
        self._connection = 1
        will = encode(self._status(Presence.OFFLINE))
        self.client = Client(
            port,
            credentials.user,
            credentials.password,
            client_id=credentials.address.client_id,
            will=(self.address.topic(Channel.STATUS), will),
        )

    def __enter__(self) -> "Speaker":
        self.client.__enter__()
        self.client.subscribe(self.address.topic(Channel.ACK))
        self.client.say(self.address.topic(Channel.STATUS), encode(self._status(Presence.ONLINE)), retain=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.__exit__(None, None, None)

    def lists(
        self, *devices: str, state: BridgeState = BridgeState.OPEN, detail: str = "", name: str = "Máy in"
    ) -> None:
        """Say the inventory: these devices, all of one profile and in one state; each called `name` and its slug."""
        self._inventories += 1
        entries = tuple(DeviceEntry(slug, f"{name} {slug}", "p1", state, wall_ms(), detail=detail) for slug in devices)
        inventory = Inventory(self._epoch, self._inventories, {"p1": PROFILE}, entries)
        self.client.say(self.address.topic(Channel.INVENTORY), encode(inventory), retain=True)

    def reports(self, device: str, *values: Value | None, metric: str = METRIC) -> None:
        """Say one batch with values a second apart, the last one now, until the controller has it."""
        self._number += 1
        points = tuple((1_000 * (place - len(values) + 1), value) for place, value in enumerate(values))
        series = {device: {metric: points}}
        report = Report(self._epoch, self._number, self._number, len(values), wall_ms(), series=series)
        for _ in range(20):
            self.client.say(self.address.topic(Channel.REPORT), encode(report))
            if self._acked(self._number):
                return
        raise AssertionError(f"batch {self._number} was never acknowledged")

    def _acked(self, number: int) -> bool:
        """Whether an ack of it comes within 2 s."""
        deadline = time.monotonic() + 2.0
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                _, payload = self.client.next(left_s)
            except queue.Empty:
                return False
            if any(first <= number <= last for first, last in decode(Ack, payload).committed):
                return True
        return False

    def _status(self, presence: Presence) -> Status:
        return Status(self._epoch, presence, self._connection, "test", wall_ms())


class Events:
    """Reads a stream of server-sent events."""

    def __init__(self, response: httpx.Response, patience_s: float = 60.0) -> None:
        self._lines = response.iter_lines()
        self._deadline = time.monotonic() + patience_s

    def next(self) -> tuple[str, dict[str, Any]]:
        """The next event. Fails when patience is over: at most `patience_s` for all that is read."""
        name = ""
        for line in self._lines:
            if time.monotonic() > self._deadline:
                raise AssertionError("what was waited for did not come")
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                return name, json.loads(line.removeprefix("data: "))
        raise EOFError("the stream ended")

    def until(self, name: str) -> dict[str, Any]:
        """The next event of that name."""
        while True:
            heard, data = self.next()
            if heard == name:
                return data
