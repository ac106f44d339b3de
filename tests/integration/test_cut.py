"""Eight hours without a controller: leases hold at the machines, nobody gets around them, and nothing done is lost.

Controller and agent are the real ones; the time, the link between them and the machines are in a test's hand.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import Session, col, select, update

from agent.clock import Clock
from agent.config import load_config
from agent.control import FILE as CONTROL
from agent.job_files import FOLDER, bring
from agent.main import Agent
from agent.session import status
from contract.lease import sign
from contract.messages import Ack, LeaseBook, Presence, encode
from contract.topics import Address, Channel
from contract.wire import decode
from controller.fleet.enrolment import Place, enrol
from controller.fleet.tables import Device
from controller.ingest.inbox import Inbox
from controller.ingest.messages import Arrival
from controller.ingest.observer import Unobserved
from controller.ingest.stats import IngestStats
from controller.ingest.tables import StoredEvent
from controller.ingest.verify import verify
from controller.ingest.writer import Writer
from controller.scheduling import store
from controller.scheduling.leases import LeaseDesk, WalkUp
from controller.scheduling.tables import LeaseGrant
from device_profiles.profile import PROFILES
from tests.databases import fresh
from tests.integration.mqtt import eventually

pytestmark = pytest.mark.integration

ADDRESS = Address("an-phu", "pc-1")
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
CUT_MS = 1_800_000_000_000
"""When the link is cut. Times of the story are in minutes from here on."""
BOOTED_MS = CUT_MS - 5 * HOUR_MS
POLL_MS = 30_000
WAIT_S = 60.0
AGENT = """
school = "an-phu"
agent = "pc-1"
[broker]
port = 1
[[devices]]
id = "printer"
profile = "demo/printer-3d"
endpoint = "sim:1"
[[devices]]
id = "laser"
profile = "demo/laser-cutter"
endpoint = "sim:2"
"""
PRINT = """[actions.print]
label = { en = "Print", vi = "In" }
guarded = true
file = true
args = { digest = "text", name = "text" }

[actions.identify]"""
UNLOCK = """[actions.unlock]
label = { en = "Allow use", vi = "Mở quyền dùng" }
guarded = true

[actions.identify]"""


def equip(folder: Path) -> None:
    """The demonstration's machines, but with something to begin, and idle until somebody does. A print takes 70 min."""
    for slug, busy, action, effect in (
        ("printer-3d", "printing", PRINT, 'print = { metric = "printing", value = true, after = 0, hold = 140 }'),
        ("laser-cutter", "cutting", UNLOCK, 'unlock = { metric = "cutting", value = true, after = 0, hold = 5000 }'),
    ):
        text = (PROFILES / "demo" / f"{slug}.toml").read_text("utf-8")
        lines = [
            f"{busy} = {{ period = 1000000, duty = 0.000001 }}" if line.startswith(f"{busy} = {{ period") else line
            for line in text.replace("[actions.identify]", action).splitlines()
        ]
        quiet = "\n".join(lines).replace("fault_every = 20000", "fault_every = 0")
        (folder / "demo").mkdir(parents=True, exist_ok=True)
        (folder / "demo" / f"{slug}.toml").write_text(f"{quiet}\n{effect}\n", "utf-8")


class Site:
    """A controller, an agent with a printer and a laser cutter, and what passes between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_ms = CUT_MS - HOUR_MS
        self.set_ahead_ms = 0
        """By how much somebody has set the wall clock of the agent's computer ahead."""
        self.boot = "first"
        equip(folder / "profiles")
        self.engine = fresh(folder / "fabfleet.db")
        credentials = enrol(self.engine, Place(ADDRESS.school), ADDRESS.agent)
        self.key = bytes.fromhex(credentials.lease_key)
        self.state = folder / "agent"
        self.state.mkdir()
        (self.state / "agent.toml").write_text(AGENT)
        secrets = {"password": credentials.password, "lease_key": credentials.lease_key}
        (self.state / "credentials.json").write_text(json.dumps(secrets))
        self.digest = bring(self.state / FOLDER, self._job())
        self.acks: list[Ack] = []
        self.inbox = Inbox()
        self.writer = Writer(
            self.engine,
            self.inbox,
            Unobserved(),
            IngestStats(),
            now_ms=lambda: self.now_ms,
            acknowledge=lambda _, ack: self.acks.append(ack),
        )
        self.writer.start()
        self.agent = self.start_agent()

    def _job(self) -> Path:
        job = self.folder / "cube.gcode"
        job.write_bytes(b"G28\n")
        return job

    def start_agent(self) -> Agent:
        """One life of it. Its threads are not started: they do what the test has them do, at its time."""
        clock = Clock(
            lambda: self.now_ms + self.set_ahead_ms,
            lambda: self.now_ms - BOOTED_MS,
            self.boot,
            trusted=lambda: True,  # it has a battery-backed clock
            vouched=lambda: False,
        )
        config = load_config(self.state / "agent.toml", self.state, {}, self.folder / "profiles")
        agent = Agent(config, clock)
        agent._commands.recover()
        return agent

    def end_agent(self) -> None:
        self.agent.stop()
        (self.state / CONTROL).unlink(missing_ok=True)

    def close(self) -> None:
        self.end_agent()
        self.writer.stop(WAIT_S)
        self.engine.dispose()

    # The link, which is up while they exchange what they have to say

    def exchange(self) -> None:
        """All that the agent has to say, and all that the controller answers."""
        agent, station = self.agent, self.agent.uplink._station
        agent.recorder.flush()
        self._say(Channel.STATUS, encode(status(station, Presence.ONLINE, 1, self.now_ms)))
        self._say(Channel.INVENTORY, encode(agent.roster.inventory(agent.outbox.epoch)))
        for batch in agent.outbox.unacked():
            self._say(Channel.REPORT, batch.payload)

        def settled() -> bool:
            while self.acks:
                ack = self.acks.pop()
                agent._clock.heard(ack.at_ms)
                agent.outbox.take_ack(ack)
            return not agent.outbox.unacked() and agent._clock.anchor.heard

        eventually(settled, "the controller has acknowledged everything", WAIT_S)

    def _say(self, channel: Channel, payload: bytes) -> None:
        assert self.inbox.put(Arrival(ADDRESS.topic(channel), payload, self.now_ms))

    # The controller

    def grant(self, device: str, holder: str, begin: int, end: int, *, supervised: bool = False) -> str:
        """A lease of those minutes; the booking's name. `supervised`: the adult has checked in."""
        desk = LeaseDesk(self.engine, lambda: CUT_MS + begin * MINUTE_MS)
        with Session(self.engine) as db:
            device_id = db.exec(select(Device.id).where(Device.slug == device)).one()
            assert device_id
            number = desk.walk_up(db, WalkUp(device_id, holder, CUT_MS + end * MINUTE_MS))
            machine = store.locked(db, device_id)
            assert machine
            changed = {"supervised": supervised, "book_number": store.next_book(db, machine.agent_id)}
            db.execute(update(LeaseGrant).where(col(LeaseGrant.book_number) == number).values(**changed))
            db.commit()
            return db.exec(select(LeaseGrant.booking).where(LeaseGrant.book_number == changed["book_number"])).one()

    def book(self) -> LeaseBook:
        """As it is sent now."""
        ((address, book),) = LeaseDesk(self.engine, lambda: self.now_ms).books_to_send()
        assert address == ADDRESS
        return decode(LeaseBook, encode(book))

    def history(self, *kinds: str) -> list[tuple[str, str, str]]:
        """(kind, device, detail) of what the controller has been told, in order."""
        with Session(self.engine) as db:
            events = db.exec(select(StoredEvent).order_by(col(StoredEvent.id))).all()
        return [(each.kind, each.device, each.detail.strip()) for each in events if each.kind in kinds]

    # The machines

    def minute(self, minute: int) -> None:
        """Let time pass until then: beats when they are due, polls every POLL_MS, all written down every hour."""
        until_ms = CUT_MS + minute * MINUTE_MS
        while self.now_ms < until_ms:
            rest_ms = min(round(self.agent.rest_s() * 1000), POLL_MS - self.now_ms % POLL_MS)
            self.now_ms = min(until_ms, self.now_ms + rest_ms)
            self.agent.beat()
            self._serve()
            if self.now_ms % POLL_MS == 0:
                self.poll()
            if self.now_ms % HOUR_MS == 0:
                self.agent.recorder.flush()

    def poll(self) -> None:
        for worker in self.agent._crew.values():
            worker._attempt()
        self._serve()

    def _serve(self) -> None:
        for worker in self.agent._crew.values():
            if not worker._inbox.empty():
                worker._serve(self.agent._clock.mono_ms() + 1)

    def do(self, device: str, action: str, **args: str) -> str:
        """As `fabfleet-agent do` asks it."""
        given = {"device": device, "action": action, "args": args, "by": "lan"}
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self.agent._answer_do, given)
            while not asked.done():
                self._serve()
            told = asked.result()
        self.poll()
        return f"{told['status']} {told['detail']}".strip()

    def print_cube(self) -> str:
        return self.do("printer", "print", digest=self.digest, name="cube")

    def press_print(self) -> None:
        """At the printer's own display."""
        bridge = self.agent._crew["printer"]._bridge
        assert bridge
        bridge.execute("print", {})
        self.poll()


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        site = Site(tmp_path)
        stack.callback(site.close)
        site.poll()
        site.exchange()
        yield site


@pytest.mark.parametrize("restarted", [False, True], ids=["heard before the cut", "started after the cut"])
def test_eight_hours_without_a_controller(site: Site, restarted: bool) -> None:
    """By an agent that knows the time from the controller, or from its battery-backed clock alone."""
    first = site.grant("printer", "an", 0, 60)
    watched = site.grant("laser", "an", 60, 120, supervised=True)
    second = site.grant("printer", "bình", 180, 240)
    site.grant("laser", "bình", 300, 360)
    site.agent._take_leases(site.book())
    site.exchange()
    site.minute(0)
    if restarted:
        site.end_agent()
        site.boot = "second"
        site.agent = site.start_agent()
    assert site.agent._clock.certain

    site.minute(20)
    assert site.print_cube() == "done", "inside its lease"
    assert site.do("laser", "unlock") == "refused no-lease"
    site.minute(70)
    assert site.do("printer", "preheat", celsius="200") == "refused no-lease", "An's lease is over, her print is not"
    assert site.do("laser", "unlock") == "done", "the adult checked in before the cut"

    site.minute(150)
    site.set_ahead_ms = 45 * MINUTE_MS
    assert site.print_cube() == "refused no-lease", "the wall clock shows a time inside Bình's lease, before any beat"
    site.minute(155)
    assert site.print_cube() == "refused no-lease"
    site.end_agent()
    site.agent = site.start_agent()
    site.poll()
    assert site.print_cube() == "refused no-lease", "a restart of the agent does not make it believe the wall clock"
    assert site.agent._clock.certain is not restarted
    site.minute(170)
    site.set_ahead_ms = 0

    site.minute(200)
    assert site.print_cube() == "done", "now it is Bình's turn"
    site.minute(310)
    assert site.do("laser", "unlock") == "refused no-supervisor"
    site.set_ahead_ms = -30 * MINUTE_MS
    assert site.do("laser", "unlock") == ("refused clock-uncertain" if restarted else "refused no-supervisor")
    site.set_ahead_ms = 0
    site.minute(390)
    site.press_print()
    site.minute(480)

    site.exchange()
    assert site.history("lease-ended", "use-without-lease", "own-command") == [
        ("lease-ended", "printer", f"finishing {first}"),
        ("lease-ended", "laser", f"stopping {watched}"),
        ("own-command", "laser", "lease-end: stop: done"),
        ("lease-ended", "printer", f"finishing {second}"),
        ("use-without-lease", "printer", ""),
    ]
    assert [detail for _, _, detail in site.history("local-command")] == [
        "lan: print: done",
        "lan: unlock: refused no-lease",
        "lan: preheat: refused no-lease",
        "lan: unlock: done",
        "lan: print: refused no-lease",
        "lan: print: refused no-lease",
        "lan: print: refused no-lease",
        "lan: print: done",
        "lan: unlock: refused no-supervisor",
        f"lan: unlock: refused {'clock-uncertain' if restarted else 'no-supervisor'}",
    ]
    assert {detail for _, _, detail in site.history("clock-jump")} == {"2700000 ms", "-2700000 ms"}
    report = verify(site.engine)
    assert report.ok
    assert all(each.counts.produced == each.counts.accepted for each in report.epochs)


def test_book_that_is_not_the_controllers_newest_opens_nothing(site: Site) -> None:
    booking = site.grant("printer", "an", 0, 600)
    old = site.book()
    site.minute(0)
    desk = LeaseDesk(site.engine, lambda: site.now_ms)
    with Session(site.engine) as db:
        assert desk.end(db, booking)
        db.commit()
    newest = site.book()
    site.agent._take_leases(newest)
    site.exchange()

    later = replace(newest, number=newest.number + 1, leases=old.leases)
    for bad in (
        old,
        replace(newest, leases=old.leases),
        sign(replace(later, generation=newest.generation - 1, number=10**6), site.key),
        replace(later, signature=old.signature),
        sign(later, b"a key that somebody guessed"),
        sign(replace(later, agent="an-phu/pc-2"), site.key),
    ):
        site.agent._take_leases(bad)
        assert site.print_cube() == "refused no-lease"
    site.end_agent()
    (site.state / "leases.json").write_bytes(encode(replace(old, number=newest.number + 1)))
    site.agent = site.start_agent()
    site.poll()
    assert site.print_cube() == "refused no-lease", "nor one that somebody wrote to the disk"

    site.exchange()
    kinds = [kind for kind, _, _ in site.history("lease-book-refused", "lease-book-unusable")]
    assert kinds == ["lease-book-refused"] * 3 + ["lease-book-unusable"]
