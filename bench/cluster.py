"""A cluster of schools on one machine: `python -m bench.cluster [--minutes 30] [--plot FILE]`.

100 schools with 10 agents each, 5,000 devices, 12 metrics of each every 30 s, all reported, TLS off. A real controller
with its broker, PostgreSQL, 40 open device pages. First the stated rate for the stated time, then it is doubled each
minute until values no longer reach a page within a second, or are no longer acknowledged as fast as they are made; then
nothing more is read, and what waits must come. Told are delays from the reading to the page, CPU and memory of each
part, and whether anything was lost: what agents made, what lies in the database, and what `fabfleet verify` says.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Engine, text
from sqlmodel import Session, col, select

from bench import plot
from bench.cluster_fleet import METRICS, PERIOD_S, Figures, Plan
from controller.database import make_engine, migrate
from controller.fleet.enrolment import Place, add_agent
from controller.fleet.tables import Device
from controller.identity.admin import Admin, NewUser
from controller.identity.password import Passwords, generate
from controller.identity.policy import Role
from controller.main import wall_ms
from tests.databases import PostgresServer
from tests.integration import postgres

AGENTS_OF_A_SCHOOL = 10
DEVICES_OF_AN_AGENT = 5
PAGES = 40
SAMPLE_S = 5.0
STEP_S = 60.0
SLOW_MS = 1_000.0
BEHIND_S = 10.0
"""A value that waits so long for its acknowledgement says that the rate is too high."""
DRAIN_S = 600.0
PARTS = ("controller", "broker", "postgresql", "agents")


@dataclass(slots=True)
class Sample:
    """CPU is in percent of a core, memory in MB of private and shared shares (PSS), delays in ms since the last one."""

    minute: float
    speed: float
    cpu: dict[str, float]
    memory: dict[str, float]
    delays: list[int]
    fleet: Figures


@dataclass(slots=True)
class Course:
    """How it went."""

    samples: list[Sample] = field(default_factory=list)
    broke: str = ""
    broke_at: float = 0.0

    def delays(self, speed: float) -> list[int]:
        return [each for sample in self.samples if sample.speed == speed for each in sample.delays]


class Child:
    """A program of this bench, with the lines that it prints."""

    def __init__(self, *arguments: str, first: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.pid = self._process.pid
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self.say(first)
        threading.Thread(target=self._read, daemon=True).start()

    def say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def take(self) -> list[str]:
        """What it printed since the last time."""
        with self._lock:
            lines, self._lines = self._lines, []
        return lines

    def stop(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with self._lock:
                self._lines.append(line)


class Meters:
    """CPU and memory of each part, with all its processes."""

    def __init__(self, roots: dict[str, psutil.Process]) -> None:
        self._roots = roots
        self._before: dict[int, float] = {}
        self._at = time.monotonic()

    def look(self) -> tuple[dict[str, float], dict[str, float]]:
        now = time.monotonic()
        spent, self._at = now - self._at, now
        cpu, memory = dict.fromkeys(PARTS, 0.0), dict.fromkeys(PARTS, 0.0)
        for part, process in self._processes():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times = process.cpu_times()
                used = times.user + times.system
                cpu[part] += max(0.0, used - self._before.get(process.pid, used)) / spent * 100
                self._before[process.pid] = used
                memory[part] += process.memory_full_info().pss / 1e6
        return cpu, memory

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        for part, root in self._roots.items():
            yield part, root
            with suppress(psutil.NoSuchProcess):
                for child in root.children(recursive=True):
                    yield "broker" if child.name() == "nats-server" else part, child


def seed(engine: Engine, schools: int) -> tuple[list[tuple[str, str, str]], str]:
    """Schools with agents, and a technician; who the agents are, and a bearer token."""
    migrate(engine)
    agents = []
    with Session(engine) as db:
        for school in range(schools):
            for number in range(AGENTS_OF_A_SCHOOL):
                place = Place(f"school-{school}", f"room-{number}", f"Trường {school}", f"T{school}", f"Phòng {number}")
                given = add_agent(db, place, f"agent-{number}")
                agents.append((given.address.school, given.address.agent, given.password))
        db.commit()
    admin = Admin(engine, Passwords(), wall_ms)
    admin.add_user(NewUser("ky", "Kỹ Thuật", Role.TECHNICIAN, None), generate())
    return agents, admin.add_api_token("ky", "bench", None)


@contextmanager
def controller(folder: Path, url: str) -> Iterator[tuple[psutil.Process, int, int]]:
    """The process, its port, and the port of its broker."""
    port, broker = _free_port(), _free_port()
    environment = {
        **os.environ,
        "FABFLEET_STATE": str(folder),
        "FABFLEET_DATABASE_URL": url,
        "FABFLEET_PORT": str(port),
        "FABFLEET_BROKER_PORT": str(broker),
        "FABFLEET_LOG_LEVEL": "warning",
    }
    with subprocess.Popen([sys.executable, "-m", "controller.cli", "serve"], env=environment) as process:
        try:
            deadline = time.monotonic() + 60
            while not _ready(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the controller did not start")
                time.sleep(0.2)
            yield psutil.Process(process.pid), port, broker
        finally:
            process.send_signal(signal.SIGTERM)


def run(schools: int, minutes: float, most_speed: float) -> tuple[Course, dict[str, float]]:
    """The whole bench; its course, and the figures that the end gives."""
    with ExitStack() as stack:
        server = PostgresServer(stack.enter_context(postgres.server(durable=True)))
        url = server.empty()
        engine = make_engine(url)
        agents, token = seed(engine, schools)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fabfleet-cluster-")))
        process, port, broker = stack.enter_context(controller(folder, url))
        plan = Plan("127.0.0.1", broker, DEVICES_OF_AN_AGENT, agents)
        fleet = Child("bench.cluster_fleet", first=json.dumps(asdict(plan)))
        stack.callback(fleet.stop)
        _await(fleet, "ready", 120)
        devices = _devices(engine, schools * AGENTS_OF_A_SCHOOL * DEVICES_OF_AN_AGENT)
        fleet.say("1")
        pages = Child("bench.cluster_pages", str(port), *map(str, devices), first=token)
        stack.callback(pages.stop)
        roots = {"controller": process, "postgresql": _postmaster(engine), "agents": psutil.Process(fleet.pid)}
        course = _course(fleet, pages, Meters(roots), minutes, most_speed)
        fleet.say("0")
        last, drained_s = _drain(fleet)
        end = {
            "produced": last.produced,
            "acknowledged": last.acked,
            "drained_s": round(drained_s, 1),
            "sent_again": last.again,
            "refused": last.refused,
            "connections_lost": last.lost,
            "stored": _stored(engine),
            **_counters(port, token),
        }
        end["lost"] = end["produced"] - end["stored"]
        engine.dispose()
        end["verified"] = _verify(folder, url)
    return course, end


def _course(fleet: Child, pages: Child, meters: Meters, minutes: float, most_speed: float) -> Course:
    """At the stated rate, then twice as fast each minute, until it breaks or `most_speed` is reached."""
    course, speed, began = Course(), 1.0, time.monotonic()
    meters.look()
    step_ends = began + minutes * 60
    while True:
        time.sleep(SAMPLE_S)
        now = time.monotonic()
        cpu, memory = meters.look()
        figures = [Figures(**json.loads(line)) for line in fleet.take() if line.startswith("{")]
        sample = Sample((now - began) / 60, speed, cpu, memory, [int(line) for line in pages.take()], figures[-1])
        course.samples.append(sample)
        _tell(sample)
        if now < step_ends:
            continue
        if speed > 1 or minutes == 0:
            recent = sorted(each for old in course.samples[-6:] for each in old.delays)
            slow = _at(recent, 0.99)
            if sample.fleet.oldest_s > BEHIND_S or slow > SLOW_MS:
                course.broke = (
                    f"p99 to the page {slow:.0f} ms; {sample.fleet.waiting_batches} batches wait at the agents,"
                    f" the oldest for {sample.fleet.oldest_s:.0f} s"
                )
                course.broke_at = speed
                return course
        if speed >= most_speed:
            return course
        speed *= 2
        fleet.say(str(speed))
        step_ends = now + STEP_S


def _drain(fleet: Child) -> tuple[Figures, float]:
    """Until all that was made is acknowledged."""
    began = time.monotonic()
    while time.monotonic() - began < DRAIN_S:
        for line in fleet.take():
            if line.startswith("{") and (figures := Figures(**json.loads(line))).waiting_batches == 0:
                return figures, time.monotonic() - began
        time.sleep(0.5)
    raise SystemExit("what waited did not come: something is lost")


def _tell(sample: Sample) -> None:
    delays = sorted(sample.delays)
    cpu = " ".join(f"{part} {share:3.0f} %" for part, share in sample.cpu.items())
    page = f"p50 {_at(delays, 0.5):4.0f} ms  p99 {_at(delays, 0.99):5.0f} ms"
    print(
        f"{sample.minute:5.1f} min  x{sample.speed:g}  {cpu}  {page}  waiting {sample.fleet.waiting_batches}",
        flush=True,
    )


def _at(ordered: Sequence[int], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _await(child: Child, word: str, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not any(line.startswith(word) for line in child.take()):
        if time.monotonic() > deadline:
            raise SystemExit(f"no {word} within {patience_s} s")
        time.sleep(0.2)


def _devices(engine: Engine, wanted: int) -> list[int]:
    """The devices whose pages are open, once all are known."""
    deadline = time.monotonic() + 120
    while True:
        with Session(engine) as db:
            found = db.exec(select(Device.id).order_by(col(Device.id))).all()
        if len(found) >= wanted:
            return [each for each in found[:: max(1, wanted // PAGES)] if each is not None][:PAGES]
        if time.monotonic() > deadline:
            raise SystemExit(f"only {len(found)} of {wanted} devices are known")
        time.sleep(0.5)


def _postmaster(engine: Engine) -> psutil.Process:
    with engine.connect() as connection:
        backend = psutil.Process(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
    parent = backend.parent()
    assert parent
    return parent


def _stored(engine: Engine) -> int:
    """Readings; their key is unique, so that none can be there twice."""
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM reading")).scalar_one())


def _counters(port: int, token: str) -> dict[str, float]:
    """What the controller says of itself: messages that it dropped for want of room, batches that came again."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    wanted = {"fabfleet_ingest_shed_total": "shed", "fabfleet_ingest_duplicates_total": "came_again"}
    return {wanted[name]: float(value) for name, _, value in (line.partition(" ") for line in lines) if name in wanted}


def _verify(folder: Path, url: str) -> bool:
    environment = {**os.environ, "FABFLEET_STATE": str(folder), "FABFLEET_DATABASE_URL": url}
    command = [sys.executable, "-m", "controller.cli", "verify"]
    return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0


def _ready(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def draw(course: Course, path: Path) -> None:
    """CPU, memory and delays over time; a mark where the rate was raised."""
    raised = next((sample.minute for sample in course.samples if sample.speed > 1), None)

    def each(kind: str) -> dict[str, plot.Line]:
        return {part: [(s.minute, getattr(s, kind)[part]) for s in course.samples] for part in PARTS}

    delays = {
        name: [(s.minute, _at(sorted(s.delays), share)) for s in course.samples if s.delays]
        for name, share in (("p50", 0.5), ("p99 of 5 s", 0.99))
    }
    plot.write(
        path,
        [
            plot.Panel("CPU, % of a core", each("cpu"), raised),
            plot.Panel("Memory, MB (PSS)", each("memory"), raised),
            plot.Panel("From reading to page, ms", delays, raised),
        ],
    )


def summary(course: Course, end: dict[str, float], schools: int) -> dict[str, Any]:
    steady = [sample for sample in course.samples if sample.speed == 1.0]
    delays = sorted(course.delays(1.0))
    devices = schools * AGENTS_OF_A_SCHOOL * DEVICES_OF_AN_AGENT
    rate = devices * len(METRICS) / PERIOD_S
    figures: dict[str, Any] = {
        "schools": schools,
        "devices": devices,
        "minutes": round(steady[-1].minute, 1),
        "values_per_s": rate,
        **{f"cpu_{part}": round(statistics.median(s.cpu[part] for s in steady), 1) for part in PARTS},
        **{f"memory_mb_{part}": round(steady[-1].memory[part], 1) for part in PARTS},
        "to_page_p50_ms": _at(delays, 0.5),
        "to_page_p99_ms": _at(delays, 0.99),
        "to_page_samples": len(delays),
        "broke_at_values_per_s": course.broke_at * rate,
        "broke": course.broke,
        **end,
    }
    ratios = {
        "to_page_p99_of_a_second": round(_at(delays, 0.99) / 1000, 3),
        "broke_at_times_the_rate": course.broke_at,
        "lost": end["lost"],
    }
    return {"bench": "cluster", "figures": figures, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="at the stated rate")
    parser.add_argument("--schools", type=int, default=100)
    parser.add_argument("--most", type=float, default=1024.0, help="raise the rate at most so many times")
    parser.add_argument("--plot", type=Path, help="an SVG file")
    options = parser.parse_args()
    course, end = run(options.schools, options.minutes, options.most)
    if options.plot:
        draw(course, options.plot)
    result = summary(course, end, options.schools)
    for name, value in result["figures"].items():
        print(f"{name:28} {value}")
    print(json.dumps(result))
    if end["lost"] or not end["verified"]:
        raise SystemExit("what was made and what is stored differ, or `fabfleet verify` found something")


if __name__ == "__main__":
    main()
