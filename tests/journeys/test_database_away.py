"""A database that is away when Roony starts, or goes away in the middle: one sentence, exit code 1, no traceback.

Whatever starts Roony then starts it again: systemd's unit and the compose file (tests/test_deploy.py).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.support.books import lay_file
from tests.support.commands import run_roony
from tests.support.postgres import built_database
from tests.support.relay import BreakingRelay

SERVE = ("serve", "--port", "0")
SEVERAL = (*SERVE, "--workers", "2")
# What is asked of the server on the way, in this order.
AT_ONCE = None
SCHEMA = b"alembic_version"
WRITER = b"pg_extension"
FIRST_READ = b"has_function_privilege"
FIRST_WRITE = b"INSERT INTO leases"
CATCH_UP = b"connections.id"
FIRST_RUN = b"organizations.id !="


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """All but the database."""
    key = run_roony("keys", "new").stdout.strip()
    return {
        "STRIPE_SECRET_KEY": "sk_test_simulator", "STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef",
        "STRIPE_API_BASE": "http://127.0.0.1:9", "ROONY_SECRET_KEYS": key, "ROONY_LOG_FORMAT": "json",
    }  # fmt: skip


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("command", "last_words"),
    [
        (SERVE, AT_ONCE),
        (SERVE, SCHEMA),
        (SERVE, WRITER),
        (SERVE, FIRST_READ),
        (SERVE, FIRST_WRITE),
        (SERVE, CATCH_UP),
        (SERVE, FIRST_RUN),
        (SEVERAL, AT_ONCE),
        (SEVERAL, FIRST_WRITE),
        (SEVERAL, FIRST_RUN),
        (("worker",), AT_ONCE),
        (("worker",), WRITER),
        (("worker",), FIRST_WRITE),
    ],
)
def test_it_ends_with_a_sentence(settings: dict[str, Any], command: tuple[str, ...], last_words: bytes | None) -> None:
    with built_database() as url, BreakingRelay(url, last_words) as relay:
        ended = run_roony(*command, **settings, ROONY_DATABASE_URL=relay.url)
        assert relay.broken, "nobody asked for it"
    said = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert ended.returncode == 1, ended.stderr
    assert said, ended.stderr
    assert all(line.startswith("The database cannot be ") for line in said), ended.stderr
    assert len(said) <= (2 if command is SEVERAL else 1), ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_file_that_takes_no_writes(settings: dict[str, Any], tmp_path: Path) -> None:
    """The schema is there, but a trigger stands for a disk that takes nothing more."""
    file = tmp_path / "roony.db"
    lay_file(file)
    connection = sqlite3.connect(file)
    connection.execute("CREATE TRIGGER full BEFORE INSERT ON leases BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
    connection.close()
    ended = run_roony(*SERVE, **settings, ROONY_DATABASE_URL=f"sqlite:///{file}")
    said = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert (ended.returncode, len(said)) == (1, 1), ended.stderr
    assert "the disk is full" in said[0]
