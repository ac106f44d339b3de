"""Leases from the controller's database to the agent's disk, with both as processes of their own and a real broker."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlmodel import Session, select

from agent.control import ask
from agent.errors import NotRunning
from contract.messages import LeaseBook
from contract.wire import decode
from controller.backup.service import backup, restore
from controller.commands import verify as verify_commands
from controller.database import make_engine
from controller.fleet.tables import Agent, Device
from controller.identity.store import user_by_login
from controller.main import wall_ms
from controller.scheduling import verify_bookings
from controller.scheduling.booked import LeaseState
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Booked, Bookings, Request
from controller.scheduling.leases import LeaseDesk, WalkUp
from controller.scheduling.school_time import TICK_MS
from controller.scheduling.stock import Item
from controller.scheduling.tables import LeaseGrant, Resource
from tests.integration.mqtt import eventually
from tests.integration.running import seed, settings
from tests.kill.stage import free_port

pytestmark = pytest.mark.integration

WAIT_S = 60.0
SCHOOL = "an-phu"
HOUR_MS = 3_600_000
GUARDED = "pause"
AGENT = """
school = "{school}"
agent = "pc-1"
[broker]
port = {port}
keepalive_s = 2
[[devices]]
id = "printer"
profile = "demo/printer-3d"
endpoint = "sim:1"
"""


class Site:
    """A controller and an agent with a printer, to be started and killed; and the lease desk, on the same database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = settings(folder / "controller")
        self.port = free_port()
        self.controller: subprocess.Popen[bytes] | None = None
        self.agent: subprocess.Popen[bytes] | None = None
        credentials = seed(self.config.state).agents[SCHOOL]
        self.agent_folder = folder / "state" / "agent"
        self.agent_folder.mkdir(parents=True)
        (self.agent_folder / "agent.toml").write_text(AGENT.format(school=SCHOOL, port=self.port))
        secrets = {"user": credentials.user, "password": credentials.password, "lease_key": credentials.lease_key}
        (self.agent_folder / "credentials.json").write_text(json.dumps(secrets))
        self.engine = make_engine(self.config.database)
        self.desk = LeaseDesk(self.engine, wall_ms)

    def start_controller(self) -> None:
        log = self.folder / "controller.log"
        log.write_bytes(b"")
        command = (sys.executable, "-m", "controller.cli", "serve", "--port", "0", "--state", str(self.config.state))
        environment = os.environ | {"FABFLEET_BROKER_PORT": str(self.port)}
        with log.open("ab") as output:
            self.controller = subprocess.Popen(command, stderr=output, env=environment)
        eventually(lambda: b"listening on" in log.read_bytes(), "the controller is up", WAIT_S)

    def start_agent(self) -> None:
        """As a power cut left it, if it was killed."""
        command = (sys.executable, "-m", "agent", "run", "--state", str(self.agent_folder.parent))
        with (self.folder / "agent.log").open("ab") as output:
            self.agent = subprocess.Popen(command, stderr=output)
        eventually(lambda: self.asked().get("devices", [{}])[0].get("state") == "open", "the agent is up", WAIT_S)

    def kill(self, part: "subprocess.Popen[bytes] | None") -> None:
        if part is not None:
            part.send_signal(signal.SIGKILL)
            part.wait(WAIT_S)

    def close(self) -> None:
        self.kill(self.agent)
        self.kill(self.controller)
        self.engine.dispose()

    def asked(self) -> Mapping[str, list[dict[str, str]]]:
        """What the agent says of itself; nothing while it does not answer."""
        try:
            return ask(self.agent_folder, "status")
        except NotRunning:
            return {}

    def do(self) -> str:
        """Ask for the guarded action at the machine itself."""
        answer = ask(self.agent_folder, "do", 30.0, device="printer", action=GUARDED, args={}, by="lan")
        return f"{answer['status']} {answer['detail']}".strip()

    def book(self) -> LeaseBook:
        """On the agent's disk."""
        return decode(LeaseBook, (self.agent_folder / "leases.json").read_bytes())

    def await_inventory(self) -> None:
        def known() -> bool:
            with Session(self.engine) as db:
                return db.exec(select(Device.id).where(Device.slug == "printer")).first() is not None

        eventually(known, "the controller knows the printer", WAIT_S)

    def grant(self, holder: str) -> str:
        """The booking's name."""
        with Session(self.engine) as db:
            device_id = db.exec(select(Device.id).where(Device.slug == "printer")).one()
            assert device_id
            number = self.desk.walk_up(db, WalkUp(device_id, holder, wall_ms() + HOUR_MS))
            db.commit()
            return db.exec(select(LeaseGrant.booking).where(LeaseGrant.book_number == number)).one()

    def booked(self, login: str) -> Booked:
        """For an hour, from these five minutes on."""
        with Session(self.engine) as db:
            device_id = db.exec(select(Device.id).where(Device.slug == "printer")).one()
            thing = Resource(school_id=SCHOOL, kind="unit", name="3D-01", code="AAAA22", device_id=device_id)
            db.add(thing)
            person = user_by_login(db, login)
            assert person is not None
            holder = person.id
            db.commit()
            items = (Item(thing.id),)
        start_ms = wall_ms() // TICK_MS * TICK_MS
        return Bookings(self.engine, wall_ms).book(Request(SCHOOL, holder, holder, items, start_ms, start_ms + HOUR_MS))

    def await_state(self, booked: Booked, state: LeaseState) -> None:
        eventually(lambda: list(self.desk.lease_states(booked.id).values()) == [state], f"its lease is {state}", WAIT_S)

    def end(self, booking: str) -> None:
        with Session(self.engine) as db:
            assert self.desk.end(db, booking)
            db.commit()

    def await_acknowledged(self, booking: str) -> None:
        def acknowledged() -> bool:
            with Session(self.engine) as db:
                return self.desk.acknowledged(db, booking)

        eventually(acknowledged, f"the agent says that it holds the book with {booking}", WAIT_S)

    def held(self) -> tuple[int, int]:
        """As the controller has it."""
        with Session(self.engine) as db:
            agent = db.exec(select(Agent).where(Agent.school_id == SCHOOL)).one()
            return agent.held_generation, agent.held_number


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        site = Site(tmp_path)
        stack.callback(site.close)
        site.start_controller()
        site.start_agent()
        site.await_inventory()
        yield site


def test_lease_reaches_the_agents_disk_opens_a_guarded_action_and_closes_it_when_taken_back(site: Site) -> None:
    assert site.do() == "refused no-lease"
    booking = site.grant("an")
    site.await_acknowledged(booking)
    (lease,) = site.book().leases
    assert (lease.device, lease.holder, lease.booking, lease.hazard) == ("printer", "an", booking, 1)
    assert site.do() == "done"

    site.end(booking)
    site.await_acknowledged(booking)
    assert site.book().leases == ()
    assert site.do() == "refused no-lease"


def test_booking_opens_the_machine_until_it_is_cancelled_and_the_page_knows_when_that_counts(site: Site) -> None:
    assert site.do() == "refused no-lease"
    booked = site.booked("ha")
    site.await_state(booked, LeaseState.ACKNOWLEDGED)
    (lease,) = site.book().leases
    assert (lease.booking, lease.from_ms, lease.until_ms) == (f"{booked.id}-1-1", booked.start_ms, booked.end_ms)
    site.kill(site.controller)
    assert site.do() == "done", "the network is down"
    site.start_controller()

    Bookings(site.engine, wall_ms).end(booked.id, BookingState.CANCELLED)
    site.await_state(booked, LeaseState.REVOKED)
    assert site.book().leases == ()
    assert site.do() == "refused no-lease"
    assert list(verify_bookings.faults(site.engine, wall_ms())) == []
    assert list(verify_commands.faults(site.engine)) == []


def test_lease_holds_at_the_machine_without_the_controller_and_after_a_power_cut(site: Site) -> None:
    site.await_acknowledged(site.grant("an"))
    site.kill(site.controller)
    assert site.do() == "done"
    site.kill(site.agent)
    site.start_agent()
    assert site.do() == "done"


def test_agent_that_was_away_during_a_change_has_it_soon_after_it_is_back(site: Site) -> None:
    booking = site.grant("an")
    site.await_acknowledged(booking)
    site.kill(site.agent)
    site.end(booking)
    other = site.grant("bình")
    assert [lease.holder for lease in site.book().leases] == ["an"]

    site.start_agent()
    site.await_acknowledged(other)
    assert [lease.holder for lease in site.book().leases] == ["bình"]


def test_restored_controller_ends_what_its_lost_life_had_granted(site: Site) -> None:
    file = site.folder / "fabfleet.backup"
    backup(site.config, file, wall_ms)
    site.await_acknowledged(site.grant("an"))
    assert site.held() == (1, 1)
    assert site.do() == "done"

    site.kill(site.controller)
    site.engine.dispose()
    generation = restore(site.config, file, wall_ms).generation
    assert site.do() == "done", "nobody has told the agent yet"
    site.start_controller()
    eventually(lambda: site.held() == (generation, 0), "the agent holds an empty book of the new life", WAIT_S)
    assert (site.book().generation, site.book().leases) == (generation, ())
    assert site.do() == "refused no-lease"

    site.await_acknowledged(site.grant("bình"))
    assert site.do() == "done"
