"""Tokens that a person has ended, told from those that are used up: by the audit log for those that were before."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("enrol_token", sa.Column("ended", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(
        "UPDATE enrol_token SET ended = true WHERE EXISTS (SELECT 1 FROM audit_line"
        " WHERE action = 'enrol-token-end' AND subject = enrol_token.school_id || '/' || enrol_token.id)"
    )


def downgrade() -> None:
    with op.batch_alter_table("enrol_token") as token:
        token.drop_column("ended")
