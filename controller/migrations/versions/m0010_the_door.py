"""What agents and their computers are known by, who waits at the door, copies, and the list of assets."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("installation", sa.Column("salt", sa.String(length=64), server_default=sa.text("''"), nullable=False))
    op.add_column("enrol_token", sa.Column("uses", sa.Integer(), server_default="0", nullable=False))
    op.add_column("enrol_token", sa.Column("agent", sa.String(length=63), server_default=sa.text("''"), nullable=False))
    op.add_column("agent", sa.Column("instance", sa.String(length=64), server_default=sa.text("''"), nullable=False))
    op.add_column("agent", sa.Column("machine", sa.String(), server_default=sa.text("''"), nullable=False))
    for name in ("doubled", "resets"):
        op.add_column("agent", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(op.f("ix_agent_instance"), "agent", ["instance"])
    _door()


def _door() -> None:
    op.create_table(
        "arrival",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("token_id", sa.String(length=32), nullable=False),
        sa.Column("instance", sa.String(length=64), nullable=False),
        sa.Column("machine", sa.String(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("stand", sa.String(length=10), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=True),
        sa.Column("came_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("school_id", "instance"),
    )
    op.create_index(op.f("ix_arrival_school_id"), "arrival", ["school_id"])
    op.create_index(op.f("ix_arrival_token_id"), "arrival", ["token_id"])
    op.create_table(
        "twin",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("instance", sa.String(length=64), nullable=False),
        sa.Column("machine", sa.String(), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("becomes_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"]),
        sa.ForeignKeyConstraint(["becomes_id"], ["agent.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("agent_id", "epoch"),
    )
    op.create_index(op.f("ix_twin_school_id"), "twin", ["school_id"])
    op.create_table(
        "asset",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(length=63), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("mac", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("room", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_asset_school_id"), "asset", ["school_id"])


def downgrade() -> None:
    for table in ("asset", "twin", "arrival"):
        op.drop_table(table)
    op.drop_index(op.f("ix_agent_instance"), "agent")
    with op.batch_alter_table("agent") as agent:
        for name in ("resets", "doubled", "machine", "instance"):
            agent.drop_column(name)
    with op.batch_alter_table("enrol_token") as token:
        token.drop_column("agent")
        token.drop_column("uses")
    with op.batch_alter_table("installation") as installation:
        installation.drop_column("salt")
