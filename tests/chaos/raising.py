"""Scenes about a price raised before the card is used."""

from __future__ import annotations

import uuid
from typing import Any

from tests.chaos.scenes import PRICE, Arm, controlled, scene, standing
from tests.support.crashing import ADMIN, ASK, Crashable
from tests.support.serving import Caller

TO = PRICE + 1_000


def lift(company: Crashable, agent: Caller, id: str) -> Any:
    """Asks until there is an answer, as an agent does that got none."""
    return company.insist(lambda: agent.call("POST", f"{ASK}/{id}/raise", {"amount": TO})).json()


def limit_of(company: Crashable, stripe_card: str) -> int:
    """The limit Stripe has."""
    card = company.stripe().v1.issuing.cards.retrieve(stripe_card).to_dict()
    return int(card["spending_controls"]["spending_limits"][0]["amount"])


@scene("direct", "RaisePurchase", "update_card_controls", "RecordRaise")
def a_price_is_raised_and_paid(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent)
    arm()
    lift(company, agent, bought["id"])
    company.until(lambda: limit_of(company, bought["stripe_card"]) == TO)
    company.settle()
    purchase = company.get(f"purchases/{bought['id']}")
    assert (purchase["amount"], purchase["card"]["hard_limit"]) == (TO, TO)
    assert standing(company, agent) == (TO, 0)
    assert company.pay(bought, TO).approved


@scene("direct", "ApproveRaise")
def two_people_say_yes_to_a_higher_price(company: Crashable, arm: Arm) -> None:
    """Killed at the first yes, which is written down or not; said again, it is still one of two."""
    agent = controlled(company, approval_threshold=PRICE, second_approval_threshold=PRICE)
    bought = company.buy(agent)
    asked = lift(company, agent, bought["id"])
    path = f"{ADMIN}/approvals/{asked['approval']['id']}"
    people = [approver(company) for _ in range(2)]
    arm()
    first = company.insist(lambda: people[0].call("POST", f"{path}/approve", {"note": "fine"}))
    assert first.status_code == 200 or first.json()["error"]["code"] == "second_person_needed"
    assert company.get(f"approvals/{asked['approval']['id']}")["status"] == "partly_approved"
    last = company.insist(lambda: people[1].call("POST", f"{path}/approve", {"note": "fine"}))
    assert last.status_code == 200 or last.json()["error"]["code"] == "approval_closed"
    company.until(lambda: limit_of(company, bought["stripe_card"]) == TO)
    company.settle()
    assert standing(company, agent) == (TO, 0)


def approver(company: Crashable) -> Caller:
    """A person who may decide, with a key of their own."""
    body = {"name": "Ann", "email": f"{uuid.uuid4().hex}@example.com", "role": "approver"}
    user = company.send(company.owner, "POST", f"{ADMIN}/users", body)
    return company.caller(
        company.send(company.owner, "POST", f"{ADMIN}/users/{user['id']}/keys", {"name": "phone"})["key"]
    )


@scene("direct", "GiveBackRaise")
def a_raised_card_was_ended_at_stripe(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent)
    company.settle()
    company.control("delivery", {"lose": 1})
    company.stripe().v1.issuing.cards.update(bought["stripe_card"], {"status": "canceled"})
    company.control("delivery", {})
    arm()
    lift(company, agent, bought["id"])
    company.settle()
    assert company.get(f"purchases/{bought['id']}")["amount"] == PRICE
    assert standing(company, agent) == (PRICE, 0)
    company.send(company.owner, "POST", f"{ADMIN}/purchases/{bought['id']}/cancel")
    company.until_status(bought["id"], "canceled")
    company.settle()
