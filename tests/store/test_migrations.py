"""The schema: migrated step by step it equals the one in tables.py, and a second run changes nothing."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from roony.store.database import Database
from roony.store.migrations import SchemaTooNew, config_for, migrate, pending_revisions
from roony.store.tables import metadata


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A SQLite file that does not exist yet."""
    return Database(f"sqlite:///{tmp_path}/folder/roony.db")


def structure(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Columns and indexes of every table, as SQLite itself tells them."""
    connection = sqlite3.connect(path)
    try:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {}
        for name in sorted(set(names) - {"alembic_version"}):
            columns = connection.execute(
                'SELECT cid, name, type, "notnull", pk FROM pragma_table_info(?) ORDER BY cid', (name,)
            )
            indexes = connection.execute(
                "SELECT l.name, l.\"unique\", l.partial, group_concat(i.name), m.sql LIKE '%WHERE%'"
                " FROM pragma_index_list(?) l, pragma_index_info(l.name) i"
                " LEFT JOIN sqlite_master m ON m.name = l.name GROUP BY l.name ORDER BY l.name",
                (name,),
            )
            found[name] = [*columns, *indexes]
        return found
    finally:
        connection.close()


def test_migrated_schema_is_the_schema_of_the_tables(database: Database, tmp_path: Path) -> None:
    assert migrate(database) == ["0001"]
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()

    built = tmp_path / "built.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{built}")
    metadata.create_all(engine)
    engine.dispose()
    assert database.path is not None
    assert structure(database.path) == structure(built)


def test_a_second_run_changes_nothing(database: Database) -> None:
    assert pending_revisions(database) == ["0001"]
    migrate(database)
    assert pending_revisions(database) == []
    assert migrate(database) == []
    database.close()


def test_a_migration_that_fails_leaves_no_table(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """All or nothing: half a schema would be found by the next start."""
    assert database.path is not None
    database.path.parent.mkdir(parents=True)
    connection = sqlite3.connect(database.path)
    # The last table of the revision is in the way.
    connection.execute("CREATE TABLE oauth_states (x TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(sqlalchemy.exc.OperationalError, match="already exists"):
        migrate(database)
    assert list(structure(database.path)) == ["oauth_states"]
    database.close()


def test_a_database_of_a_newer_roony_is_refused(database: Database) -> None:
    migrate(database)
    assert database.path is not None
    connection = sqlite3.connect(database.path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaTooNew, match=r"9999.*install a newer Roony"):
        migrate(database)
    with pytest.raises(SchemaTooNew):
        pending_revisions(database)
    database.close()


def test_every_step_can_be_taken_back(database: Database) -> None:
    migrate(database)
    engine = sqlalchemy.create_engine(database.url)
    with engine.begin() as connection:
        command.downgrade(config_for(connection), "base")
    engine.dispose()
    assert database.path is not None
    assert structure(database.path) == {}
    database.close()


def test_the_tree_can_be_written_as_sql_for_postgresql() -> None:
    """Proves at least that every type and index has its form there; a real server is another test's."""
    config = config_for(None)
    config.set_main_option("sqlalchemy.url", "postgresql+psycopg://")
    config.output_buffer = io.StringIO()
    command.upgrade(config, "head", sql=True)
    text = config.output_buffer.getvalue()
    for name in metadata.tables:
        assert f"CREATE TABLE {name} (" in text
    assert "BYTEA" in text
    assert "WHERE status = 'promised'" in text
