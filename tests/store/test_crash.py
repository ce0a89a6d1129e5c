"""A process that dies around a commit leaves the whole batch or none of it, never a part."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from roony.core.agent import Organization
from roony.core.audit import AuditRecord, verify
from roony.core.budget import BudgetPeriod
from roony.core.card import Card
from roony.core.ledger import Entry, Hold
from roony.core.purchase import KeptKey, Purchase
from roony.store.database import Database
from roony.store.rows import OutboxPromise
from roony.store.till import Till
from tests.support.books import ORG, Books, Clock, open_books, writing_on
from tests.support.tills import DATABASES, held

ROOT = Path(__file__).resolve().parents[2]
ASKS = 12

# Commits one ask, waits with a whole batch of them, and dies at the named point of that batch.
DIE = """
import sys
from pathlib import Path
from roony import stop_points
from tests.support.books import open_books
from tests.support.tills import held

with open_books(Path(sys.argv[1]), sys.argv[4] or None) as books:
    books.ask(1_000, "Before", key="before")
    books.till._size.seconds_each = 0.0001  # so that all of them fit into one batch on a slow machine too
    with held(books.till):
        tickets = [
            books.till.enqueue(books.ask_command(1_000, f"Shop {n}", key=f"key_{n}"), None, None)
            for n in range(int(sys.argv[3]))
        ]
        # Not the commit of the write that holds the till, but the one after it.
        arm = stop_points.arm
        books.till._enqueue_work(lambda writer: arm(sys.argv[2]), None)
    for ticket in tickets:
        ticket.future.result(30)
    print("answered", flush=True)
"""


def die(folder: Path, point: str, url: str = "") -> None:
    """Runs it in a process of its own, which must die without having answered anybody."""
    done = subprocess.run(
        [sys.executable, "-c", DIE, str(folder), point, str(ASKS), url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert "answered" not in done.stdout


def reopen(folder: Path, url: str = "") -> Books:
    """Books on what the dead process left."""
    # By the same clock as before its death, so that both fall into one day.
    database = Database(url or f"sqlite:///{folder / 'roony.db'}", own_clock=True)
    clock = Clock()
    till = Till(writing_on(database), clock, lambda: "after")
    till.start()
    return Books(database, till, clock)


@pytest.mark.parametrize("kind", DATABASES)
@pytest.mark.parametrize(("point", "kept"), [("before_commit", 1), ("after_commit", 1 + ASKS)])
def test_everything_or_nothing(
    kind: str, point: str, kept: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else ""
    die(tmp_path, point, url)
    books = reopen(tmp_path, url)
    try:
        for row in (Purchase, Hold, Entry, Card, KeptKey, OutboxPromise, AuditRecord):
            assert len(books.rows(row)) == kept, row
        assert {row.held for row in books.rows(BudgetPeriod)} == {1_000 * kept}
        organization = books.row(Organization, id=ORG)
        assert verify(books.rows(AuditRecord), (organization.audit_sequence, organization.audit_hash)) is None

        # Who asks again with the same key gets what is there, or makes it now; nothing is there twice.
        books._numbers = dict.fromkeys(("pur", "hold", "apr", "crd", "out"), 100)
        again = [books.ask(1_000, f"Shop {n}", key=f"key_{n}") for n in range(ASKS)]
        assert [asked.replayed for asked in again] == [kept > 1] * ASKS
        assert len(books.rows(Purchase)) == 1 + ASKS
        assert {row.held for row in books.rows(BudgetPeriod)} == {1_000 * (1 + ASKS)}
    finally:
        books.till.stop()
        books.database.close()


def test_without_a_stop_point_everybody_is_answered(tmp_path: Path) -> None:
    """So that the tests above die of the point and of nothing else."""
    with open_books(tmp_path) as books:
        with held(books.till):
            tickets = [books.till.enqueue(books.ask_command(1_000, f"Shop {n}"), None, None) for n in range(ASKS)]
        assert [ticket.future.result(30).purchase.status for ticket in tickets] == ["issuing"] * ASKS
