"""A controller with its broker, two agents and their machines, as processes of their own; what is asked of them."""

import contextlib
import io
import json
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from sqlmodel import Session

from controller.database import make_engine, sqlite_url
from controller.demo.children import Command
from controller.fleet.enrolment import Place, add_agent
from controller.identity.admin import Admin, NewUser
from controller.identity.policy import Role
from controller.main import wall_ms
from controller.scheduling.leases import LeaseDesk, WalkUp
from controller.simulation import write_private
from tests.kill import far_end
from tests.kill.relay import Relay
from tests.kill.stage import Stage, Victim, eventually, opened
from tests.passwords import quick

SCHOOL = "kill"
WAIT_S: Final = 60.0
_PROFILES = {"projector": "pjlink/projector", "printer": "prusa/mk3s"}
_CODES = [f"{first}{second}" for first in "123456" for second in "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
INPUTS: Final = len(_CODES)
"""So many orders of one projector can be told apart."""
_INPUTS = ", ".join(f'{code} = "input {code}"' for code in _CODES)
_OPTIONS = {
    "projector": f"reply_s = 60, idle_s = 3600, inputs = {{ {_INPUTS} }}",
    "printer": "ok_s = 3600, silence_s = 3600, confirm_s = 3600",
}
"""A bridge's patience is longer than any hold."""
_AGENT = """
school = "{school}"
agent = "{agent}"
flush_s = 0.1
[broker]
port = {port}
keepalive_s = {keepalive_s}
[controller]
url = "{url}"
"""
_DEVICE = """
[[devices]]
id = "{name}"
profile = "{profile}"
endpoint = "tcp://127.0.0.1:{port}"
options = {{ {options} }}
"""
_PADDING = b"; a line that says nothing\n" * 1_000
"""More than a relay lets through when it is held."""


@dataclass(frozen=True, slots=True)
class Machine:
    """`kind` is one of the far end's."""

    name: str
    kind: str
    agent: str


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a machine. `line`: what its far end carries out for it; empty: nothing that is its own."""

    machine: str
    action: str
    line: str = ""
    args: Mapping[str, str | float] = field(default_factory=dict)


def show(machine: str, number: int) -> Order:
    """For a projector, needs no lease. `number` is below INPUTS."""
    return Order(machine, "input", f"%1INPT {_CODES[number]}", {"input": _CODES[number]})


def heat(machine: str, number: int) -> Order:
    """For a printer, needs a lease. `number` is below 20,000."""
    return Order(machine, "preheat", f"M104 S{30 + number / 100:g}", {"nozzle": 30 + number / 100, "bed": 0.0})


def produce(machine: str, number: int) -> Order:
    """For a printer, needs a lease and a file. `number` is from 1 on."""
    return Order(machine, "print", f"G4 P{number}")


def stop(machine: str) -> Order:
    """For a printer."""
    return Order(machine, "stop")


class Lab(Stage):
    """Both agents are of one school. `given` holds every command that was taken, by its id."""

    def __init__(self, state: Path, machines: Sequence[Machine], keepalive_s: Mapping[str, int]) -> None:
        super().__init__(state, ())
        self.machines = machines
        self.given: dict[str, Order] = {}
        self.relay = Relay(self.port)
        self._keepalive_s = keepalive_s
        self._engine = make_engine(sqlite_url(self.database))
        self._desk = LeaseDesk(self._engine, wall_ms)
        admin = Admin(self._engine, quick(), wall_ms)
        self._person = admin.add_user(NewUser("ky", "Kỹ", Role.TECHNICIAN, None), "rất dài và khó đoán")
        token = admin.add_api_token("ky", "tests", None)
        self._client = httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {token}"}, timeout=20)
        self._devices: dict[str, int] = {}
        self._numbers: Counter[str] = Counter()
        self._far_end: Victim | None = None
        self._crew: dict[str, Victim] = {}

    # processes

    def start(self) -> None:
        """All of it; returns when every machine is in contact."""
        names = [f"{machine.kind}:{machine.name}" for machine in self.machines]
        arguments = (sys.executable, "-m", "tests.kill.far_end", str(self.far), *names)
        self._far_end = Victim(Command("far end", arguments, self.state / "far_end.log"))
        self.start_controller(wait=False)
        eventually((self.far / far_end.PORTS).exists, WAIT_S, "the machines are there")
        for agent in self._keepalive_s:
            self._install(agent, json.loads((self.far / far_end.PORTS).read_text()))
        eventually(self.ready, WAIT_S, "the controller is ready")
        for agent in self._keepalive_s:
            arguments = (sys.executable, "-m", "agent", "run", "--state", str(self.state / agent))
            self._crew[agent] = Victim(Command(agent, arguments, self.state / f"{agent}.log"))
        eventually(self._in_contact, WAIT_S, "all machines are in contact")

    def stop_all(self) -> None:
        for name, agent in self._crew.items():
            if agent.running:
                self.thaw(name)
            self.stop(agent)
        super().stop_all()
        self.stop(self._far_end)
        self._client.close()
        self.relay.close()
        self._engine.dispose()

    @property
    def far(self) -> Path:
        return self.state / "far"

    def kill(self, part: str) -> None:
        """The agents, the broker or the controller; nothing is started again, though the controller keeps a broker."""
        if part == "agents":
            for agent in self._crew.values():
                agent.kill()
        elif part == "controller":
            assert self.controller is not None
            self.controller.kill()
        else:
            broker = self.broker()
            assert broker is not None
            broker.kill()

    def start_again(self, part: str) -> None:
        """What was killed; returns when the controller is ready."""
        if part == "agents":
            for agent in self._crew.values():
                agent.start_again()
        elif part == "controller":
            assert self.controller is not None
            self.controller.start_again()
        eventually(self.ready, WAIT_S, "the controller is ready again")

    def freeze(self, agent: str) -> None:
        """It stands still; what is said to it waits in its socket."""
        os.kill(self._crew[agent].pid, signal.SIGSTOP)

    def thaw(self, agent: str) -> None:
        os.kill(self._crew[agent].pid, signal.SIGCONT)

    def _install(self, agent: str, ports: Mapping[str, int]) -> None:
        """Enrol it and write its configuration."""
        with Session(self._engine) as db:
            credentials = add_agent(db, Place(SCHOOL, "lab"), agent)
            db.commit()
        folder = self.state / agent / "agent"
        text = _AGENT.format(
            school=SCHOOL,
            agent=agent,
            port=self.broker_port,
            keepalive_s=self._keepalive_s[agent],
            url=self.relay.url,
        )
        for machine in self.machines:
            if machine.agent == agent:
                text += _DEVICE.format(
                    name=machine.name,
                    profile=_PROFILES[machine.kind],
                    port=ports[machine.name],
                    options=_OPTIONS[machine.kind],
                )
        secrets = {"user": credentials.user, "password": credentials.password, "lease_key": credentials.lease_key}
        write_private(folder / "agent.toml", text)
        write_private(folder / "credentials.json", json.dumps(secrets))

    def _in_contact(self) -> bool:
        items = self.ask("GET", "/devices").json()["items"]
        self._devices = {each["slug"]: each["id"] for each in items if each["state"] != "offline"}
        return len(self._devices) == len(self.machines)

    # what people ask for

    def number(self, machine: str) -> int:
        """From 1 on, each once: what one machine's orders are told apart by."""
        self._numbers[machine] += 1
        return self._numbers[machine]

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The controller's answer, asked for again until there is one. For what may be said twice."""
        deadline_s = time.monotonic() + WAIT_S
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = self._client.request(method, f"/api/v1{path}", **more)
                assert answer.status_code < 500, answer.text
                return answer
            assert time.monotonic() < deadline_s, "the controller does not answer"
            time.sleep(0.05)

    def give(self, order: Order, key: str = "") -> str | None:
        """The id of the command; None if it was not taken."""
        path = f"/devices/{self._devices[order.machine]}/commands"
        wanted = {"action": order.action, "args": order.args, "key": key or f"{order.machine} {order.line}"}
        answer = self.ask("POST", path, json=wanted)
        return self._taken(order, answer.json()["id"] if answer.status_code == 202 else None, answer)

    def send_file(self, order: Order) -> int:
        """The id of a print job that waits to be released."""
        content = f"; for {order.machine}\n".encode() + _PADDING + order.line.encode() + b"\nG28\n"
        path = f"/devices/{self._devices[order.machine]}/jobs"
        answer = self.ask("POST", path, files={"file": (f"{order.line[3:]}.gcode", io.BytesIO(content))})
        assert answer.status_code == 201, answer.text
        job = int(answer.json()["id"])
        eventually(lambda: self.job(job)["state"] != "checking", WAIT_S, "the file is read")
        assert self.job(job)["state"] == "waiting", self.job(job)["detail"]
        return job

    def release(self, order: Order, job: int) -> str | None:
        """The id of the command; None if the machine is at work on another job."""
        answer = self.ask("POST", f"/jobs/{job}/release", json={"bed_clear": True})
        return self._taken(order, answer.json()["command"]["id"] if answer.status_code == 200 else None, answer)

    def job(self, job: int) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.ask("GET", f"/jobs/{job}").json()
        return found

    def lend(self, *machines: str) -> None:
        """Let who asks have these machines for two hours; returns when their agents hold the books that say so."""
        with Session(self._engine) as db:
            until_ms = wall_ms() + 2 * 3_600_000
            for machine in machines:
                self._desk.walk_up(db, WalkUp(self._devices[machine], self._person, until_ms))
            db.commit()
        behind = "SELECT count(*) FROM agent WHERE held_number < book_number"
        eventually(lambda: self.one(behind) == (0,), WAIT_S, "the agents hold the newest books")

    def _taken(self, order: Order, command_id: str | None, answer: httpx.Response) -> str | None:
        if command_id is None:
            assert answer.status_code == 409, answer.text
        else:
            self.given[command_id] = order
        return command_id

    # what machines do

    def hold(self, machine: str, pattern: str) -> None:
        """The machine does not answer to lines that begin like this."""
        write_private(self.far / far_end.HOLD / machine, pattern)

    def let_go(self, *machines: str) -> None:
        for machine in machines:
            (self.far / far_end.HOLD / machine).unlink()

    def carried_out(self) -> list[tuple[str, str]]:
        """(machine, line) of each order that a machine carried out, in order."""
        log = self.far / far_end.LOG
        lines = log.read_text("utf-8").splitlines(keepends=True) if log.exists() else []
        return [tuple(json.loads(line)) for line in lines if line.endswith("\n")]

    def times(self, command_id: str) -> int:
        """How often it was carried out."""
        order = self.given[command_id]
        return self.carried_out().count((order.machine, order.line))

    # what the parts have written down

    def one(self, query: str, *values: object) -> tuple[Any, ...]:
        """The first row that the controller's database has for this."""
        with opened(self.database) as db:
            row: tuple[Any, ...] = db.execute(query, values).fetchone()
        return row

    def status(self, command_id: str) -> str:
        """In the controller's database."""
        return str(self.one("SELECT status FROM command WHERE id = ?", command_id)[0])

    def journal(self, agent: str) -> Mapping[str, tuple[str, bool]]:
        """(status, told) of each command that the agent has written down."""
        entries: dict[str, tuple[str, bool]] = {}
        for line in (self.state / agent / "agent" / "commands.journal").read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                command_id, status, _, _, told = json.loads(line)
                entries[command_id] = (status, told)
        return entries

    def journalled(self, command_id: str) -> tuple[str, bool] | None:
        agent = next(each.agent for each in self.machines if each.name == self.given[command_id].machine)
        return self.journal(agent).get(command_id)

    def fetching(self, agent: str) -> bool:
        """Whether a job file is half on the agent's disk."""
        return any((self.state / agent / "agent" / "files").glob("*.part"))

    @contextlib.contextmanager
    def outbox_taken(self, agent: str) -> Iterator[None]:
        """Nothing can be written to the agent's outbox within."""
        db = sqlite3.connect(self.state / agent / "agent" / "outbox.db", timeout=WAIT_S, isolation_level=None)
        try:
            db.execute("BEGIN IMMEDIATE")
            yield
            db.execute("ROLLBACK")
        finally:
            db.close()
