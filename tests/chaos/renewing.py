"""Scenes about a mandate: paid again in the next interval, at another price, and one Stripe does not take."""

from __future__ import annotations

import uuid
from typing import Any

from roony.core.card import Card
from roony.flows.renewal import CARD_LIMITS, LIMIT_TRIES, NOT_LIFTED
from roony.store.outbox import new_promise
from tests.chaos.cards import alerts
from tests.chaos.scenes import PRICE, Arm, scene, standing
from tests.support.crashing import ADMIN, Crashable
from tests.support.served import SOFTWARE
from tests.support.serving import Caller

MORE = PRICE + 1_000
DAILY = {"recurring": {"interval": "day", "payments": 3}}


def paid_once(company: Crashable, agent: Caller) -> dict[str, Any]:
    """A mandate whose first payment is captured, and whose next one may come."""
    bought = company.buy(agent, PRICE, **DAILY)
    company.network().capture(company.pay(bought, PRICE).id)
    company.settle()
    # The next day is here: what was paid belongs to the one before.
    company.sql(
        "UPDATE purchases SET next_payment_from = 1 WHERE id = :id",
        "UPDATE payments SET interval_start = 0 WHERE purchase_id = :id",
        "UPDATE authorizations SET began_at = 1 WHERE purchase_id = :id",
        id=bought["id"],
    )
    return bought


def asked_for_more(company: Crashable, bought: dict[str, Any]) -> str:
    """The approval that a higher price led to."""
    merchant = {"name": bought["shop"], **SOFTWARE}
    asked = company.network().create({"card": bought["stripe_card"], "amount": MORE, "merchant_data": merchant})
    assert not asked.approved
    company.settle()
    return str(company.get(f"purchases/{bought['id']}")["approval"]["id"])


@scene("direct", "ApproveRenewal")
def a_mandate_is_paid_at_a_new_price(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = paid_once(company, agent)
    approval = asked_for_more(company, bought)
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/approvals/{approval}/approve", {"note": "fine"})
    company.settle()
    assert company.get(f"purchases/{bought['id']}")["amount"] == MORE
    company.network().capture(company.pay(bought, MORE).id)
    company.settle()
    assert standing(company, agent) == (0, PRICE + MORE)


@scene("direct", "TellLimits")
def stripe_does_not_take_a_new_price(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent, PRICE, **DAILY)
    company.settle()
    [card] = company.books.rows(Card, stripe_card_id=bought["stripe_card"])
    limits = [{"interval": "all_time", "amount": card.hard_limit}]
    params = {"card": {"spending_controls": {"spending_limits": limits}}}
    id = f"out_{uuid.uuid4().hex}"
    last = new_promise(card.organization_id, id, CARD_LIMITS, card.id, params, card.updated_at)
    company.control("faults", [{"endpoint": "POST /v1/issuing/cards/{card}", "kind": "rate_limit"}])
    try:
        arm()
        company.put(last._replace(tries=LIMIT_TRIES - 1))
        company.until(lambda: alerts(company, card.id) == [NOT_LIFTED])
    finally:
        company.control("faults", [])
