"""The ledger: what each agent produced and what became of it. Kept apart from the readings' rows."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, UniqueConstraint
from sqlalchemy import text as sa_text
from sqlmodel import Field, SQLModel

BIG_KEY = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit key; SQLite counts only an INTEGER primary key by itself, and that has 64 bits anyway."""


class Installation(SQLModel, table=True):
    """One row. `generation` rises with each restore from a backup, so that agents know the newer controller.

    `writer` is the name of whoever wrote readings last: see `turn`.
    `salt` is what agents hash the facts of their computers with; empty until the first one asks.
    """

    __tablename__ = "installation"

    id: int = Field(default=1, primary_key=True)
    generation: int = Field(default=1, sa_type=BigInteger)
    writer: str | None = Field(default=None, max_length=16)
    salt: str = Field(default="", max_length=64, sa_column_kwargs={"server_default": sa_text("''")})


class Ledger(SQLModel, table=True):
    """Sums over one epoch of an agent, for good: produced = accepted + quarantined + rejected + given_up.

    The numbers taken are 1 to `floor` and the inclusive ranges in `ranges` ("5-7 9-9").
    """

    __tablename__ = "ledger"
    __table_args__ = (UniqueConstraint("agent_id", "epoch"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    agent_id: int = Field(foreign_key="agent.id")
    epoch: str = Field(max_length=16)
    floor: int = Field(default=0, sa_type=BigInteger)
    ranges: str = ""
    produced: int = Field(default=0, sa_type=BigInteger)
    accepted: int = Field(default=0, sa_type=BigInteger)
    quarantined: int = Field(default=0, sa_type=BigInteger)
    rejected: int = Field(default=0, sa_type=BigInteger)
    given_up: int = Field(default=0, sa_type=BigInteger)
    conflicts: int = Field(default=0, sa_type=BigInteger, description="numbers that came again with other content")
    heard_ms: int = Field(default=0, sa_type=BigInteger)


class Batch(SQLModel, table=True):
    """One batch, kept as long as its readings. `refused` is the reason told to the agent, empty if it was taken.

    `row_count` and `checksum` are of its readings, which lie in the day tables of `from_ms` to `to_ms`. What else was
    accepted is events and outcomes.
    """

    __tablename__ = "batch"
    __table_args__ = (UniqueConstraint("ledger_id", "number"),)

    id: int | None = Field(sa_column=Column(BIG_KEY, primary_key=True), default=None)
    ledger_id: int = Field(foreign_key="ledger.id")
    first: int = Field(sa_type=BigInteger)
    number: int = Field(sa_type=BigInteger)
    digest: str = Field(max_length=32)
    received_ms: int = Field(sa_type=BigInteger, index=True)
    produced: int
    accepted: int
    quarantined: int
    rejected: int
    given_up: int
    row_count: int
    checksum: int = Field(sa_type=BigInteger)
    from_ms: int | None = Field(default=None, sa_type=BigInteger)
    to_ms: int | None = Field(default=None, sa_type=BigInteger)
    refused: str = ""


class DeclaredGap(SQLModel, table=True):
    """Readings that an agent produced and gave up, as it says."""

    __tablename__ = "declared_gap"
    __table_args__ = (Index("ix_declared_gap_time", "agent_id", "to_ms"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    agent_id: int = Field(foreign_key="agent.id")
    batch_id: int = Field(sa_type=BigInteger)
    from_ms: int = Field(sa_type=BigInteger)
    to_ms: int = Field(sa_type=BigInteger)
    count: int
    reason: str = ""


class StoredEvent(SQLModel, table=True):
    """Something that happened once, told by an agent or (`batch_id` None) noticed by the controller about one."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_time", "agent_id", "at_ms"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    agent_id: int = Field(foreign_key="agent.id")
    batch_id: int | None = Field(default=None, sa_type=BigInteger)
    device: str = ""
    kind: str = Field(max_length=63)
    at_ms: int = Field(sa_type=BigInteger)
    received_ms: int = Field(sa_type=BigInteger, index=True)
    detail: str = ""


class StoredOutcome(SQLModel, table=True):
    """What an agent said of a command. `known` is whether the controller had given that command to that agent."""

    __tablename__ = "outcome"

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    agent_id: int = Field(foreign_key="agent.id")
    batch_id: int = Field(sa_type=BigInteger)
    command_id: str = Field(max_length=63, index=True)
    status: str = Field(max_length=10)
    at_ms: int = Field(sa_type=BigInteger)
    received_ms: int = Field(sa_type=BigInteger)
    detail: str = ""
    known: bool = False


class Quarantined(SQLModel, table=True):
    """Something that came and was not taken, for a person to look at. Bounded: the oldest rows go first.

    `item_count` says how many items it stands for; `content` is the start of the payload, or the items as JSON.
    `school_id` and `agent_id` are None when the topic names no agent that is known.
    """

    __tablename__ = "quarantine"

    id: int | None = Field(default=None, primary_key=True)
    school_id: str | None = Field(default=None, foreign_key="school.id", index=True)
    agent_id: int | None = Field(default=None, foreign_key="agent.id")
    topic: str = Field(max_length=300)
    reason: str = Field(max_length=40, index=True)
    detail: str = ""
    item_count: int = 0
    size: int = 0
    content: bytes = Field(sa_type=LargeBinary)
    received_ms: int = Field(sa_type=BigInteger)
