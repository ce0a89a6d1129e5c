"""`roony init`, `roony migrate`, `roony archive` and `roony keys new`."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from roony.cli.commands import app
from roony.core.audit import INSTALLATION
from roony.core.hashing import text_hash
from roony.store.database import Database
from roony.store.inbox import answered_event
from roony.store.migrations import revisions
from roony.store.statements import write_row
from roony.store.tables import inbox
from roony.store.vault import Vault, new_key, row_name


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database that is not there yet, named by the environment."""
    path = tmp_path / "data" / "roony.db"
    monkeypatch.setenv("ROONY_DATABASE_URL", f"sqlite:///{path}")
    return path


def run(*arguments: str) -> Result:
    """One command in this process."""
    return CliRunner().invoke(app, list(arguments))


def test_init_makes_an_organization_and_shows_its_key_once(database: Path) -> None:
    made = json.loads(run("init", "--name", "Acme", "--currency", "eur", "--json").stdout)
    connection = sqlite3.connect(database)
    try:
        rows = connection.execute("SELECT id, name, currency FROM organizations WHERE id != 'installation'").fetchall()
        assert rows == [(made["organization_id"], "Acme", "eur")]
        hashes = connection.execute("SELECT hash, kind FROM access_keys").fetchall()
        assert hashes == [(text_hash(made["admin_key"]), "admin")]
    finally:
        connection.close()
    assert made["admin_key"].encode() not in database.read_bytes()
    local = database.with_name("roony.db.admin-key")
    assert local.read_text().strip() == made["admin_key"]
    assert stat.S_IMODE(local.stat().st_mode) == 0o600


def test_a_second_init_changes_nothing(database: Path) -> None:
    assert run("init").exit_code == 0
    key = database.with_name("roony.db.admin-key").read_text()
    again = run("init", "--name", "Another")
    assert (again.exit_code, "already has an organization" in again.stderr) == (1, True)
    assert database.with_name("roony.db.admin-key").read_text() == key


def test_a_new_key_is_the_way_back_in(database: Path) -> None:
    """However the others ended; it is the operator's doing in the audit chain, and the local copy is the new key."""
    first = json.loads(run("init", "--json").stdout)
    connection = sqlite3.connect(database)
    try:
        connection.execute("UPDATE access_keys SET revoked_at = 1")
        connection.commit()
        made = json.loads(run("init", "--new-key", "--json").stdout)
        assert made["organization_id"] == first["organization_id"]
        hashes = connection.execute("SELECT hash, kind, user_id FROM access_keys WHERE revoked_at IS NULL").fetchall()
        assert hashes == [(text_hash(made["admin_key"]), "admin", None)]
        records = connection.execute("SELECT actor, action, subject FROM audit_records ORDER BY sequence").fetchall()
        assert records[1:] == [("roony init", "access_key.created", made["key_id"])]
    finally:
        connection.close()
    local = database.with_name("roony.db.admin-key")
    assert local.read_text().strip() == made["admin_key"]
    assert stat.S_IMODE(local.stat().st_mode) == 0o600
    printed = run("init", "--new-key", "--organization", made["organization_id"]).stdout
    assert all(word in printed for word in ("roony_admin_", "shown this once", str(local), "admin-key revoke"))


def test_a_new_key_needs_an_organization_and_the_schema_of_now(database: Path) -> None:
    none = run("init", "--new-key")
    assert (none.exit_code, "Next: roony init" in none.stderr) == (1, True)
    assert run("init").exit_code == 0
    unknown = run("init", "--new-key", "--organization", "org_none")
    assert (unknown.exit_code, "no organization org_none" in unknown.stderr) == (2, True)
    connection = sqlite3.connect(database)
    try:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revisions()[-2],))
        connection.commit()
        old = run("init", "--new-key")
        assert (old.exit_code, "roony migrate" in old.stderr) == (1, True)
        assert connection.execute("SELECT count(*) FROM access_keys").fetchone() == (1,)
    finally:
        connection.close()


def test_whoever_operates_it_makes_the_key_that_signs(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On record in the installation's own chain; the secret keys are needed, and nothing of them is told."""
    monkeypatch.setenv("ROONY_SECRET_KEYS", "")
    none = run("init", "--new-signing-key")
    assert (none.exit_code, "ROONY_SECRET_KEYS" in none.stderr) == (2, True)
    ring = new_key()
    monkeypatch.setenv("ROONY_SECRET_KEYS", ring)
    nobody = run("init", "--new-signing-key")
    assert (nobody.exit_code, "Next: roony init" in nobody.stderr) == (1, True)
    assert run("init").exit_code == 0
    first = json.loads(run("init", "--new-signing-key", "--json").stdout)
    printed = run("init", "--new-signing-key").stdout
    connection = sqlite3.connect(database)
    try:
        rows = connection.execute("SELECT id, public_key, sealed FROM signing_keys ORDER BY id").fetchall()
        statement = "SELECT organization_id, actor, subject FROM audit_records WHERE action = 'audit.key_made'"
        records = connection.execute(f"{statement} ORDER BY sequence").fetchall()
    finally:
        connection.close()
    assert [row[0] for row in rows] == ["sgk_001", "sgk_002"]
    assert first == {"id": "sgk_001", "public_key": rows[0][1]}
    assert rows[1][1] in printed
    vault = Vault.from_text(ring)
    assert all(vault.open(row[2], row_name("signing_keys", INSTALLATION, row[0], "sealed")) for row in rows)
    assert records == [(INSTALLATION, "roony init", row[0]) for row in rows]


def test_whoever_operates_it_lets_one_person_loosen_rules_again(database: Path) -> None:
    """Where the second person is gone; it is on record as the operator's doing."""
    made = json.loads(run("init", "--json").stdout)
    connection = sqlite3.connect(database)
    try:
        connection.execute("UPDATE organizations SET settings = ?", ('{"two_people":true}',))
        connection.commit()
        told = json.loads(run("init", "--one-person", "--json").stdout)
        assert told == {"organization_id": made["organization_id"], "two_people": False}
        statement = "SELECT settings FROM organizations WHERE id = ?"
        [(settings,)] = connection.execute(statement, (made["organization_id"],)).fetchall()
        assert json.loads(settings) == {"two_people": False}
        statement = "SELECT actor, body FROM audit_records WHERE action = 'organization.updated'"
        [(actor, body)] = connection.execute(statement).fetchall()
        assert (actor, json.loads(body)["before"]["two_people"]) == ("roony init", True)
    finally:
        connection.close()
    assert "One person may loosen" in run("init", "--one-person").stdout


@pytest.mark.parametrize("wrong", [("--currency", "jpy"), ("--time-zone", "Mars/Base"), ("--delivery", "post")])
def test_init_refuses_what_cannot_be(database: Path, wrong: tuple[str, str]) -> None:
    refused = run("init", *wrong)
    assert refused.exit_code == 2
    assert wrong[0].removeprefix("--").replace("-", "_") in refused.stderr
    assert run("init").exit_code == 0


def test_init_prints_what_comes_next(database: Path) -> None:
    printed = run("init").stdout
    assert "roony_admin_" in printed
    assert "shown this once" in printed
    assert "Next: roony serve" in printed


@pytest.mark.parametrize(("delivery", "needed"), [("sealed", "agent public-key set"), ("reveal", "ROONY_PUBLIC_URL")])
def test_init_says_what_a_safe_delivery_needs(database: Path, delivery: str, needed: str) -> None:
    assert needed in run("init", "--delivery", delivery).stderr


def test_init_is_silent_about_delivery_in_clear(database: Path) -> None:
    assert "Card details" not in run("init", "--delivery", "raw").stderr


def test_the_default_delivery_stays_the_safe_one(database: Path) -> None:
    made = run("init", "--json")
    assert json.loads(made.stdout)["organization_id"]
    assert "sealed to a key of each agent's" in made.stderr


def test_migrate_runs_once(database: Path) -> None:
    assert f"Migrated to {revisions()[-1]}" in run("migrate").stdout
    assert "up to date" in run("migrate").stdout
    assert json.loads(run("migrate", "--json").stdout) == {"revisions": []}


def test_migrate_names_a_wrong_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROONY_DATABASE_URL", "sqlite://")
    refused = run("migrate")
    assert (refused.exit_code, "ROONY_DATABASE_URL" in refused.stderr) == (2, True)


def test_a_worker_needs_postgresql_before_anything_else(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = run("worker")
    assert (refused.exit_code, "PostgreSQL" in refused.stderr) == (2, True)
    assert "STRIPE_SECRET_KEY" not in refused.stderr
    monkeypatch.setenv("ROONY_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/x")
    without = run("worker")
    assert (without.exit_code, "STRIPE_SECRET_KEY is missing" in without.stderr) == (2, True)


def test_new_keys_are_good_and_all_different() -> None:
    keys = {run("keys", "new").stdout.strip() for _ in range(5)}
    assert len(keys) == 5
    Vault.from_text(",".join(keys))


def test_version_and_help() -> None:
    assert run("--version").stdout.count(".") == 2
    shown = run("--help").stdout
    for command in ("demo", "serve", "purchase", "approval", "audit"):
        assert command in shown


class TestArchive:
    """`roony archive`, on a database with one event of long ago."""

    @pytest.fixture
    def old(self, database: Path) -> Path:
        run("init")
        event = answered_event("evt_1", "acct_1", False, "a", "", "iauth_1", 1, b"{}", 1)._replace(organization_id=None)
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(write_row(inbox, "sqlite"), event)
        return database

    @staticmethod
    def _counts(path: Path) -> tuple[int, int]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(
                "SELECT (SELECT count(*) FROM inbox), (SELECT count(*) FROM inbox_archive)"
            ).fetchone()

    def test_a_dry_run_counts_and_moves_nothing(self, old: Path) -> None:
        counted = run("archive", "--dry-run")
        assert "0 entries of 0 purchases and 1 events" in counted.stdout
        assert "would be moved" in counted.stdout
        assert self._counts(old) == (1, 0)

    def test_it_moves_what_is_old_and_then_there_is_nothing_to_move(self, old: Path) -> None:
        moved = json.loads(run("archive", "--older-than", "45", "--json").stdout)
        assert moved.pop("before").endswith("Z")
        assert moved == {"dry_run": False, "entries": 0, "purchases": 0, "events": 1}
        assert self._counts(old) == (0, 1)
        assert "and 0 events" in run("archive").stdout

    def test_it_is_refused_while_a_server_has_the_file(self, old: Path) -> None:
        serving = Database(f"sqlite:///{old}")
        serving.acquire()
        try:
            refused = run("archive")
        finally:
            serving.close()
        assert (refused.exit_code, "is served by" in refused.stderr) == (1, True)
        assert self._counts(old) == (1, 0)

    def test_what_is_too_young_or_too_old_a_schema_is_refused(self, database: Path) -> None:
        young = run("archive", "--older-than", "44")
        assert (young.exit_code, "at least 45 days" in young.stderr) == (2, True)
        assert not database.exists()
        schema = run("archive")
        assert (schema.exit_code, "Next: roony migrate" in schema.stderr) == (1, True)
