"""Agents, their devices and series, as ingest needs them: in memory, from the tables when first asked for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, text, update

from contract.desired import ConfigStand
from contract.messages import DeviceEntry, Inventory, ProfileEntry
from contract.model import MAX_NAME, Kind, pattern_for
from contract.topics import Address
from controller.desired import store as desired
from controller.fleet.door_tables import Twin
from controller.fleet.tables import Agent, DeclaredProfile, Device, Room, Series
from controller.folding import fold
from controller.found import store as found
from controller.ingest.readings import Slot, make_slot
from controller.ingest.twins import Sight

_AGENT: Table = Agent.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_DEVICE: Table = Device.__table__  # type: ignore[attr-defined]
_PROFILE: Table = DeclaredProfile.__table__  # type: ignore[attr-defined]
_ROOM: Table = Room.__table__  # type: ignore[attr-defined]
_TWIN: Table = Twin.__table__  # type: ignore[attr-defined]
_SERIES: Table = Series.__table__  # type: ignore[attr-defined]

_MAKE_SERIES = text(
    "INSERT INTO series (school_id, device_id, metric, unit, kind) VALUES (:school, :device, :metric, :unit, :kind)"
    " ON CONFLICT (device_id, metric) DO UPDATE SET unit = excluded.unit, kind = excluded.kind RETURNING id"
)
"""It may be there already, from a former profile."""

_HEARD = update(_AGENT).where(_AGENT.c.id == bindparam("agent"))

MAX_ROOMS = 500
"""Rooms a school may have; an inventory makes no more."""
MAX_SERIES = 2_000
"""Series a device may have; a pattern's `*` makes no more."""

Declared: TypeAlias = Mapping[str, Mapping[str, str]]
"""Metric name or pattern -> unit and kind."""


@dataclass(slots=True)
class AgentState:
    """What ingest knows of one agent. `slots` holds the series used so far, by device and metric."""

    id: int
    school_id: str
    address: Address
    presence: str
    connection: int
    epoch: str
    since_ms: int
    heard_ms: int
    written_heard_ms: int
    clock_offset_ms: int | None
    inventory_epoch: str
    inventory_number: int
    login_number: int
    device_ids: dict[str, int] = field(default_factory=dict)
    declared: dict[str, Declared] = field(default_factory=dict)
    slots: dict[str, dict[str, Slot]] = field(default_factory=dict)
    doubled: bool = False
    config: ConfigStand | None = None
    """What it last said of its configuration; None until it is heard."""


class Registry:
    """Read and written by the writer thread alone. Call `forget` after a rollback."""

    def __init__(self) -> None:
        self._agents: dict[Address, AgentState] = {}
        self._slots: dict[int, Slot] = {}

    def forget(self) -> None:
        self._agents.clear()
        self._slots.clear()

    def agents(self) -> list[AgentState]:
        """Those that were asked for since the last `forget`."""
        return list(self._agents.values())

    def load_all(self, connection: Connection) -> None:
        """Know every enrolled agent."""
        for school_id, name in connection.execute(select(_AGENT.c.school_id, _AGENT.c.name)).all():
            self.agent(connection, Address(school_id, name))

    def agent(self, connection: Connection, address: Address) -> AgentState | None:
        """The enrolled agent of that address, or None."""
        found = self._agents.get(address)
        if found is None:
            found = self._load(connection, address)
            if found is not None:
                self._agents[address] = found
        return found

    def slot_by_series(self, series: int) -> Slot | None:
        return self._slots.get(series)

    def slot(self, connection: Connection, agent: AgentState, device: str, metric: str) -> Slot | None:
        """Where to put a metric, made if the inventory declares it; None if it does not."""
        known = agent.slots.get(device)
        if known is None:
            return None
        if metric not in known:
            pattern = pattern_for(metric, agent.declared[device])
            if pattern is None or not 0 < len(metric) <= MAX_NAME or len(known) >= MAX_SERIES or "*" in metric:
                return None
            unit_and_kind = agent.declared[device][pattern]
            self._make_series(connection, agent, device, metric, unit_and_kind)
        return known[metric]

    def apply(self, connection: Connection, agent: AgentState, inventory: Inventory, received_ms: int) -> bool:
        """Take over an inventory; False if it is not newer than the last of the same epoch."""
        if inventory.epoch == agent.inventory_epoch and inventory.number <= agent.inventory_number:
            return False
        self._declare(connection, agent, inventory)
        ids = dict(connection.execute(select(_DEVICE.c.slug, _DEVICE.c.id).where(_DEVICE.c.agent_id == agent.id)).all())
        for entry in inventory.devices:
            values = _device_values(entry, inventory.profiles[entry.profile], received_ms)
            room_id = self._room(connection, agent.school_id, entry.room)
            if room_id is not None:
                values["room_id"] = room_id
            if entry.id in ids:
                connection.execute(update(_DEVICE).where(_DEVICE.c.id == ids[entry.id]).values(values))
            else:
                connection.execute(
                    insert(_DEVICE).values(
                        values | {"school_id": agent.school_id, "agent_id": agent.id, "slug": entry.id}
                    )
                )
        gone = set(ids) - {entry.id for entry in inventory.devices}
        if gone:
            connection.execute(
                update(_DEVICE).where(_DEVICE.c.agent_id == agent.id, _DEVICE.c.slug.in_(gone)).values(present=False)
            )
        found.hear(
            connection,
            agent.id,
            agent.school_id,
            inventory.found,
            received_ms,
            wanted=lambda: desired.slugs(connection, agent.id),
        )
        connection.execute(
            update(_AGENT)
            .where(_AGENT.c.id == agent.id)
            .values(inventory_epoch=inventory.epoch, inventory_number=inventory.number)
        )
        agent.inventory_epoch, agent.inventory_number = inventory.epoch, inventory.number
        self._load_devices(connection, agent)
        return True

    def double(self, connection: Connection, agent: AgentState, sights: Sequence[Sight], now_ms: int) -> None:
        """Two live under this identity: say so to whoever looks, with all that is known of either."""
        if not agent.doubled:
            connection.execute(delete(_TWIN).where(_TWIN.c.agent_id == agent.id))
            connection.execute(update(_AGENT).where(_AGENT.c.id == agent.id).values(doubled=True))
            agent.doubled = True
        known = set(connection.execute(select(_TWIN.c.epoch).where(_TWIN.c.agent_id == agent.id)).scalars())
        for each in sights:
            values = {
                "instance": each.instance, "machine": " ".join(each.machine), "boot": each.boot, "seen_ms": now_ms,
            }  # fmt: skip
            key = {"school_id": agent.school_id, "agent_id": agent.id, "epoch": each.epoch}
            if each.epoch in known:
                same = (_TWIN.c.agent_id == agent.id, _TWIN.c.epoch == each.epoch)
                connection.execute(update(_TWIN).where(*same).values(values))
            else:
                connection.execute(insert(_TWIN).values(key | values))

    def still_doubled(self, connection: Connection, agent: AgentState) -> bool:
        """Asked anew: a person may have parted them."""
        found = connection.execute(select(_AGENT.c.doubled).where(_AGENT.c.id == agent.id)).scalar_one_or_none()
        agent.doubled = bool(found)
        return agent.doubled

    def save_presence(
        self, connection: Connection, agent: AgentState, more: Mapping[str, object] | None = None
    ) -> None:
        """Write what changes with every sign of life."""
        connection.execute(update(_AGENT).where(_AGENT.c.id == agent.id).values({**_presence(agent), **(more or {})}))
        agent.written_heard_ms = agent.heard_ms

    def save_presences(self, connection: Connection, agents: Collection[AgentState]) -> None:
        """The same of many."""
        if agents:
            connection.execute(_HEARD, [_presence(agent) | {"agent": agent.id} for agent in agents])
        for agent in agents:
            agent.written_heard_ms = agent.heard_ms

    def hear_config(self, connection: Connection, agent: AgentState, said: ConfigStand) -> None:
        """Written when it is another one than before."""
        if said != agent.config:
            desired.hear(connection, agent.id, agent.school_id, said)
        agent.config = said

    def _load(self, connection: Connection, address: Address) -> AgentState | None:
        row = connection.execute(
            select(_AGENT).where(
                _AGENT.c.school_id == address.school, _AGENT.c.name == address.agent, _AGENT.c.revoked.is_(False)
            )
        ).one_or_none()
        if row is None:
            return None
        agent = AgentState(
            id=row.id,
            school_id=row.school_id,
            address=address,
            presence=row.presence,
            connection=row.connection,
            epoch=row.epoch,
            since_ms=row.since_ms,
            heard_ms=row.heard_ms,
            written_heard_ms=row.heard_ms,
            clock_offset_ms=row.clock_offset_ms,
            inventory_epoch=row.inventory_epoch,
            inventory_number=row.inventory_number,
            login_number=row.login_number,
            doubled=row.doubled,
        )
        self._load_devices(connection, agent)
        return agent

    def _load_devices(self, connection: Connection, agent: AgentState) -> None:
        profiles = {
            row.digest: row.metrics
            for row in connection.execute(
                select(_PROFILE.c.digest, _PROFILE.c.metrics).where(_PROFILE.c.agent_id == agent.id)
            )
        }
        agent.device_ids.clear()
        agent.declared.clear()
        agent.slots.clear()
        slugs: dict[int, str] = {}
        for row in connection.execute(select(_DEVICE).where(_DEVICE.c.agent_id == agent.id)):
            slugs[row.id] = row.slug
            agent.device_ids[row.slug] = row.id
            agent.declared[row.slug] = profiles.get(row.profile_digest, {})
            agent.slots[row.slug] = {}
        query = select(_SERIES).join(_DEVICE, _DEVICE.c.id == _SERIES.c.device_id).where(_DEVICE.c.agent_id == agent.id)
        for row in connection.execute(query).all():
            device = slugs[row.device_id]
            pattern = pattern_for(row.metric, agent.declared[device])
            if pattern is not None:  # a series of a former profile stays readable and takes nothing more
                self._know(connection, agent, device, row, agent.declared[device][pattern])

    def _know(self, connection: Connection, agent: AgentState, device: str, row: Any, now: Mapping[str, str]) -> None:
        if (row.unit, row.kind) != (now["unit"], now["kind"]):
            connection.execute(update(_SERIES).where(_SERIES.c.id == row.id).values(unit=now["unit"], kind=now["kind"]))
        slot = make_slot(row.id, row.device_id, row.metric, Kind(now["kind"]))
        agent.slots[device][row.metric] = self._slots[row.id] = slot

    def _make_series(
        self, connection: Connection, agent: AgentState, device: str, metric: str, declared: Mapping[str, str]
    ) -> None:
        series = connection.execute(
            _MAKE_SERIES,
            {"school": agent.school_id, "device": agent.device_ids[device], "metric": metric, **declared},
        ).scalar_one()
        slot = make_slot(series, agent.device_ids[device], metric, Kind(declared["kind"]))
        agent.slots[device][metric] = self._slots[series] = slot

    def _declare(self, connection: Connection, agent: AgentState, inventory: Inventory) -> None:
        known = set(
            connection.execute(select(_PROFILE.c.digest).where(_PROFILE.c.agent_id == agent.id)).scalars().all()
        )
        for digest, profile in inventory.profiles.items():
            metrics = {name: {"unit": each.unit, "kind": str(each.kind)} for name, each in profile.metrics.items()}
            values = {"slug": profile.slug, "name": profile.name, "metrics": metrics}
            if digest in known:
                key = (_PROFILE.c.agent_id == agent.id, _PROFILE.c.digest == digest)
                connection.execute(update(_PROFILE).where(*key).values(values))
            else:
                connection.execute(insert(_PROFILE).values(values | {"agent_id": agent.id, "digest": digest}))

    def _room(self, connection: Connection, school_id: str, name: str) -> int | None:
        """The school's room of that name, made if it is new; None for no name and for one room too many."""
        slug = slug_of(name)
        if not slug:
            return None
        rooms = dict(connection.execute(select(_ROOM.c.slug, _ROOM.c.id).where(_ROOM.c.school_id == school_id)).all())
        if slug not in rooms and len(rooms) < MAX_ROOMS:
            made = connection.execute(insert(_ROOM).values(school_id=school_id, slug=slug, name=name))
            return int(made.inserted_primary_key[0]) if made.inserted_primary_key else None
        return rooms.get(slug)


def _device_values(entry: DeviceEntry, profile: ProfileEntry, received_ms: int) -> dict[str, object]:
    return {
        "name": entry.name,
        "profile_slug": profile.slug,
        "profile_digest": entry.profile,
        "identity": entry.identity,
        "bridge_state": str(entry.state),
        "bridge_since_ms": min(entry.since_ms, received_ms),
        "detail": entry.detail,
        "present": True,
    }


def slug_of(name: str) -> str:
    """A room's name as a slug: "Phòng Tin học 1" is phong-tin-hoc-1."""
    letters = (letter if letter.isascii() and letter.isalnum() else "-" for letter in fold(name))
    return "-".join(part for part in "".join(letters).split("-") if part)[:MAX_NAME]


def _presence(agent: AgentState) -> dict[str, object]:
    return {
        "presence": agent.presence,
        "connection": agent.connection,
        "epoch": agent.epoch,
        "since_ms": agent.since_ms,
        "heard_ms": agent.heard_ms,
        "clock_offset_ms": agent.clock_offset_ms,
    }
