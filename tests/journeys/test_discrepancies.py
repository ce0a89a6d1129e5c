"""Every kind of finding, produced by what Stripe and the network really do, seen and settled by API and CLI."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roony.cli.commands import app
from roony.core.settlement import DISCREPANCY_KINDS
from tests.support.payer import Payer
from tests.support.served import Simulation, event, unique, until
from tests.support.simulator import new_card

DISCREPANCIES = "/api/v1/admin/discrepancies"
MONITOR = {"merchant_lock": "monitor"}
SOFTWARE_ONLY = {"allowed_categories": ["software"]}
US_ONLY = {"allowed_countries": ["US"]}
ALONE = "next network_fallback"

# Kind, controls, and the steps that lead to it. The finding is about the purchase of the steps.
BY_STEPS: list[tuple[str, dict[str, Any], str]] = [
    ("merchant_mismatch", MONITOR, "pay 5000 name=QUICK_GIFT_CARDS"),
    ("category_mismatch", SOFTWARE_ONLY, f"{ALONE}, pay 5000 category=bakeries"),
    ("country_mismatch", US_ONLY, f"{ALONE}, pay 5000 country=FR"),
    ("currency_mismatch", {}, f"{ALONE}, pay 4000 currency=eur"),
    ("over_capture", {}, "pay 5000, capture 6000"),
    ("extra_capture", {}, "pay 4000, capture, capture 700"),
    ("late_capture", {}, "pay 5000, expire, capture 5000"),
    ("force_capture", {}, "force 2000"),
    ("approved_without_roony", {}, "unreached approve 5000"),
    ("answer_not_honoured", {}, "overruled decline 5000"),
    ("unmatched_refund", {}, "pay 5000, capture 3000, refund 3000, unlinked 2000"),
]


KINDS = [*(kind for kind, _, _ in BY_STEPS), "unknown_card", "missing_at_stripe", "missing_here", "card_left_open"]


@pytest.fixture(scope="module")
def findings(roony: Simulation) -> dict[str, dict[str, Any]]:
    """One finding of each kind, as the API tells it."""
    found = {kind: by_steps(roony, kind, controls, steps) for kind, controls, steps in BY_STEPS}
    found["unknown_card"] = unknown_card(roony)
    found |= missing(roony)
    # The last one, since nothing can be bought after it.
    found["card_left_open"] = card_left_open(roony)
    return found


def listed(roony: Simulation, **where: str) -> list[dict[str, Any]]:
    """Findings as the API lists them."""
    return list(roony.owner.get(DISCREPANCIES, params=where)["data"])


def by_steps(roony: Simulation, kind: str, controls: dict[str, Any], steps: str) -> dict[str, Any]:
    """What the steps lead to."""
    payer = Payer(roony, controls)
    payer.play(steps)
    until(lambda: len(listed(roony, kind=kind, purchase_id=payer.bought.id)), 1)
    [row] = listed(roony, kind=kind, purchase_id=payer.bought.id)
    return row


def unknown_card(roony: Simulation) -> dict[str, Any]:
    """A card that somebody else made in the same account is used."""
    card = new_card(roony.stripe)
    declined = roony.charge(card.id, 700, unique("Figma"))
    told = {"object_id": declined.id, "type": "issuing_authorization.created"}
    until(lambda: len(roony.owner.get("/api/v1/admin/events", params=told)["data"]), 1)
    roony.advance(61)
    until(lambda: [row["subject"] for row in listed(roony, kind="unknown_card")], [card.id])
    return listed(roony, kind="unknown_card")[0]


def missing(roony: Simulation) -> dict[str, dict[str, Any]]:
    """What only a comparison with all that Stripe has can find: a capture it never heard of, a card we never made.

    Both are what a company sees that has put back an old copy of its database, or a wrong one.
    """
    payer = Payer(roony, {})
    payer.play("pay 5000, capture 4000")
    captured = roony.stripe.v1.issuing.transactions.retrieve(payer.transactions[-1]).to_dict()
    strange = {**captured, "id": "ipi_strange", "amount": -500, "merchant_amount": -500}
    assert roony.post(event(roony.account, "issuing_transaction.created", strange, roony.now())).status == 200
    [connection] = roony.owner.get("/api/v1/admin/connections")["data"]
    ours = {"roony_organization": roony.organization_id, "roony_purchase": "pur_lost", "roony_card": "crd_lost"}
    card = new_card(roony.stripe, connection["stripe_cardholder_id"], metadata=ours)
    roony.advance(3_600)
    compared = run(roony, "reconcile", "--since", "2h")
    assert (compared.exit_code, "2 differences" in compared.stdout) == (1, True), compared.output
    found = {row["kind"]: row for row in listed(roony) if row["subject"] in ("ipi_strange", card.id)}
    return {kind: found[kind] for kind in ("missing_at_stripe", "missing_here")}


def card_left_open(roony: Simulation) -> dict[str, Any]:
    """The business ends the access while a card is open: Roony can no longer cancel it."""
    bought = roony.buyer().buy(5_000, unique("Figma"))
    roony.control(f"accounts/{roony.account}/disconnect", {})
    until(lambda: len(listed(roony, kind="card_left_open", purchase_id=bought.id)), 1)
    return listed(roony, kind="card_left_open", purchase_id=bought.id)[0]


def run(roony: Simulation, *words: str) -> Result:
    """A command of the owner's."""
    environment = {"ROONY_URL": roony.url, "ROONY_ADMIN_KEY": roony.ready["admin_key"]}
    return CliRunner().invoke(app, list(words), env=environment)


def test_no_kind_is_left_out() -> None:
    """What the code can find is found by a test."""
    assert sorted(KINDS) == sorted(DISCREPANCY_KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_finding_is_listed_and_resolved_with_a_note(
    kind: str, roony: Simulation, findings: dict[str, dict[str, Any]]
) -> None:
    """By API and CLI: in the list of its kind, open; resolved once, with who and why; audited."""
    row = findings[kind]
    assert (row["kind"], row["status"], row["note"]) == (kind, "open", None)
    shown = run(roony, "discrepancy", "list", "--kind", kind)
    assert row["id"] in shown.stdout, shown.output
    assert " usd" not in shown.stdout + run(roony, "discrepancy", "show", row["id"]).stdout
    assert json.loads(run(roony, "discrepancy", "show", row["id"], "--json").stdout) == row
    if row["purchase_id"]:
        of_purchase = run(roony, "discrepancy", "list", "--purchase", row["purchase_id"], "--json")
        assert row["id"] in [one["id"] for one in json.loads(of_purchase.stdout)["data"]]

    assert run(roony, "discrepancy", "resolve", row["id"], "--note", " ").exit_code == 2
    resolved = run(roony, "discrepancy", "resolve", row["id"], "--note", f"Looked at: {kind}", "--json")
    assert resolved.exit_code == 0, resolved.output
    after = json.loads(resolved.stdout)
    assert (after["status"], after["note"]) == ("resolved", f"Looked at: {kind}")
    assert after["resolved_by"].startswith("key_")
    assert after["resolved_at"]
    again = run(roony, "discrepancy", "resolve", row["id"], "--note", "again")
    assert (again.exit_code, "before" in again.stderr) == (1, True)

    assert row["id"] not in [one["id"] for one in listed(roony, kind=kind, status="open")]
    assert after in listed(roony, kind=kind, status="resolved")
    [record] = roony.owner.get("/api/v1/admin/audit", params={"subject": row["id"], "action": "discrepancy.resolved"})[
        "data"
    ]
    assert record["body"]["note"] == f"Looked at: {kind}"
