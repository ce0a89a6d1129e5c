"""Scenes about single cards: frozen by their owner, warned of by Stripe, put into a wallet."""

from __future__ import annotations

import uuid

from tests.chaos.scenes import PRICE, Arm, scene, standing, status_at_stripe
from tests.support.crashing import ADMIN, Crashable


def alerts(company: Crashable, subject: str) -> list[str]:
    """Kind of the open alerts about something."""
    rows = company.get("alerts", status="open", limit=100)["data"]
    return [row["kind"] for row in rows if row["subject"] == subject]


@scene("direct", "FreezeCard", "UnfreezeCard")
def a_card_is_frozen_and_let_go(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent)
    card = company.get(f"purchases/{bought['id']}")["card"]["id"]
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/cards/{card}/freeze")
    company.until(lambda: status_at_stripe(company, bought["stripe_card"]) == "inactive")
    company.send(company.owner, "POST", f"{ADMIN}/cards/{card}/unfreeze")
    company.until(lambda: status_at_stripe(company, bought["stripe_card"]) == "active")
    assert standing(company, agent) == (PRICE, 0)
    company.settle()
    company.pay(bought)


@scene("direct", "BookToken")
def a_card_turns_up_in_a_wallet(company: Crashable, arm: Arm) -> None:
    bought = company.buy(company.agent())
    company.settle()
    token = {
        "id": f"intok_{uuid.uuid4().hex}", "object": "issuing.token", "card": bought["stripe_card"],
        "wallet_provider": "apple_pay",
    }  # fmt: skip
    arm()
    assert company.tell(company.made_up("issuing_token.created", token)) == 200
    company.until(lambda: alerts(company, token["id"]) == ["card_wallet_token"])
