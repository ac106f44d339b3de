"""What the live picture is made of, read from the database. Read-only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contract.model import Kind
from controller.fleet.picture import AgentRow, DeclaredMetric, DeviceRow, LatestRow, RoomRow, Roster, SchoolRow
from controller.fleet.tables import Agent, DeclaredProfile, Device, Latest, Room, School, Series
from controller.scope import Scope


def load(engine: Engine, agent_id: int | None = None) -> Roster:
    """The whole cluster, or one agent with its school and its rooms. Raises SQLAlchemyError."""
    with Session(engine) as db:
        agents = db.exec(select(Agent) if agent_id is None else select(Agent).where(Agent.id == agent_id)).all()
        rooms_of = {agent.id: agent.room_id for agent in agents}
        return Roster(
            schools=_schools(db, agents if agent_id is not None else None),
            rooms=_rooms(db, agents if agent_id is not None else None),
            agents=tuple(_agent(agent) for agent in agents),
            devices=_devices(db, agent_id, rooms_of),
            latest=_latest(db, agent_id),
        )


def places(engine: Engine) -> Roster:
    """Every school and room, and nothing else. Raises SQLAlchemyError."""
    with Session(engine) as db:
        return Roster(_schools(db, None), _rooms(db, None), agents=(), devices=(), latest=())


def _schools(db: Session, of: Sequence[Agent] | None) -> tuple[SchoolRow, ...]:
    asked = select(School)
    if of is not None:
        asked = asked.where(col(School.id).in_({agent.school_id for agent in of}))
    return tuple(SchoolRow(school.id, school.name, school.short) for school in db.exec(asked))


def _rooms(db: Session, of: Sequence[Agent] | None) -> tuple[RoomRow, ...]:
    asked = select(Room)
    if of is not None:
        asked = asked.where(col(Room.school_id).in_({agent.school_id for agent in of}))
    return tuple(RoomRow(room.id or 0, room.school_id, room.slug, room.name) for room in db.exec(asked))


def _agent(agent: Agent) -> AgentRow:
    return AgentRow(
        id=agent.id or 0,
        school_id=agent.school_id,
        name=agent.name,
        presence=agent.presence,
        since_ms=agent.since_ms,
        heard_ms=agent.heard_ms,
        clock_offset_ms=agent.clock_offset_ms or 0,
        revoked=agent.revoked,
        version=agent.version,
        flooded_ms=agent.flooded_ms,
    )


def _devices(db: Session, agent_id: int | None, rooms_of: Mapping[int | None, int | None]) -> tuple[DeviceRow, ...]:
    devices, profiles = select(Device), select(DeclaredProfile)
    if agent_id is not None:
        devices = devices.where(Device.agent_id == agent_id)
        profiles = profiles.where(DeclaredProfile.agent_id == agent_id)
    declared = {
        (each.agent_id, each.digest): {
            name: DeclaredMetric(entry["unit"], entry["kind"]) for name, entry in each.metrics.items()
        }
        for each in db.exec(profiles)
    }
    return tuple(
        DeviceRow(
            id=device.id or 0,
            school_id=device.school_id,
            agent_id=device.agent_id,
            room_id=device.room_id if device.room_id is not None else rooms_of.get(device.agent_id),
            slug=device.slug,
            name=device.name,
            profile_slug=device.profile_slug,
            profile_digest=device.profile_digest,
            identity=device.identity,
            bridge_state=device.bridge_state,
            bridge_since_ms=device.bridge_since_ms,
            detail=device.detail,
            present=device.present,
            declared=declared.get((device.agent_id, device.profile_digest), {}),
        )
        for device in db.exec(devices)
    )


def _latest(db: Session, agent_id: int | None) -> tuple[LatestRow, ...]:
    asked = select(Series, Latest).where(Series.id == Latest.series_id)
    if agent_id is not None:
        asked = asked.where(Series.device_id == Device.id, Device.agent_id == agent_id)
    return tuple(
        LatestRow(series.device_id, series.metric, latest.at_ms, latest.value(series.kind), latest.received_ms)
        for series, latest in db.exec(asked)
    )


@dataclass(frozen=True, slots=True)
class NumericSeries:
    id: int
    device_id: int
    metric: str
    unit: str


def numeric_series(engine: Engine, scope: Scope, after: int, most: int) -> list[NumericSeries]:
    """The next series in the scope that have numbers or truth values, by id."""
    asked = select(Series).where(col(Series.id) > after, Series.kind != Kind.TEXT)
    if scope.school_id is not None:
        asked = asked.where(Series.school_id == scope.school_id)
    with Session(engine) as db:
        found = db.exec(asked.order_by(col(Series.id)).limit(most)).all()
        return [NumericSeries(each.id or 0, each.device_id, each.metric, each.unit) for each in found]


@dataclass(frozen=True, slots=True)
class SeriesRow:
    id: int
    unit: str
    kind: str


def find_series(engine: Engine, scope: Scope, device_id: int, metric: str) -> SeriesRow | None:
    """A metric of a device in the scope; None if it never had a value."""
    asked = select(Series).where(Series.device_id == device_id, Series.metric == metric)
    if scope.school_id is not None:
        asked = asked.where(Series.school_id == scope.school_id)
    with Session(engine) as db:
        found = db.exec(asked).first()
        return None if found is None or found.id is None else SeriesRow(found.id, found.unit, found.kind)
