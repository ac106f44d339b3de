"""Commands and the states they went through."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index
from sqlmodel import Field, SQLModel


class StoredCommand(SQLModel, table=True):
    """One order to one device. `status` is a `contract.model.CommandStatus`.

    `told`: its final status is the agent's own word, and stays. A final status without it is the controller's
    conclusion, and gives way to what the agent says later. `needs_book`: the number of the lease book that the agent
    must hold before the command is sent; 0: none.
    """

    __tablename__ = "command"
    __table_args__ = (
        Index("ix_command_open", "status", "agent_id"),
        Index("ix_command_device", "device_id", "asked_ms"),
    )

    id: str = Field(primary_key=True, max_length=63)
    school_id: str = Field(foreign_key="school.id", index=True)
    agent_id: int = Field(foreign_key="agent.id")
    device_id: int = Field(foreign_key="device.id")
    action: str = Field(max_length=63)
    args: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False), default_factory=dict)
    by_id: str = Field(default="", max_length=32, description="opaque id of who asked, empty for the controller itself")
    asked_ms: int = Field(sa_type=BigInteger)
    expires_ms: int = Field(sa_type=BigInteger)
    status: str = Field(max_length=10)
    status_ms: int = Field(sa_type=BigInteger, description="when it came to be so, controller's clock")
    detail: str = Field(default="", max_length=1024)
    told: bool = False
    sent_ms: int | None = Field(default=None, sa_type=BigInteger, description="the last time it was sent")
    sends: int = 0
    needs_book: int = Field(default=0, sa_type=BigInteger)
    request_key: str | None = Field(default=None, max_length=100, unique=True, description="asker's id and own key")


class CommandStep(SQLModel, table=True):
    """A state that a command came to. `at_ms` is by the clock of who says so, `received_ms` by the controller's."""

    __tablename__ = "command_step"

    command_id: str = Field(foreign_key="command.id", primary_key=True, max_length=63)
    status: str = Field(primary_key=True, max_length=10)
    at_ms: int = Field(sa_type=BigInteger)
    received_ms: int = Field(sa_type=BigInteger)
    detail: str = Field(default="", max_length=1024)


class CommandRule(SQLModel, table=True):
    """What an administrator set otherwise than controller.commands.policy has it."""

    __tablename__ = "command_rule"

    role: str = Field(primary_key=True, max_length=20)
    family: str = Field(primary_key=True, max_length=63)
    action: str = Field(primary_key=True, max_length=63)
    allowed: bool


class CommandTrial(SQLModel, table=True):
    """The newest trial of an action of an unverified profile at a device. `worked`: a person's word, None till then."""

    __tablename__ = "command_trial"

    device_id: int = Field(foreign_key="device.id", primary_key=True)
    profile_digest: str = Field(primary_key=True, max_length=64)
    action: str = Field(primary_key=True, max_length=63)
    school_id: str = Field(foreign_key="school.id", index=True)
    command_id: str = Field(default="", max_length=63)
    by_id: str = Field(default="", max_length=32)
    at_ms: int = Field(default=0, sa_type=BigInteger)
    worked: bool | None = None
    confirmed_by: str = Field(default="", max_length=32)
    confirmed_ms: int = Field(default=0, sa_type=BigInteger)
