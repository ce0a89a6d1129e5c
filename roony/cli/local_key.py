"""The owner's key in a private file beside the database, so that commands on the same machine need none."""

from __future__ import annotations

import stat
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from roony.cli.simulation import write_private


def local_key_file(database_url: str) -> Path | None:
    """Where the key lies: beside the lock of a SQLite database; nowhere for a database on a server."""
    try:
        url = make_url(database_url)
    except ArgumentError:
        return None
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    path = Path(url.database)
    return path.with_name(f"{path.name}.admin-key")


def keep_local_key(database_url: str, key: str) -> Path | None:
    """Writes the key; returns where, or None where there is no place for it."""
    file = local_key_file(database_url)
    if file is not None:
        write_private(file, f"{key}\n")
    return file


def read_local_key(database_url: str) -> str | None:
    """The key, or None. A file that others may read is not used: its key is no secret any more."""
    file = local_key_file(database_url)
    if file is None:
        return None
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            return None
        return file.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
