"""What agents found, in the tables: it waits, a person adopts or ignores it, and its agent is told. Trials as well."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from contract.found import Candidate, Clue, ClueKind, Found
from controller.desired import store as desired
from controller.desired.desk import ConfigDesk
from controller.fleet.live import profile_here
from controller.fleet.tables import Agent, Room, School
from controller.found import store
from controller.found.desk import Adoption, Fault, Find, FoundDesk, NoSuchFind, WrongWord
from controller.found.states import FoundState
from controller.identity.policy import Principal, Role
from controller.identity.store import audit_lines
from controller.ingest.tables import Installation

pytestmark = pytest.mark.integration
CHIEF = Principal("chief", "chief", "Chief", Role.ADMINISTRATOR, None)
ANA = Principal("ana", "ana", "Ana", Role.TECHNICIAN, "alpha")
BEN = Principal("ben", "ben", "Ben", Role.TECHNICIAN, "beta")
PRUSA = Found(
    "usb/2c99:0002/CZPX2619",
    "Original Prusa i3 MK3",
    "CZPX2619",
    (Clue(ClueKind.USB, "2c99:0002"), Clue(ClueKind.SERIAL, "CZPX2619"), Clue(ClueKind.PORT, "1-1.2")),
    (Candidate("prusa/mk3s", "/dev/serial/by-id/usb-Prusa", 90, (ClueKind.USB,)),),
)
CLONE = Found(
    "usb/1a86:7523/1-1.3",
    identity="1-1.3",
    clues=(Clue(ClueKind.USB, "1a86:7523"), Clue(ClueKind.PORT, "1-1.3")),
    candidates=(
        Candidate("creality/ender-3", "/dev/ttyUSB0", 15, (ClueKind.USB,)),
        Candidate("sculpfun/s30", "/dev/ttyUSB0", 15, (ClueKind.USB,)),
    ),
)
PROJECTOR = Found(
    "net/10.20.3.41",
    "NEC P605UL",
    "10.20.3.41",
    (Clue(ClueKind.PJLINK, "PJLINK NEC / P605UL"), Clue(ClueKind.HOST, "10.20.3.41")),
    (Candidate("pjlink/projector", "tcp://10.20.3.41:4352", 90, (ClueKind.PJLINK,)),),
)
UNKNOWN = Found("usb/0483:5740/1-1.4", identity="1-1.4", clues=(Clue(ClueKind.USB, "0483:5740"),))


@dataclass
class Yard:
    """Agents a1 and a2 of alpha, b1 of beta, and what they find."""

    engine: Engine
    ids: Mapping[str, int]
    room: int
    now_ms: int = 1_000_000
    woken: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.configs = ConfigDesk(self.engine, lambda: self.now_ms, lambda: self.woken.append(1))
        self.desk = FoundDesk(self.engine, self.configs, lambda: self.now_ms, profile_here)

    def tell(self, name: str, *found: Found) -> None:
        with self.engine.begin() as connection:
            store.hear(
                connection,
                self.ids[name],
                "beta" if name == "b1" else "alpha",
                found,
                self.now_ms,
                wanted=lambda: desired.slugs(connection, self.ids[name]),
            )

    def find(self, who: Principal, key: str, state: FoundState = FoundState.WAITING) -> Find:
        return next(each for each in self.desk.finds(who, state) if each.row.key == key)

    def id(self, who: Principal, found: Found, state: FoundState = FoundState.WAITING) -> int:
        return self.find(who, found.key, state).row.id or 0

    def keys(self, who: Principal = ANA, state: FoundState = FoundState.WAITING) -> set[str]:
        return {each.row.key for each in self.desk.finds(who, state)}

    def audit(self) -> list[tuple[str, str]]:
        with Session(self.engine) as db:
            return [(line.action, line.actor) for line in audit_lines(db)]


@pytest.fixture(name="yard")
def _yard(either_database: Engine) -> Yard:
    with Session(either_database) as db:
        db.add_all([School(id="alpha", name="Alpha"), School(id="beta", name="Beta"), Installation(id=1, generation=3)])
        db.commit()
        room = Room(school_id="alpha", slug="fablab", name="FabLab")
        db.add_all([room, Agent(school_id="beta", name="b1")])
        db.add_all([Agent(school_id="alpha", name=name, presence="online") for name in ("a1", "a2")])
        db.commit()
        ids = {each.name: each.id or 0 for each in db.exec(select(Agent))}
        return Yard(either_database, ids, room.id or 0)


def test_what_is_found_waits_until_it_is_adopted_and_its_agent_is_told(yard: Yard) -> None:
    yard.tell("a1", PRUSA, UNKNOWN)
    assert yard.keys() == {PRUSA.key, UNKNOWN.key}
    assert yard.configs.devices(ANA, yard.ids["a1"]) == (), "it does nothing until somebody says so"
    slug = yard.desk.adopt(ANA, yard.id(ANA, PRUSA), Adoption(name="Máy in 3D B", room_id=yard.room))
    (device,) = yard.configs.devices(ANA, yard.ids["a1"])
    assert (slug, device.id, device.profile) == ("may-in-3d-b", "may-in-3d-b", "prusa/mk3s")
    assert (device.endpoint, device.name, device.room) == ("/dev/serial/by-id/usb-Prusa", "Máy in 3D B", "FabLab")
    assert yard.keys() == {UNKNOWN.key}
    assert yard.woken
    assert ("found-adopt", "ana") in yard.audit()
    with pytest.raises(NoSuchFind):
        yard.desk.adopt(ANA, yard.id(ANA, PRUSA, FoundState.ADOPTED), Adoption())


def test_what_is_pulled_out_waits_no_more_and_keeps_what_was_said_of_it(yard: Yard) -> None:
    yard.tell("a1", PRUSA, CLONE)
    yard.desk.ignore(ANA, yard.id(ANA, CLONE), "Máy của học sinh")
    yard.tell("a1")
    assert yard.keys() == set()
    yard.tell("a1", PRUSA, CLONE)
    assert yard.keys() == {PRUSA.key}
    assert yard.find(ANA, CLONE.key, FoundState.IGNORED).row.reason == "Máy của học sinh"
    yard.desk.restore(ANA, yard.id(ANA, CLONE, FoundState.IGNORED))
    assert yard.keys() == {PRUSA.key, CLONE.key}
    assert [action for action, _ in yard.audit()] == ["found-ignore", "found-restore"]


def test_adoption_takes_a_profile_that_fits_a_name_and_a_room_of_the_school(yard: Yard) -> None:
    yard.tell("a1", CLONE, UNKNOWN)
    clone, unknown = yard.id(ANA, CLONE), yard.id(ANA, UNKNOWN)
    for thing, how, fault in (
        (unknown, Adoption(), Fault.NO_PROFILE),
        (clone, Adoption(profile="prusa/mk3s"), Fault.NO_PROFILE),
        (clone, Adoption(name="???"), Fault.NO_NAME),
        (clone, Adoption(room_id=99), Fault.NO_ROOM),
    ):
        with pytest.raises(WrongWord) as wrong:
            yard.desk.adopt(ANA, thing, how)
        assert wrong.value.fault is fault
    with pytest.raises(WrongWord):
        yard.desk.ignore(ANA, clone, "  ")
    assert yard.configs.devices(ANA, yard.ids["a1"]) == ()
    assert yard.desk.adopt(ANA, clone, Adoption(profile="sculpfun/s30", name="Laser")) == "laser"


def test_two_things_of_one_name_get_ids_of_their_own(yard: Yard) -> None:
    yard.tell("a1", CLONE, replace(CLONE, key="usb/1a86:7523/1-1.4", identity="1-1.4"))
    first, second = (each.row.id or 0 for each in yard.desk.finds(ANA))
    slugs = {yard.desk.adopt(ANA, each, Adoption(name="Ender")) for each in (first, second)}
    assert slugs == {"ender", "ender-2"}


def test_what_several_agents_of_a_school_see_in_its_network_is_one_thing(yard: Yard) -> None:
    for name in ("a1", "a2", "b1"):
        yard.tell(name, PROJECTOR)
    (one,) = yard.desk.finds(ANA)
    assert {each.name for each in one.agents} == {"a1", "a2"}
    assert len(yard.desk.finds(CHIEF)) == 2, "the other school's address is another thing"
    yard.desk.adopt(ANA, one.row.id or 0, Adoption())
    assert yard.keys() == set()
    assert yard.keys(BEN) == {PROJECTOR.key}


def test_another_schools_things_are_not_there(yard: Yard) -> None:
    yard.tell("b1", PRUSA)
    thing = yard.id(BEN, PRUSA)
    assert yard.keys() == set()
    for word in (
        lambda: yard.desk.adopt(ANA, thing, Adoption()),
        lambda: yard.desk.ignore(ANA, thing, "no"),
        lambda: yard.desk.give_back(ANA, thing),
    ):
        with pytest.raises(NoSuchFind):
            word()
    assert yard.desk.rooms(ANA, "beta") == ()


def test_machine_that_moved_is_adopted_once_it_was_given_back_where_it_was(yard: Yard) -> None:
    yard.tell("b1", PRUSA)
    yard.desk.adopt(BEN, yard.id(BEN, PRUSA), Adoption(name="Prusa"))
    yard.tell("b1")
    yard.tell("a1", PRUSA)
    hidden, seen = yard.find(ANA, PRUSA.key).elsewhere, yard.find(CHIEF, PRUSA.key).elsewhere
    assert hidden is not None
    assert (hidden.id, hidden.school) == (0, ""), "another school's device is not told by name"
    assert seen is not None
    assert seen.school == "Beta"
    with pytest.raises(WrongWord):
        yard.desk.adopt(CHIEF, yard.id(CHIEF, PRUSA), Adoption())
    yard.desk.give_back(CHIEF, seen.id)
    assert yard.configs.devices(CHIEF, yard.ids["b1"]) == ()
    yard.desk.adopt(ANA, yard.id(ANA, PRUSA), Adoption())
    assert len(yard.configs.devices(ANA, yard.ids["a1"])) == 1


def test_device_that_was_taken_away_waits_again_and_comes_back_under_its_id(yard: Yard) -> None:
    yard.tell("a1", PRUSA)
    slug = yard.desk.adopt(ANA, yard.id(ANA, PRUSA), Adoption(name="Prusa"))
    yard.configs.remove_device(ANA, yard.ids["a1"], slug)
    yard.tell("a1", PRUSA)
    assert yard.desk.adopt(ANA, yard.id(ANA, PRUSA), Adoption(name="Another name")) == slug


def test_agent_that_finds_ever_new_things_fills_no_table(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST", 20)
    yard.tell("a1", PRUSA)
    yard.desk.ignore(ANA, yard.id(ANA, PRUSA), "x")
    for number in range(12):
        yard.now_ms += 1
        yard.tell("a1", *(replace(CLONE, key=f"usb/{number}/{each}") for each in range(5)))
    with yard.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM found_thing").scalar_one() <= 25
    assert yard.keys(ANA, FoundState.IGNORED) == {PRUSA.key}, "what somebody decided is kept"
