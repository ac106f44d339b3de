"""Schools, rooms, agents, their devices and what these measure. Every row of a school carries `school_id`."""

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, Float, ForeignKey, Integer, UniqueConstraint
from sqlalchemy import false as sa_false
from sqlalchemy import text as sa_text
from sqlmodel import Field, SQLModel

from contract.messages import BridgeState, Presence
from contract.model import Kind, Value

UNKNOWN_PRESENCE = ""
"""Presence of an agent that was enrolled and never heard."""


class School(SQLModel, table=True):
    __tablename__ = "school"

    id: str = Field(primary_key=True, max_length=63, description="slug, as in topics")
    name: str
    short: str = ""


class Room(SQLModel, table=True):
    __tablename__ = "room"
    __table_args__ = (UniqueConstraint("school_id", "slug"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    slug: str = Field(max_length=63)
    name: str


class Agent(SQLModel, table=True):
    """One agent: who it is, how it signs in at the broker, and what it last said of itself.

    `connection` and `epoch` order its status messages, `inventory_*` its inventories. `clock_offset_ms` is the
    agent's clock minus the controller's, None until it was heard. `book_number` is that of its newest lease book (0:
    it never had one), `held_*` name the book that it says it holds.

    `login_number` counts its credentials, `wanted_number` is what that is to rise to; `trusted` is the fingerprint of
    the newest authority that it was told to trust. `flooded_ms` is when it was cut off for saying too
    much, None if not.
    `instance` is the SHA-256 of the key that its copy shows at the door, `machine` the facts of its computer
    (contract.machine), parted by blanks; both empty if it came in another way. `doubled`: two computers live under
    this identity, and nothing that they send is taken. `resets`: the computer forgets its key at each start.
    """

    __tablename__ = "agent"
    __table_args__ = (UniqueConstraint("school_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    name: str = Field(max_length=63)
    room_id: int | None = Field(default=None, foreign_key="room.id", index=True)
    password_hash: str = ""
    lease_key: str = ""
    mosquitto_hash: str = Field(default="", sa_column_kwargs={"server_default": sa_text("''")})
    login_number: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    wanted_number: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    trusted: str = Field(default="", sa_column_kwargs={"server_default": sa_text("''")})
    revoked: bool = False
    flooded_ms: int | None = Field(default=None, sa_type=BigInteger)
    presence: str = UNKNOWN_PRESENCE
    connection: int = Field(default=0, sa_type=BigInteger)
    epoch: str = ""
    version: str = ""
    boot: str = ""
    clock_certain: bool = False
    clock_offset_ms: int | None = Field(default=None, sa_type=BigInteger)
    since_ms: int = Field(default=0, sa_type=BigInteger, description="when `presence` began, controller's clock")
    heard_ms: int = Field(default=0, sa_type=BigInteger, description="receipt of the last message")
    inventory_epoch: str = ""
    inventory_number: int = Field(default=0, sa_type=BigInteger)
    book_number: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    held_generation: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    held_number: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    instance: str = Field(default="", max_length=64, index=True, sa_column_kwargs={"server_default": sa_text("''")})
    machine: str = Field(default="", sa_column_kwargs={"server_default": sa_text("''")})
    doubled: bool = Field(default=False, sa_column_kwargs={"server_default": sa_false()})
    resets: bool = Field(default=False, sa_column_kwargs={"server_default": sa_false()})

    @property
    def online(self) -> bool:
        return self.presence == Presence.ONLINE


class Renewal(SQLModel, table=True):
    """New credentials that were handed to an agent and not used by it yet; the old ones are good until then."""

    __tablename__ = "renewal"

    agent_id: int = Field(foreign_key="agent.id", primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    number: int
    password_hash: str
    mosquitto_hash: str
    lease_key: str
    trusted: str
    at_ms: int = Field(sa_type=BigInteger)


class DeclaredProfile(SQLModel, table=True):
    """A device profile as one agent declares it. Kept per agent, so that none can redefine another's metrics."""

    __tablename__ = "declared_profile"

    agent_id: int = Field(foreign_key="agent.id", primary_key=True)
    digest: str = Field(primary_key=True, max_length=64)
    slug: str = Field(max_length=128)
    name: str = Field(max_length=128)
    metrics: dict[str, dict[str, str]] = Field(sa_column=Column(JSON, nullable=False), default_factory=dict)


class Device(SQLModel, table=True):
    """`present` is whether the agent's last inventory has it; `room_id` overrides the agent's room."""

    __tablename__ = "device"
    __table_args__ = (UniqueConstraint("agent_id", "slug"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    agent_id: int = Field(foreign_key="agent.id")
    room_id: int | None = Field(default=None, foreign_key="room.id", index=True)
    slug: str = Field(max_length=63)
    name: str = Field(max_length=128)
    profile_slug: str = Field(max_length=128)
    profile_digest: str = Field(max_length=64)
    identity: str = ""
    bridge_state: str = BridgeState.STARTING
    bridge_since_ms: int = Field(default=0, sa_type=BigInteger)
    detail: str = ""
    present: bool = True


class Series(SQLModel, table=True):
    """One metric of one device. Made when its first reading comes, from what the inventory declares."""

    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("device_id", "metric"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    device_id: int = Field(foreign_key="device.id")
    metric: str = Field(max_length=63)
    unit: str = Field(max_length=20)
    kind: str = Field(max_length=8)


class Latest(SQLModel, table=True):
    """The newest reading of a series by the agent's time. Numbers and truth values in `number`, texts in `text`."""

    __tablename__ = "latest"
    __table_args__ = (CheckConstraint("number IS NULL OR text IS NULL", name="latest_one_value"),)

    series_id: int = Field(sa_column=Column(Integer, ForeignKey("series.id"), primary_key=True, autoincrement=False))
    at_ms: int = Field(sa_type=BigInteger)
    number: float | None = Field(default=None, sa_type=Float)
    text: str | None = None
    received_ms: int = Field(sa_type=BigInteger)

    def value(self, kind: str) -> Value | None:
        """The reading as its series' kind has it; None if the device did not know."""
        return typed(kind, self.number if self.text is None else self.text)


def typed(kind: str, stored: float | str | None) -> Value | None:
    """A stored value as its kind has it: truth values and integers are stored as numbers."""
    if stored is None or isinstance(stored, str):
        return stored
    if kind == Kind.BOOL:
        return bool(stored)
    if kind == Kind.INT:
        return int(stored)
    return float(stored)
