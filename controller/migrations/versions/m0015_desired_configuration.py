"""What agents are to be: settings by scope with their history, adopted devices, and what each agent says of them."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "desired_setting",
        sa.Column("place", sa.String(length=80), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("school_id", sa.String(), nullable=True),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("place", "key"),
    )
    op.create_index(op.f("ix_desired_setting_school_id"), "desired_setting", ["school_id"])
    op.create_table(
        "desired_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(length=80), nullable=False),
        sa.Column("school_id", sa.String(), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("by_id", sa.String(length=32), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("back_to", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_desired_change_place"), "desired_change", ["place"])
    op.create_index(op.f("ix_desired_change_school_id"), "desired_change", ["school_id"])
    op.create_table(
        "desired_device",
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=63), nullable=False),
        sa.Column("school_id", sa.String(), nullable=False),
        sa.Column("profile_slug", sa.String(length=128), nullable=False),
        sa.Column("endpoint", sa.String(length=300), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("room", sa.String(length=64), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("by_id", sa.String(length=32), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("agent_id", "slug"),
    )
    op.create_index(op.f("ix_desired_device_school_id"), "desired_device", ["school_id"])
    op.create_table(
        "agent_config",
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("wanted_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("agent_id"),
    )
    op.create_index(op.f("ix_agent_config_school_id"), "agent_config", ["school_id"])
    op.create_table(
        "said_config",
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("on_trial", sa.Boolean(), nullable=False),
        sa.Column("rejected_generation", sa.BigInteger(), nullable=False),
        sa.Column("rejected_number", sa.BigInteger(), nullable=False),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("agent_id"),
    )
    op.create_index(op.f("ix_said_config_school_id"), "said_config", ["school_id"])


def downgrade() -> None:
    for table in ("said_config", "agent_config", "desired_device", "desired_change", "desired_setting"):
        op.drop_table(table)
