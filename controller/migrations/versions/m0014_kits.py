"""Kits of a counted pool: what is in one, who took how many out, and what came back broken or not at all."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kit_part",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(), nullable=False),
        sa.Column("resource_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["resource_id"], ["resource.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("resource_id", "name", name="uq_kit_part_name"),
    )
    op.create_index(op.f("ix_kit_part_school_id"), "kit_part", ["school_id"])
    op.create_table(
        "kit_handout",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(), nullable=False),
        sa.Column("resource_id", sa.Integer(), nullable=False),
        sa.Column("booking_id", sa.String(length=32), nullable=False),
        sa.Column("kits", sa.Integer(), nullable=False),
        sa.Column("by_id", sa.String(length=32), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("returned_ms", sa.BigInteger(), nullable=True),
        sa.Column("returned_by", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"]),
        sa.ForeignKeyConstraint(["resource_id"], ["resource.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_kit_handout_school_id"), "kit_handout", ["school_id"])
    op.create_index("ix_kit_handout_resource", "kit_handout", ["resource_id", "returned_ms"])
    op.create_table(
        "kit_lack",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(), nullable=False),
        sa.Column("resource_id", sa.Integer(), nullable=False),
        sa.Column("handout_id", sa.Integer(), nullable=False),
        sa.Column("part", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("kits", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("by_id", sa.String(length=32), nullable=False),
        sa.Column("mended_ms", sa.BigInteger(), nullable=True),
        sa.Column("mended_by", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["handout_id"], ["kit_handout.id"]),
        sa.ForeignKeyConstraint(["resource_id"], ["resource.id"]),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_kit_lack_school_id"), "kit_lack", ["school_id"])
    op.create_index("ix_kit_lack_resource", "kit_lack", ["resource_id", "mended_ms"])


def downgrade() -> None:
    op.drop_table("kit_lack")
    op.drop_table("kit_handout")
    op.drop_table("kit_part")
