"""Scenes about single cards: frozen, warned of by Stripe, put into a wallet, made in the name of somebody else."""

from __future__ import annotations

import uuid

from roony.core.cardholder import Cardholder
from roony.flows.cardholder_choice import SEE_TO
from roony.store.outbox import new_promise
from roony.store.rows import OutboxPromise
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


NAMED = {"name": "Anna Buys", "phone_number": "+12025550123", "billing": {"address": {
    "line1": "1 Main Street", "city": "Springfield", "postal_code": "62701", "country": "US"}}}  # fmt: skip


@scene(
    "direct", "SetCardholder", "WantCardholder", "NoteCardholder", "update_cardholder", "retrieve_cardholder",
    "BookCardholder", "RemoveCardholder",
)  # fmt: skip
def an_agent_has_a_cardholder_of_its_own(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    where = {"scope": "agent", "scope_id": agent.agent_id}  # type: ignore[attr-defined]
    arm()
    company.send(company.owner, "PUT", f"{ADMIN}/cardholders", {**where, "cardholder": NAMED})
    bought = company.buy(agent)
    made = company.stripe().v1.issuing.cards.retrieve(bought["stripe_card"]).cardholder
    assert made.name == "Anna Buys"
    company.send(
        company.owner, "PUT", f"{ADMIN}/cardholders", {**where, "cardholder": {**NAMED, "phone_number": "+12025550199"}}
    )

    def phone() -> str | None:
        return company.stripe().v1.issuing.cardholders.retrieve(made.id).phone_number

    company.until(lambda: phone() == "+12025550199")
    company.control(f"cardholders/{made.id}", {"past_due": ["individual.verification.document"]})
    company.until(lambda: alerts(company, made.id) == ["cardholder_requirements"])
    company.control(f"cardholders/{made.id}", {"past_due": []})
    company.until(lambda: not alerts(company, made.id))
    [row] = [row for row in company.books.rows(Cardholder) if row.stripe_cardholder_id == made.id]
    look = new_promise(row.organization_id, f"out_{uuid.uuid4().hex}", SEE_TO, row.subject, {}, row.updated_at)
    company.put(look)
    company.until(lambda: company.books.rows(OutboxPromise, id=look.id)[0].status == "done")
    company.send(company.owner, "DELETE", f"{ADMIN}/cardholders/{where['scope_id']}")
    other = company.buy(agent)
    assert company.stripe().v1.issuing.cards.retrieve(other["stripe_card"]).cardholder.id != made.id
