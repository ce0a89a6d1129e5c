"""The database of a served Roony is locked, full or torn: declined or refused meanwhile, and afterwards all is well.

Whoever asks for money meanwhile gets a well-formed no, an agent a 503, Stripe's events a 503 so that they come again.
"""

from __future__ import annotations

import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from roony.core.audit import AuditRecord
from roony.core.purchase import Purchase
from roony.store.database import Database
from roony.store.rows import InboxEvent
from roony.store.till import Till
from tests.support.books import Books, Clock, open_books
from tests.support.crashing import ASK, Crashable
from tests.support.promises import all_is_well
from tests.support.served import SOFTWARE, unique

PRICE = 5_000


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashable]:
    """A company on SQLite with its account connected."""
    with Crashable(tmp_path_factory.mktemp("faults")) as opened:
        opened.open()
        opened.connect_direct()
        yield opened


@contextmanager
def locked(company: Crashable) -> Iterator[None]:
    """Another process holds SQLite's write lock: this one."""
    connection = sqlite3.connect(company.folder / "roony.db", isolation_level=None, timeout=30)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextmanager
def full(company: Crashable) -> Iterator[None]:
    """No file of Roony may grow any more: what a full disk looks like to it."""
    assert company.process is not None
    pid = company.process.pid
    log = company.folder / "roony.db-wal"
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    # SQLite writes over its log from the start after a fold; what is to come must not fit there either.
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (min(log.stat().st_size, 4_096), before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("fault", [locked, full])
def test_nothing_is_given_and_nothing_half_written(fault: Any, company: Crashable) -> None:
    """P5, P10, P11: a decline in time, a 503, and nothing of either in the books."""
    agent = company.agent()
    bought = company.buy(agent, PRICE)
    company.settle()
    purchases, records = len(company.books.rows(Purchase)), len(company.books.rows(AuditRecord))
    wish = {
        "amount": PRICE, "currency": "usd", "description": "x", "merchant": {"name": unique("Shop"), **SOFTWARE},
    }  # fmt: skip
    told = company.made_up("charge.succeeded", {"id": "ch_fault", "object": "charge"})
    with fault(company):
        asked = company.network().create(
            {"card": bought["stripe_card"], "amount": PRICE, "merchant_data": {"name": bought["shop"], **SOFTWARE}}
        )
        answer = agent.call("POST", ASK, wish, headers={"Idempotency-Key": "fault"})
        kept = company.tell(told)
    assert (asked.approved, asked.request_history[0].reason) == (False, "webhook_declined")
    assert (answer.status_code, kept) == (503, 503)
    books = company.books
    assert len(books.rows(Purchase)) == purchases
    assert not books.rows(InboxEvent, id=told["id"])
    assert [row.action for row in books.rows(AuditRecord)[records:] if row.action == "purchase.asked"] == []
    # The same wish, the same event and the same card work when the disk does.
    assert company.tell(told) == 200
    assert company.ask(agent, key="fault", merchant=wish["merchant"]["name"])["status"] == "ready"  # type: ignore[index]
    assert company.pay(bought, PRICE).approved
    company.check()
    assert company.crashes == 0


@pytest.mark.parametrize("tail", [b"\x00" * 100, b"\x07" * 4_120, os.urandom(9_001)], ids=["zeros", "page", "noise"])
def test_a_torn_end_of_the_log_is_dropped(tail: bytes, company: Crashable) -> None:
    """P4: killed in the middle of writing its log, SQLite keeps every commit and nothing of the half one."""
    agent = company.agent()
    bought = company.buy(agent, PRICE)
    assert company.process is not None
    company.process.stop()
    with (company.folder / "roony.db-wal").open("ab") as log:
        log.write(tail)
    company.start()
    assert company.pay(bought, PRICE).approved
    company.check()


def test_a_log_cut_short_loses_whole_commits_only(tmp_path: Path) -> None:
    """Wherever it is cut, what is left is a state that was committed once: chain, sums and heads agree."""
    with open_books(tmp_path) as books:
        for number in range(6):
            books.ask(1_000, f"Shop {number}")
        whole = (tmp_path / "roony.db").read_bytes(), (tmp_path / "roony.db-wal").read_bytes()
    seen = set()
    for place, cut in enumerate(range(0, len(whole[1]), max(1, len(whole[1]) // 24))):
        folder = tmp_path / f"cut_{place}"
        folder.mkdir()
        (folder / "roony.db").write_bytes(whole[0])
        (folder / "roony.db-wal").write_bytes(whole[1][: len(whole[1]) - cut])
        with reopened(folder) as left:
            if left is None:
                continue
            all_is_well(left)
            seen.add(len(left.rows(Purchase)))
    assert {6, 0} <= seen
    assert len(seen) > 3, seen


@contextmanager
def reopened(folder: Path) -> Iterator[Books | None]:
    """Books on the files of somebody who died; None when not even the tables were committed."""
    with sqlite3.connect(folder / "roony.db") as connection:
        made = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'organizations'").fetchone()[0]
        seeded = made and connection.execute("SELECT count(*) FROM organizations").fetchone()[0]
    connection.close()
    if not seeded:
        yield None
        return
    database, clock = Database(f"sqlite:///{folder / 'roony.db'}"), Clock()
    till = Till(database.open_writer, clock, lambda: "after")
    till.start()
    try:
        yield Books(database, till, clock)
    finally:
        till.stop()
        database.close()
