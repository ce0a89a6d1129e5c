"""A SQLite database as a file of its own that is known to be whole: copied beside a server that writes, and checked.

Beside the copy lies its manifest: what it is, from when, and the SHA-256 of its bytes. PostgreSQL has programs of its
own for this.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from roony.store.place import call_it_a_copy

FORMAT = 1
MANIFEST = ".manifest.json"
# A manifest that is longer is none: it names each organization of an installation once.
LARGEST_MANIFEST = 16 * 1024 * 1024
# What SQLite lays beside a database while it is in use.
_BESIDE = ("-wal", "-shm", "-journal")
_PIECE = 1024 * 1024

_HEADS = (
    "SELECT o.id, o.audit_sequence, o.audit_hash, r.hash,"
    " (SELECT count(*) FROM audit_records c WHERE c.organization_id = o.id) FROM organizations o"
    " LEFT JOIN audit_records r ON r.organization_id = o.id AND r.sequence = o.audit_sequence ORDER BY o.id"
)


class BackupRefused(Exception):
    """A file is no good backup, or cannot be made or put back as it was asked; the message says why and what to do."""


class Content(NamedTuple):
    """What a checked database holds: its schema's revision, and for each organization where its audit chain ends."""

    revision: str
    heads: dict[str, tuple[int, str]]


class Manifest(NamedTuple):
    """What is known of a backup. `taken_at` in microseconds UTC, `size` in bytes."""

    format: int
    taken_at: int
    version: str
    revision: str
    size: int
    sha256: str
    heads: dict[str, tuple[int, str]]


def manifest_path(file: Path) -> Path:
    """Where the manifest of a backup lies."""
    return file.with_name(file.name + MANIFEST)


def beside(path: Path) -> list[Path]:
    """The files that SQLite may have laid beside a database."""
    return [path.with_name(path.name + ending) for ending in _BESIDE]


def copy_database(source: Path, target: Path) -> None:
    """Copies a database as it is at one moment into a new file of its owner's alone, all of it or nothing.

    Safe beside a process that writes, which does not wait for it: in WAL mode a reader sees one commit's state as long
    as it reads. So it is copied in one step, since between two steps SQLite would begin again after each commit.
    Raises BackupRefused, sqlite3.Error, OSError.
    """
    if not source.exists() or not source.stat().st_size:
        raise BackupRefused(f"There is no database at {source}: look at ROONY_DATABASE_URL.")
    _remove(target)
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with _opened(source, "rw") as reading, closing(sqlite3.connect(target, isolation_level=None)) as writing:
        reading.execute("PRAGMA query_only = ON")
        reading.backup(writing, pages=-1)
        call_it_a_copy(writing)
        _fold(writing)


def check_database(path: Path) -> Content:
    """Reads all of a database that nobody writes. Raises BackupRefused where it is damaged, or none of Roony's."""
    try:
        with _opened(path, "ro") as reading:
            [first, *_] = reading.execute("PRAGMA integrity_check(1)").fetchone()
            if first != "ok":
                raise BackupRefused(f"{path} is damaged ({first}).")
            revisions = reading.execute("SELECT version_num FROM alembic_version").fetchall()
            found = reading.execute(_HEADS).fetchall()
    except sqlite3.Error as error:
        raise BackupRefused(f"{path} is no whole database of Roony's ({error}).") from None
    for id, sequence, head, last, count in found:
        if sequence != count or (sequence and head != last):
            raise BackupRefused(f"{path}: the audit chain of {id} does not end at its head, record {sequence}.")
    return Content(revisions[0][0] if revisions else "", {id: (sequence, head) for id, sequence, head, _, _ in found})


def describe(path: Path, taken_at: int, version: str) -> Manifest:
    """The manifest of a copy, which is checked for it. Raises BackupRefused."""
    content = check_database(path)
    size, digest = _measured(path)
    return Manifest(FORMAT, taken_at, version, content.revision, size, digest, content.heads)


def write_manifest(file: Path, manifest: Manifest) -> None:
    """Writes the manifest of a backup beside it, for its owner alone, onto the disk."""
    path = manifest_path(file)
    _remove(path)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as out:
        json.dump(manifest._asdict(), out, indent=2, sort_keys=True)
        out.write("\n")
        out.flush()
        os.fsync(out.fileno())


def read_manifest(file: Path) -> Manifest:
    """The manifest beside a backup. Raises BackupRefused where there is none that can be read."""
    path = manifest_path(file)
    try:
        if path.stat().st_size > LARGEST_MANIFEST:
            raise BackupRefused(f"{path} is too large to be a manifest.")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BackupRefused(
            f"{path} cannot be read ({error.strerror}): it lies beside every backup and must come with it."
        ) from None
    except ValueError:
        raise BackupRefused(f"{path} is no manifest of a backup.") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT or not _is_whole(found):
        raise BackupRefused(f"{path} is no manifest of a backup that this Roony knows.")
    heads = {id: (sequence, head) for id, (sequence, head) in found["heads"].items()}
    return Manifest(**{**found, "heads": heads})


def _is_whole(found: dict[str, Any]) -> bool:
    kinds = {"taken_at": int, "version": str, "revision": str, "size": int, "sha256": str}
    if set(found) != set(Manifest._fields) or not isinstance(found["heads"], dict):
        return False
    # `type(...) is`: true is no number.
    if any(type(found[name]) is not kind for name, kind in kinds.items()):
        return False
    heads = found["heads"].values()
    return all(isinstance(head, list) and [type(part) for part in head] == [int, str] for head in heads)


def copy_file(file: Path, manifest: Manifest, target: Path) -> None:
    """Copies a backup's bytes to a new file of its owner's alone. Raises BackupRefused where they are not those of its
    manifest, or hold something else than it says."""
    _remove(target)
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as read, os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
        while piece := read.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    if (size, digest.hexdigest()) != (manifest.size, manifest.sha256):
        raise BackupRefused(f"{file} was changed or cut off since it was made: it has not the SHA-256 of its manifest.")
    content = check_database(target)
    if (content.revision, content.heads) != (manifest.revision, manifest.heads):
        raise BackupRefused(f"{file} is not the database that its manifest tells of.")


def fold(path: Path) -> None:
    """Makes one file of a database that nobody has open, onto the disk. Raises sqlite3.Error."""
    with _opened(path, "rw") as writing:
        _fold(writing)


def put_aside(path: Path, at: str) -> Path | None:
    """Renames a database and what SQLite laid beside it; `at` tells it from others. Returns where it is now, None where
    there was none. First the database: without it nobody reads the rest."""
    aside = path.with_name(f"{path.name}.before-restore-{re.sub(r'[^0-9TZ]', '', at)}")
    there = path.exists() and path.stat().st_size > 0
    if there and aside.exists():
        raise BackupRefused(f"{aside} is in the way: move it somewhere else.")
    if not there:
        # Whoever took the lock made it, empty.
        path.unlink(missing_ok=True)
    for old, new in zip([path, *beside(path)], [aside, *beside(aside)], strict=True):
        if old.exists():
            old.replace(new)
    return aside if there else None


def put_in_place(path: Path, target: Path) -> None:
    """Gives a database its name, onto the disk, in one step."""
    path.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Makes sure that names which were just given are still there after a power cut."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def clean_up(*paths: Path) -> Iterator[None]:
    """Leaves nothing of half a copy where it goes wrong."""
    try:
        yield
    except BaseException:
        for path in paths:
            _remove(path)
        raise


def _remove(path: Path) -> None:
    for each in (path, *beside(path)):
        each.unlink(missing_ok=True)


def _fold(connection: sqlite3.Connection) -> None:
    """No WAL beside it any more, so that the file alone is all of it."""
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_mode = DELETE").fetchone()


def _measured(path: Path) -> tuple[int, str]:
    with path.open("rb") as read:
        digest = hashlib.file_digest(read, "sha256").hexdigest()
    return path.stat().st_size, digest


def _opened(path: Path, mode: str) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None))
