"""What can be booked, who has it when, and the leases that agents are given."""

from datetime import date, time
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, UniqueConstraint, false
from sqlmodel import Field, SQLModel


class LeaseGrant(SQLModel, table=True):
    """The right of `holder` (a user's opaque id) to use a device from `from_ms` up to, not including, `until_ms`.

    `booking` names what it is for; `walk-up-...` is a use without a booking made beforehand, else `booking_id` is the
    booking's. `book_number` is the number of the agent's lease book in which it stands as it is here.
    """

    __tablename__ = "lease_grant"
    __table_args__ = (Index("ix_lease_grant_device", "device_id", "until_ms"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    agent_id: int = Field(foreign_key="agent.id", index=True)
    device_id: int = Field(foreign_key="device.id")
    holder: str = Field(max_length=32)
    booking: str = Field(max_length=63, unique=True)
    booking_id: str | None = Field(default=None, index=True, max_length=32)
    from_ms: int = Field(sa_type=BigInteger)
    until_ms: int = Field(sa_type=BigInteger)
    hazard: int = 0
    supervised: bool = False
    revoked_ms: int | None = Field(default=None, sa_type=BigInteger)
    book_number: int = Field(sa_type=BigInteger)


class Resource(SQLModel, table=True):
    """What can be booked: a `unit` (a machine, a room), a `pool` of `capacity` alike things, or a `circuit` of
    `capacity` watts that units hang on and nobody books by itself.

    `class_name` is what "any printer" means; `device_id` the machine behind a unit, None for what has no agent. `code`
    stands under the QR label. `clean_up_min` is a pool's hygiene, which goes on while it charges. `shared`: other
    schools may book it too. `approval`: a teacher's booking is a request that somebody confirms.
    """

    __tablename__ = "resource"
    __table_args__ = (Index("ix_resource_class_name", "class_name", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    room_id: int | None = Field(default=None, foreign_key="room.id")
    device_id: int | None = Field(default=None, foreign_key="device.id", unique=True)
    kind: str = Field(max_length=8)
    class_name: str = Field(default="", max_length=63)
    name: str = Field(max_length=128)
    code: str = Field(max_length=8, unique=True)
    capacity: int = 1
    setup_min: int = 0
    clean_up_min: int = 0
    charge_min: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    watts: int = 0
    circuit_id: int | None = Field(default=None, foreign_key="resource.id", index=True)
    hazard: int = 0
    certificate: str = Field(default="", max_length=63)
    shared: bool = False
    approval: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    retired: bool = False


class Booking(SQLModel, table=True):
    """A use of one or more resources at one time. `school_id` is the school that books, `holder` whose use it is.

    `state` is a `controller.scheduling.booking_states.BookingState`. `title` is a class or club, never a pupil. A
    request and an offer hold their claims until `hold_until_ms`, and a wish on the waitlist waits until then.
    `sequence` rises with every change, as calendars want it. `series_id` is common to the dates of one repetition.
    `wanted` is what was asked for, so that it can be chosen anew. `ended_ms` is when it came to a state that holds
    nothing any more; `checked_in_by` took the machine, the holder or a substitute.
    """

    __tablename__ = "booking"
    __table_args__ = (
        Index("ix_booking_holder", "holder", "start_ms"),
        Index("ix_booking_school", "school_id", "start_ms", "end_ms", "state", "holder", "id"),
        Index("ix_booking_state", "state", "end_ms"),
    )

    id: str = Field(primary_key=True, max_length=32)
    school_id: str = Field(foreign_key="school.id")
    holder: str = Field(max_length=32)
    kind: str = Field(max_length=12)
    state: str = Field(max_length=12)
    title: str = Field(default="", max_length=128)
    purpose: str = Field(default="", max_length=200)
    head_count: int = 0
    start_ms: int = Field(sa_type=BigInteger)
    end_ms: int = Field(sa_type=BigInteger)
    wanted: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False), default_factory=list)
    series_id: str | None = Field(default=None, max_length=32, index=True)
    sequence: int = 0
    created_ms: int = Field(sa_type=BigInteger)
    changed_ms: int = Field(sa_type=BigInteger)
    by_id: str = Field(max_length=32, description="who made it; the holder, or somebody for them")
    hold_until_ms: int | None = Field(default=None, sa_type=BigInteger)
    checked_in_ms: int | None = Field(default=None, sa_type=BigInteger)
    checked_in_by: str | None = Field(default=None, max_length=32)
    ended_ms: int | None = Field(default=None, sa_type=BigInteger)
    request_key: str | None = Field(default=None, max_length=100, unique=True)


class Assignment(SQLModel, table=True):
    """Which resource a booking has, `quantity` of it if it is a pool, 0 if a unit; from set-up to clean-up.

    Rows of bookings that ended before their time are shortened or removed, as their claims are.
    """

    __tablename__ = "assignment"
    __table_args__ = (Index("ix_assignment_resource", "resource_id", "until_ms", "from_ms"),)

    booking_id: str = Field(foreign_key="booking.id", primary_key=True, max_length=32)
    resource_id: int = Field(foreign_key="resource.id", primary_key=True)
    quantity: int = 0
    from_ms: int = Field(sa_type=BigInteger)
    until_ms: int = Field(sa_type=BigInteger)


class Claim(SQLModel, table=True):
    """A unit in one five-minute tick, counted from the epoch. The key is why nothing is ever booked twice."""

    __tablename__ = "claim"
    __table_args__ = ({"sqlite_with_rowid": False},)

    resource_id: int = Field(
        sa_column=Column(Integer, ForeignKey("resource.id"), primary_key=True, autoincrement=False)
    )
    tick: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    booking_id: str = Field(max_length=32)


class Load(SQLModel, table=True):
    """How much of a pool or circuit is used in one tick. The check is why none is ever oversold."""

    __tablename__ = "load"
    __table_args__ = (
        CheckConstraint("used >= 0 AND used <= capacity", name="load_within_capacity"),
        {"sqlite_with_rowid": False},
    )

    resource_id: int = Field(
        sa_column=Column(Integer, ForeignKey("resource.id"), primary_key=True, autoincrement=False)
    )
    tick: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    used: int
    capacity: int


class Supervisor(SQLModel, table=True):
    """Somebody who was named to stand by during a booking; `present_ms` is when they said that they are there."""

    __tablename__ = "booking_supervisor"

    booking_id: str = Field(foreign_key="booking.id", primary_key=True, max_length=32)
    user_id: str = Field(foreign_key="user_account.id", primary_key=True, max_length=32)
    present_ms: int | None = Field(default=None, sa_type=BigInteger)


class OpeningTime(SQLModel, table=True):
    """When a room is open on a weekday (0 is Monday); midnight as `closes` is the end of the day.

    A room without any is always open.
    """

    __tablename__ = "opening_time"

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    room_id: int = Field(foreign_key="room.id", index=True)
    weekday: int
    opens: time
    closes: time


class Closure(SQLModel, table=True):
    """Days, both included, on which a room with opening hours is closed; without `room_id` all of the school's."""

    __tablename__ = "closure"

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    room_id: int | None = Field(default=None, foreign_key="room.id")
    name: str = Field(max_length=64)
    first: date
    last: date


class BookingLimits(SQLModel, table=True):
    """What a school sets for its things: `controller.scheduling.policy.Limits`, and two that are about its keeping.

    The two quotas have no default here: None, that there is none, could not be stored beside one. A booking that nobody
    checked in for `no_show_min` after it began is a no-show. A request holds what it wants for
    `request_h`, or until it would begin.
    """

    __tablename__ = "booking_limits"

    school_id: str = Field(foreign_key="school.id", primary_key=True)
    notice_days: int = 0
    furthest_days: int = 180
    shortest_min: int = 15
    longest_min: int = 300
    person_week: int | None = None
    school_week: int | None = None
    pupils_per_adult: list[int] = Field(sa_column=Column(JSON, nullable=False), default_factory=lambda: [45, 45, 20, 8])
    soon_h: int = 24
    no_show_min: int = 15
    request_h: int = 48


class HeldCertificate(SQLModel, table=True):
    """That somebody may use what needs a certificate of that `name`, up to `until_ms` if that is set."""

    __tablename__ = "held_certificate"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str | None = Field(default=None, foreign_key="school.id", index=True)
    user_id: str = Field(foreign_key="user_account.id", max_length=32)
    name: str = Field(max_length=63)
    issued_ms: int = Field(sa_type=BigInteger)
    until_ms: int | None = Field(default=None, sa_type=BigInteger)
    by_id: str = Field(max_length=32)


class UseSpan(SQLModel, table=True):
    """A time in which a machine was at work, by its own telemetry; open while `until_ms` is None.

    `booking_id` is the booking in which it began, None if there was none.
    """

    __tablename__ = "use_span"
    __table_args__ = (Index("ix_use_span_device", "device_id", "from_ms"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    device_id: int = Field(foreign_key="device.id")
    from_ms: int = Field(sa_type=BigInteger)
    until_ms: int | None = Field(default=None, sa_type=BigInteger)
    booking_id: str | None = Field(default=None, foreign_key="booking.id", index=True, max_length=32)


class Notice(SQLModel, table=True):
    """Something that people should know of; for one person, or with `user_id` None for a school's technicians.

    `kind` is a stable code, `subject` the id of what it is about (a booking, a device), `detail` what its sentence
    needs.
    """

    __tablename__ = "notice"
    __table_args__ = (Index("ix_notice_user", "user_id", "seen_ms"),)

    id: int | None = Field(default=None, primary_key=True)
    school_id: str = Field(foreign_key="school.id", index=True)
    user_id: str | None = Field(default=None, foreign_key="user_account.id", max_length=32)
    at_ms: int = Field(sa_type=BigInteger)
    kind: str = Field(max_length=40)
    subject: str = Field(default="", max_length=63)
    detail: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False), default_factory=dict)
    seen_ms: int | None = Field(default=None, sa_type=BigInteger)


class CalendarFeed(SQLModel, table=True):
    """The right to read a calendar by a secret address: of the bookings of a person, or of those of a room.

    `secret_hash` is the SHA-256 of what the address holds.
    """

    __tablename__ = "calendar_feed"

    id: int | None = Field(default=None, primary_key=True)
    school_id: str | None = Field(default=None, foreign_key="school.id", index=True)
    user_id: str = Field(foreign_key="user_account.id", index=True, max_length=32, description="who made it")
    room_id: int | None = Field(default=None, foreign_key="room.id", description="None: the maker's own bookings")
    secret_hash: str = Field(unique=True, max_length=64)
    created_ms: int = Field(sa_type=BigInteger)
    read_ms: int | None = Field(default=None, sa_type=BigInteger)
    revoked_ms: int | None = Field(default=None, sa_type=BigInteger)


class BoardKey(SQLModel, table=True):
    """That the board of a room may be read without an account, by whoever has its address; one a room.

    `secret_hash` is the SHA-256 of what the address holds.
    """

    __tablename__ = "board_key"

    room_id: int = Field(sa_column=Column(Integer, ForeignKey("room.id"), primary_key=True, autoincrement=False))
    school_id: str = Field(foreign_key="school.id", index=True)
    secret_hash: str = Field(unique=True, max_length=64)
    by_id: str = Field(max_length=32)
    made_ms: int = Field(sa_type=BigInteger)
