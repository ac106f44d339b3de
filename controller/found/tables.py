"""Things that agents found beside their devices, and what a person said of each."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, UniqueConstraint
from sqlmodel import Field, SQLModel

from controller.found.states import FoundState


class FoundThing(SQLModel, table=True):
    """See contract.found.Found. `gone_ms`: since when its agent does not see it any more, None if it does.

    `slug` is the device that it was adopted as, `reason` why it is ignored; `by_id` said so at `decided_ms`.
    """

    __tablename__ = "found_thing"
    __table_args__ = (UniqueConstraint("agent_id", "key"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    agent_id: int = Field(foreign_key="agent.id")
    key: str = Field(max_length=200)
    name: str = Field(default="", max_length=128)
    identity: str = Field(default="", max_length=200, index=True)
    clues: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False), default_factory=list)
    candidates: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False), default_factory=list)
    first_ms: int = Field(sa_type=BigInteger)
    seen_ms: int = Field(sa_type=BigInteger)
    gone_ms: int | None = Field(default=None, sa_type=BigInteger)
    state: str = Field(default=FoundState.WAITING, max_length=10)
    slug: str = Field(default="", max_length=63)
    reason: str = Field(default="", max_length=200)
    by_id: str = Field(default="", max_length=32)
    decided_ms: int = Field(default=0, sa_type=BigInteger)
