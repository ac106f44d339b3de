"""Which schools tell Home Assistant of their devices, and who may hear it."""

from sqlalchemy import BigInteger, false
from sqlmodel import Field, SQLModel


class HomeAssistantLink(SQLModel, table=True):
    """A school's. `language` is that of the names; the hashes are of the one password at the broker, empty: none.

    `made_ms` is when that password was made.
    """

    __tablename__ = "home_assistant"

    school_id: str = Field(foreign_key="school.id", primary_key=True, max_length=63)
    switched_on: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    language: str = Field(default="vi", max_length=5)
    password_hash: str = Field(default="", max_length=200)
    mosquitto_hash: str = Field(default="", max_length=200)
    made_ms: int | None = Field(default=None, sa_type=BigInteger)
    changed_ms: int = Field(sa_type=BigInteger)
