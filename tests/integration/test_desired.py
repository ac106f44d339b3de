"""What agents are to be, in the tables: who may say so, what it changes, how it is told, and set back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from contract.desired import ConfigStand, DesiredDevice
from contract.messages import Config, Presence
from contract.model import Value
from controller.desired import store
from controller.desired.desk import AgentStand, ConfigDesk, NoSuchPlace, NotYours, WrongWish
from controller.desired.drift import Drift
from controller.desired.inheritance import WHOLE_CLUSTER, Level, Origin, Place
from controller.desired.post import FOLLOW_MS, RESEND_MS, ConfigPost
from controller.fleet.tables import Agent, Room, School
from controller.identity.policy import Principal, Role
from controller.identity.store import audit_lines
from controller.ingest.tables import Installation
from controller.scope import CLUSTER, Scope

pytestmark = pytest.mark.integration
CHIEF = Principal("chief", "chief", "Chief", Role.ADMINISTRATOR, None)
ANA = Principal("ana", "ana", "Ana", Role.TECHNICIAN, "alpha")
TEACHER = Principal("tea", "tea", "Tea", Role.TEACHER, "alpha")
PROJECTOR = DesiredDevice("projector", "demo/projector", "10.0.0.7", "Máy chiếu", "a1", {"inputs": 2})


@dataclass
class Office:
    """Agents a1 (room) and a2 of alpha, b1 of beta; a desk and its post."""

    engine: Engine
    ids: Mapping[str, int]
    room: Place
    now_ms: int = 1_000_000
    woken: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.desk = ConfigDesk(self.engine, lambda: self.now_ms, lambda: self.woken.append(1))
        self.post = ConfigPost(self.engine, lambda: self.now_ms)

    def agent(self, name: str) -> Place:
        return Place(Level.AGENT, id=self.ids[name])

    def due(self) -> dict[str, Config]:
        return {str(address): config for address, config in self.post.due()}

    def say(self, name: str, said: ConfigStand) -> None:
        with self.engine.begin() as connection:
            store.hear(connection, self.ids[name], "beta" if name == "b1" else "alpha", said)

    def numbers(self) -> dict[str, int]:
        return {each.agent.name: each.number for each in self.desk.stands(CLUSTER)}

    def stand(self, name: str) -> AgentStand:
        return next(each for each in self.desk.stands(CLUSTER) if each.agent.name == name)


@pytest.fixture(name="office")
def _office(either_database: Engine) -> Office:
    with Session(either_database) as db:
        db.add_all([School(id="alpha", name="Alpha"), School(id="beta", name="Beta"), Installation(id=1, generation=3)])
        db.commit()
        room = Room(school_id="alpha", slug="a1", name="Phòng A1")
        db.add(room)
        db.commit()
        db.add_all(
            [
                Agent(school_id="alpha", name="a1", room_id=room.id, presence=Presence.ONLINE),
                Agent(school_id="alpha", name="a2", presence=Presence.ONLINE),
                Agent(school_id="beta", name="b1", presence=Presence.ONLINE),
            ]
        )
        db.commit()
        ids = {each.name: each.id or 0 for each in db.exec(select(Agent))}
        place = Place(Level.ROOM, id=room.id or 0)
    return Office(either_database, ids, place)


def test_change_raises_the_number_of_exactly_the_agents_that_it_touches_and_is_published(office: Office) -> None:
    assert office.due() == {}
    assert office.desk.write(CHIEF, WHOLE_CLUSTER, {"flush_s": 2.0, "outbox.kept_h": 24}) == 3
    assert office.desk.write(ANA, office.room, {"flush_s": 5.0}) == 1
    assert office.desk.write(ANA, Place(Level.SCHOOL, "alpha"), {"flush_s": 4.0}) == 1  # a1's room says otherwise
    assert office.numbers() == {"a1": 2, "a2": 2, "b1": 1}
    found = office.due()
    assert {name: (each.generation, each.number, each.settings) for name, each in found.items()} == {
        "alpha/a1": (3, 2, {"flush_s": 5.0, "outbox.kept_h": 24}),
        "alpha/a2": (3, 2, {"flush_s": 4.0, "outbox.kept_h": 24}),
        "beta/b1": (3, 1, {"flush_s": 2.0, "outbox.kept_h": 24}),
    }
    view = office.desk.view(ANA, office.agent("a1"))
    assert view.inherited == {"flush_s": Origin(5.0, office.room), "outbox.kept_h": Origin(24, WHOLE_CLUSTER)}
    assert len(office.woken) == 3


def test_configuration_is_sent_again_until_its_agent_says_what_became_of_it(office: Office) -> None:
    office.desk.write(ANA, office.room, {"flush_s": 5.0})
    sent = office.due()["alpha/a1"]
    assert office.due() == {}
    office.now_ms += RESEND_MS
    assert set(office.due()) == {"alpha/a1"}
    office.post.connected()
    assert set(office.due()) == {"alpha/a1"}
    office.say("a1", ConfigStand(3, 1, sent.digest, on_trial=True))
    assert office.stand("a1").drift is Drift.ON_ITS_WAY
    office.now_ms += RESEND_MS
    assert office.due() == {}
    office.say("a1", ConfigStand(3, 1, sent.digest))
    assert office.stand("a1").drift is Drift.IN_FORCE
    office.say("a1", ConfigStand())  # a new disk: it knows nothing any more
    assert set(office.due()) == {"alpha/a1"}


def test_agent_that_rejected_one_is_told_the_next_and_one_that_is_ahead_is_overtaken(office: Office) -> None:
    office.desk.write(ANA, office.room, {"broker.port": 4711})
    office.say("a1", ConfigStand(rejected_generation=3, rejected_number=1, how="rolled-back", reason="no way"))
    assert office.due() == {}
    assert (office.stand("a1").drift, office.stand("a1").said.reason) == (Drift.ROLLED_BACK, "no way")
    office.desk.write(ANA, office.room, {})
    assert office.due()["alpha/a1"] == Config(3, 2)
    office.say("a2", ConfigStand(3, 41, "0" * 32))  # this database is an older copy that somebody put back
    assert office.due()["alpha/a2"] == Config(3, 42)


def test_only_who_may_says_what_agents_are_to_be_and_within_the_bounds(office: Office) -> None:
    for place in (Place(Level.SCHOOL, "beta"), office.agent("b1"), Place(Level.ROOM, id=999)):
        with pytest.raises(NoSuchPlace):
            office.desk.write(ANA, place, {"flush_s": 2.0})
    with pytest.raises(NotYours):
        office.desk.write(ANA, WHOLE_CLUSTER, {"flush_s": 2.0})
    with pytest.raises(NoSuchPlace):
        office.desk.write(TEACHER, office.room, {"flush_s": 2.0})
    with pytest.raises(NoSuchPlace):
        office.desk.put_device(ANA, office.ids["b1"], PROJECTOR)
    wrong: list[tuple[str, Value]] = [("flush_s", 0.0), ("broker.port", "1"), ("school", "x")]
    for key, value in wrong:
        with pytest.raises(WrongWish) as caught:
            office.desk.write(ANA, office.room, {"outbox.kept_h": 5, key: value})
        assert caught.value.key == key
    assert office.numbers() == {"a1": 0, "a2": 0, "b1": 0}
    assert {each.agent.name for each in office.desk.stands(Scope("alpha"))} == {"a1", "a2"}


def test_earlier_state_is_set_back_in_one_step_and_every_change_is_in_the_audit_log(office: Office) -> None:
    first: dict[str, Value] = {"flush_s": 5.0}
    office.desk.write(ANA, office.room, first)
    office.desk.write(ANA, office.room, {"broker.host": "elsewhere"})
    history = office.desk.view(ANA, office.room).history
    assert [dict(each.settings) for each in history] == [{"broker.host": "elsewhere"}, first]
    office.desk.set_back(ANA, history[1].id or 0)
    view = office.desk.view(ANA, office.room)
    assert (view.own, view.history[0].back_to) == (first, history[1].id)
    assert office.numbers()["a1"] == 3
    stranger = Principal("x", "x", "X", Role.TECHNICIAN, "beta")
    with pytest.raises(NoSuchPlace):
        office.desk.set_back(stranger, history[0].id or 0)
    with Session(office.engine) as db:
        told = [(line.action, line.actor, line.subject, line.detail) for line in audit_lines(db)]
    assert told == [
        ("settings-change", "ana", str(office.room), "flush_s: - -> 5.0"),
        ("settings-change", "ana", str(office.room), "broker.host: - -> elsewhere, flush_s: 5.0 -> -"),
        ("settings-back", "ana", str(office.room), "broker.host: elsewhere -> -, flush_s: - -> 5.0"),
    ]


def test_adopted_devices_go_to_their_agent_alone(office: Office) -> None:
    office.desk.put_device(ANA, office.ids["a2"], PROJECTOR)
    assert office.due() == {"alpha/a2": Config(3, 1, {}, (PROJECTOR,))}
    office.desk.put_device(ANA, office.ids["a2"], PROJECTOR)
    assert office.numbers()["a2"] == 1
    office.desk.remove_device(ANA, office.ids["a2"], "projector")
    assert office.due() == {"alpha/a2": Config(3, 2)}
    with pytest.raises(NoSuchPlace):
        office.desk.remove_device(ANA, office.ids["a2"], "projector")


def test_agent_that_is_enrolled_later_or_goes_to_another_room_inherits_what_is_wanted_there(office: Office) -> None:
    office.desk.write(ANA, office.room, {"flush_s": 5.0})
    assert set(office.due()) == {"alpha/a1"}
    with Session(office.engine) as db:
        db.add(Agent(school_id="alpha", name="new", room_id=office.room.id, presence=Presence.ONLINE))
        moved = db.get_one(Agent, office.ids["a2"])
        moved.room_id = office.room.id
        db.add(moved)
        db.commit()
    office.now_ms += FOLLOW_MS
    found = office.due()
    assert {name: found[name].settings for name in ("alpha/a2", "alpha/new")} == {
        "alpha/a2": {"flush_s": 5.0},
        "alpha/new": {"flush_s": 5.0},
    }
