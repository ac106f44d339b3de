"""Credentials of agents are renewed, in mosquitto's form as well; an agent that floods the broker is cut off."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ADDED = ("mosquitto_hash", "login_number", "wanted_number", "trusted", "flooded_ms")


def upgrade() -> None:
    op.add_column("agent", sa.Column("mosquitto_hash", sa.String(), nullable=False, server_default=sa.text("''")))
    op.add_column("agent", sa.Column("login_number", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("agent", sa.Column("wanted_number", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("agent", sa.Column("trusted", sa.String(), nullable=False, server_default=sa.text("''")))
    op.add_column("agent", sa.Column("flooded_ms", sa.BigInteger(), nullable=True))
    op.create_table(
        "renewal",
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("mosquitto_hash", sa.String(), nullable=False),
        sa.Column("lease_key", sa.String(), nullable=False),
        sa.Column("trusted", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("agent_id"),
    )
    op.create_index(op.f("ix_renewal_school_id"), "renewal", ["school_id"])


def downgrade() -> None:
    op.drop_table("renewal")
    for name in _ADDED:
        op.drop_column("agent", name)
