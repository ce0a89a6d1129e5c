"""The schema: migrated step by step it equals the one in tables.py, on both databases; a second run changes nothing."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from typer.testing import CliRunner

from roony.cli.commands import app
from roony.flows.access_key import NewKey, key_row
from roony.store import migrations
from roony.store.database import Database
from roony.store.migrations import SchemaBusy, SchemaTooNew, config_for, migrate, pending_revisions, revisions
from roony.store.tables import access_keys, metadata
from tests.support.migrating import build, execute, stepped, structure
from tests.support.tills import DATABASES


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A database of each kind with nothing in it: a file that does not exist yet, or an empty PostgreSQL database."""
    postgres = request.param == "postgresql"
    url = request.getfixturevalue("postgres_url") if postgres else f"sqlite:///{tmp_path}/folder/roony.db"
    opened = Database(url)
    yield opened
    opened.close()


def test_migrated_schema_is_the_schema_of_the_tables(database: Database) -> None:
    assert migrate(database) == revisions()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    migrated = structure(database)
    stepped(database, lambda config: command.downgrade(config, "base"))
    build(database)
    assert migrated == structure(database)
    assert set(migrated) == set(metadata.tables)


def test_the_files_are_named_for_the_steps_of_the_tree() -> None:
    """By their names it is known what is to be done, before Alembic is loaded."""
    tree = ScriptDirectory.from_config(config_for(None)).walk_revisions()
    assert revisions() == [step.revision for step in tree][::-1]


def test_an_up_to_date_schema_is_seen_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/roony.db"
    database = Database(url)
    migrate(database)
    database.close()
    look = (
        "import sys; from roony.store.database import Database; from roony.store.migrations import migrate;"
        f" print(migrate(Database({url!r})), 'alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"


def test_a_second_run_changes_nothing(database: Database) -> None:
    assert pending_revisions(database) == revisions()
    migrate(database)
    assert pending_revisions(database) == []
    assert migrate(database) == []


def test_a_migration_that_fails_leaves_no_table(database: Database) -> None:
    """All or nothing: half a schema would be found by the next start."""
    # The last table of the first revision is in the way.
    execute(database, "CREATE TABLE oauth_states (x TEXT)")
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="already exists"):
        migrate(database)
    assert list(structure(database)) == ["oauth_states"]


def test_a_database_of_a_newer_roony_is_refused(database: Database) -> None:
    migrate(database)
    execute(database, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match=r"9999.*install a newer Roony"):
        migrate(database)
    with pytest.raises(SchemaTooNew):
        pending_revisions(database)


def test_every_step_can_be_taken_back_and_again(database: Database) -> None:
    """Each step down and up again ends in the same schema; all steps down leave nothing."""
    migrate(database)
    newest = structure(database)
    for step in reversed(revisions()):
        after = structure(database)
        stepped(database, lambda config: command.downgrade(config, "-1"))
        stepped(database, lambda config, step=step: command.upgrade(config, step))
        assert structure(database) == after, step
        stepped(database, lambda config: command.downgrade(config, "-1"))
    assert structure(database) == {}
    migrate(database)
    assert structure(database) == newest


def test_a_step_back_lets_no_key_do_more(database: Database) -> None:
    """The release before knows no roles, scopes, addresses or ends: such a key would be an owner's, for ever."""
    migrate(database)
    limits: dict[str, dict[str, Any]] = {
        "plain": {}, "rotated": {"expires_at": 5}, "users": {"user_id": "usr_1"}, "scoped": {"scopes": "read"},
        "bound": {"allowed_addresses": "192.0.2.0/24"}, "revoked": {"user_id": "usr_1", "revoked_at": 7},
    }  # fmt: skip
    with migrations.connection(database.url) as connection:
        for id, given in limits.items():
            row = key_row(NewKey(id, "admin", id, ""), "org_1", None, 1)._replace(**given)
            connection.execute(access_keys.insert().values(row._asdict()))
    stepped(database, lambda config: command.downgrade(config, "0004"))
    rows = database.read(sqlalchemy.select(access_keys.c.id, access_keys.c.revoked_at))
    ends = {row[0]: row[1] for row in rows}
    assert (ends.pop("plain"), ends.pop("revoked")) == (None, 7)
    assert ends.keys() == limits.keys() - {"plain", "revoked"}
    assert all(ends.values())


@pytest.mark.postgres
def test_a_table_in_use_is_not_waited_for_long(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever comes after a waiting migration waits behind it: it gives up soon, changes nothing, and says why."""
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_MS", 200)
    monkeypatch.setenv("ROONY_DATABASE_URL", postgres_url)
    database = Database(postgres_url)
    stepped(database, lambda config: command.upgrade(config, revisions()[0]))
    before = structure(database)
    with psycopg.connect(postgres_url) as reader:
        for table in before:
            reader.execute(f"SELECT 1 FROM {table} LIMIT 1".encode())  # noqa: S608 - names from the database itself
        with pytest.raises(SchemaBusy, match="nothing was changed"):
            migrate(database)
        said = CliRunner().invoke(app, ["migrate"])
        assert (said.exit_code, "roony migrate` again" in " ".join(said.stderr.split())) == (1, True), said.output
    assert structure(database) == before
    assert migrate(database) == revisions()[1:]
    database.close()


def test_the_tree_can_be_written_as_sql_for_postgresql() -> None:
    """For an administrator who runs the steps by hand."""
    config = config_for(None)
    config.set_main_option("sqlalchemy.url", "postgresql+psycopg://")
    config.output_buffer = io.StringIO()
    command.upgrade(config, "head", sql=True)
    text = config.output_buffer.getvalue()
    for name in metadata.tables:
        assert f"CREATE TABLE {name} (" in text
    assert "BYTEA" in text
    assert "WHERE status = 'promised'" in text
