"""The parts that handle commands, on a real database, with the clock and the broker in a test's hand."""

from dataclasses import dataclass, field

from sqlalchemy import Engine, update
from sqlmodel import Session, col

from contract.messages import Order
from contract.model import CommandStatus, Outcome
from contract.topics import Address, Channel
from contract.wire import decode
from controller.commands import store, trials
from controller.commands.dispatcher import Dispatcher
from controller.commands.service import Commands, CommandView, Wanted
from controller.commands.tables import StoredCommand
from controller.fleet.live import LiveFleet
from controller.fleet.tables import Agent, Device, School
from controller.identity import store as people
from controller.identity.policy import Principal, Role
from controller.identity.tables import User
from controller.ingest.tables import Installation
from controller.scheduling.leases import LeaseDesk
from controller.scope import CLUSTER
from tests.integration.mqtt import eventually

PRINTER, PROJECTOR, PC, ELSEWHERE = 1, 2, 3, 4
TECHNICIAN = Principal("u-ky", "ky", "Kỹ", Role.TECHNICIAN, None)
TEACHER = Principal("u-ha", "ha", "Hà", Role.TEACHER, "an-phu")
STRANGER = Principal("u-minh", "minh", "Minh", Role.TECHNICIAN, "binh-minh")
HERE, THERE = Address("an-phu", "pc-1"), Address("binh-minh", "pc-1")


class Clock:
    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms


@dataclass(frozen=True, slots=True)
class Said:
    """What was published, and what the table said of the command at that moment."""

    address: Address
    channel: Channel
    command_id: str = ""
    status: str = ""
    sends: int = 0


@dataclass(slots=True)
class Broker:
    """Takes what is published while it is `up`."""

    engine: Engine
    up: bool = True
    asked: int = 0
    said: list[Said] = field(default_factory=list)

    def __call__(self, address: Address, channel: Channel, payload: bytes) -> bool:
        self.asked += 1
        if not self.up:
            return False
        if channel is Channel.COMMAND:
            command_id = decode(Order, payload).command.id
            with self.engine.connect() as connection:
                found = store.find(connection, CLUSTER, command_id)
            assert found is not None
            self.said.append(Said(address, channel, command_id, found.status, found.sends))
        else:
            self.said.append(Said(address, channel))
        return True

    def sent(self) -> list[str]:
        """The ids of the commands that went out, in order."""
        return [each.command_id for each in self.said if each.channel is Channel.COMMAND]


class Office:
    """The parts that handle commands, with everything that has to be there for them."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock
        self.live = LiveFleet(engine, clock)
        self.broker = Broker(engine)
        self.touched: list[int] = []
        leases = LeaseDesk(engine, clock)
        self.dispatcher = Dispatcher(engine, leases, clock, self.touched.append)
        self.commands = Commands(engine, self.live, leases, self.dispatcher, clock)
        self.live.load()

    def start(self) -> None:
        self.dispatcher.start(self.broker)
        self.dispatcher.broker_connected(True)

    def give(self, action: str = "power-on", device: int = PROJECTOR, who: Principal = TECHNICIAN) -> str:
        return self.commands.give(who, Wanted(device, action)).id

    def view(self, command_id: str) -> CommandView:
        found = self.commands.find(CLUSTER, command_id)
        assert found is not None
        return found

    def becomes(self, command_id: str, status: CommandStatus) -> CommandView:
        """The command once it has come to be so."""
        eventually(lambda: self.view(command_id).status is status, f"{command_id} is {status}")
        return self.view(command_id)

    def hear(self, command_id: str, *words: CommandStatus, agent_id: int = 1, detail: str = "") -> int:
        """The agent says so; of how many words the command is known to be this agent's."""
        outcomes = [Outcome(command_id, word, self.clock(), detail) for word in words]
        with self.engine.begin() as connection:
            return len(store.hear(connection, agent_id, outcomes, self.clock()))

    def agent(self, agent_id: int = 1, **values: object) -> None:
        """Change what is known of an agent, and tell."""
        with self.engine.begin() as connection:
            connection.execute(update(Agent).where(col(Agent.id) == agent_id).values(values))
        self.dispatcher.registry_changed(agent_id)

    def later(self, ms: int) -> None:
        self.clock.ms += ms
        self.dispatcher.wake()

    def audit(self) -> list[tuple[str, str, str]]:
        with Session(self.engine) as db:
            lines = [line for line in people.audit_lines(db) if line.action.startswith("command")]
            return [(line.action, line.actor, line.detail) for line in lines]


def tried(
    db: Session, device: Device, action: str, command_id: str, status: CommandStatus = CommandStatus.DONE
) -> None:
    """Somebody tried the action at the device, and this is what became of the command."""
    command = StoredCommand(
        id=command_id,
        school_id=device.school_id,
        agent_id=device.agent_id,
        device_id=device.id or 0,
        action=action,
        by_id=TECHNICIAN.id,
        asked_ms=1_800_000_000_000,
        expires_ms=1_800_000_060_000,
        status=status,
        status_ms=1_800_000_001_000,
        told=status.final,
    )
    db.add(command)
    db.flush()
    trials.begin(db, command)


def fill(engine: Engine, now_ms: int) -> None:
    """Two schools with an agent each, both there, and four devices."""
    with Session(engine) as db:
        db.add_all([Installation(), School(id="an-phu", name="An Phú"), School(id="binh-minh", name="Bình Minh")])
        db.commit()
        for number, school in ((1, "an-phu"), (2, "binh-minh")):
            db.add(
                Agent(
                    id=number,
                    school_id=school,
                    name="pc-1",
                    presence="online",
                    since_ms=now_ms - 60_000,
                    heard_ms=now_ms,
                    lease_key="00" * 32,
                )
            )
        db.add_all(
            User(id=who.id, login=who.login, name=who.name, role=who.role, password_hash="", created_ms=0)
            for who in (TECHNICIAN, TEACHER, STRANGER)
        )
        db.commit()
        for number, agent_id, school, profile in (
            (PRINTER, 1, "an-phu", "prusa/mk3s"),
            (PROJECTOR, 1, "an-phu", "demo/projector"),
            (PC, 1, "an-phu", "demo/classroom-pc"),
            (ELSEWHERE, 2, "binh-minh", "demo/projector"),
        ):
            db.add(
                Device(
                    id=number,
                    school_id=school,
                    agent_id=agent_id,
                    slug=f"device-{number}",
                    name=f"Device {number}",
                    profile_slug=profile,
                    profile_digest="d",
                    bridge_state="open",
                )
            )
        db.commit()
