"""Alembic's entry: always runs on a connection that controller.database hands over."""

from alembic import context
from sqlalchemy import Connection

from controller.database import is_kept_by_migrations, metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata(),
        include_name=lambda name, kind, _parents: is_kept_by_migrations(name, kind),
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
