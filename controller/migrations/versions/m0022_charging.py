"""Kits say how long they charge, apart from how long they are cleaned; those that there are get no time to charge."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("resource", sa.Column("charge_min", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("resource", "charge_min")
