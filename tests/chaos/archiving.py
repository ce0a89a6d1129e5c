"""The scene of `roony archive`, which is killed in the middle and run again."""

from __future__ import annotations

from roony.core.ledger import Entry
from roony.store.tables import InboxEvent
from tests.chaos.scenes import PRICE, Arm, scene, standing
from tests.support.crashing import Crashable


@scene("archive", "archive.move_entries", "archive.move_events")
def what_is_over_is_archived(company: Crashable, arm: Arm) -> None:
    """Nothing is lost or there twice, and a refund of an archived purchase is booked as ever."""
    agent = company.agent()
    bought = company.buy(agent, PRICE)
    captured = company.network().capture(company.pay(bought, PRICE).id)
    company.until_status(bought["id"], "settled")
    company.settle()
    # As if it all had happened 100 days ago.
    company.sql(
        "UPDATE inbox SET received_at = received_at - 8640000000000, finished_at = finished_at - 8640000000000",
        "UPDATE purchases SET updated_at = updated_at - 8640000000000",
    )
    entries, events = company.books.entries(), sorted(row.id for row in company.books.events())
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
