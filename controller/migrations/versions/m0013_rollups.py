"""Roll-ups, and what is known of the days and months that history lies in."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rollup_cursor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "history_period",
        sa.Column("tier", sa.String(length=8), nullable=False),
        sa.Column("period", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("dropped_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tier", "period"),
    )
    op.create_table(
        "archived_part",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("after_batch", sa.BigInteger(), nullable=False),
        sa.Column("upto_batch", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "part"),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table in ("rollup_5min", "rollup_1h"):
            op.execute(
                f"CREATE TABLE {table} (series integer NOT NULL, slot integer NOT NULL, count integer NOT NULL,"
                " low double precision, mean double precision, high double precision, first integer NOT NULL,"
                " last integer NOT NULL, silence integer NOT NULL, PRIMARY KEY (series, slot))"
                " PARTITION BY RANGE (slot)"
            )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in ("rollup_5min", "rollup_1h"):
            op.execute(f"DROP TABLE {table}")
    for table in ("archived_part", "history_period", "rollup_cursor"):
        op.drop_table(table)
