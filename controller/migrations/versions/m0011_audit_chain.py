"""The chain over the audit log, what its page looks for, and people who were erased."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INDEXES = {"actor": "actor", "subject": "subject", "school": "school_id"}


def upgrade() -> None:
    op.create_table(
        "audit_segment",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("from_id", sa.Integer(), nullable=False),
        sa.Column("to_id", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("lines_hash", sa.String(length=64), nullable=False),
        sa.Column("before", sa.String(length=64), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.Column("prints", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    for name, column in _INDEXES.items():
        op.create_index(f"ix_audit_line_{name}", "audit_line", [column, "id"])
    op.add_column("user_account", sa.Column("erased_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("user_account", "erased_ms")
    for name in _INDEXES:
        op.drop_index(f"ix_audit_line_{name}", "audit_line")
    op.drop_table("audit_segment")
