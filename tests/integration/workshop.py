"""Print jobs on a real database, with the clock, the agent's words and the machine's values in our hand."""

import hashlib
import io
from pathlib import Path

from sqlalchemy import Engine
from sqlmodel import Session, select

from contract.model import CommandStatus, Outcome, Value
from controller.commands import store as commands_store
from controller.commands.dispatcher import Dispatcher
from controller.commands.service import Commands
from controller.config import JobsConfig
from controller.fleet.live import LiveFleet
from controller.fleet.tables import Agent, Device, Latest, School, Series
from controller.identity.policy import Principal, Role
from controller.identity.tables import AuditLine, User
from controller.ingest.observer import Fresh
from controller.ingest.tables import Installation
from controller.jobs.evidence import print_name
from controller.jobs.service import Jobs, JobView, Upload
from controller.jobs.states import JobState
from controller.scheduling.leases import LeaseDesk
from controller.scope import CLUSTER

PRINTER, SECOND, PC, ELSEWHERE, KIT = 1, 2, 3, 4, 5
TECHNICIAN = Principal("u-ky", "ky", "Kỹ", Role.TECHNICIAN, None)
TEACHER = Principal("u-ha", "ha", "Hà", Role.TEACHER, "an-phu")
STRANGER = Principal("u-minh", "minh", "Minh", Role.TECHNICIAN, "binh-minh")
GOOD = b"; a square\nG28\nM104 S200\nG1 X10 Y10 Z0.2 F1200\nG1 X60 E2\nG1 Y60 E4\nG4 S600\nM104 S0\n"
DIGEST = hashlib.sha256(GOOD).hexdigest()
HOT = b"G28\nM104 S200\nM109 S320\n"
ROOM = JobsConfig()
KINDS = {
    "job": "text",
    "printing": "bool",
    "cutting": "bool",
    "running": "bool",
    "job-error": "text",
    "job-result": "text",
    "progress": "float",
    "fault": "text",
}


class Clock:
    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms


class Disk:
    """How much is free, as a test says."""

    def __init__(self) -> None:
        self.free = 10**12

    def __call__(self, _folder: Path) -> int:
        return self.free


class Workshop:
    """The parts that handle print jobs. No threads: a test says when files are read and jobs are looked at."""

    def __init__(self, engine: Engine, folder: Path, clock: Clock, room: JobsConfig = ROOM) -> None:
        self.engine, self.folder, self.clock, self.room = engine, folder, clock, room
        self.disk = Disk()
        self.live = LiveFleet(engine, clock)
        self.leases = LeaseDesk(engine, clock)
        dispatcher = Dispatcher(engine, self.leases, clock, self.live.touch)
        self.commands = Commands(engine, self.live, self.leases, dispatcher, clock)
        self.jobs = Jobs(engine, self.live, self.commands, folder, clock, room=room, free=self.disk)
        self.jobs._files.prepare()
        self.live.load()

    def again(self) -> "Workshop":
        """After a restart: all that was in memory is gone."""
        return Workshop(self.engine, self.folder, self.clock, self.room)

    def send(
        self, content: bytes = GOOD, name: str = "cau-gian.gcode", device: int = PRINTER, who: Principal = TEACHER
    ) -> int:
        return self.jobs.take(who, Upload(device, io.BytesIO(content), name, group="Nhóm 3")).id

    def read(self) -> None:
        """Read every file that waits for it."""
        while self.jobs._inspector._read_next():
            pass

    def waiting(self, content: bytes = GOOD, device: int = PRINTER) -> int:
        """A job that may be released."""
        job_id = self.send(content, device=device)
        self.read()
        assert self.view(job_id).state is JobState.WAITING, self.view(job_id).detail
        return job_id

    def released(self) -> int:
        job_id = self.waiting()
        self.jobs.release(TEACHER, job_id, bed_clear=True)
        return job_id

    def printing(self) -> int:
        """A job that its machine is at work on."""
        job_id = self.released()
        self.answer(job_id, CommandStatus.DONE)
        self.say(job=self.name(job_id), printing=True, job_result="", progress=0.0)
        assert self.turn(job_id).state is JobState.PRINTING
        return job_id

    def view(self, job_id: int) -> JobView:
        found = self.jobs.find(CLUSTER, job_id)
        assert found is not None
        return found

    def kinds(self, job_id: int) -> list[str]:
        """Of the lines of its log."""
        return [line.kind for line in self.view(job_id).log]

    def name(self, job_id: int) -> str:
        return print_name(self.view(job_id).file_name, job_id)

    def turn(self, job_id: int) -> JobView:
        """The job after its machine was looked at."""
        self.live.tick()
        self.jobs._watcher.turn()
        return self.view(job_id)

    def later(self, seconds: float) -> None:
        self.clock.ms += round(seconds * 1000)

    def answer(self, job_id: int, status: CommandStatus, detail: str = "", *, stop: bool = False) -> None:
        """The agent says so of the job's command."""
        with Session(self.engine) as db:
            command_id = self.stop_id(job_id) if stop else self.command_id(job_id)
            outcome = Outcome(command_id, status, self.clock(), detail)
            assert commands_store.hear(db.connection(), 1, [outcome], self.clock())
            db.commit()

    def command_id(self, job_id: int) -> str:
        view = self.view(job_id)
        assert view.command is not None
        return view.command.id

    def stop_id(self, job_id: int) -> str:
        assert self.view(job_id)
        return next(each.id for each in self.commands.of_device(CLUSTER, PRINTER, 20) if each.action == "stop")

    def say(self, device: int = PRINTER, **values: Value | None) -> None:
        """The machine says so, now; committed, as ingest does it. The clock goes on by a second."""
        self.later(1)
        fresh = []
        with Session(self.engine) as db:
            for key, value in values.items():
                metric = key.replace("_", "-")
                series = self._series(db, device, metric)
                text = value if isinstance(value, str) else None
                number = None if value is None or isinstance(value, str) else float(value)
                db.merge(
                    Latest(series_id=series, at_ms=self.clock(), number=number, text=text, received_ms=self.clock())
                )
                fresh.append(Fresh(series, device, metric, self.clock(), value))
            db.commit()
        self.live.values_committed(fresh)

    def _series(self, db: Session, device: int, metric: str) -> int:
        found = db.exec(select(Series).where(Series.device_id == device, Series.metric == metric)).first()
        if found is None:
            found = Series(school_id="an-phu", device_id=device, metric=metric, unit="1", kind=KINDS[metric])
            db.add(found)
            db.flush()
        assert found.id is not None
        return found.id

    def audit(self) -> list[tuple[str, str, str]]:
        """(action, actor, subject) of what was done to jobs."""
        with Session(self.engine) as db:
            lines = db.exec(select(AuditLine).order_by("id")).all()
            return [(line.action, line.actor, line.subject) for line in lines if line.action.startswith("job")]

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


def fill(engine: Engine, now_ms: int) -> None:
    """Two schools with an agent each, both there; printers and a computer."""
    with Session(engine) as db:
        db.add_all([Installation(), School(id="an-phu", name="An Phú"), School(id="binh-minh", name="Bình Minh")])
        db.commit()
        for number, school in ((1, "an-phu"), (2, "binh-minh")):
            agent = Agent(id=number, school_id=school, name="pc-1", presence="online", lease_key=f"{number:02x}" * 32)
            agent.since_ms, agent.heard_ms = now_ms - 60_000, now_ms
            db.add(agent)
        for who in (TECHNICIAN, TEACHER, STRANGER):
            db.add(User(id=who.id, login=who.login, name=who.name, role=who.role, password_hash="", created_ms=0))
        db.commit()
        for number, agent_id, school, profile in (
            (PRINTER, 1, "an-phu", "prusa/mk3s"),
            (SECOND, 1, "an-phu", "prusa/mk3s"),
            (PC, 1, "an-phu", "demo/classroom-pc"),
            (ELSEWHERE, 2, "binh-minh", "prusa/mk3s"),
            (KIT, 1, "an-phu", "bbc/microbit"),
        ):
            device = Device(
                id=number,
                school_id=school,
                agent_id=agent_id,
                slug=f"device-{number}",
                name=f"Máy {number}",
                profile_slug=profile,
                profile_digest="d",
                bridge_state="open",
            )
            device.bridge_since_ms = now_ms - 60_000
            db.add(device)
        db.commit()
