"""School years and bells, what limits bookings, and what is kept of how they went."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _timetables()
    _rules()
    _keeping()
    _columns()


def _timetables() -> None:
    op.create_table(
        "school_year",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("school_id", "name"),
    )
    op.create_index(op.f("ix_school_year_school_id"), "school_year", ["school_id"])
    op.create_table(
        "term",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("year_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("opens_with", sa.String(length=1), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.ForeignKeyConstraint(["year_id"], ["school_year.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_term_school_id"), "term", ["school_id"])
    op.create_index(op.f("ix_term_year_id"), "term", ["year_id"])
    op.create_table(
        "holiday",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("year_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.ForeignKeyConstraint(["year_id"], ["school_year.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_holiday_school_id"), "holiday", ["school_id"])
    op.create_index(op.f("ix_holiday_year_id"), "holiday", ["year_id"])
    op.create_table(
        "make_up_day",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("year_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("as_weekday", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.ForeignKeyConstraint(["year_id"], ["school_year.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("year_id", "day"),
    )
    op.create_index(op.f("ix_make_up_day_school_id"), "make_up_day", ["school_id"])
    op.create_index(op.f("ix_make_up_day_year_id"), "make_up_day", ["year_id"])
    op.create_table(
        "bell_schedule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("year_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("weekdays", sa.String(length=7), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.ForeignKeyConstraint(["year_id"], ["school_year.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_bell_schedule_school_id"), "bell_schedule", ["school_id"])
    op.create_index(op.f("ix_bell_schedule_year_id"), "bell_schedule", ["year_id"])
    op.create_table(
        "bell_period",
        sa.Column("bell_id", sa.Integer(), nullable=False),
        sa.Column("half", sa.String(length=9), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("begins", sa.Time(), nullable=False),
        sa.Column("ends", sa.Time(), nullable=False),
        sa.ForeignKeyConstraint(["bell_id"], ["bell_schedule.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("bell_id", "half", "number"),
    )
    op.create_index(op.f("ix_bell_period_school_id"), "bell_period", ["school_id"])


def _rules() -> None:
    op.create_table(
        "opening_time",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("room_id", sa.Integer(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("opens", sa.Time(), nullable=False),
        sa.Column("closes", sa.Time(), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_opening_time_room_id"), "opening_time", ["room_id"])
    op.create_index(op.f("ix_opening_time_school_id"), "opening_time", ["school_id"])
    op.create_table(
        "closure",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("room_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_closure_school_id"), "closure", ["school_id"])
    op.create_table(
        "booking_limits",
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("notice_days", sa.Integer(), nullable=False),
        sa.Column("furthest_days", sa.Integer(), nullable=False),
        sa.Column("shortest_min", sa.Integer(), nullable=False),
        sa.Column("longest_min", sa.Integer(), nullable=False),
        sa.Column("person_week", sa.Integer(), nullable=True),
        sa.Column("school_week", sa.Integer(), nullable=True),
        sa.Column("pupils_per_adult", sa.JSON(), nullable=False),
        sa.Column("soon_h", sa.Integer(), nullable=False),
        sa.Column("no_show_min", sa.Integer(), nullable=False),
        sa.Column("request_h", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("school_id"),
    )
    op.create_table(
        "held_certificate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=True),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("by_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("user_id", "name"),
    )
    op.create_index(op.f("ix_held_certificate_school_id"), "held_certificate", ["school_id"])


def _keeping() -> None:
    op.create_table(
        "booking_supervisor",
        sa.Column("booking_id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("present_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"]),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("booking_id", "user_id"),
    )
    op.create_table(
        "use_span",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("booking_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"]),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_use_span_booking_id"), "use_span", ["booking_id"])
    op.create_index("ix_use_span_device", "use_span", ["device_id", "from_ms"])
    op.create_index(op.f("ix_use_span_school_id"), "use_span", ["school_id"])
    op.create_table(
        "notice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=63), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_notice_school_id"), "notice", ["school_id"])
    op.create_index("ix_notice_user", "notice", ["user_id", "seen_ms"])
    op.create_table(
        "calendar_feed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=True),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("room_id", sa.Integer(), nullable=True),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("read_ms", sa.BigInteger(), nullable=True),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("secret_hash"),
    )
    op.create_index(op.f("ix_calendar_feed_school_id"), "calendar_feed", ["school_id"])
    op.create_index(op.f("ix_calendar_feed_user_id"), "calendar_feed", ["user_id"])
    op.create_table(
        "board_key",
        sa.Column("room_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("by_id", sa.String(length=32), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("room_id"),
        sa.UniqueConstraint("secret_hash"),
    )
    op.create_index(op.f("ix_board_key_school_id"), "board_key", ["school_id"])


def _columns() -> None:
    op.add_column("booking", sa.Column("checked_in_by", sa.String(length=32), nullable=True))
    op.add_column("booking", sa.Column("ended_ms", sa.BigInteger(), nullable=True))
    op.add_column("lease_grant", sa.Column("booking_id", sa.String(length=32), nullable=True))
    op.create_index(op.f("ix_lease_grant_booking_id"), "lease_grant", ["booking_id"])
    op.add_column("resource", sa.Column("approval", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("resource", "approval")
    op.drop_index(op.f("ix_lease_grant_booking_id"), table_name="lease_grant")
    op.drop_column("lease_grant", "booking_id")
    op.drop_column("booking", "ended_ms")
    op.drop_column("booking", "checked_in_by")
    for table in (
        "board_key",
        "calendar_feed",
        "notice",
        "use_span",
        "booking_supervisor",
        "held_certificate",
        "booking_limits",
        "closure",
        "opening_time",
        "bell_period",
        "bell_schedule",
        "make_up_day",
        "holiday",
        "term",
        "school_year",
    ):
        op.drop_table(table)
