"""Indexes that answer by themselves what each booking and each search asks, without a look at the rows."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


_BEFORE = {
    "ix_booking_school": ("booking", ["school_id", "start_ms"]),
    "ix_assignment_resource": ("assignment", ["resource_id", "until_ms"]),
    "ix_resource_class_name": ("resource", ["class_name"]),
}
_NOW = {
    "ix_booking_school": ("booking", ["school_id", "start_ms", "end_ms", "state", "holder", "id"]),
    "ix_assignment_resource": ("assignment", ["resource_id", "until_ms", "from_ms"]),
    "ix_resource_class_name": ("resource", ["class_name", "id"]),
}


def upgrade() -> None:
    _replace_by(_NOW)
    op.create_index(op.f("ix_resource_circuit_id"), "resource", ["circuit_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_resource_circuit_id"), "resource")
    _replace_by(_BEFORE)


def _replace_by(indexes: dict[str, tuple[str, list[str]]]) -> None:
    for name, (table, columns) in indexes.items():
        op.drop_index(name, table)
        op.create_index(name, table, columns)
