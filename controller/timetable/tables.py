"""School years with their terms, holidays, make-up days and bells. Dates are the school's own; both ends count.

`controller.scheduling.school_time` says what they mean; what cannot be there never gets here.
"""

from datetime import date, time

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel


class Year(SQLModel, table=True):
    """What belongs together from one summer to the next, such as `2026–2027`. Weeks are counted in it."""

    __tablename__ = "school_year"
    __table_args__ = (UniqueConstraint("school_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    name: str = Field(max_length=32)


class TermRow(SQLModel, table=True):
    """`opens_with` is the kind, A or B, of its first teaching week."""

    __tablename__ = "term"

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    year_id: int = Field(foreign_key="school_year.id", index=True)
    name: str = Field(max_length=64)
    first: date
    last: date
    opens_with: str = Field(default="A", max_length=1)


class HolidayRow(SQLModel, table=True):
    __tablename__ = "holiday"

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    year_id: int = Field(foreign_key="school_year.id", index=True)
    name: str = Field(max_length=64)
    first: date
    last: date


class MakeUpRow(SQLModel, table=True):
    """A day that is taught as another weekday (0 is Monday)."""

    __tablename__ = "make_up_day"
    __table_args__ = (UniqueConstraint("year_id", "day"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    year_id: int = Field(foreign_key="school_year.id", index=True)
    day: date
    as_weekday: int


class BellRow(SQLModel, table=True):
    """Bells of some weekdays, as digits (`01234` is Monday to Friday), over a range of dates."""

    __tablename__ = "bell_schedule"

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    year_id: int = Field(foreign_key="school_year.id", index=True)
    name: str = Field(max_length=64)
    weekdays: str = Field(max_length=7)
    first: date
    last: date


class PeriodRow(SQLModel, table=True):
    """`half` is `morning` or `afternoon`; periods are numbered from 1 in each."""

    __tablename__ = "bell_period"

    bell_id: int = Field(foreign_key="bell_schedule.id", primary_key=True)
    half: str = Field(primary_key=True, max_length=9)
    number: int = Field(primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    begins: time
    ends: time
