"""Webhooks, what happened that they are told of, and what came of it."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index
from sqlmodel import Field, SQLModel


class Webhook(SQLModel, table=True):
    """An address of a school's that is told of `kinds` (`kinds.EventKind`). `sealed` is address and secret as JSON,
    sealed (`notifications.sealing.Seal`), empty once removed; `hint` is the host.

    `paced_until_ms` as in `timing.Pace`, `result` the last attempt's code.
    """

    __tablename__ = "webhook"

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    hint: str = Field(max_length=200)
    sealed: str = Field(max_length=16_000)
    kinds: list[str] = Field(sa_column=Column(JSON, nullable=False), default_factory=list)
    by_id: str = Field(max_length=32)
    created_ms: int = Field(sa_type=BigInteger)
    removed_ms: int | None = Field(default=None, sa_type=BigInteger)
    paced_until_ms: int = Field(default=0, sa_type=BigInteger)
    tried_ms: int | None = Field(default=None, sa_type=BigInteger)
    result: str = Field(default="", max_length=40)


class WebhookEvent(SQLModel, table=True):
    """Something that happened, as it is told, written in the transaction of what it tells of. `uid` is its id outside:
    the same however often it is sent. `person_id` is the opaque id of whom `data` names, empty if nobody.
    """

    __tablename__ = "webhook_event"

    id: int | None = Field(default=None, primary_key=True)
    uid: str = Field(max_length=32, unique=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    kind: str = Field(max_length=40)
    at_ms: int = Field(sa_type=BigInteger, index=True)
    person_id: str = Field(default="", max_length=32)
    data: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False), default_factory=dict)


class WebhookDelivery(SQLModel, table=True):
    """An event on its way to one webhook: see `notifications.queue`."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (Index("ix_webhook_delivery_due", "state", "due_ms"),)

    id: int | None = Field(default=None, primary_key=True)
    event_id: int = Field(foreign_key="webhook_event.id", index=True)
    webhook_id: int = Field(foreign_key="webhook.id", index=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    state: str = Field(max_length=10)
    created_ms: int = Field(sa_type=BigInteger)
    due_ms: int = Field(sa_type=BigInteger)
    expires_ms: int = Field(sa_type=BigInteger)
    claimed_until_ms: int | None = Field(default=None, sa_type=BigInteger)
    attempts: int = 0
    result: str = Field(default="", max_length=40)
    ended_ms: int | None = Field(default=None, sa_type=BigInteger, index=True)


class WebhookWatch(SQLModel, table=True):
    """What was last told of the live fleet of a school: `key` is a device or the cause of an incident (`watch`),
    `value` its state or the incident's id. `at_ms` is since when.
    """

    __tablename__ = "webhook_watch"

    school_id: str = Field(foreign_key="school.id", primary_key=True, max_length=63)
    key: str = Field(primary_key=True, max_length=40)
    value: str = Field(max_length=32)
    at_ms: int = Field(sa_type=BigInteger)
