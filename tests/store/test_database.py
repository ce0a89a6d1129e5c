"""One process serves a SQLite file: the lock file refuses a second one in words, and lets go at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

from roony.store.database import Database, DatabaseLocked, lock_path

SERVE = """
import sys
from roony.store.database import Database, DatabaseLocked
database = Database(sys.argv[1])
try:
    database.acquire()
except DatabaseLocked as locked:
    print("refused:", locked, flush=True)
    sys.exit(3)
print("serving", flush=True)
sys.stdin.readline()
"""


def serving(url: str) -> subprocess.Popen[str]:
    """A process that serves the database until it is told to end."""
    return subprocess.Popen(
        [sys.executable, "-c", SERVE, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A file that does not exist yet, in a folder that does not either."""
    return f"sqlite:///{tmp_path}/folder/roony.db"


def test_a_second_process_is_refused_in_words(url: str, tmp_path: Path) -> None:
    first = serving(url)
    assert first.stdout is not None
    assert first.stdout.readline() == "serving\n"
    second = serving(url)
    said, _ = second.communicate(timeout=30)
    assert second.returncode == 3
    assert f"{tmp_path}/folder/roony.db is served by process {first.pid}: stop it first" in said
    assert "PostgreSQL" in said

    first.communicate("\n", timeout=30)
    assert first.returncode == 0
    third = serving(url)
    said, _ = third.communicate("\n", timeout=30)
    assert said == "serving\n"


def test_a_killed_process_leaves_no_lock(url: str) -> None:
    first = serving(url)
    assert first.stdout is not None
    assert first.stdout.readline() == "serving\n"
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=30)
    database = Database(url)
    database.acquire()
    assert database.path is not None
    assert lock_path(database.path).read_text() == f"process {os.getpid()}"
    database.close()


def test_within_one_process_too(url: str) -> None:
    first, second = Database(url), Database(url)
    first.acquire()
    first.acquire()
    with pytest.raises(DatabaseLocked, match=f"process {os.getpid()}"):
        second.acquire()
    first.close()
    second.acquire()
    second.close()


def test_reading_connections_cannot_write(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/roony.db")
    writer = database.open_writer()
    writer.begin([])
    writer.run("CREATE TABLE t (x INTEGER)")
    writer.commit()
    writer.close()
    assert database.read(sqlalchemy.text("SELECT count(*) FROM t")) == [(0,)]
    with pytest.raises(sqlalchemy.exc.OperationalError, match="readonly"):
        database.read(sqlalchemy.text("INSERT INTO t VALUES (1)"))
    database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/roony"])
def test_an_address_that_is_no_file_and_no_postgresql_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="ROONY_DATABASE_URL"):
        Database(url)
