"""What Alembic runs: on the connection `migrate` hands over, or as SQL text for a database administrator."""

from __future__ import annotations

from alembic import context

from roony.store.tables import metadata


def run() -> None:
    """Runs the revisions that were asked for, all in one transaction."""
    connection = context.config.attributes.get("connection")
    if connection is None:
        context.configure(
            url=context.config.get_main_option("sqlalchemy.url"), target_metadata=metadata, literal_binds=True
        )
    else:
        # SQLite changes a table by making it anew, which Alembic calls batch mode. It can roll that back as well.
        context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


run()
