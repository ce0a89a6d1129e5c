"""Kept events are handled: routed by account and mode, requests that came too late left undecided (P11, P12)."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from roony.core.agent import Organization
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.connection import Connection
from roony.core.dispute import Dispute
from roony.core.settlement import StripeTransaction
from roony.store.inbox import keep, new_event
from roony.store.rows import AccountRoute, InboxEvent
from roony.worker import Worker
from tests.core.test_settlement import AUTHORIZATION, TRANSACTION
from tests.support.books import ACCOUNT, CONNECTION, ORG, Books
from tests.support.offline import offline_context
from tests.support.promises import money_rows
from tests.support.tills import note

OTHER = "org_2"


def arrive(books: Books, id: str, kind: str, item: dict[str, Any], livemode: bool = False) -> None:
    """Keeps an event of the account as the webhook or a backfill does."""
    body = {"id": id, "account": ACCOUNT, "livemode": livemode, "type": kind, "created": 9, "data": {"object": item}}
    payload = json.dumps(body).encode()
    row = new_event(id, ACCOUNT, livemode, kind, item["id"], 9, payload, books.clock())
    books.till.write_and_wait(keep(row))


def work(books: Books) -> None:
    with offline_context(books) as context:
        asyncio.run(Worker(context).round())


def outcome(books: Books, id: str) -> tuple[str, str | None, str | None]:
    row = books.row(InboxEvent, id=id)
    return row.status, row.reason, row.organization_id


def test_a_request_that_comes_late_is_never_decided(books: Books) -> None:
    """It was answered live or not at all: Stripe has decided by now."""
    purchase = books.ready(9_000)
    before = money_rows(books)
    asked = {**AUTHORIZATION, "card": {"id": f"ic_{purchase.id}"}, "pending_request": {"amount": 9_000}}
    arrive(books, "evt_late", "issuing_authorization.request", asked)
    work(books)
    assert outcome(books, "evt_late") == ("ignored", "late request", ORG)
    assert money_rows(books) == before
    assert books.rows(AuthorizationDecision) == []


def test_an_event_type_of_a_later_stripe_is_ignored_with_a_reason(books: Books) -> None:
    arrive(books, "evt_new", "issuing_authorization.escalated", AUTHORIZATION)
    work(books)
    assert outcome(books, "evt_new") == ("ignored", "not an event Roony needs", ORG)


def test_live_and_test_events_of_one_account_never_mix(books: Books) -> None:
    """Both modes of one account on one URL, each connected by another organization."""
    purchase = books.ready(9_000)
    books.put(
        books.row(Organization, id=ORG)._replace(id=OTHER, audit_sequence=0, audit_hash="", connection_id="con_2"),
        books.row(Connection, id=CONNECTION)._replace(organization_id=OTHER, id="con_2", livemode=1),
        AccountRoute(ACCOUNT, 1, OTHER, "con_2"),
    )
    before = money_rows(books)
    card = f"ic_{purchase.id}"
    said = {**AUTHORIZATION, "status": "pending", "card": {"id": card, "metadata": {"roony_card": purchase.card_id}}}
    arrive(books, "evt_live", "issuing_authorization.created", said, livemode=True)
    arrive(books, "evt_live_capture", "issuing_transaction.created", {**TRANSACTION, "card": card}, livemode=True)
    work(books)
    assert outcome(books, "evt_live") == ("received", "waiting for its card", OTHER)
    assert outcome(books, "evt_live_capture") == ("received", "waiting for its card", OTHER)
    assert money_rows(books) == before
    arrive(books, "evt_test_capture", "issuing_transaction.created", {**TRANSACTION, "card": card})
    work(books)
    assert outcome(books, "evt_test_capture") == ("applied", None, ORG)
    assert [row.organization_id for row in books.rows(StripeTransaction)] == [ORG]
    assert books.rows(Authorization, organization_id=OTHER) == []


def test_a_dispute_arrives(books: Books) -> None:
    item = {"id": "idp_1", "status": "unsubmitted", "evidence": {}, "transaction": "ipi_1", "amount": 5,
            "currency": "usd", "created": 1}  # fmt: skip
    arrive(books, "evt_dispute", "issuing_dispute.created", item)
    work(books)
    assert outcome(books, "evt_dispute") == ("applied", None, ORG)
    assert books.row(Dispute).stripe_transaction_id == "ipi_1"


@pytest.mark.parametrize(
    ("kind", "amount", "spent"),
    [
        ("capture", -900, 900),
        ("refund", 900, 0),
        # Words a later Stripe may use: the sign of the amount says which way the money went.
        ("fee_adjustment", -900, 900),
        ("goodwill", 900, 0),
        ("refund", -900, 900),
    ],
)
def test_the_sign_says_which_way_money_went(books: Books, kind: str, amount: int, spent: int) -> None:
    purchase = books.ready(9_000)
    item = {**TRANSACTION, "card": f"ic_{purchase.id}", "type": kind, "amount": amount, "merchant_currency": "usd"}
    arrive(books, "evt_1", "issuing_transaction.created", item)
    work(books)
    assert outcome(books, "evt_1") == ("applied", None, ORG)
    row = books.row(StripeTransaction)
    assert (row.type, row.amount) == ("capture" if spent else "refund", 900)
    assert row.purchase_id == (purchase.id if spent else None)


def test_unknown_words_do_not_stop_a_statement(books: Books) -> None:
    """A status, a reason and a category of a later Stripe: a status nobody knows is open money (facts trap 28)."""
    purchase = books.ready(9_000)
    history = [{"approved": True, "reason": "quantum_approved", "amount": 900}]
    merchant = {**AUTHORIZATION["merchant_data"], "category": "space_travel", "category_code": "9999"}
    card = {"id": f"ic_{purchase.id}", "metadata": {}}
    said = {**AUTHORIZATION, "status": "suspended", "amount": 900, "card": card, "request_history": history,
            "merchant_data": merchant}  # fmt: skip
    arrive(books, "evt_1", "issuing_authorization.updated", said)
    work(books)
    assert outcome(books, "evt_1") == ("applied", None, ORG)
    known = books.row(Authorization)
    assert (known.status, known.approved, known.amount) == ("suspended", 1, 900)


class TestGivingWay:
    """Settling may be a moment late, an answer to the network may not."""

    def test_after_events_beside_authorizations_the_next_wait_and_none_is_forgotten(self, books: Books) -> None:
        over = False

        def one_more(_organizations: set[str]) -> None:
            if not over:
                books.till.enqueue(note(uuid.uuid4().hex, urgent=True), None, None)

        with offline_context(books) as context:
            worker = Worker(context)
            arrive(books, "evt_quiet", "issuing_authorization.escalated", AUTHORIZATION)
            asyncio.run(worker.round())
            assert worker._events_due == 0.0

            # An authorization in each commit, until the events are handled.
            books.till.listen(one_more)
            arrive(books, "evt_busy", "issuing_authorization.escalated", AUTHORIZATION)
            asyncio.run(worker._work_off())
            over = True
            assert worker._events_due > 0.0

            arrive(books, "evt_after", "issuing_authorization.escalated", AUTHORIZATION)
            asyncio.run(worker.round())
        assert {outcome(books, id)[0] for id in ("evt_quiet", "evt_busy", "evt_after")} == {"ignored"}
