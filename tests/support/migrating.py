"""A schema as its database tells it, and single steps of the migrations: for tests of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy
from alembic.config import Config

from roony.store import migrations
from roony.store.database import Database
from roony.store.tables import metadata


def structure(database: Database) -> dict[str, dict[str, Any]]:
    """Columns, keys and indexes of every table but Alembic's own, as the database itself tells them.

    Without the order of the columns: every statement names them.
    """
    with migrations.connection(database.url) as connection:
        seen = sqlalchemy.inspect(connection)
        return {
            name: {
                "columns": {
                    column["name"]: (repr(column["type"]), column["nullable"], column["default"])
                    for column in seen.get_columns(name)
                },
                "primary key": seen.get_pk_constraint(name)["constrained_columns"],
                "unique": sorted(map(str, seen.get_unique_constraints(name))),
                "foreign keys": sorted(map(str, seen.get_foreign_keys(name))),
                "checks": sorted(map(str, seen.get_check_constraints(name))),
                "indexes": {
                    index["name"]: (
                        index["column_names"],
                        bool(index["unique"]),
                        {
                            key: str(value)
                            for key, value in index.get("dialect_options", {}).items()
                            if str(value) != "[]"
                        },
                    )
                    for index in seen.get_indexes(name)
                },
            }
            for name in sorted(seen.get_table_names())
            if name != "alembic_version"
        }


def stepped(database: Database, walk: Callable[[Config], None]) -> None:
    """Walks Alembic's tree as `walk` does, in one transaction."""
    with migrations.connection(database.url) as connection:
        walk(migrations.config_for(connection))


def build(database: Database) -> None:
    """Makes the tables as tables.py has them, without the tree."""
    with migrations.connection(database.url) as connection:
        metadata.create_all(connection)


def execute(database: Database, sql: str) -> None:
    """Runs one statement on the raw driver."""
    with migrations.connection(database.url) as connection:
        connection.exec_driver_sql(sql)
