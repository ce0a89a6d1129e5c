"""`roony backup` and `roony restore` as commands: what they say, refuse and leave behind."""

from __future__ import annotations

import fcntl
import json
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from roony.cli.commands import app
from roony.store.backup import manifest_path
from roony.store.database import Database
from roony.store.migrations import revisions
from tests.store.test_last_release import FOURTH, load
from tests.support.postgres import built_database


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with an organization."""
    path = tmp_path / "data" / "roony.db"
    monkeypatch.setenv("ROONY_DATABASE_URL", f"sqlite:///{path}")
    assert run("init").exit_code == 0
    return path


@pytest.fixture
def served(database: Path) -> Iterator[Path]:
    """The same while a server has its lock."""
    with database.with_name("roony.db.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield database


@pytest.fixture(scope="module")
def built() -> Iterator[str]:
    """A PostgreSQL database with Roony's tables."""
    with built_database() as url:
        yield url


def run(*arguments: object) -> Result:
    """One command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def organizations(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as reading:
        return [row[0] for row in reading.execute("SELECT id FROM organizations ORDER BY id")]


def test_there_and_back_again(database: Path, tmp_path: Path) -> None:
    file, before = tmp_path / "copy", organizations(database)
    done = json.loads(run("backup", file, "--json").stdout)
    assert (done["file"], done["revision"], set(done["heads"])) == (str(file), revisions()[-1], set(before))
    database.unlink()
    back = run("restore", file, "--json")
    assert back.exit_code == 0, back.stderr
    said = json.loads(back.stdout)
    assert said == {
        "database": str(database), "taken_at": done["taken_at"], "connections": 0, "migrated": [], "put_aside": None,
    }  # fmt: skip
    assert organizations(database) == before
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    left = sorted(path.name for path in database.parent.iterdir())
    assert left == ["roony.db", "roony.db.admin-key", "roony.db.lock"]


def test_a_served_database_is_copied_only_when_asked_for(served: Path, tmp_path: Path) -> None:
    """Refused with one line that names the way; nothing of the copy is left."""
    file = tmp_path / "copy"
    refused = run("backup", file)
    assert refused.exit_code == 1
    assert f"Or copy it beside that: roony backup {file} --online" in refused.stderr
    assert list(tmp_path.glob("copy*")) == []
    assert run("backup", file, "--online").exit_code == 0
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy", "copy.manifest.json"]


def test_a_served_database_is_never_replaced(served: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy"
    assert run("backup", file, "--online").exit_code == 0
    before = served.read_bytes()
    for arguments in ((file,), (file, "--replace"), ("--in-place",)):
        refused = run("restore", *arguments)
        assert (refused.exit_code, "stop it first" in refused.stderr) == (1, True)
    assert served.read_bytes() == before


def test_a_database_is_replaced_only_on_an_express_word(database: Path, tmp_path: Path) -> None:
    """And is kept under another name even then."""
    file = tmp_path / "copy"
    assert run("backup", file).exit_code == 0
    with closing(sqlite3.connect(database)) as writing, writing:
        writing.execute("UPDATE organizations SET name = 'later'")
    refused = run("restore", file)
    assert (refused.exit_code, "say --replace" in refused.stderr) == (1, True)
    done = json.loads(run("restore", file, "--replace", "--json").stdout)
    for path, expected in ((database, set()), (Path(done["put_aside"]), {"later"})):
        with closing(sqlite3.connect(path)) as reading:
            names = {row[0] for row in reading.execute("SELECT name FROM organizations")}
        assert names & {"later"} == expected


def test_a_file_that_is_there_is_never_written_over(database: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy"
    file.write_text("mine")
    refused = run("backup", file)
    assert (refused.exit_code, "is there already" in refused.stderr, file.read_text()) == (2, True, "mine")


@pytest.mark.parametrize("what", ["bytes", "manifest", "nothing"])
def test_a_bad_backup_leaves_everything_as_it_was(database: Path, tmp_path: Path, what: str) -> None:
    file = tmp_path / "copy"
    assert run("backup", file).exit_code == 0
    if what == "bytes":
        file.write_bytes(file.read_bytes()[:-4096])
    elif what == "manifest":
        manifest_path(file).unlink()
    else:
        file.unlink()
    before = database.read_bytes()
    refused = run("restore", file, "--replace")
    assert (refused.exit_code, len(refused.stderr.strip().splitlines())) == (1, 1)
    assert database.read_bytes() == before
    assert not list(database.parent.glob("*restor*"))


def test_a_newer_schema_is_refused(database: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy"
    with closing(sqlite3.connect(database)) as writing, writing:
        writing.execute("UPDATE alembic_version SET version_num = '9999'")
    assert run("backup", file).exit_code == 0
    refused = run("restore", file, "--replace")
    assert (refused.exit_code, "install a newer Roony" in refused.stderr) == (1, True)
    assert not list(database.parent.glob("*restor*"))


def test_an_older_schema_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup of an earlier release, whose connected account then has to catch up."""
    monkeypatch.setenv("ROONY_DATABASE_URL", f"sqlite:///{tmp_path}/roony.db")
    old = Database(f"sqlite:///{tmp_path}/roony.db")
    load(old, FOURTH)
    old.close()
    assert run("backup", tmp_path / "copy").exit_code == 0
    (tmp_path / "roony.db").unlink()
    said = json.loads(run("restore", tmp_path / "copy", "--json").stdout)
    assert said["migrated"] == revisions()[revisions().index("0004") + 1 :]
    assert said["connections"] >= 1
    with closing(sqlite3.connect(tmp_path / "roony.db")) as reading:
        marks = reading.execute("SELECT status, catching_up_since IS NOT NULL FROM connections").fetchall()
    assert {mark for status, mark in marks if status in ("active", "restricted")} == {1}


def test_a_database_restored_by_other_means_is_marked(database: Path) -> None:
    done = run("restore", "--in-place")
    assert done.exit_code == 0, done.stderr
    assert "marked as restored" in done.stdout
    with closing(sqlite3.connect(database)) as reading:
        actions = [row[0] for row in reading.execute("SELECT action FROM audit_records")]
    assert actions.count("database.restored") == 2


@pytest.mark.parametrize("arguments", [(), ("copy", "--in-place")])
def test_restore_wants_to_know_what(database: Path, arguments: tuple[str, ...]) -> None:
    assert run("restore", *arguments).exit_code == 2


def test_where_nothing_is_nothing_is_backed_up_or_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROONY_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    for arguments in (("backup", tmp_path / "copy"), ("restore", "--in-place")):
        refused = run(*arguments)
        assert (refused.exit_code, "There is no database" in refused.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.postgres
class TestPostgres:
    """Its own programs do it; only the mark is ours."""

    @pytest.fixture
    def url(self, built: str, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setenv("ROONY_DATABASE_URL", built)
        return built

    def test_the_commands_name_its_programs(self, url: str, tmp_path: Path) -> None:
        assert "pg_dump --format=custom" in run("backup", tmp_path / "copy").stderr
        refused = run("restore", tmp_path / "copy")
        assert (refused.exit_code, "roony restore --in-place" in refused.stderr) == (2, True)

    def test_it_is_marked_while_nobody_serves_it(self, url: str) -> None:
        database = Database(url)
        writer = database.open_writer()
        try:
            refused = run("restore", "--in-place")
            assert (refused.exit_code, "stop them first" in refused.stderr) == (1, True)
        finally:
            writer.close()
            database.close()
        assert run("init").exit_code == 0
        assert run("restore", "--in-place").exit_code == 0
