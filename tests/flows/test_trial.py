"""A purchase that is only tried out, where Stripe declines the payment of itself."""

from __future__ import annotations

import asyncio
from typing import Any

from roony.core.agent import Organization
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.flows.trial import pay_in_test_mode
from tests.gateway.loopback import Answer, LoopbackStripe
from tests.support.books import CONNECTION, ORG, Books
from tests.support.connecting import open_context, stripe_gateway

HISTORIES: dict[str, list[dict[str, Any]]] = {
    "no reason given": [],
    "card_inactive": [{"reason": "webhook_timeout", "approved": False}, {"reason": "card_inactive", "approved": False}],
}


def test_a_payment_that_stripe_declines_is_told_with_its_newest_reason_if_there_is_one(books: Books) -> None:
    """Of none at all where it declined before it asked anybody. Nothing is captured, and nothing booked."""
    purchase = books.ready()
    with LoopbackStripe() as wire, open_context(books, stripe_gateway(wire.url)) as context:
        books.put(books.row(Organization, id=ORG)._replace(connection_id=CONNECTION))
        for reason, history in HISTORIES.items():
            declined = {"id": "iauth_x", "object": "issuing.authorization", "approved": False}
            wire.script(Answer({**declined, "request_history": history}))
            refused = asyncio.run(pay_in_test_mode(context, ORG, purchase.id))
            assert isinstance(refused, Refusal)
            assert (refused.code, refused.status) == ("payment_declined", 409)
            assert f"declined: {reason}." in refused.message
        assert len(wire.received) == len(HISTORIES)
    assert books.row(Purchase, id=purchase.id) == purchase
