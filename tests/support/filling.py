"""An organization in which much has happened, for looking at every page of the dashboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.served import SOFTWARE, Bought, Buyer, Simulation

ADMIN = "/api/v1/admin"
MONTH = [
    {"period": "month", "limit": 400_000, "currency": "usd"},
    {"period": "day", "limit": 300_000, "currency": "usd"},
]
# Merchant, price, and how far it went.
BOUGHT = (
    ("Figma", 4_500, "settled"), ("Linear", 12_800, "settled"), ("Notion", 9_600, "refunded"),
    ("Vercel", 24_000, "settled"), ("Datadog", 31_000, "authorized"), ("Miro", 7_200, "ready"),
)  # fmt: skip


def fill(roony: Simulation, said: Callable[[str], str] = str) -> dict[str, str]:
    """Agents, purchases of every kind, receipts, findings and who is told; `said` turns each text into what is sent.

    Returns what some of these texts were sent as, by what they are.
    """
    owner = roony.owner
    texts = {
        "project": said("Research"), "agent": said("Research assistant"), "agent description": said("Buys software"),
        "description": said("One seat for a month"), "task": said("summer-report"), "network name": said("GIFT CARDS"),
        "metadata": said("order 1187"), "receipt": said("Paid 45.00"), "note": said("The shop has another name"),
        "user": said("Vera Viewer"), "recipient": said("Finance"), "metadata name": said("order")[:40],
        "address": f"https://shop.example/{said('seats')}".replace(" ", "%20"), "network id": said("4512")[:64],
        "purpose": said("To pay by hand"), "idempotency key": said("July"),
    }  # fmt: skip
    project = owner.send("POST", f"{ADMIN}/projects", {"name": texts["project"]}, 201)["id"]
    buyer = roony.buyer(
        project, name=texts["agent"], description=texts["agent description"], budgets=MONTH,
        controls={"purchase_limit": 60_000, "approval_threshold": 35_000, "merchant_lock": "monitor"},
    )  # fmt: skip
    more = {
        "description": texts["description"], "task_id": texts["task"],
        "metadata": {texts["metadata name"]: texts["metadata"]},
    }  # fmt: skip
    for name, amount, state in BOUGHT:
        _play(roony, buyer.buy(amount, said(name), **more), said(name), amount, state)
    strange = buyer.buy(5_000, said("Slack"), **more)
    _play(roony, strange, texts["network name"], 5_000, "settled")
    receipt = buyer.api.call(
        "POST", f"/api/v1/purchase_intents/{strange.id}/receipt", content=texts["receipt"].encode(),
        headers={"Content-Type": "text/plain"},
    )  # fmt: skip
    assert receipt.status_code == 201, receipt.text
    for amount in (64_000, 71_000):
        assert buyer.ask(amount, said("Big Data Set"), **more)["status"] == "declined"
    for name in ("GitHub", "OpenAI"):
        assert buyer.ask(40_000, said(name), **more)["status"] == "awaiting_approval"
    shop = {"url": texts["address"], "network_id": texts["network id"]}
    _settle_findings(roony, buyer, texts, said("Airtable"), {**more, "shop": shop})
    owner.send(
        "POST", f"{ADMIN}/users", {"name": texts["user"], "email": f"{buyer.id}@example.com", "role": "viewer"}, 201
    )  # fmt: skip
    owner.send("POST", f"{ADMIN}/webhook_endpoints", {"url": "http://127.0.0.1:9/hook"}, 201)
    owner.send("POST", f"{ADMIN}/message_recipients", {"name": texts["recipient"], "url": "mmost://127.0.0.1/a/b"}, 201)
    return texts


def _play(roony: Simulation, bought: Bought, name: str, amount: int, state: str) -> None:
    """What the merchant does with the card of a purchase."""
    if state == "ready":
        return
    helpers = roony.stripe.v1.test_helpers.issuing
    paid: Any = roony.charge(bought.stripe_card, amount, name, merchant_data=SOFTWARE)
    assert paid.approved, paid.request_history
    if state == "authorized":
        return
    captured = helpers.authorizations.capture(paid.id)
    if state == "refunded":
        helpers.transactions.refund(captured.transactions[-1].id, {"refund_amount": amount // 3})


def _settle_findings(
    roony: Simulation, buyer: Buyer, texts: dict[str, str], merchant: str, more: dict[str, Any]
) -> None:
    """One finding is resolved with a note, one stays open, and so does a purchase that somebody denied."""
    roony.settle()
    findings = roony.owner.get(f"{ADMIN}/discrepancies", params={"status": "open", "kind": "merchant_mismatch"})["data"]
    assert findings
    other = buyer.buy(6_000, merchant, **more)
    link = {"delivery": "reveal", "purpose": texts["purpose"]}
    buyer.api.send("POST", f"/api/v1/purchase_intents/{other.id}/card", link)
    _play(roony, other, texts["network name"], 6_000, "authorized")
    roony.owner.send("POST", f"{ADMIN}/discrepancies/{findings[0]['id']}/resolve", {"note": texts["note"]})
    denied = buyer.ask(41_000, merchant, texts["idempotency key"], **more)
    roony.owner.send("POST", f"{ADMIN}/approvals/{denied['approval']['id']}/deny", {"note": texts["note"]})
    roony.settle()
