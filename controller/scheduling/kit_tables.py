"""Kits of a counted pool: what is in one, who took how many out, and what came back broken or not at all."""

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlmodel import Field, SQLModel


class KitPart(SQLModel, table=True):
    """Each kit of the pool has `count` of it."""

    __tablename__ = "kit_part"
    __table_args__ = (UniqueConstraint("resource_id", "name", name="uq_kit_part_name"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    resource_id: int = Field(foreign_key="resource.id")
    name: str = Field(max_length=64)
    count: int = 1


class KitHandout(SQLModel, table=True):
    """`kits` of a pool were taken out for a booking. `school_id` is the pool's; they are back at `returned_ms`."""

    __tablename__ = "kit_handout"
    __table_args__ = (Index("ix_kit_handout_resource", "resource_id", "returned_ms"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    resource_id: int = Field(foreign_key="resource.id")
    booking_id: str = Field(foreign_key="booking.id", max_length=32)
    kits: int
    by_id: str = Field(max_length=32)
    at_ms: int = Field(sa_type=BigInteger)
    returned_ms: int | None = Field(default=None, sa_type=BigInteger)
    returned_by: str | None = Field(default=None, max_length=32)


class KitLack(SQLModel, table=True):
    """`kits` cannot be used until `mended_ms`: in each `part` is `missing` or `broken`; an empty one is the whole kit.

    So many are taken off the pool's capacity meanwhile.
    """

    __tablename__ = "kit_lack"
    __table_args__ = (Index("ix_kit_lack_resource", "resource_id", "mended_ms"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    resource_id: int = Field(foreign_key="resource.id")
    handout_id: int = Field(foreign_key="kit_handout.id")
    part: str = Field(default="", max_length=64)
    state: str = Field(max_length=8)
    kits: int
    at_ms: int = Field(sa_type=BigInteger)
    by_id: str = Field(max_length=32)
    mended_ms: int | None = Field(default=None, sa_type=BigInteger)
    mended_by: str | None = Field(default=None, max_length=32)
