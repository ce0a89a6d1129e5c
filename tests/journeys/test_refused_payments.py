"""A payment that is refused tells the agent why and what to do, at every door, until one passes."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from roony.cli.commands import app
from roony.client import Roony
from roony.core.action_required import ACTIONS
from roony.mcp_server.answers import purchase as tool_answer
from tests.support.served import Bought, Buyer, Simulation, unique


def code(buyer: Buyer, bought: Bought) -> str | None:
    action = buyer.purchase(bought.id)["action_required"]
    return action["code"] if action else None


REFUSALS: list[tuple[str, int, dict[str, Any]]] = [
    ("merchant_mismatch", 5_000, {"merchant_data": {"name": "QUICK GIFT CARDS"}}),
    ("over_card_limit", 5_001, {}),
    ("three_d_secure_required", 5_000, {"verification_data": {"three_d_secure": {"result": "failed"}}}),
    ("card_details_wrong", 5_000, {"verification_data": {"cvc_check": "mismatch"}}),
]


@pytest.mark.parametrize(("expected", "amount", "changes"), REFUSALS, ids=[refusal[0] for refusal in REFUSALS])
def test_it_is_told_until_a_payment_passes(
    roony: Simulation, buyer: Buyer, expected: str, amount: int, changes: dict[str, Any]
) -> None:
    """REST, its list, client, command and tool say the same; an approval ends it."""
    merchant = unique("Figma")
    bought = buyer.buy(5_000, merchant)
    assert bought.answer["action_required"] is None
    assert not roony.charge(bought.stripe_card, amount, merchant, **changes).approved
    roony.settle()
    words = ACTIONS[expected]._asdict()
    shown = buyer.purchase(bought.id)
    assert shown["action_required"] == words
    assert [row["action_required"] for row in buyer.api.get("/api/v1/purchase_intents")["data"]] == [words]
    with Roony(roony.url, buyer.key) as client:
        assert client.get_purchase(bought.id)["action_required"] == words
    answer = tool_answer(shown)
    assert answer.action_required is not None
    assert (answer.action_required.code, words["next"] in answer.next_step) == (expected, True)
    environment = {"ROONY_URL": roony.url, "ROONY_AGENT_KEY": buyer.key}
    printed = CliRunner().invoke(app, ["purchase", "show", bought.id], env=environment)
    assert (printed.exit_code, words["message"] in printed.stdout) == (0, True), printed.output

    assert roony.charge(bought.stripe_card, 5_000, merchant).approved
    assert code(buyer, bought) is None
    roony.settle()
    assert code(buyer, bought) is None


def test_our_answer_is_told_before_stripe_confirms_it(roony: Simulation, buyer: Buyer) -> None:
    """The events of the authorization come later; another agent's refusal is not mixed in."""
    merchant = unique("Figma")
    bought, other = buyer.buy(5_000, merchant), buyer.buy(6_000, merchant)
    wrong = {"name": "QUICK GIFT CARDS"}
    request = roony.request_event(bought.stripe_card, 5_000, merchant, merchant_data=wrong)
    assert not roony.post(request).approved
    assert (code(buyer, bought), code(buyer, other)) == ("merchant_mismatch", None)


def test_a_mandate_paid_again_too_early(roony: Simulation, buyer: Buyer) -> None:
    """Once it is over nothing is to be done."""
    merchant = unique("Figma")
    bought = buyer.buy(5_000, merchant, recurring={"interval": "month", "payments": 3})
    paid = roony.charge(bought.stripe_card, 5_000, merchant)
    roony.stripe.v1.test_helpers.issuing.authorizations.capture(paid.id)
    roony.settle()
    assert code(buyer, bought) is None
    assert not roony.charge(bought.stripe_card, 5_000, merchant).approved
    roony.settle()
    assert code(buyer, bought) == "renewal_too_early"
    buyer.api.send("POST", f"/api/v1/purchase_intents/{bought.id}/cancel")
    assert code(buyer, bought) is None
