"""The scenes of what is old: `roony archive` and retention, killed in the middle and begun again."""

from __future__ import annotations

import json
from typing import Any

from roony.core.audit import AuditRecord
from roony.core.ledger import Entry
from roony.core.receipt import Receipt, ReceiptContent
from roony.store.rows import InboxEvent
from tests.chaos.scenes import PRICE, Arm, scene, standing
from tests.support.crashing import ASK, DONE, Crashable

# As if it all had happened 100 days ago.
LONG_AGO = (
    "UPDATE inbox SET received_at = received_at - 8640000000000, finished_at = finished_at - 8640000000000",
    "UPDATE receipts SET created_at = created_at - 8640000000000",
    "UPDATE purchases SET updated_at = updated_at - 8640000000000",
)


@scene("archive", "archive.move_entries", "archive.move_events")
def what_is_over_is_archived(company: Crashable, arm: Arm) -> None:
    """Nothing is lost or there twice, and a refund of an archived purchase is booked as ever."""
    agent = company.agent()
    bought = company.buy(agent, PRICE)
    captured = company.network().capture(company.pay(bought, PRICE).id)
    company.until_status(bought["id"], "settled")
    company.settle()
    company.sql(*LONG_AGO)
    # What failed waits for a person, and stays.
    entries, events = company.books.entries(), [row.id for row in company.books.events() if row.status in DONE]
    arm()
    assert company.books.rows(Entry, purchase_id=bought["id"]) == []
    assert company.books.entries() == entries
    assert not {row.id for row in company.books.rows(InboxEvent)} & set(events)
    assert set(events) <= {row.id for row in company.books.events()}
    [transaction] = company.stripe().v1.issuing.transactions.list({"card": bought["stripe_card"]}).data
    assert captured.id == transaction.authorization
    company.stripe().v1.test_helpers.issuing.transactions.refund(transaction.id)
    company.until(lambda: company.get(f"purchases/{bought['id']}")["refunded_amount"] == PRICE)
    assert standing(company, agent) == (0, 0)


@scene("retention", "RemoveContents")
def what_is_old_is_removed(company: Crashable, arm: Arm) -> None:
    """Each payload and receipt once, with a record of it; and a refund of the purchase is booked as ever."""
    agent = company.agent()
    bought = company.buy(agent, PRICE)
    paid = company.network().capture(company.pay(bought, PRICE).id)
    company.until_status(bought["id"], "settled")
    path, headers = f"{ASK}/{bought['id']}/receipt", {"content-type": "text/plain"}
    receipt = company.send(agent, "POST", path, content=b"paid", headers=headers)
    company.settle()
    company.sql(*LONG_AGO)
    arm()
    company.until(lambda: company.books.rows(ReceiptContent, id=receipt["id"]) == [])
    company.until(lambda: not any(row.payload for row in company.books.events() if row.object_id == paid.id))
    company.stripe().v1.test_helpers.issuing.transactions.refund(transaction_of(company, bought))
    company.until(lambda: company.get(f"purchases/{bought['id']}")["refunded_amount"] == PRICE)
    assert standing(company, agent) == (0, 0)
    bodies = [json.loads(row.body) for row in company.books.rows(AuditRecord, action="retention.removed")]
    gone = [row.id for row in company.books.events() if row.payload_removed_at is not None]
    assert sum(body.get("events", 0) for body in bodies) == len(gone) > 0
    receipts = [row.id for row in company.books.rows(Receipt) if row.content_removed_at is not None]
    assert sorted(id for body in bodies for id in body.get("receipts", ())) == receipts


def transaction_of(company: Crashable, bought: dict[str, Any]) -> str:
    """Stripe's id of the capture of a purchase."""
    [transaction] = company.stripe().v1.issuing.transactions.list({"card": bought["stripe_card"]}).data
    return str(transaction.id)
