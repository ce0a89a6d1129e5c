"""A copy of a SQLite database is whole or refused, also beside somebody who writes; nothing half is left."""

from __future__ import annotations

import json
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from roony.store import backup
from roony.store.backup import BackupRefused
from tests.support.books import ORG, open_books

VERSION = "0.0.test"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Books with a purchase and some records, closed."""
    with open_books(tmp_path) as books:
        books.ask(1_000)
        assert books.database.path is not None
        return books.database.path


@pytest.fixture
def copy(source: Path, tmp_path: Path) -> Path:
    """Its backup with a manifest."""
    file = tmp_path / "copy.roony"
    backup.copy_database(source, file)
    backup.write_manifest(file, backup.describe(file, 17, VERSION))
    return file


def test_it_is_one_file_of_its_owners_alone(copy: Path) -> None:
    assert not any(path.exists() for path in backup.beside(copy))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (copy, backup.manifest_path(copy))] == [0o600, 0o600]


def test_the_manifest_says_what_it_is(copy: Path, source: Path) -> None:
    manifest = backup.read_manifest(copy)
    assert (manifest.taken_at, manifest.version, manifest.size) == (17, VERSION, copy.stat().st_size)
    with closing(sqlite3.connect(source)) as reading:
        heads = reading.execute("SELECT id, audit_sequence, audit_hash FROM organizations").fetchall()
    assert manifest.heads == {id: (sequence, head) for id, sequence, head in heads}
    assert manifest.heads[ORG][0] > 0


def test_beside_one_who_writes_it_is_a_state_there_was(tmp_path: Path) -> None:
    """While commits go on, each copy holds whole commits only: every chain ends at its head, every sum is right."""
    with open_books(tmp_path) as books:
        begun, stop = threading.Event(), threading.Event()

        def write() -> None:
            while not stop.is_set():
                books.ask(100, allow_duplicate=True)
                begun.set()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            assert begun.wait(30)
            assert books.database.path is not None
            sizes = []
            for number in range(5):
                file = tmp_path / f"copy_{number}"
                backup.copy_database(books.database.path, file)
                sizes.append(backup.check_database(file).heads[ORG][0])
                with open_copy(file) as reading:
                    [(held,)] = reading.execute("SELECT sum(held) FROM purchases").fetchall()
                    sums = reading.execute("SELECT DISTINCT held FROM budget_periods").fetchall()
                assert {total for (total,) in sums} == {held}
        finally:
            stop.set()
            writer.join()
        assert sizes == sorted(sizes)


def open_copy(file: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True))


def test_no_database_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="There is no database at"):
        backup.copy_database(tmp_path / "none.db", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (x)")
    with pytest.raises(BackupRefused, match="no whole database of Roony's"):
        backup.check_database(tmp_path / "other.db")


def test_a_damaged_page_is_found(copy: Path) -> None:
    content = bytearray(copy.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xff" * 4096
    copy.write_bytes(content)
    with pytest.raises(BackupRefused, match=r"is damaged|no whole database"):
        backup.check_database(copy)


@pytest.mark.parametrize(
    "change", ["DELETE FROM audit_records WHERE sequence = 1", "UPDATE organizations SET audit_hash = 'x'"]
)
def test_a_chain_that_does_not_end_at_its_head_is_refused(copy: Path, change: str) -> None:
    with closing(sqlite3.connect(copy)) as writing, writing:
        writing.execute(change)
    with pytest.raises(BackupRefused, match=r"audit chain of .* does not end at its head"):
        backup.check_database(copy)


class TestPuttingBack:
    """`copy_file` takes what its manifest tells of, and nothing else."""

    def test_the_same_bytes(self, copy: Path, tmp_path: Path) -> None:
        backup.copy_file(copy, backup.read_manifest(copy), tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == copy.read_bytes()
        assert stat.S_IMODE((tmp_path / "again").stat().st_mode) == 0o600

    @pytest.mark.parametrize("cut", [True, False])
    def test_changed_bytes_are_refused(self, copy: Path, tmp_path: Path, cut: bool) -> None:
        content = copy.read_bytes()
        copy.write_bytes(content[:-4096] if cut else content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(BackupRefused, match="SHA-256"):
            backup.copy_file(copy, backup.read_manifest(copy), tmp_path / "again")

    def test_another_database_under_the_same_manifest_is_refused(self, copy: Path, tmp_path: Path) -> None:
        """Whoever can write the manifest can write its hash; but not so that it fits what is inside."""
        manifest = backup.read_manifest(copy)
        changed = manifest._replace(heads={**manifest.heads, ORG: (99, "0" * 64)})
        with pytest.raises(BackupRefused, match="not the database that its manifest tells of"):
            backup.copy_file(copy, changed, tmp_path / "again")

    @pytest.mark.parametrize(
        "text",
        ["", "[]", "{}", '{"format": 2}', None, "true", '{"format": 1, "taken_at": true}'],
    )
    def test_what_is_no_manifest_is_refused(self, copy: Path, text: str | None) -> None:
        path = backup.manifest_path(copy)
        path.unlink()
        if text is not None:
            path.write_text(text)
        with pytest.raises(BackupRefused, match="manifest"):
            backup.read_manifest(copy)

    @pytest.mark.parametrize("field", backup.Manifest._fields)
    def test_a_manifest_without_a_field_is_refused(self, copy: Path, field: str) -> None:
        path = backup.manifest_path(copy)
        found = json.loads(path.read_text())
        del found[field]
        path.write_text(json.dumps(found))
        with pytest.raises(BackupRefused, match="no manifest"):
            backup.read_manifest(copy)


def test_what_was_there_is_put_aside_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    path = tmp_path / "roony.db"
    path.write_bytes(b"old")
    path.with_name("roony.db-wal").write_bytes(b"wal")
    aside = backup.put_aside(path, "2026-11-29T02:03:04Z")
    assert aside == tmp_path / "roony.db.before-restore-20261129T020304Z"
    assert aside.read_bytes() == b"old"
    assert aside.with_name(aside.name + "-wal").read_bytes() == b"wal"
    assert sorted(found.name for found in tmp_path.iterdir()) == [aside.name, f"{aside.name}-wal"]


def test_nothing_is_put_over_what_was_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "roony.db"
    path.write_bytes(b"older")
    backup.put_aside(path, "20261129T020304Z")
    path.write_bytes(b"old")
    with pytest.raises(BackupRefused, match="in the way"):
        backup.put_aside(path, "20261129T020304Z")
    assert path.read_bytes() == b"old"
