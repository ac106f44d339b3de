"""The live page under load.

    python -m bench.live [--devices 1000] [--rate 200] [--streams 200] [--seconds 10] [--no-page]

A real controller in a process of its own is fed updates through the observer that its ingest calls. Streams listen to
it, then one real page in Chromium. Ratios: the share of a core the controller takes, the longest task in the page.
"""

import argparse
import asyncio
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import uvicorn
from sqlmodel import Session, select

from contract.messages import BridgeState, Presence
from contract.model import Kind
from controller.config import BrokerConfig, ControllerConfig
from controller.database import make_engine, migrate
from controller.fleet.enrolment import Place, add_agent
from controller.fleet.tables import Agent, DeclaredProfile, Device
from controller.identity.admin import Admin, NewUser
from controller.identity.password import Passwords, generate
from controller.identity.policy import Role
from controller.ingest.observer import Fresh
from controller.main import create_app, wall_ms
from controller.scope import CLUSTER
from controller.services import Services

CHROMIUM = "/usr/bin/chromium-headless-shell"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PROFILE = "demo/printer-3d"
METRIC, IN_USE = "nozzle-temperature", "printing"
PER_AGENT = 25
LONG_TASKS = """
window.longTasks = [];
new PerformanceObserver(list => { for (const each of list.getEntries()) window.longTasks.push(each.duration); })
  .observe({type: "longtask", buffered: false});
"""


@dataclass(frozen=True, slots=True)
class Load:
    devices: int
    rate: int
    streams: int
    seconds: float


# the controller's process


def seed(state: Path, load: Load) -> tuple[str, str]:
    """A cluster of ten schools; a technician's password and a bearer token."""
    config = ControllerConfig(state=state)
    config.folder.mkdir(parents=True)
    engine = make_engine(config.database)
    migrate(engine)
    with Session(engine) as db:
        for number in range(-(-load.devices // PER_AGENT)):
            school, room = number % 10, number // 10
            place = Place(f"school-{school}", f"room-{room}", f"Trường {school}", f"T{school}", f"Phòng {room}")
            add_agent(db, place, f"agent-{room}")
        db.commit()
        for agent in db.exec(select(Agent)).all():
            _furnish(db, agent)
        db.commit()
    admin, password = Admin(engine, Passwords(), wall_ms), generate()
    admin.add_user(NewUser("ky", "Kỹ Thuật", Role.TECHNICIAN, None), password)
    token = admin.add_api_token("ky", "bench", None)
    engine.dispose()
    return password, token


def _furnish(db: Session, agent: Agent) -> None:
    """Its devices, all in contact; heard far in the future, so that the silence of this bench is not noticed."""
    agent.presence, agent.since_ms, agent.heard_ms = Presence.ONLINE, wall_ms(), wall_ms() + 3_600_000
    assert agent.id is not None
    metrics = {METRIC: {"unit": "Cel", "kind": Kind.FLOAT.value}, IN_USE: {"unit": "1", "kind": Kind.BOOL.value}}
    db.add(DeclaredProfile(agent_id=agent.id, digest="1", slug=PROFILE, name="Printer", metrics=metrics))
    for number in range(PER_AGENT):
        db.add(
            Device(
                school_id=agent.school_id,
                agent_id=agent.id,
                slug=f"printer-{number}",
                name=f"3D-{number + 1:02d}",
                profile_slug=PROFILE,
                profile_digest="1",
                bridge_state=BridgeState.OPEN,
                bridge_since_ms=wall_ms(),
            )
        )


def feed(services: Services, rate: int, stopped: threading.Event) -> None:
    """Tell the live fleet `rate` values a second, in commits of 50 ms; one in a hundred changes a device's state."""
    chance = random.Random(1)
    ids = [view.id for view in services.live.devices(CLUSTER)]
    portion, due_s = max(1, rate // 20), time.monotonic()
    while not stopped.is_set():
        now = wall_ms()
        values = [Fresh(0, chance.choice(ids), METRIC, now, round(chance.uniform(20, 200), 1)) for _ in range(portion)]
        if chance.random() < portion / 100:
            values.append(Fresh(0, chance.choice(ids), IN_USE, now, chance.random() < 0.5))
        services.live.values_committed(values)
        due_s += portion / rate
        stopped.wait(max(0.0, due_s - time.monotonic()))


def serve(state: Path, rate: int) -> None:
    """The controller's process: says its port on standard output, then serves until SIGTERM."""
    app = create_app(ControllerConfig(state=state, broker=BrokerConfig(port=0)))
    services: Services = app.state.services
    stopped = threading.Event()
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, timeout_graceful_shutdown=2))

    def begin() -> None:
        while not server.started:
            time.sleep(0.05)
        print(server.servers[0].sockets[0].getsockname()[1], flush=True)
        feed(services, rate, stopped)

    threading.Thread(target=begin, daemon=True).start()
    server.run()
    stopped.set()


@contextmanager
def controller(state: Path, rate: int) -> Iterator[tuple[psutil.Process, int]]:
    """The controller's process and its port."""
    command = (sys.executable, "-m", "bench.live", "--serve", str(state), "--rate", str(rate))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield psutil.Process(child.pid), int(child.stdout.readline())
        finally:
            child.send_signal(signal.SIGTERM)


# who listens


class Listeners:
    """Streams in a thread of their own, which count what they hear and look at nothing else."""

    def __init__(self, port: int, token: str, count: int) -> None:
        self._port = port
        self._request = (
            f"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
        self.bytes = [0] * count
        self.deltas = [0] * count

    def run(self, seconds: float, measured: "Measured") -> None:
        asyncio.run(self._run(seconds, measured))

    async def _run(self, seconds: float, measured: "Measured") -> None:
        tasks = [asyncio.create_task(self._listen(number)) for number in range(len(self.bytes))]
        while not all(self.bytes):
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)
        self.bytes, self.deltas = [0] * len(self.bytes), [0] * len(self.bytes)
        measured.begin()
        await asyncio.sleep(seconds)
        measured.end()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(self._request)
        while data := await reader.read(65_536):
            self.bytes[number] += len(data)
            self.deltas[number] += data.count(b"event: delta")
        writer.close()


class Measured:
    """CPU time of one process over wall time."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.core_share = 0.0
        self._began = (0.0, 0.0)

    def begin(self) -> None:
        self._began = (self._cpu_s(), time.monotonic())

    def end(self) -> None:
        cpu_s, at_s = self._began
        self.core_share = (self._cpu_s() - cpu_s) / (time.monotonic() - at_s)

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def page(port: int, password: str, seconds: float, server: Measured) -> dict[str, float]:
    """One real page that is open and live, for `seconds`: its long tasks, and how many tiles changed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            context = browser.new_context(locale="vi-VN", viewport={"width": 1440, "height": 900})
            context.add_init_script(LONG_TASKS)
            tab = context.new_page()
            tab.goto(f"http://127.0.0.1:{port}/signin")
            tab.fill("#login", "ky")
            tab.fill("#password", password)
            tab.press("#password", "Enter")
            tab.wait_for_url("**/fleet")
            tab.wait_for_selector("#live[data-c=ok]")
            tab.wait_for_timeout(2_000)
            tab.evaluate("window.longTasks.length = 0")
            tab.evaluate(
                "window.changed = 0; new MutationObserver(all => { window.changed += all.length; })"
                ".observe(document.getElementById('fleet'), {characterData: true, subtree: true})"
            )
            server.begin()
            tab.wait_for_timeout(seconds * 1_000)
            server.end()
            tasks: list[float] = tab.evaluate("window.longTasks")
            return {
                "tiles": float(tab.locator("#fleet .t").count()),
                "tile_changes_per_s": float(tab.evaluate("window.changed")) / seconds,
                "long_tasks": float(len(tasks)),
                "longest_task_ms": max(tasks, default=0.0),
            }
        finally:
            browser.close()


# the run


def run(load: Load, *, with_page: bool) -> dict[str, dict[str, float]]:
    """Streams first, then the page, each against the same controller."""
    figures: dict[str, float] = {"devices": load.devices, "updates_per_s": load.rate, "streams": load.streams}
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="fabfleet-live-") as folder:
        password, token = seed(Path(folder), load)
        with controller(Path(folder), load.rate) as (process, port):
            measured = Measured(process)
            listeners = Listeners(port, token, load.streams)
            listeners.run(load.seconds, measured)
            figures["kbytes_per_stream_s"] = sum(listeners.bytes) / load.streams / load.seconds / 1000
            figures["fewest_deltas_per_s"] = min(listeners.deltas) / load.seconds
            ratios["server_core_share"] = measured.core_share
            if with_page:
                alone = Measured(process)
                found = page(port, password, load.seconds, alone)
                figures |= found | {"server_core_share_one_page": alone.core_share}
                ratios["longest_task_ms"] = found["longest_task_ms"]
    return {"figures": figures, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description="The live page under load.")
    parser.add_argument("--devices", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--no-page", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, given.rate)
        return
    load = Load(given.devices, given.rate, given.streams, given.seconds)
    result: dict[str, Any] = {"bench": "live", **run(load, with_page=not given.no_page)}
    for name, value in (result["figures"] | result["ratios"]).items():
        print(f"{name:28} {value:12.3f}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
