"""Settings and devices that agents are to have, how they came to be, and what each agent says of them."""

from sqlalchemy import JSON, BigInteger, Column, Text
from sqlmodel import Field, SQLModel


class DesiredSetting(SQLModel, table=True):
    """A setting that is wanted at a place (controller.desired.inheritance). `value` is JSON; no school: the cluster."""

    __tablename__ = "desired_setting"

    place: str = Field(primary_key=True, max_length=80)
    key: str = Field(primary_key=True, max_length=128)
    school_id: str | None = Field(default=None, foreign_key="school.id", index=True)
    value: str = Field(sa_type=Text)


class DesiredChange(SQLModel, table=True):
    """All settings of a place after a change of them. `back_to` is the change whose state it was set back to."""

    __tablename__ = "desired_change"

    id: int | None = Field(default=None, primary_key=True)
    place: str = Field(max_length=80, index=True)
    school_id: str | None = Field(default=None, foreign_key="school.id", index=True)
    at_ms: int = Field(sa_type=BigInteger)
    by_id: str = Field(max_length=32)
    settings: dict[str, bool | int | float | str] = Field(sa_column=Column(JSON, nullable=False))
    back_to: int | None = None


class DesiredDeviceRow(SQLModel, table=True):
    """A device that a person adopted for an agent; `slug` is its id there. See contract.desired.DesiredDevice."""

    __tablename__ = "desired_device"

    agent_id: int = Field(foreign_key="agent.id", primary_key=True)
    slug: str = Field(primary_key=True, max_length=63)
    school_id: str = Field(foreign_key="school.id", index=True)
    profile_slug: str = Field(max_length=128)
    endpoint: str = Field(default="", max_length=300)
    name: str = Field(default="", max_length=128)
    room: str = Field(default="", max_length=64)
    options: dict[str, bool | int | float | str] = Field(sa_column=Column(JSON, nullable=False), default_factory=dict)
    by_id: str = Field(max_length=32)
    at_ms: int = Field(sa_type=BigInteger)


class AgentConfig(SQLModel, table=True):
    """An agent's configuration: its newest `number` (0: it never had one), the digest of its content, since when."""

    __tablename__ = "agent_config"

    agent_id: int = Field(foreign_key="agent.id", primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    number: int = Field(sa_type=BigInteger)
    digest: str = Field(default="", max_length=32)
    wanted_ms: int = Field(default=0, sa_type=BigInteger)


class SaidConfig(SQLModel, table=True):
    """What an agent last said of its configuration: see contract.desired.ConfigStand.

    Apart from what is wanted, so that what agents say and what people change never wait for each other.
    """

    __tablename__ = "said_config"

    agent_id: int = Field(foreign_key="agent.id", primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    generation: int = Field(sa_type=BigInteger)
    number: int = Field(sa_type=BigInteger)
    digest: str = Field(max_length=32)
    on_trial: bool
    rejected_generation: int = Field(sa_type=BigInteger)
    rejected_number: int = Field(sa_type=BigInteger)
    how: str = Field(max_length=16)
    reason: str = Field(max_length=300)
