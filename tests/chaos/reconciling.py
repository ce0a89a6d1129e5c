"""Scenes in which Roony asks Stripe again, and those of money that comes back: disputes, refunds without a card."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from roony.core.dispute import Dispute
from roony.core.finding import discrepancy_id
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.flows.unknown_card import REPLAY_CARD_EVENTS, UNKNOWN_CARD
from roony.store.inbox import new_event
from roony.store.outbox import new_promise
from roony.store.rows import InboxEvent, OutboxPromise
from tests.chaos.scenes import PRICE, Arm, scene, standing, status_at_stripe
from tests.support.crashing import ADMIN, Crashable
from tests.support.served import SOFTWARE, unique

MICROSECOND = 1_000_000


def reconcile(company: Crashable, since: str = "1h") -> list[dict[str, Any]]:
    """A person compares with Stripe; the runs, when all have finished."""

    def running() -> list[dict[str, Any]]:
        return list(company.get("reconciliations", status="running", limit=100)["data"])

    company.send(company.owner, "POST", f"{ADMIN}/reconciliations", {"since": since})
    company.until(lambda: not running())
    company.settle()
    return list(company.get("reconciliations", cause="person", limit=1)["data"])


def stranger(company: Crashable, **metadata: str) -> Any:
    """A card that somebody else made on our account, with our cardholder."""
    holder = company.control("state")["cardholders"][0]["id"]
    return company.stripe().v1.issuing.cards.create(
        {"cardholder": holder, "currency": "usd", "type": "virtual", "status": "active", "metadata": metadata}
    )


@scene(
    "direct", "StartReconciliation", "EndRun", "run._save", "inbox.keep_all", "SeeCard", "list_events",
    "list_authorizations", "list_transactions",
)  # fmt: skip
def a_lost_hour_is_fetched(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought, open_card = company.buy(agent, PRICE), company.buy(agent, 100)
    company.settle()
    company.control("delivery", {"lose": 1})
    paid = company.pay(bought, PRICE)
    company.network().capture(paid.id)
    company.control("delivery", {})
    arm()
    [run] = reconcile(company)
    assert (run["status"], run["differences"]) == ("finished", 0), run
    assert standing(company, agent) == (100, PRICE)
    assert status_at_stripe(company, open_card["stripe_card"]) == "active"


@scene("direct", "GoOn")
def a_run_waits_for_events_to_be_handled(company: Crashable, arm: Arm) -> None:
    """One event is put off, and the run that somebody waits for with it, claim after claim."""
    later = time.time_ns() // 1000 + 600 * MICROSECOND
    id = f"evt_{uuid.uuid4().hex}"
    body = json.dumps({"id": id, "data": {"object": {"id": "ch_late", "object": "charge"}}}).encode()
    event = new_event(id, None, False, "charge.succeeded", "ch_late", int(time.time()), body, later)
    company.put(event)
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/reconciliations", {"since": "1h"})

    def claims() -> list[int]:
        return [row.generation for row in company.books.rows(OutboxPromise, kind="reconcile", status="promised")]

    company.until(lambda: any(generation > 2 for generation in claims()))
    company.sql("UPDATE inbox SET due_at = 0 WHERE id = :id", id=id)
    company.until(lambda: not company.get("reconciliations", status="running")["data"])
    assert company.books.row(InboxEvent, id=id).status == "applied"


@scene("direct", "retrieve_authorization")
def an_open_authorization_is_asked_for(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent, PRICE)
    paid = company.pay(bought, PRICE)
    company.settle()
    company.control("delivery", {"lose": 1})
    company.network().reverse(paid.id)
    company.control("delivery", {})
    # The lists begin after it was made: it is not in them, and is asked for by its id.
    company.until(lambda: time.time() > paid.created + 1)
    arm()
    reconcile(company, datetime.now(UTC).isoformat(timespec="seconds"))
    assert standing(company, agent) == (0, 0)


@scene("direct", "FlagMissing", "retrieve_transaction")
def the_books_know_more_than_stripe(company: Crashable, arm: Arm) -> None:
    """A transaction that Stripe never made, half an hour ago."""
    bought = company.buy(company.agent(), PRICE)
    [connection] = company.get("connections")["data"]
    at, id = (int(time.time()) - 1_800) * MICROSECOND, f"ipi_{uuid.uuid4().hex}"
    organization, card = company.get("organization")["id"], bought["stripe_card"]
    row = StripeTransaction(
        organization, id, connection["id"], None, None, card, "capture", 1, "usd", 1, "usd", "{}", None, at, at,
    )  # fmt: skip
    company.put(row)
    arm()
    try:
        reconcile(company)
        [found] = company.books.rows(Discrepancy, subject=id)
        assert (found.kind, found.status) == ("missing_at_stripe", "open")
    finally:
        company.sql("DELETE FROM stripe_transactions WHERE id = :id", id=id)


@scene("direct", "CloseFound")
def what_was_missing_is_found(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent, PRICE)
    paid = company.pay(bought, PRICE)
    company.settle()
    organization = company.get("organization")["id"]
    id = discrepancy_id("missing_here", paid.id)
    company.put(
        Discrepancy(organization, id, "missing_here", "open", None, None, paid.id, "it", "nothing", None, None, 1, None)
    )
    arm()
    reconcile(company)
    assert company.books.row(Discrepancy, id=id).status == "resolved"


@scene("direct", "SeeToOrphan")
def an_orphan_card_is_ended(company: Crashable, arm: Arm) -> None:
    """Its metadata names us, and the books know nothing of it, as after a restore."""
    organization = company.get("organization")["id"]
    gone = {"roony_organization": organization, "roony_card": "crd_gone", "roony_purchase": "pur_gone"}
    company.control("delivery", {"lose": 1})
    made = stranger(company, **gone)
    company.control("delivery", {})
    arm()
    reconcile(company)
    company.until(lambda: status_at_stripe(company, made.id) == "canceled")
    found = company.books.row(Discrepancy, subject=made.id)
    assert found.kind == "missing_here"
    company.send(company.owner, "POST", f"{ADMIN}/discrepancies/{found.id}/resolve", {"note": "restored"})


@scene("direct", "BookDispute")
def a_capture_is_disputed(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent, PRICE)
    paid = company.pay(bought, PRICE)
    company.network().capture(paid.id)
    company.settle()
    [capture] = company.books.rows(StripeTransaction, stripe_card_id=bought["stripe_card"])
    arm()
    company.stripe().v1.issuing.disputes.create({"transaction": capture.id})
    company.until(lambda: bool(company.books.rows(Dispute, stripe_transaction_id=capture.id)))
    assert standing(company, agent) == (0, PRICE)


@scene("direct", "ReplayCardEvents", "archive.bring_back")
def events_of_a_card_that_became_known(company: Crashable, arm: Arm) -> None:
    """A card nobody here knew was used; the promise that its late recording makes takes up what was left out.

    So late that it was archived meanwhile.
    """
    made = stranger(company)
    merchant = {"name": unique("Shop"), **SOFTWARE}
    assert not company.network().create({"card": made.id, "amount": 700, "merchant_data": merchant}).approved

    def left_out() -> list[InboxEvent]:
        # The minute in which our own commit of the card might come is over.
        company.let_time_pass()
        company.sql("UPDATE inbox SET received_at = received_at - 120000000 WHERE status = 'received'")
        rows = company.books.rows(InboxEvent, reason=UNKNOWN_CARD)
        return [row for row in rows if made.id.encode() in row.payload]

    company.until(lambda: bool(left_out()))
    organization = company.get("organization")["id"]
    params = {"stripe_card_id": made.id, "since": 0}
    promise = new_promise(organization, f"out_{uuid.uuid4().hex}", REPLAY_CARD_EVENTS, "crd_known", params, 1)
    ids = {row.id for row in left_out()}
    company.sql(
        "INSERT INTO inbox_archive SELECT * FROM inbox WHERE reason = 'unknown card'",
        "DELETE FROM inbox WHERE reason = 'unknown card'",
    )
    arm()
    company.put(promise)
    company.settle()
    assert ids <= {row.id for row in company.books.rows(InboxEvent)}
    company.stripe().v1.issuing.cards.update(made.id, {"status": "canceled"})


@scene("direct", "AssignRefund")
def a_person_says_whose_a_refund_is(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent, PRICE)
    paid = company.pay(bought, PRICE)
    company.network().capture(paid.id)
    made, merchant = stranger(company), {"name": unique("Shop"), **SOFTWARE}
    refund = company.stripe().v1.test_helpers.issuing.transactions.create_unlinked_refund(
        {"card": made.id, "amount": 700, "merchant_data": merchant}
    )

    def queued() -> list[Discrepancy]:
        company.let_time_pass()
        company.sql("UPDATE inbox SET received_at = received_at - 120000000 WHERE status = 'received'")
        return list(company.books.rows(Discrepancy, subject=refund.id, kind="unmatched_refund"))

    company.until(lambda: bool(queued()))
    [found] = queued()
    company.settle()
    arm()
    body = {"note": "same order", "purchase_id": bought["id"]}
    company.send(company.owner, "POST", f"{ADMIN}/discrepancies/{found.id}/resolve", body)
    assert standing(company, agent) == (0, PRICE - 700)
    company.stripe().v1.issuing.cards.update(made.id, {"status": "canceled"})


@scene("direct", "outbox.renew")
def a_long_step_keeps_its_lease(company: Crashable, arm: Arm) -> None:
    """Four open authorizations, each asked for by its id from a Stripe that takes its time."""
    agent = company.agent()
    bought = [company.buy(agent, 100 + number) for number in range(4)]
    paid = [company.pay(each, 100 + number) for number, each in enumerate(bought)]
    company.settle()
    company.until(lambda: time.time() > paid[-1].created + 1)
    slow = {"endpoint": "GET /v1/issuing/authorizations/{authorization}", "kind": "slow", "seconds": 4.5}
    company.control("faults", [slow])
    arm()
    died = company.crashes + 1
    company.send(
        company.owner, "POST", f"{ADMIN}/reconciliations", {"since": datetime.now(UTC).isoformat(timespec="seconds")}
    )
    company.until(lambda: company.recovered() or company.crashes == died)
    company.control("faults", [])
    company.until(lambda: not company.get("reconciliations", status="running")["data"])
    assert standing(company, agent) == (sum(100 + number for number in range(4)), 0)
