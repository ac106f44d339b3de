"""Every query of what agents are to be. The caller commits."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Table, and_, case, delete, func, insert, literal, not_, or_, select, text, update
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from contract.desired import ConfigStand, DesiredDevice
from contract.messages import Config, Presence
from contract.model import Value
from contract.topics import Address
from controller.desired.inheritance import WHOLE_CLUSTER, Level, Origin, Place, effective
from controller.desired.tables import AgentConfig, DesiredDeviceRow, DesiredSetting, SaidConfig
from controller.fleet.tables import Agent
from controller.ingest.turn import generation

_AGENT: Table = Agent.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_CONFIG: Table = AgentConfig.__table__  # type: ignore[attr-defined]
_SAID: Table = SaidConfig.__table__  # type: ignore[attr-defined]
_SETTING: Table = DesiredSetting.__table__  # type: ignore[attr-defined]
_DEVICE: Table = DesiredDeviceRow.__table__  # type: ignore[attr-defined]
_CHANGING = 0x66616263
"""The advisory lock of who changes what is wanted; any number that nobody else takes."""
_NUMBER = text(
    "INSERT INTO agent_config (agent_id, school_id, number, digest, wanted_ms)"
    " VALUES (:agent, :school, 1, :digest, :now) ON CONFLICT (agent_id) DO UPDATE"
    " SET number = agent_config.number + 1, digest = excluded.digest, wanted_ms = excluded.wanted_ms"
)
_OVERTAKE = text(
    "INSERT INTO agent_config (agent_id, school_id, number, digest, wanted_ms)"
    " VALUES (:agent, :school, :number, '', :now) ON CONFLICT (agent_id) DO UPDATE"
    " SET number = excluded.number WHERE agent_config.number < excluded.number"
)


@dataclass(frozen=True, slots=True)
class Behind:
    """An agent that does not say what became of its newest configuration; `said` is the newest number it spoke of."""

    agent_id: int
    address: Address
    online: bool
    number: int
    said: tuple[int, int]


def begin(connection: Connection) -> None:
    """Begin a transaction that will change what is wanted: until it ends, nobody else does."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CHANGING})")


# Settings


def own(db: Session, place: Place) -> Mapping[str, Value]:
    """What is wanted at that very place."""
    found = db.execute(select(_SETTING.c.key, _SETTING.c.value).where(_SETTING.c.place == str(place)))
    return {key: json.loads(value) for key, value in found.all()}


def write(db: Session, place: Place, school_id: str | None, settings: Mapping[str, Value]) -> None:
    """Want exactly these at that place."""
    db.execute(delete(_SETTING).where(_SETTING.c.place == str(place)))
    rows = [
        {"place": str(place), "key": key, "school_id": school_id, "value": json.dumps(value)}
        for key, value in settings.items()
    ]
    if rows:
        db.execute(insert(_SETTING), rows)


def layers(agent: Agent) -> tuple[Place, ...]:
    """The places whose settings an agent inherits, from far to near."""
    room = (Place(Level.ROOM, id=agent.room_id),) if agent.room_id else ()
    return (WHOLE_CLUSTER, Place(Level.SCHOOL, agent.school_id), *room, Place(Level.AGENT, id=agent.id or 0))


def wanted(db: Session, agents: Iterable[Agent]) -> Mapping[int, Mapping[str, Origin]]:
    """What counts for each of these agents, by its id."""
    rows = {agent.id or 0: layers(agent) for agent in agents}
    by_place: dict[str, dict[str, Value]] = defaultdict(dict)
    for row in db.execute(select(_SETTING)).all():
        by_place[row.place][row.key] = json.loads(row.value)
    return {
        agent_id: effective((place, by_place.get(str(place), {})) for place in places)
        for agent_id, places in rows.items()
    }


# Devices


def devices(db: Session, agent_ids: Iterable[int]) -> Mapping[int, Sequence[DesiredDevice]]:
    """Those adopted for each of these agents, in the order of their ids."""
    found: dict[int, list[DesiredDevice]] = defaultdict(list)
    asked = select_rows(DesiredDeviceRow).where(col(DesiredDeviceRow.agent_id).in_(list(agent_ids)))
    for row in db.exec(asked.order_by(DesiredDeviceRow.slug)):
        device = DesiredDevice(row.slug, row.profile_slug, row.endpoint, row.name, row.room, row.options)
        found[row.agent_id].append(device)
    return found


def slugs(connection: Connection, agent_id: int) -> frozenset[str]:
    """Ids of the devices that were adopted for an agent."""
    return frozenset(connection.execute(select(_DEVICE.c.slug).where(_DEVICE.c.agent_id == agent_id)).scalars())


def put_device(db: Session, agent: Agent, device: DesiredDevice, by_id: str, now_ms: int) -> None:
    """Have an agent look after a device, instead of one with its id."""
    remove_device(db, agent, device.id)
    row = {"agent_id": agent.id, "slug": device.id, "school_id": agent.school_id, "profile_slug": device.profile}
    more = {key: value for key, value in asdict(device).items() if key not in ("id", "profile")}
    db.execute(insert(_DEVICE), {**row, **more, "by_id": by_id, "at_ms": now_ms})


def remove_device(db: Session, agent: Agent, slug: str) -> bool:
    """Whether there was one."""
    found = delete(_DEVICE).where(_DEVICE.c.agent_id == agent.id, _DEVICE.c.slug == slug).returning(_DEVICE.c.slug)
    return db.execute(found).first() is not None


# Numbers


def anything_wanted(db: Session) -> bool:
    """Whether anybody ever wanted anything: else there is nothing to compare."""
    tables = (_SETTING, _DEVICE, _CONFIG)
    return any(db.execute(select(literal(1)).select_from(table).limit(1)).first() for table in tables)


def out_of_step(db: Session, agents: Sequence[Agent]) -> Sequence[tuple[Agent, Config]]:
    """Those of these agents whose content is another one than their number stands for, each with what it is now."""
    contents = configs(db, agents, {})
    known = dict(db.execute(select(_CONFIG.c.agent_id, _CONFIG.c.digest)).all())
    pairs = ((agent, contents[agent.id or 0]) for agent in agents)
    return [(agent, config) for agent, config in pairs if _is_another(known.get(agent.id, ""), config)]


def _is_another(digest: str, config: Config) -> bool:
    """Of an agent that never had one, none is wanted as long as it would be empty."""
    return digest != config.digest if digest else bool(config.settings or config.devices)


def renumber(db: Session, agents: Sequence[Agent], now_ms: int) -> int:
    """Give each of these agents a new number whose content is another one now; how many. `begin` came before."""
    connection = db.connection()
    changed = 0
    for agent, content in out_of_step(db, agents):
        values = {"agent": agent.id, "school": agent.school_id, "digest": content.digest, "now": now_ms}
        connection.execute(_NUMBER, values)
        changed += 1
    return changed


def configs(db: Session, agents: Iterable[Agent], numbers: Mapping[int, int]) -> Mapping[int, Config]:
    """The configuration of each of these agents, with the number given for it."""
    rows = {agent.id or 0: agent for agent in agents}
    settings, adopted = wanted(db, rows.values()), devices(db, rows)
    life = generation(db.connection())
    return {
        agent_id: Config(
            life,
            numbers.get(agent_id, 0),
            {key: origin.value for key, origin in settings[agent_id].items()},
            tuple(adopted.get(agent_id, ())),
        )
        for agent_id in rows
    }


def hear(connection: Connection, agent_id: int, school_id: str, said: ConfigStand) -> None:
    """Keep what an agent says of its configuration. Of one that says nothing there is no row unless it once did."""
    values = asdict(said)
    found = connection.execute(update(_SAID).where(_SAID.c.agent_id == agent_id).values(values))
    if not found.rowcount and said != ConfigStand():
        connection.execute(insert(_SAID).values(values | {"agent_id": agent_id, "school_id": school_id}))


def said_by(row: SaidConfig | None) -> ConfigStand:
    return ConfigStand(**row.model_dump(exclude={"agent_id", "school_id"})) if row else ConfigStand()


def behind(db: Session) -> Sequence[Behind]:
    """All agents that are to be sent their configuration; whoever rejected it is not told it again."""
    life = generation(db.connection())
    ours, its = func.coalesce(_CONFIG.c.number, 0), _SAID.c
    holds = and_(its.generation == life, its.number == ours)
    rejects = and_(its.rejected_generation == life, its.rejected_number == ours)
    told = func.coalesce(case((or_(holds, rejects), 1), else_=0), 0)
    never = and_(ours == 0, func.coalesce(its.number, 0) == 0, func.coalesce(its.rejected_number, 0) == 0)
    columns = (its.generation, its.number, its.rejected_generation, its.rejected_number)
    asked = (
        select(_AGENT.c.id, _AGENT.c.school_id, _AGENT.c.name, _AGENT.c.presence, ours.label("wanted"), *columns)
        .select_from(_AGENT)
        .outerjoin(_CONFIG, _CONFIG.c.agent_id == _AGENT.c.id)
        .outerjoin(_SAID, its.agent_id == _AGENT.c.id)
        .where(_AGENT.c.revoked.is_(False), not_(never), told == 0)
        .order_by(_AGENT.c.id)
    )
    return [
        Behind(
            agent_id=row.id,
            address=Address(row.school_id, row.name),
            online=row.presence == Presence.ONLINE,
            number=row.wanted,
            said=max((row.generation or 0, row.number or 0), (row.rejected_generation or 0, row.rejected_number or 0)),
        )
        for row in db.execute(asked)
    ]


def overtake(db: Session, agent: Behind, number: int, now_ms: int) -> None:
    """Give the agent a number later than the one it speaks of."""
    values = {"agent": agent.agent_id, "school": agent.address.school, "number": number, "now": now_ms}
    db.execute(_OVERTAKE, values)
