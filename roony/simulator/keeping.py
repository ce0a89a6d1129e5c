"""The state file: a SQLite database of JSON records, written as they change, read at start."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from typing import Any

_CHUNK = 2000
_SHAPE = 2  # of what is kept; a change that an older file does not survive counts one up
_TABLE = """CREATE TABLE IF NOT EXISTS record (
    collection TEXT, id TEXT, place INTEGER, value TEXT, PRIMARY KEY (collection, id))"""


class UnreadableStateError(Exception):
    """The file is not a state file of this version of the simulator."""


class StateFile:
    """Keeps what changed in one file, so that a restart, even after a kill, finds the same world."""

    def __init__(self, path: str) -> None:
        # The file holds card numbers and signing secrets of the simulation: for the owner's eyes all the same.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._database = sqlite3.connect(path, isolation_level=None)
        try:
            self._take_over()
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise UnreadableStateError(f"{path} cannot be used as a state file ({error}).") from None
        except UnreadableStateError:
            self._database.close()
            raise

    def _take_over(self) -> None:
        """Make the table in a new file; refuse one that another version has written."""
        (shape,) = self._database.execute("PRAGMA user_version").fetchone()
        if shape != _SHAPE and self._database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            raise UnreadableStateError("The state file was written by another version of the simulator.")
        self._database.execute(f"PRAGMA user_version={_SHAPE}")
        # The file must outlive the process, not the power supply: no flush to disk per change.
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute("PRAGMA journal_mode=TRUNCATE")
        self._database.execute(_TABLE)

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (collection, record), each collection in order of creation."""
        rows = self._database.execute("SELECT collection, value FROM record ORDER BY collection, place")
        # Decoded many at a time, the records share the strings of their field names: half the memory.
        while chunk := rows.fetchmany(_CHUNK):
            values = json.loads(f"[{','.join(value for _, value in chunk)}]")
            yield from zip((collection for collection, _ in chunk), values, strict=True)

    def write(self, changes: dict[tuple[str, str], dict[str, Any] | None]) -> None:
        """Write all changes in one transaction; None means the record is gone."""
        kept = [
            (collection, identifier, record["order"], json.dumps(record, separators=(",", ":")))
            for (collection, identifier), record in changes.items()
            if record is not None
        ]
        gone = [key for key, record in changes.items() if record is None]
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)", kept)
        self._database.executemany("DELETE FROM record WHERE collection = ? AND id = ?", gone)
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._database.close()
