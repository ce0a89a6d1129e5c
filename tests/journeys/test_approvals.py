"""A person decides: yes, no, too late; and what the owner and the agent end by hand."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from roony.cli.commands import app
from roony.core.action_required import ACTIONS
from roony.mcp_server.answers import next_step
from tests.support.served import Buyer, Simulation, unique, until

THRESHOLD = 10_000
PRICE = 12_000


@pytest.fixture
def careful(roony: Simulation) -> Buyer:
    """An agent whose purchases over 100.00 a person decides."""
    return roony.buyer(controls={"approval_threshold": THRESHOLD})


def waiting(buyer: Buyer) -> dict[str, Any]:
    """A purchase that waits for a person, with its hold."""
    purchase = buyer.ask(PRICE, unique("GitHub"))
    assert purchase["status"] == "awaiting_approval"
    assert purchase["decision"]["verdict"] == "needs_approval"
    assert purchase["decision"]["reasons"][0]["code"] == "APPROVAL_OVER_THRESHOLD"
    assert purchase["card"] is None
    assert buyer.standings()[:2] == [(PRICE, 0), (PRICE, 0)]
    return purchase


def decide(roony: Simulation, purchase: dict[str, Any], word: str, **body: Any) -> Any:
    """A person's click."""
    return roony.owner.send("POST", f"/api/v1/admin/approvals/{purchase['approval']['id']}/{word}", body)


def too_late(roony: Simulation, purchase: dict[str, Any]) -> None:
    """Every further click is refused and changes nothing."""
    before = roony.purchase(purchase["id"])
    for word in ("approve", "deny"):
        error = roony.owner.refused(409, "POST", f"/api/v1/admin/approvals/{purchase['approval']['id']}/{word}", {})
        assert error["code"] == "approval_closed"
    assert roony.purchase(purchase["id"]) == before


def told(careful: Buyer, purchase: dict[str, Any], action: str, note: str) -> None:
    """What the agent reads, at every door: that no person said yes, what they wrote, and what to do."""
    shown, words = careful.purchase(purchase["id"]), ACTIONS[action]
    assert shown["action_required"] == words._asdict()
    assert shown["approval"]["note"] == note
    assert next_step(shown, None) == f"{words.message} {words.next} Nothing is held."
    environment = {"ROONY_URL": careful.roony.url, "ROONY_AGENT_KEY": careful.key}
    printed = CliRunner().invoke(app, ["purchase", "show", purchase["id"]], env=environment)
    assert words.message in printed.stdout
    assert note in printed.stdout


def approval_status(roony: Simulation, purchase: dict[str, Any]) -> str:
    """As the owner sees it."""
    return str(roony.owner.get(f"/api/v1/admin/approvals/{purchase['approval']['id']}")["status"])


def test_a_yes_makes_the_card(roony: Simulation, careful: Buyer) -> None:
    """The answer to the person carries no numbers; the agent gets them for itself, and pays."""
    merchant = unique("GitHub")
    purchase = careful.ask(PRICE, merchant)
    shown = roony.owner.get(f"/api/v1/admin/approvals/{purchase['approval']['id']}")
    assert (shown["status"], shown["snapshot"]["amount"]) == ("pending", PRICE)
    answer = decide(roony, purchase, "approve", note="agreed")
    assert answer["status"] == "ready"
    assert not {"number", "cvc"} & set(answer["card"])
    too_late(roony, purchase)
    details = careful.api.send("POST", f"/api/v1/purchase_intents/{purchase['id']}/card", {"purpose": "pay"})
    assert details["number"][-4:] == answer["card"]["last4"]
    assert careful.standings()[:2] == [(PRICE, 0), (PRICE, 0)]
    assert roony.charge(roony.card_of(purchase["id"])["stripe_card_id"], PRICE, merchant).approved


def test_a_yes_may_be_for_less(roony: Simulation, careful: Buyer) -> None:
    """Hold and hard limit follow the amount that was approved."""
    purchase = waiting(careful)
    answer = decide(roony, purchase, "approve", amount=11_000)
    assert (answer["status"], answer["amount"], answer["card"]["hard_limit"]) == ("ready", 11_000, 11_000)
    assert careful.standings()[:2] == [(11_000, 0), (11_000, 0)]


def test_a_yes_that_the_rules_no_longer_allow_is_declined(roony: Simulation, careful: Buyer) -> None:
    """The rules are asked again at the moment of the click."""
    purchase = waiting(careful)
    controls = {"approval_threshold": THRESHOLD, "purchase_limit": 5_000}
    body = {"scope": "agent", "scope_id": careful.id, "controls": controls}
    roony.owner.send("PUT", "/api/v1/admin/controls", body)
    answer = decide(roony, purchase, "approve")
    assert answer["status"] == "declined"
    assert answer["decision"]["reasons"][0]["code"] == "OVER_PURCHASE_LIMIT"
    assert careful.standings()[:2] == [(0, 0), (0, 0)]


def test_a_no_declines_it(roony: Simulation, careful: Buyer) -> None:
    """The hold goes back; no card was made."""
    purchase = waiting(careful)
    assert (purchase["approval"]["status"], purchase["action_required"]) == ("pending", None)
    assert decide(roony, purchase, "deny", note="not now")["status"] == "declined"
    assert careful.standings()[:2] == [(0, 0), (0, 0)]
    told(careful, purchase, "approval_denied", "not now")
    too_late(roony, purchase)
    assert roony.stripe_cards(roony_purchase=purchase["id"]) == []


def test_nobody_decides_in_time(roony: Simulation, careful: Buyer) -> None:
    """By the clock: expired, the hold goes back, a late click is refused."""
    purchase = waiting(careful)
    roony.advance(30 * 60 + 1)
    too_late(roony, purchase)
    assert approval_status(roony, purchase) == "expired"
    assert careful.purchase(purchase["id"])["status"] == "expired"
    told(careful, purchase, "approval_expired", "Nobody decided in time.")
    assert careful.standings()[:2] == [(0, 0), (0, 0)]


def test_an_agent_that_waits_hears_of_the_yes(roony: Simulation, careful: Buyer) -> None:
    """GET with `wait` answers once there is something to tell."""
    purchase = waiting(careful)
    assert careful.purchase(purchase["id"])["status"] == "awaiting_approval"
    decide(roony, purchase, "approve")
    assert careful.purchase(purchase["id"], wait=10)["status"] == "ready"


def test_a_purchase_that_waits_can_be_canceled(roony: Simulation, careful: Buyer) -> None:
    """By its agent; the person's click comes too late then."""
    purchase = waiting(careful)
    path = f"/api/v1/purchase_intents/{purchase['id']}/cancel"
    assert careful.api.send("POST", path)["status"] == "canceled"
    assert careful.standings()[:2] == [(0, 0), (0, 0)]
    too_late(roony, purchase)
    # Asked again it is the same answer.
    assert careful.api.send("POST", path)["status"] == "canceled"


def test_the_owner_cancels_a_card(roony: Simulation, buyer: Buyer) -> None:
    """Canceled here at once, at Stripe right after, the hold free."""
    bought = buyer.buy(PRICE, unique("Figma"))
    card = roony.card_of(bought.id)
    assert roony.owner.send("POST", f"/api/v1/admin/cards/{card['id']}/cancel")["status"] == "canceled"
    assert roony.purchase(bought.id)["status"] == "canceled"
    assert buyer.standings()[:2] == [(0, 0), (0, 0)]
    until(lambda: roony.stripe.v1.issuing.cards.retrieve(bought.stripe_card).status, "canceled")


def test_a_purchase_that_was_paid_cannot_be_canceled(roony: Simulation, buyer: Buyer) -> None:
    """Its money is on its way."""
    merchant = unique("Figma")
    bought = buyer.buy(PRICE, merchant)
    assert roony.charge(bought.stripe_card, PRICE, merchant).approved
    error = buyer.api.refused(409, "POST", f"/api/v1/purchase_intents/{bought.id}/cancel")
    assert error["code"] == "not_cancelable"
    assert buyer.standings()[:2] == [(PRICE, 0), (PRICE, 0)]


def test_an_unused_card_expires(roony: Simulation) -> None:
    """Canceled at Stripe and its hold given back; one with an authorization open keeps its hold."""
    buyer = roony.buyer(controls={"card_ttl_seconds": 60})
    merchant = unique("Figma")
    unused, paid = buyer.buy(1_000, merchant), buyer.buy(2_000, merchant)
    assert roony.charge(paid.stripe_card, 2_000, merchant).approved
    roony.advance(61)
    until(lambda: roony.purchase(unused.id)["status"], "expired")
    until(lambda: roony.stripe.v1.issuing.cards.retrieve(unused.stripe_card).status, "canceled")
    assert roony.purchase(paid.id)["status"] == "authorized"
    assert buyer.standings()[:2] == [(2_000, 0), (2_000, 0)]


@pytest.mark.parametrize("scope", ["agent", "project", "organization"])
def test_freeze_and_unfreeze(roony: Simulation, buyer: Buyer, scope: str) -> None:
    """Nothing is asked for, decided or paid below a frozen scope; unfrozen, the card lives again."""
    merchant = unique("Figma")
    bought = buyer.buy(PRICE, merchant)
    ids = {"agent": buyer.id, "project": buyer.project_id, "organization": roony.organization_id}
    body = {"scope": scope, "scope_id": ids[scope]}
    assert roony.owner.send("POST", "/api/v1/admin/freeze", body)["changed"]
    try:
        assert not roony.owner.send("POST", "/api/v1/admin/freeze", body)["changed"]
        declined = buyer.ask(1_000, unique("Linear"))
        code = "ORGANIZATION_FROZEN" if scope == "organization" else "AGENT_SUSPENDED"
        assert (declined["status"], declined["decision"]["reasons"][0]["code"]) == ("declined", code)
        until(lambda: roony.stripe.v1.issuing.cards.retrieve(bought.stripe_card).status, "inactive")
        refused = roony.charge(bought.stripe_card, PRICE, merchant)
        assert (refused.approved, refused.request_history[0].reason) == (False, "card_inactive")
        assert buyer.standings()[:2] == [(PRICE, 0), (PRICE, 0)]
    finally:
        assert roony.owner.send("POST", "/api/v1/admin/unfreeze", body)["changed"]
    until(lambda: roony.stripe.v1.issuing.cards.retrieve(bought.stripe_card).status, "active")
    assert roony.charge(bought.stripe_card, PRICE, merchant).approved


def test_a_freeze_that_stripe_did_not_hear_does_not_outlive_its_end(roony: Simulation, buyer: Buyer) -> None:
    """The freeze is put off at Stripe, the unfreeze comes meanwhile: the card ends active on both sides."""
    merchant = unique("Figma")
    bought = buyer.buy(PRICE, merchant)
    body = {"scope": "agent", "scope_id": buyer.id}
    roony.control("faults", [{"endpoint": "POST /v1/issuing/cards/{card}", "kind": "rate_limit", "count": 1}])
    roony.owner.send("POST", "/api/v1/admin/freeze", body)
    until(lambda: [fault["count"] for fault in roony.control("faults")["faults"]], [0])
    roony.owner.send("POST", "/api/v1/admin/unfreeze", body)
    until(lambda: roony.card_of(bought.id)["status"], "active")
    # Everything that was put off is due after this.
    roony.advance(5)
    roony.advance(1)
    assert roony.stripe.v1.issuing.cards.retrieve(bought.stripe_card).status == "active"
    assert roony.charge(bought.stripe_card, PRICE, merchant).approved


def test_a_freeze_that_stripe_heard_without_saying_so_does_not_outlive_its_end(roony: Simulation, buyer: Buyer) -> None:
    """Stripe froze the card and the answer was lost; the unfreeze must still bring it back."""
    merchant = unique("Figma")
    bought = buyer.buy(PRICE, merchant)
    body = {"scope": "agent", "scope_id": buyer.id}
    roony.control("faults", [{"endpoint": "POST /v1/issuing/cards/{card}", "kind": "drop_after", "count": 1}])
    roony.owner.send("POST", "/api/v1/admin/freeze", body)
    until(lambda: roony.stripe.v1.issuing.cards.retrieve(bought.stripe_card).status, "inactive")
    roony.owner.send("POST", "/api/v1/admin/unfreeze", body)
    until(lambda: roony.card_of(bought.id)["status"], "active")
    roony.advance(5)
    roony.advance(1)
    assert roony.stripe.v1.issuing.cards.retrieve(bought.stripe_card).status == "active"
    assert roony.charge(bought.stripe_card, PRICE, merchant).approved
