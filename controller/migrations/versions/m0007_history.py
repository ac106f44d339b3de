"""Day partitions on PostgreSQL; which writer wrote last."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("installation", sa.Column("writer", sa.String(length=16), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TABLE reading (series integer NOT NULL, at_ms bigint NOT NULL, batch bigint NOT NULL,"
            " number double precision, whole bigint, text text,"
            " CHECK (num_nonnulls(number, whole, text) <= 1), PRIMARY KEY (series, at_ms, batch))"
            " PARTITION BY RANGE (at_ms)"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TABLE reading")
    op.drop_column("installation", "writer")
