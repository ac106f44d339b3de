"""News that waits to be sent, whom it goes to, by what channels, and what came of it."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index
from sqlmodel import Field, SQLModel


class Bulletin(SQLModel, table=True):
    """A piece of news, written in the transaction of what it tells of. `kind` is one of `topics.TOPIC_OF`.

    For one person, or with `user_id` None for whoever looks after it: see `readers`. `by_id` did it, and is not told.
    `school_ids` are those whose people look after it. `spread_ms`: when deliveries were made of it.
    """

    __tablename__ = "bulletin"
    __table_args__ = (Index("ix_bulletin_spread", "spread_ms", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str | None = Field(default=None, foreign_key="school.id", index=True)
    user_id: str | None = Field(default=None, max_length=32)
    by_id: str = Field(default="", max_length=32)
    at_ms: int = Field(sa_type=BigInteger, index=True)
    kind: str = Field(max_length=40)
    subject: str = Field(default="", max_length=63)
    school_ids: list[str] = Field(sa_column=Column(JSON, nullable=False), default_factory=list)
    detail: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False), default_factory=dict)
    key: str = Field(max_length=64, index=True, description="SHA-256 of what it says: the same news has the same")
    spread_ms: int | None = Field(default=None, sa_type=BigInteger)


class Channel(SQLModel, table=True):
    """A way to somebody. `sealed` is what they filled in, as JSON, sealed (`sealing.Seal`); empty once removed.

    `hint` is how they know it again. `paced_until_ms` as in `timing.Pace`. `result` is the last attempt's code.
    """

    __tablename__ = "notification_channel"

    id: int | None = Field(default=None, primary_key=True)
    user_id: str = Field(foreign_key="user_account.id", index=True, max_length=32)
    kind: str = Field(max_length=20)
    hint: str = Field(max_length=200)
    sealed: str = Field(max_length=16_000)
    created_ms: int = Field(sa_type=BigInteger)
    removed_ms: int | None = Field(default=None, sa_type=BigInteger)
    paced_until_ms: int = Field(default=0, sa_type=BigInteger)
    tried_ms: int | None = Field(default=None, sa_type=BigInteger)
    result: str = Field(default="", max_length=40)


class Choice(SQLModel, table=True):
    """What somebody wants to hear of, and when not. Without a row: the usual, at any hour."""

    __tablename__ = "notification_choice"

    user_id: str = Field(foreign_key="user_account.id", primary_key=True, max_length=32)
    topics: list[str] = Field(sa_column=Column(JSON, nullable=False), default_factory=list)
    quiet_from_min: int | None = None
    quiet_until_min: int | None = None
    changed_ms: int = Field(sa_type=BigInteger)


class Delivery(SQLModel, table=True):
    """A bulletin on its way through one channel. `state` is a `states.DeliveryState`, `result` the last attempt's code.

    `claimed_until_ms`: until then the attempt under way is somebody's, and nobody else tries.
    """

    __tablename__ = "notification_delivery"
    __table_args__ = (
        Index("ix_notification_delivery_due", "state", "due_ms"),
        Index("ix_notification_delivery_same", "channel_id", "key", "created_ms"),
    )

    id: int | None = Field(default=None, primary_key=True)
    bulletin_id: int = Field(foreign_key="bulletin.id", index=True)
    channel_id: int = Field(foreign_key="notification_channel.id")
    school_id: str | None = Field(default=None, foreign_key="school.id", index=True)
    user_id: str = Field(foreign_key="user_account.id", index=True, max_length=32)
    key: str = Field(max_length=64)
    state: str = Field(max_length=10)
    created_ms: int = Field(sa_type=BigInteger)
    due_ms: int = Field(sa_type=BigInteger)
    expires_ms: int = Field(sa_type=BigInteger)
    claimed_until_ms: int | None = Field(default=None, sa_type=BigInteger)
    attempts: int = 0
    result: str = Field(default="", max_length=40)
    ended_ms: int | None = Field(default=None, sa_type=BigInteger, index=True)


class ZaloTokens(SQLModel, table=True):
    """The tokens of a Zalo Official Account, sealed: each refresh gives new ones and ends the old ones.

    `account` is the SHA-256 of the app and of the refresh token that somebody wrote in the beginning.
    """

    __tablename__ = "zalo_tokens"

    account: str = Field(primary_key=True, max_length=64)
    sealed: str = Field(max_length=16_000)
    until_ms: int = Field(sa_type=BigInteger)
