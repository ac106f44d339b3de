"""The leases that agents are given."""

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel


class LeaseGrant(SQLModel, table=True):
    """The right of `holder` (a user's opaque id) to use a device from `from_ms` up to, not including, `until_ms`.

    `booking` names what it is for; `walk-up-...` is a use without a booking made beforehand. `book_number` is the
    number of the agent's lease book in which it stands as it is here.
    """

    __tablename__ = "lease_grant"
    __table_args__ = (Index("ix_lease_grant_device", "device_id", "until_ms"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    agent_id: int = Field(foreign_key="agent.id", index=True)
    device_id: int = Field(foreign_key="device.id")
    holder: str = Field(max_length=32)
    booking: str = Field(max_length=63, unique=True)
    from_ms: int = Field(sa_type=BigInteger)
    until_ms: int = Field(sa_type=BigInteger)
    hazard: int = 0
    supervised: bool = False
    revoked_ms: int | None = Field(default=None, sa_type=BigInteger)
    book_number: int = Field(sa_type=BigInteger)
