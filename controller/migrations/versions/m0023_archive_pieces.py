"""A part of the archive has a file name that no other part ever has, and may be of some series only."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_ALL = str(2**31 - 1)


def upgrade() -> None:
    with op.batch_alter_table("archived_part") as table:
        table.add_column(sa.Column("file", sa.String(length=60), server_default="", nullable=False))
        table.add_column(sa.Column("after_series", sa.Integer(), server_default="0", nullable=False))
        table.add_column(sa.Column("upto_series", sa.Integer(), server_default=_ALL, nullable=False))
    number = "substr('0000' || part, length('0000' || part) - 3)"
    op.execute(f"UPDATE archived_part SET file = 'part-' || {number} || '.parquet'")  # noqa: S608 - own names
    op.create_table(
        "stray_file",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("file", sa.String(length=100), nullable=False),
        sa.Column("upto_series", sa.Integer(), nullable=False),
        sa.Column("noted_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "file"),
    )


def downgrade() -> None:
    op.drop_table("stray_file")
    with op.batch_alter_table("archived_part") as table:
        for column in ("upto_series", "after_series", "file"):
            table.drop_column(column)
