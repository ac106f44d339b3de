"""Says what agents are to be: settings of a place, and the devices that were adopted for an agent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contract.desired import ConfigStand, DesiredDevice
from contract.messages import MAX_DEVICES, Config, encode
from contract.model import ContractError, Value
from contract.settings import check_settings
from controller.desired import store
from controller.desired.drift import Drift, Wanted, drift
from controller.desired.inheritance import WHOLE_CLUSTER, Level, Origin, Place, effective, place_of
from controller.desired.tables import AgentConfig, DesiredChange, SaidConfig
from controller.fleet.tables import Agent, Room, School
from controller.identity.policy import Permission, Principal, may
from controller.identity.store import audit
from controller.ingest.turn import generation
from controller.scope import Scope

MOST_SHOWN = 1_000
MOST_HISTORY = 100
_LONGEST_MESSAGE = 200_000
"""Bytes of a configuration; well below what an agent takes."""


class DesiredError(Exception):
    """Nothing was written; its leaves say what to do."""


class NoSuchPlace(DesiredError):
    """It is not there, or not for this asker: look again (404)."""


class WrongWish(DesiredError):
    """It cannot be wanted: mend it and try again (422). `key` names the setting or the device."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why)
        self.key = key


class NotYours(DesiredError):
    """The settings of the cluster are for whoever is responsible for all of it (403)."""


@dataclass(frozen=True, slots=True)
class AgentStand:
    """How it stands with one agent. `since_ms`: when its newest configuration was wanted, or it was heard last."""

    agent: Agent
    drift: Drift
    said: ConfigStand
    number: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class View:
    """A place: what is wanted there, what it inherits from farther places, and how its settings came to be."""

    place: Place
    school_id: str | None
    name: str
    own: Mapping[str, Value]
    inherited: Mapping[str, Origin]
    history: Sequence[DesiredChange]


class ConfigDesk:
    """Safe to use from any thread and any process. `changed` is called after each commit that changed anything.

    Whoever has the permission CONFIGURE says it for their scope; the cluster's settings take the scope of the cluster.
    """

    def __init__(self, engine: Engine, now_ms: Callable[[], int], changed: Callable[[], None]) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._changed = changed

    # what there is

    def view(self, who: Principal, place: Place) -> View:
        """Everybody who configures may see what is inherited from the cluster. Raises NoSuchPlace."""
        with Session(self._engine, expire_on_commit=False) as db:
            found = _found(db, who, place)
            chain = [(each, store.own(db, each)) for each in found.farther]
            asked = select(DesiredChange).where(DesiredChange.place == str(place))
            history = db.exec(asked.order_by(col(DesiredChange.id).desc()).limit(MOST_HISTORY)).all()
            return View(place, found.school_id, found.name, store.own(db, place), effective(chain), history)

    def stands(self, scope: Scope) -> Sequence[AgentStand]:
        """Every agent that is not revoked, by school and name."""
        with Session(self._engine, expire_on_commit=False) as db:
            asked = (
                select(Agent, AgentConfig, SaidConfig)
                .join(AgentConfig, col(AgentConfig.agent_id) == col(Agent.id), isouter=True)
                .join(SaidConfig, col(SaidConfig.agent_id) == col(Agent.id), isouter=True)
                .where(col(Agent.revoked).is_(False))
            )
            if scope.school_id is not None:
                asked = asked.where(Agent.school_id == scope.school_id)
            life = generation(db.connection())
            rows = db.exec(asked.order_by(Agent.school_id, Agent.name).limit(MOST_SHOWN)).all()
            return [_stand(agent, config, said, life) for agent, config, said in rows]

    def devices(self, who: Principal, agent_id: int) -> Sequence[DesiredDevice]:
        """Raises NoSuchPlace."""
        with Session(self._engine) as db:
            agent = _agent(db, who, agent_id)
            return store.devices(db, [agent.id or 0]).get(agent.id or 0, ())

    # what is done

    def write(self, who: Principal, place: Place, settings: Mapping[str, Value]) -> int:
        """Want exactly these at that place; how many agents have another configuration now.

        Raises NoSuchPlace, NotYours, WrongWish.
        """
        _check(settings)
        return self._write(who, place, settings, None)

    def set_back(self, who: Principal, change_id: int) -> int:
        """Want again what was wanted at a place after that change. Raises as `write`."""
        with Session(self._engine) as db:
            row = db.get(DesiredChange, change_id)
            if row is None:
                raise NoSuchPlace(f"no change {change_id}")
            place, settings = place_of(row.place), dict(row.settings)
        _check(settings)
        return self._write(who, place, settings, change_id)

    def put_device(self, who: Principal, agent_id: int, device: DesiredDevice) -> None:
        """Have an agent look after a device. Raises NoSuchPlace, WrongWish."""
        with Session(self._engine) as db:
            self.adopt(db, who, agent_id, device)
            db.commit()
        self._changed()

    def remove_device(self, who: Principal, agent_id: int, slug: str) -> None:
        """Raises NoSuchPlace if the agent has no such device from here."""
        with Session(self._engine) as db:
            store.begin(db.connection())
            agent = _agent(db, who, agent_id)
            if not store.remove_device(db, agent, slug):
                raise NoSuchPlace(f"no device {slug}")
            store.renumber(db, [agent], self._now_ms())
            self._audit(db, who, "device-unwanted", agent, slug)
            db.commit()
        self._changed()

    def adopt(self, db: Session, who: Principal, agent_id: int, device: DesiredDevice) -> None:
        """As `put_device`, in the transaction of the caller, who commits and then calls `wake`.

        Must be the first that the transaction does. Raises NoSuchPlace, WrongWish.
        """
        store.begin(db.connection())
        agent = _agent(db, who, agent_id)
        store.put_device(db, agent, device, who.id, self._now_ms())
        content = store.configs(db, [agent], {})[agent_id]
        _check_size(content, device.id)
        store.renumber(db, [agent], self._now_ms())
        self._audit(db, who, "device-wanted", agent, f"{device.id} {device.profile} {device.endpoint}")

    def wake(self) -> None:
        """What was adopted is committed: publish it."""
        self._changed()

    def _write(self, who: Principal, place: Place, settings: Mapping[str, Value], back_to: int | None) -> int:
        with Session(self._engine) as db:
            store.begin(db.connection())
            found = _found(db, who, place)
            if place == WHOLE_CLUSTER and who.scope.school_id is not None:
                raise NotYours("the settings of the whole cluster")
            before = store.own(db, place)
            if before == settings:
                return 0
            store.write(db, place, found.school_id, settings)
            row = DesiredChange(
                place=str(place),
                school_id=found.school_id,
                at_ms=self._now_ms(),
                by_id=who.id,
                settings=dict(settings),
                back_to=back_to,
            )
            db.add(row)
            changed = store.renumber(db, _beneath(db, place), self._now_ms())
            audit(
                db,
                self._now_ms(),
                "settings-change" if back_to is None else "settings-back",
                actor=who.id,
                subject=str(place),
                school_id=found.school_id,
                detail=_difference(before, settings),
            )
            db.commit()
        self._changed()
        return changed

    def _audit(self, db: Session, who: Principal, action: str, agent: Agent, detail: str) -> None:
        subject = f"{agent.school_id}/{agent.name}"
        audit(db, self._now_ms(), action, actor=who.id, subject=subject, school_id=agent.school_id, detail=detail)


@dataclass(frozen=True, slots=True)
class _Found:
    """A place that there is: its name, and the places that it inherits from, from far to near."""

    name: str
    school_id: str | None
    farther: tuple[Place, ...]


def _found(db: Session, who: Principal, place: Place) -> _Found:
    """Raises NoSuchPlace for one outside of the asker's reach; what the cluster wants, all who configure may see."""
    if not may(who, Permission.CONFIGURE):
        raise NoSuchPlace(str(place))
    match place.level:
        case Level.CLUSTER:
            return _Found("", None, ())
        case Level.SCHOOL:
            school = db.get(School, place.school)
            found = _Found(school.name, school.id, (WHOLE_CLUSTER,)) if school else None
        case Level.ROOM:
            room = db.get(Room, place.id)
            school_place = Place(Level.SCHOOL, room.school_id) if room else WHOLE_CLUSTER
            found = _Found(room.name, room.school_id, (WHOLE_CLUSTER, school_place)) if room else None
        case Level.AGENT:
            agent = db.get(Agent, place.id)
            found = _Found(agent.name, agent.school_id, store.layers(agent)[:-1]) if agent else None
    if found is None or not who.scope.covers(found.school_id):
        raise NoSuchPlace(str(place))
    return found


def _agent(db: Session, who: Principal, agent_id: int) -> Agent:
    row = db.get(Agent, agent_id)
    if row is None or row.revoked or not may(who, Permission.CONFIGURE) or not who.scope.covers(row.school_id):
        raise NoSuchPlace(f"no agent {agent_id}")
    return row


def _beneath(db: Session, place: Place) -> Sequence[Agent]:
    """The agents that inherit from a place."""
    asked = select(Agent).where(col(Agent.revoked).is_(False))
    if place.level is Level.SCHOOL:
        asked = asked.where(Agent.school_id == place.school)
    elif place.level is Level.ROOM:
        asked = asked.where(Agent.room_id == place.id)
    elif place.level is Level.AGENT:
        asked = asked.where(Agent.id == place.id)
    return db.exec(asked.order_by(col(Agent.id))).all()


def _stand(agent: Agent, config: AgentConfig | None, said: SaidConfig | None, life: int) -> AgentStand:
    stand, number = store.said_by(said), config.number if config else 0
    state = drift(Wanted(life, number, agent.online), stand)
    since_ms = agent.since_ms if state is Drift.OFFLINE else config.wanted_ms if config else 0
    return AgentStand(agent, state, stand, number, since_ms)


def _check(settings: Mapping[str, Value]) -> None:
    """By the same table as the agent. Raises WrongWish."""
    for key, value in settings.items():
        try:
            check_settings({key: value})
        except ContractError as error:
            raise WrongWish(key, str(error)) from None


def _check_size(config: Config, device: str) -> None:
    if len(config.devices) > MAX_DEVICES or len(encode(config)) > _LONGEST_MESSAGE:
        raise WrongWish(device, "this agent has too many devices")


def _difference(before: Mapping[str, Value], after: Mapping[str, Value]) -> str:
    """What changed, for the audit log: key: before -> after, - where there was or is none."""
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return ", ".join(f"{key}: {before.get(key, '-')} -> {after.get(key, '-')}" for key in keys)
