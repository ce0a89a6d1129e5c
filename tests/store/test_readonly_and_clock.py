"""A database that may not be written to for a while, and a clock that jumps back: refused, and nothing undone."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest
from sqlalchemy import text

from roony.core.agent import Organization
from roony.core.approval import Approval
from roony.core.audit import AuditRecord
from roony.core.budget import BudgetPeriod
from roony.core.card import Card
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.flows.approval import Approve, ApproveIds, ExpireApproval
from roony.flows.card import ExpireCard
from roony.store.command import FAILED, UNKNOWN_OUTCOME
from roony.store.database import Database
from roony.store.till import Till
from roony.store.writer import Writer
from roony.wiring import DatabaseUnusable, open_database
from tests.support.books import AGENT, ORG, Books
from tests.support.promises import all_is_well
from tests.support.story import PERSON

NOBODY = 65_534


def may_write(books: Books, allowed: bool) -> None:
    """Takes the right to write from the till's connection, as a primary that became a standby does; or gives it back.

    Past the till, which commits nothing without that right.
    """
    writer: Writer | None = books.till._writer
    assert writer is not None
    word = {"sqlite": "PRAGMA query_only = {}", "postgresql": "SET default_transaction_read_only = {}"}[writer.backend]
    writer.run(word.format("OFF" if allowed else "ON"))


def test_what_cannot_be_written_is_refused(books: Books) -> None:
    """P10, P11: no approval, no hold, no record; and the next command after it works."""
    purchase = books.ready()
    records = len(books.rows(AuditRecord))
    # A PostgreSQL that says so is taken for one that was the primary: the till looks for the new one.
    refused = FAILED if books.database.is_sqlite else UNKNOWN_OUTCOME
    may_write(books, False)
    assert books.authorize(purchase) == refused
    if books.database.is_sqlite:
        assert books.ask(merchant="Notion") == refused
        may_write(books, True)
    assert len(books.rows(AuditRecord)) == records
    assert books.row(Purchase).held == purchase.held
    assert books.authorize(purchase).approved
    assert books.ask(merchant="Notion").purchase.status == "issuing"
    all_is_well(books)


def start_as_nobody(url: str, told: object) -> None:
    """Run in a child: what Roony says when it starts where it may not write."""
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    try:
        open_database(Database(url))
    except DatabaseUnusable as error:
        told.put(str(error))  # type: ignore[attr-defined]


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can become somebody who may not write here.")
def test_a_file_that_may_not_be_written_is_refused_at_the_start(sqlite_books: Books, tmp_path: Path) -> None:
    """In one sentence, and the file is as it was."""
    books = sqlite_books
    books.ask()
    books.till.stop()
    path = books.database.path
    assert path is not None
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    path.chmod(0o444)
    before = path.read_bytes()
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()
    child = context.Process(target=start_as_nobody, args=(str(books.database.url), told))
    child.start()
    child.join(30)
    said = told.get() if not told.empty() else ""
    child.close()
    told.close()
    assert said.startswith("The database cannot be opened (Permission denied)"), said
    assert path.read_bytes() == before


class TestClockJumpsBack:
    """A deadline that was judged over stays over, in this process and in the next one."""

    def test_a_card_whose_time_was_over_stays_over(self, books: Books) -> None:
        purchase = books.ready()
        card = books.row(Card)
        books.clock.now = card.expires_at
        assert books.authorize(purchase, authorization_id="iauth_over").code == "CARD_EXPIRED"
        books.clock.advance(-7_200)
        assert books.authorize(purchase, authorization_id="iauth_again").code == "CARD_EXPIRED"
        assert books.run(ExpireCard(ORG, card.id, "out_expire")).status == "expired"
        all_is_well(books)

    def test_an_approval_that_was_over_stays_over(self, books: Books) -> None:
        books.controls(AGENT, "agent", approval_threshold=5_000)
        purchase = books.ask().purchase
        books.clock.now = books.row(Approval).expires_at
        books.ask(100, "Notion")
        books.clock.advance(-3_600)
        ids = ApproveIds("hold_late", "crd_late", "out_late")
        late = books.run(Approve(ORG, purchase.approval_id, purchase, PERSON, "", ids, None))
        assert isinstance(late, Refusal)
        books.run(ExpireApproval(ORG, purchase.approval_id, "out_expire"))
        assert books.row(Purchase, id=purchase.id).status == "expired"
        assert books.rows(Card, purchase_id=purchase.id) == []
        all_is_well(books)

    def test_money_does_not_fall_into_a_period_that_was_over(self, books: Books) -> None:
        """P1: a full day stays full; a clock set back to it opens no second one, nor yesterday's."""
        books.limit(AGENT, "day", 10_000)
        books.clock.advance(86_400)
        assert books.ask(10_000, "Monday").purchase.status == "issuing"
        books.clock.advance(-86_400)
        assert books.ask(10_000, "Sunday").purchase.status == "declined"
        held = {row.period_start: row.held for row in books.rows(BudgetPeriod, budget_id="bud_agent_day")}
        assert max(held.values()) == 10_000
        assert sum(held.values()) == 10_000
        all_is_well(books)

    def test_the_next_process_begins_where_the_last_one_was(self, books: Books) -> None:
        """The time an organization has seen is on its row: a restart on a machine that is behind undoes nothing."""
        purchase = books.ready()
        over = books.row(Card).expires_at
        books.clock.now = over
        books.ask(100, "Notion")
        books.till.stop()
        books.clock.advance(-86_400)
        books.till = Till(books.database.open_writer, books.clock, lambda: "after")
        books.till.start()
        try:
            assert books.authorize(purchase).code == "CARD_EXPIRED"
            assert books.row(Organization, id=ORG).clock == over
            times = [row.at for row in sorted(books.rows(AuditRecord, organization_id=ORG), key=lambda r: r.sequence)]
            assert times == sorted(times)
            all_is_well(books)
        finally:
            books.till.stop()


def test_the_right_to_write_is_what_is_taken(books: Books) -> None:
    """So that the test above refuses for that reason and no other: reading goes on."""
    may_write(books, False)
    assert books.database.read(text("SELECT count(*) FROM purchases")) == [(0,)]
    may_write(books, True)
