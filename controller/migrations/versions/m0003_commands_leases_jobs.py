"""Commands, leases, print jobs and their files."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BOOK = ("book_number", "held_generation", "held_number")


def upgrade() -> None:
    for name in _BOOK:
        op.add_column("agent", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    _leases()
    _commands()
    _jobs()


def _leases() -> None:
    op.create_table(
        "lease_grant",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.Column("booking", sa.String(length=63), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("hazard", sa.Integer(), nullable=False),
        sa.Column("supervised", sa.Boolean(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.Column("book_number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"]),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("booking"),
    )
    op.create_index("ix_lease_grant_device", "lease_grant", ["device_id", "until_ms"])
    op.create_index(op.f("ix_lease_grant_agent_id"), "lease_grant", ["agent_id"])
    op.create_index(op.f("ix_lease_grant_school_id"), "lease_grant", ["school_id"])


def _commands() -> None:
    op.create_table(
        "command",
        sa.Column("id", sa.String(length=63), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=63), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("by_id", sa.String(length=32), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("status_ms", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.String(length=1024), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("sent_ms", sa.BigInteger(), nullable=True),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("needs_book", sa.BigInteger(), nullable=False),
        sa.Column("request_key", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"]),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("request_key"),
    )
    op.create_index("ix_command_open", "command", ["status", "agent_id"])
    op.create_index("ix_command_device", "command", ["device_id", "asked_ms"])
    op.create_index(op.f("ix_command_school_id"), "command", ["school_id"])
    op.create_table(
        "command_step",
        sa.Column("command_id", sa.String(length=63), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.String(length=1024), nullable=False),
        sa.ForeignKeyConstraint(["command_id"], ["command.id"]),
        sa.PrimaryKeyConstraint("command_id", "status"),
    )


def _jobs() -> None:
    op.create_table(
        "job_file",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "print_job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column("title", sa.String(length=128), nullable=False),
        sa.Column("group_name", sa.String(length=64), nullable=False),
        sa.Column("by_id", sa.String(length=32), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("state_ms", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.String(length=1024), nullable=False),
        sa.Column("review", sa.JSON(), nullable=True),
        sa.Column("preview", sa.JSON(), nullable=True),
        sa.Column("released_by", sa.String(length=32), nullable=False),
        sa.Column("command_id", sa.String(length=63), nullable=True),
        sa.Column("stop_id", sa.String(length=63), nullable=True),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"]),
        sa.ForeignKeyConstraint(["digest"], ["job_file.digest"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_print_job_device", "print_job", ["device_id", "state"])
    op.create_index(op.f("ix_print_job_digest"), "print_job", ["digest"])
    op.create_index(op.f("ix_print_job_school_id"), "print_job", ["school_id"])
    op.create_table(
        "job_step",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("by_id", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.String(length=1024), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["print_job.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_job_step_job_id"), "job_step", ["job_id"])


def downgrade() -> None:
    for table in ("job_step", "print_job", "job_file", "command_step", "command", "lease_grant"):
        op.drop_table(table)
    for name in _BOOK:
        op.drop_column("agent", name)
