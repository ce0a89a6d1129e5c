"""Payloads and receipts go after their days, and nothing that anybody still needs; what is left works as before."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from roony.core.agent import Organization
from roony.core.audit import INSTALLATION, AuditRecord, verify
from roony.core.dispute import Dispute
from roony.core.duration import DAY
from roony.core.receipt import MAX_RECEIPT, Receipt, ReceiptContent, receipt_of
from roony.core.retention import Retention, removed_words
from roony.core.settlement import Discrepancy
from roony.flows.archive import move_to_archive
from roony.flows.context import FlowContext
from roony.flows.inbox import ACQUIRING
from roony.flows.receipt import KeepReceipt
from roony.flows.retention import PACE, SOURCES, RemoveContents, RetentionDuty, _few
from roony.flows.retrieval import PAYLOAD_REMOVED, keep_replay_card_events
from roony.flows.unknown_card import REPLAY_CARD_EVENTS, UNKNOWN_CARD
from roony.store import inbox
from roony.store.book import Book
from roony.store.database import INSTALLATION_ROW
from roony.store.outbox import new_promise
from roony.store.queries import retention as look
from roony.store.queries.events import find_event
from roony.store.queries.paging import Slice
from roony.store.queries.receipts import without_receipt
from roony.store.retention import EVENTS_AT_ONCE, OldEvent, Removal
from roony.store.rows import InboxEvent, OutboxPromise
from roony.store.tables import inbox_archive
from tests.support.books import ACCOUNT, AGENT, CONNECTION, NOW, ORG, Books
from tests.support.offline import offline_context
from tests.support.promises import all_is_well
from tests.support.story import Story

DAYS = 60
BODY = b'{"data": {"object": {"cardholder": {"name": "Jenny Rosen"}}}}'
ON_ITS_WAY = "ask 10000\ncard\nrequest A 10000\nsays A pending 10000 yes"
MANDATE = "ask 1000 every month 3\ncard\nrequest A 1000\nsays A closed 1000 yes with t1:1000"
SETTLED = "ask 10000\ncard\nrequest A 10000\nsays A closed 10000 yes with t1:10000"


@pytest.fixture
def context(books: Books) -> Iterator[FlowContext]:
    """Both are kept for 60 days."""
    with offline_context(books) as made:
        yield replace(made, retention=Retention(DAYS, DAYS))


def old_event(id: str, **fields: Any) -> InboxEvent:
    """One of 90 days ago that was applied, about nothing that is known here."""
    at = NOW - 90 * DAY
    row = inbox.new_event(id, ACCOUNT, False, "issuing_cardholder.updated", "ich_9", at // 1_000_000, BODY, at)
    return row._replace(organization_id=ORG, status="applied", finished_at=at)._replace(**fields)


def run(books: Books, context: FlowContext, duty: RetentionDuty | None = None) -> int:
    """Looks until nothing is due, as the worker does; returns how many commands that took."""
    duty, total = duty or RetentionDuty(context), 0
    for _ in range(100):
        if not any(duty._is_due(source, books.clock()) for source in SOURCES):
            return total
        for command in asyncio.run(duty.due(books.clock())):
            assert books.run(command) is None
            total += 1
    raise AssertionError("it does not end")


def emptied(books: Books) -> list[str]:
    """Events without their payload, wherever they lie."""
    return sorted(event.id for event in books.events() if event.payload_removed_at is not None)


def told(books: Books, org: str = ORG) -> list[dict[str, Any]]:
    """What the audit chain says of it; the chain is whole."""
    records = books.rows(AuditRecord, organization_id=org)
    head = books.row(Organization, id=org)
    assert verify(records, (head.audit_sequence, head.audit_hash)) is None
    return [json.loads(record.body) for record in records if record.action == "retention.removed"]


def settled(books: Books) -> Story:
    """A purchase that was paid 61 days ago, with everything Stripe said of it."""
    story = Story(books)
    story.tell(SETTLED)
    books.clock.advance(61 * 86_400)
    return story


def hand_in(books: Books, purchase_id: str, content: bytes = b"paid by Jenny") -> Receipt:
    """A receipt of a purchase, handed in now."""
    receipt, _ = books.run(KeepReceipt(ORG, receipt_of(ORG, purchase_id, AGENT, "text/plain", content), content))
    return receipt


def finding(subject: str, purchase_id: str | None = None, kind: str = "over_capture") -> Discrepancy:
    """One that nobody has resolved."""
    return Discrepancy(ORG, "dis_1", kind, "open", purchase_id, None, subject, "", "", None, None, NOW, None)


def resolve(books: Books) -> None:
    """Somebody has looked at it."""
    books.till.write_and_wait(lambda writer: writer.run("UPDATE discrepancies SET status = 'resolved'"))


# Events


def test_an_old_payload_goes_and_the_event_stays(books: Books, context: FlowContext) -> None:
    books.put(old_event("evt_1"), old_event("evt_2", status="ignored", reason=ACQUIRING))
    before = books.rows(InboxEvent)
    assert run(books, context) == 1
    digest = hashlib.sha256(BODY).hexdigest()
    gone = {"payload": b"", "payload_sha256": digest, "payload_removed_at": books.clock()}
    assert books.rows(InboxEvent) == [event._replace(**gone) for event in before]
    assert told(books) == [{"before": books.clock() - DAYS * DAY, "events": 2}]
    assert run(books, context) == 0


def test_without_a_setting_everything_is_kept(books: Books, context: FlowContext) -> None:
    books.put(old_event("evt_1"))
    story = Story(books)
    story.tell(SETTLED)
    hand_in(books, story.purchase_id)
    books.clock.advance(4_000 * 86_400)
    assert run(books, replace(context, retention=Retention())) == 0
    assert run(books, replace(context, retention=Retention(event_days=DAYS))) == 1
    assert books.rows(ReceiptContent) != []
    assert run(books, replace(context, retention=Retention(receipt_days=DAYS))) == 1
    assert books.rows(ReceiptContent) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "dead"},
        {"status": "failed", "finished_at": None},
        {"status": "received", "finished_at": None},
        {"finished_at": NOW - 59 * DAY},
        {"received_at": NOW - 59 * DAY},
    ],
)
def test_an_event_that_is_not_over_keeps_its_payload(
    books: Books, context: FlowContext, fields: dict[str, Any]
) -> None:
    books.put(old_event("evt_1", **fields), old_event("evt_2"))
    run(books, context)
    assert emptied(books) == ["evt_2"]
    # Nor where it became so between the look and the write.
    books.run(RemoveContents(ORG, Removal(ORG, NOW - DAYS * DAY, events=(OldEvent("evt_1", "x"),))))
    assert emptied(books) == ["evt_2"]
    assert [body["events"] for body in told(books)] == [1]


def test_an_emptied_event_that_comes_again_counts_once(books: Books, context: FlowContext) -> None:
    """P3: from the inbox as from the archive."""
    books.put(old_event("evt_1"), old_event("evt_2"))
    move_to_archive(books.till, books.database, NOW - 80 * DAY, lambda _: None)
    books.put(old_event("evt_3"))
    run(books, context)
    assert emptied(books) == ["evt_1", "evt_2", "evt_3"]
    again = [
        inbox.new_event(id, ACCOUNT, False, "issuing_cardholder.updated", "ich_9", 1, BODY, books.clock())
        for id in ("evt_1", "evt_3")
    ]
    assert [books.till.write_and_wait(inbox.keep(event)) for event in again] == [True, False]
    assert books.till.write_and_wait(inbox.claim(books.clock())) == []
    shown = find_event(books.database, ORG, "evt_1")
    assert shown is not None
    assert (shown.status, shown.payload, shown.payload_removed_at) == ("applied", b"", books.clock())
    assert [event.id for event in books.rows(InboxEvent, payload=BODY)] == ["evt_1"]


def test_the_archive_is_emptied_too_and_what_is_archived_afterwards_stays_empty(
    books: Books, context: FlowContext
) -> None:
    books.put(old_event("evt_1"))
    move_to_archive(books.till, books.database, NOW - 80 * DAY, lambda _: None)
    books.put(old_event("evt_2"))
    run(books, context)
    move_to_archive(books.till, books.database, NOW - 80 * DAY, lambda _: None)
    rows = [InboxEvent(*row) for row in books.database.read(select(inbox_archive).order_by(inbox_archive.c.id))]
    assert [(row.id, row.payload, row.payload_removed_at) for row in rows] == [
        ("evt_1", b"", books.clock()), ("evt_2", b"", books.clock()),
    ]  # fmt: skip
    assert sum(body["events"] for body in told(books)) == 2


def test_events_of_nobodys_account_go_with_a_record_of_the_installation(books: Books, context: FlowContext) -> None:
    books.put(INSTALLATION_ROW, old_event("evt_1", organization_id=None, status="ignored", reason="unknown account"))
    run(books, context)
    assert emptied(books) == ["evt_1"]
    assert [body["events"] for body in told(books, INSTALLATION)] == [1]
    assert told(books) == []


# What somebody still needs


def test_what_was_said_of_a_settled_purchase_goes_and_the_books_stay(books: Books, context: FlowContext) -> None:
    """A refund that comes much later is booked as ever."""
    story = settled(books)
    number = len(books.events())
    assert number >= 2
    run(books, context)
    assert len(emptied(books)) == number
    assert story.tell("refund r1 4000").endswith("|     0  6000 settled    used")
    all_is_well(books)


@pytest.mark.parametrize("table", [ON_ITS_WAY, MANDATE])
def test_a_purchase_that_goes_on_keeps_what_was_said_of_it(books: Books, context: FlowContext, table: str) -> None:
    Story(books).tell(table)
    books.clock.advance(400 * 86_400)
    run(books, context)
    assert emptied(books) == []


def test_a_purchase_that_was_heard_of_lately_keeps_all(books: Books, context: FlowContext) -> None:
    """As after a refund: whoever looks at it finds everything."""
    story = settled(books)
    story.tell("refund r1 4000")
    run(books, context)
    assert emptied(books) == []
    books.clock.advance(61 * 86_400)
    run(books, context)
    assert len(emptied(books)) == len(books.events())


@pytest.mark.parametrize("subject", ["purchase", "authorization", "capture", "card"])
def test_an_open_discrepancy_keeps_what_it_is_about(books: Books, context: FlowContext, subject: str) -> None:
    story = settled(books)
    story.tell("stripe canceled")
    books.clock.advance(61 * 86_400)
    about = {"purchase": "x", "authorization": "iauth_A", "capture": "t1", "card": story.stripe_card}[subject]
    purchase = story.purchase_id if subject == "purchase" else None
    books.put(finding(about, purchase), old_event("evt_other"))
    run(books, context)
    kept = {event.object_id for event in books.events() if event.payload_removed_at is None}
    of_card = {"iauth_A", story.stripe_card}
    assert kept == {"purchase": of_card, "card": of_card, "authorization": {"iauth_A"}, "capture": set()}[subject]
    assert "evt_other" in emptied(books)
    resolve(books)
    run(books, context)
    assert len(emptied(books)) == len(books.events())


def test_a_dispute_that_goes_on_keeps_what_was_said_of_it(books: Books, context: FlowContext) -> None:
    dispute = Dispute(ORG, "idp_1", CONNECTION, "ipi_1", "submitted", "other", 1, "usd", 0, "none", 0, NOW, NOW, NOW)
    books.put(dispute, *(old_event(f"evt_{id}", object_id=id) for id in ("idp_1", "ipi_1", "ipi_2")))
    run(books, context)
    assert emptied(books) == ["evt_ipi_2"]
    books.till.write_and_wait(lambda writer: writer.run("UPDATE disputes SET status = 'lost'"))
    run(books, context)
    assert len(emptied(books)) == 3


def test_events_stay_while_their_card_may_become_known(books: Books, context: FlowContext) -> None:
    """While somebody has not said whose the card is; and, of all, while one of ours is being made."""
    books.put(finding("ic_9", kind="unknown_card"), old_event("evt_1", reason=UNKNOWN_CARD), old_event("evt_2"))
    run(books, context)
    assert emptied(books) == ["evt_2"]
    books.put(old_event("evt_3", received_at=NOW + DAY, finished_at=NOW + DAY))
    Story(books).tell("ask 10000")
    resolve(books)
    books.clock.advance(70 * 86_400)
    run(books, context)
    assert emptied(books) == ["evt_1", "evt_2"]


def test_a_left_out_event_without_its_payload_is_said_to_be_one(books: Books, context: FlowContext) -> None:
    """Its card became known after somebody had said that it was none of ours: the promise ends with that word."""
    card = b'{"data": {"object": {"card": "ic_1"}}}'
    books.put(old_event("evt_1", reason=UNKNOWN_CARD, payload=card), old_event("evt_2", payload=card))
    move_to_archive(books.till, books.database, NOW - 80 * DAY, lambda _: None)
    run(books, context)
    books.put(old_event("evt_3", reason=UNKNOWN_CARD, payload=card))
    params = {"stripe_card_id": "ic_1", "since": 0}
    promise = new_promise(ORG, "out_1", REPLAY_CARD_EVENTS, "crd_1", params, books.clock(), lease=DAY)
    books.put(promise)
    asyncio.run(keep_replay_card_events(context, promise))
    assert [event.id for event in books.rows(InboxEvent, status="received")] == ["evt_3"]
    assert books.row(OutboxPromise, id="out_1").last_error == PAYLOAD_REMOVED


# Receipts


def test_an_old_receipt_loses_its_file_and_stays_a_receipt(books: Books, context: FlowContext) -> None:
    story = Story(books)
    story.tell(SETTLED)
    receipt = hand_in(books, story.purchase_id)
    books.clock.advance(61 * 86_400)
    run(books, context)
    assert books.rows(ReceiptContent) == []
    assert books.rows(Receipt) == [receipt._replace(content_removed_at=books.clock())]
    assert {"before": books.clock() - DAYS * DAY, "receipts": [receipt.id]} in told(books)
    assert without_receipt(books.database, ORG, Slice(10)).rows == []
    # The same bytes again are the same receipt, and do not come back.
    content = b"paid by Jenny"
    again = books.run(KeepReceipt(ORG, receipt_of(ORG, story.purchase_id, AGENT, "text/plain", content), content))
    assert again == (books.row(Receipt), False)
    assert books.rows(ReceiptContent) == []


def test_a_receipt_stays_while_it_is_young_or_its_purchase_is_not_over(books: Books, context: FlowContext) -> None:
    story, other = Story(books), Story(books)
    story.tell(SETTLED)
    other.tell("ask 11000\ncard")
    hand_in(books, other.purchase_id)
    books.clock.advance(61 * 86_400)
    young = hand_in(books, story.purchase_id)
    found = Discrepancy(
        ORG, "dis_1", "over_capture", "open", story.purchase_id, None, "x", "", "", None, None, NOW, None
    )
    books.put(found)
    run(books, context)
    assert len(books.rows(ReceiptContent)) == 2
    books.clock.advance(61 * 86_400)
    run(books, context)
    assert len(books.rows(ReceiptContent)) == 2
    resolve(books)
    run(books, context)
    assert [row.id for row in books.rows(Receipt) if row.content_removed_at is not None] == [young.id]
    # Nor where its purchase went on between the look and the write.
    waiting = [row.id for row in books.rows(Receipt) if row.content_removed_at is None]
    books.run(RemoveContents(ORG, Removal(ORG, books.clock(), receipts=tuple(waiting))))
    assert len(books.rows(ReceiptContent)) == 1


def test_few_bytes_go_at_once() -> None:
    """Freeing them takes as long as reading them, and money waits."""
    rows = [look.ReceiptThere(0, f"rcp_{n}", ORG, "pur_1", MAX_RECEIPT // 2, True) for n in range(5)]
    assert _few(rows) == rows[:2]
    assert _few([rows[0]._replace(size=2 * MAX_RECEIPT), *rows]) == [rows[0]._replace(size=2 * MAX_RECEIPT)]
    assert _few([]) == []


# In pieces


def test_it_goes_on_where_it_was_and_begins_again_after_its_pace(
    books: Books, context: FlowContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page at a time, each in commands of few rows; what has to stay does not keep it from the rest."""
    at = NOW - 91 * DAY
    waits = [old_event(f"evt_w{n}", object_id="t9", received_at=at) for n in range(look.PAGE)]
    number = look.PAGE + EVENTS_AT_ONCE
    books.put(*waits, finding("t9"), *(old_event(f"evt_{n:03}") for n in range(1, number)))
    duty = RetentionDuty(context)
    assert run(books, context, duty) == number // EVENTS_AT_ONCE
    assert len(emptied(books)) == number - 1
    assert sum(body["events"] for body in told(books)) == number - 1
    resolve(books)
    books.clock.advance(PACE - 1)
    assert run(books, context, duty) == 0
    books.clock.advance(1)
    assert run(books, context, duty) == look.PAGE // EVENTS_AT_ONCE
    assert duty._looked.keys() == set(SOURCES)


def test_two_at_once_count_nothing_twice(books: Books, context: FlowContext) -> None:
    """Another process may have taken over the lease between the look and the write."""
    books.put(old_event("evt_1"))
    commands = asyncio.run(RetentionDuty(context).due(NOW))
    for command in (*commands, *commands):
        books.run(command)
    assert [body["events"] for body in told(books)] == [1]


def test_one_that_is_undone_removes_nothing() -> None:
    """A command that fails after it said so loses its own changes, and its neighbours keep theirs."""
    book, other = Book(lambda: "1"), Removal(ORG, NOW)
    book.start_command()
    book.remove(other)
    book.start_command()
    book.remove(Removal(ORG, NOW, events=(OldEvent("evt_1", "x"),)))
    book.undo_command()
    assert book._removals == [other]


def test_it_says_on_which_day() -> None:
    assert removed_words(NOW) == "removed by retention on 2026-11-23"
