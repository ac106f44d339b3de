"""Lock-outs, reset links, sessions and tokens that say more of themselves, sign-in by providers, command rules."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add_columns()
    op.create_table(
        "sign_in_tries",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(op.f("ix_sign_in_tries_subject"), "sign_in_tries", ["subject"])
    op.create_index(op.f("ix_sign_in_tries_last_ms"), "sign_in_tries", ["last_ms"])
    op.create_table(
        "known_place",
        sa.Column("place", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("place"),
    )
    op.create_index(op.f("ix_known_place_user_id"), "known_place", ["user_id"])
    op.create_index(op.f("ix_known_place_seen_ms"), "known_place", ["seen_ms"])
    op.create_table(
        "password_reset",
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_by", sa.String(length=32), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("user_id"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_table(
        "oidc_link",
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("issuer", "subject"),
    )
    op.create_index(op.f("ix_oidc_link_user_id"), "oidc_link", ["user_id"])
    op.create_table(
        "command_rule",
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("family", sa.String(length=63), nullable=False),
        sa.Column("action", sa.String(length=63), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("role", "family", "action"),
    )


def downgrade() -> None:
    for table in ("command_rule", "oidc_link", "password_reset", "known_place", "sign_in_tries"):
        op.drop_table(table)
    for table, columns in (
        ("api_token", ("permissions", "read_only", "created_by", "used_ms")),
        ("user_session", ("address", "client", "provider")),
        ("user_account", ("waiting",)),
    ):
        for column in columns:
            op.drop_column(table, column)


def _add_columns() -> None:
    """Rows that are there get what the code gave them before."""
    nothing, no = sa.text("''"), sa.false()
    op.add_column("user_account", sa.Column("waiting", sa.Boolean(), nullable=False, server_default=no))
    for name, length in (("address", 64), ("client", 200), ("provider", 32)):
        column = sa.Column(name, sa.String(length=length), nullable=False, server_default=nothing)
        op.add_column("user_session", column)
    op.add_column("api_token", sa.Column("permissions", sa.String(length=500), nullable=True))
    op.add_column("api_token", sa.Column("read_only", sa.Boolean(), nullable=False, server_default=no))
    op.add_column("api_token", sa.Column("created_by", sa.String(length=32), nullable=False, server_default=nothing))
    op.add_column("api_token", sa.Column("used_ms", sa.BigInteger(), nullable=True))
