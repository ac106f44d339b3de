"""What happens at the door: computers that came, two that live under one identity, and computers that are expected."""

from enum import StrEnum

from sqlalchemy import BigInteger, UniqueConstraint
from sqlmodel import Field, SQLModel


class Stand(StrEnum):
    """Of an arrival: a person is asked, has said yes, has said no; or it is in."""

    WAITING = "waiting"
    ADMITTED = "admitted"
    REFUSED = "refused"
    IN = "in"


class Arrival(SQLModel, table=True):
    """One computer that came with a token. Known by the SHA-256 of its key, so that asking again makes no second one.

    `why` is the verdict of controller.fleet.arrivals; `agent_id` is whom it would be, or is.
    """

    __tablename__ = "arrival"
    __table_args__ = (UniqueConstraint("school_id", "instance"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    token_id: str = Field(max_length=32, index=True)
    instance: str = Field(max_length=64)
    machine: str = ""
    name: str = Field(max_length=63)
    address: str = Field(default="", max_length=64)
    why: str = Field(max_length=20)
    stand: str = Field(max_length=10)
    agent_id: int | None = Field(default=None, foreign_key="agent.id")
    came_ms: int = Field(sa_type=BigInteger)
    seen_ms: int = Field(sa_type=BigInteger)


class Twin(SQLModel, table=True):
    """One of the copies that live under an agent's identity, known by the epoch of its outbox.

    After the split, `becomes_id` is the agent that it is, or None until it has asked for a name of its own.
    """

    __tablename__ = "twin"
    __table_args__ = (UniqueConstraint("agent_id", "epoch"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    agent_id: int = Field(foreign_key="agent.id")
    epoch: str = Field(max_length=16)
    instance: str = Field(default="", max_length=64)
    machine: str = ""
    boot: str = Field(default="", max_length=64)
    seen_ms: int = Field(sa_type=BigInteger)
    becomes_id: int | None = Field(default=None, foreign_key="agent.id")


class Asset(SQLModel, table=True):
    """A computer that the school owns, as its list has it. `kind` is what sort of computer it is."""

    __tablename__ = "asset"

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    serial: str = Field(default="", max_length=64)
    mac: str = Field(default="", max_length=32)
    name: str = Field(max_length=63)
    room: str = Field(default="", max_length=63)
    kind: str = Field(default="", max_length=64)
