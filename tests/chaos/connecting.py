"""Scenes of an account that is restricted for a while, checked, and confirmed by its owner."""

from __future__ import annotations

import uuid
from typing import Any

from tests.chaos.scenes import Arm, connections, scene, status_at_stripe
from tests.support.crashing import ADMIN, Crashable


def standing_connection(company: Crashable) -> dict[str, Any]:
    """The company's connection that is active or restricted."""
    [found] = [row for row in connections(company) if row["status"] in ("active", "restricted")]
    return found


def until_connection(company: Crashable, status: str) -> None:
    """Waits for the connection to be in that state."""
    company.until(lambda: bool(standing_connection(company)["status"] == status))


@scene("direct", "RestrictConnection", "PromiseCheck", "RecordAccount", "try_permissions")
def a_permission_is_missing_for_a_while(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought, kept = company.buy(agent), company.buy(agent, 4_000)
    company.settle()
    company.control("faults", [{"endpoint": "POST /v1/issuing/cards/{card}", "kind": "forbidden"}])
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/purchases/{bought['id']}/cancel")
    until_connection(company, "restricted")
    refused = company.network().create({"card": kept["stripe_card"], "amount": 4_000})
    assert not refused.approved
    company.control("faults", [])
    hint = company.made_up("capability.updated", {"id": "card_issuing", "object": "capability"})
    assert company.tell({**hint, "id": f"evt_{uuid.uuid4().hex}"}) == 200
    until_connection(company, "active")
    company.until(lambda: status_at_stripe(company, bought["stripe_card"]) == "canceled")
    assert status_at_stripe(company, kept["stripe_card"]) == "active"


@scene("direct", "ConfirmConnection")
def the_owner_confirms_the_settings_at_stripe(company: Crashable, arm: Arm) -> None:
    id = standing_connection(company)["id"]
    arm()
    body = {"realtime_url": True, "timeout_declines": True, "other_cards": "decline"}
    company.send(company.owner, "POST", f"{ADMIN}/connections/{id}/confirm", body)
    found = company.get(f"connections/{id}")["confirmations"]
    assert [found[name]["value"] for name in body] == ["yes", "yes", "decline"]


@scene(
    "direct", "RecordPreflight", "RecordBalance", "list_webhook_endpoints", "issuing_balance", "machine.takes_writes"
)
def an_account_is_looked_at(company: Crashable, arm: Arm) -> None:
    company.buy(company.agent())
    id = standing_connection(company)["id"]
    arm()
    found = company.get(f"connections/{id}/preflight")
    looked = company.get("doctor")["checks"]
    assert {check["id"]: check["status"] for check in looked}["database"] == "ok"
    assert {check["id"]: check["status"] for check in found["checks"]}["cardholder"] == "ok"
    assert company.get(f"connections/{id}")["preflight"]["checks"] == found["checks"]


@scene(
    "direct", "PromiseWebhooks", "RecordWebhook", "create_webhook_endpoint", "update_webhook_endpoint",
    "delete_webhook_endpoint",
)  # fmt: skip
def the_accounts_own_endpoint_is_made_mended_and_rolled(company: Crashable, arm: Arm) -> None:
    id = standing_connection(company)["id"]
    stripes = company.stripe().v1.webhook_endpoints

    def there() -> list[Any]:
        return [one for one in stripes.list().data if one.metadata.to_dict().get("roony_connection") == id]

    def set_up(roll: bool, old: str | None = None) -> str:
        """Asks until the one endpoint at Stripe is the one whose secret is known, and in line."""

        def is_set_up() -> bool:
            company.insist_on_nothing(
                lambda: company.owner.call("POST", f"{ADMIN}/connections/{id}/setup_webhooks", {"roll": roll})
            )
            company.settle()
            rows = company.get(f"connections/{id}")["webhook_endpoints"]
            known = [one["id"] for one in rows if one["secret_until"] is None]
            found = [one.id for one in there() if one.status == "enabled"]
            return found == known and len(known) == 1 and known[0] != old

        company.until(is_set_up)
        return str(there()[0].id)

    arm()
    first = set_up(roll=False)
    stripes.update(first, {"disabled": True})
    assert set_up(roll=False) == first
    second = set_up(roll=True, old=first)
    stripes.delete(second)


@scene("direct", "PromiseProbe", "create_test_authorization", "reverse_test_authorization")
def one_test_authorization_is_made_to_look(company: Crashable, arm: Arm) -> None:
    """Payments with other cards are approved for once, so that there is something to give back."""
    company.buy(company.agent())
    id = standing_connection(company)["id"]
    company.send(company.owner, "PATCH", f"{ADMIN}/organization", {"unknown_cards": "approve"})
    findings = len(company.get("discrepancies", limit=100)["data"])
    arm()
    company.insist_on_nothing(lambda: company.owner.call("POST", f"{ADMIN}/connections/{id}/probe", {}))

    def left() -> list[str]:
        cards = [one for one in company.control("state")["cards"] if "roony_probe" in one["metadata"]]
        return [one["id"] for one in cards if one["status"] != "canceled"]

    company.until(lambda: not left())
    company.settle()
    company.send(company.owner, "PATCH", f"{ADMIN}/organization", {"unknown_cards": "decline"})
    assert len(company.get("discrepancies", limit=100)["data"]) == findings


@scene("direct", "capture_test_authorization")
def a_test_purchase_is_charged_once(company: Crashable, arm: Arm) -> None:
    """Asked for again after each death, the merchant takes the money once."""
    agent = company.agent()
    asked = company.send(company.owner, "POST", f"{ADMIN}/agents/{agent.agent_id}/test_purchase", {})  # type: ignore[attr-defined]
    purchase = company.until_status(asked["id"], "ready")
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/purchases/{purchase['id']}/test_payment", {})
    assert company.until_status(purchase["id"], "settled")["captured_amount"] == purchase["amount"]
    company.settle()
    booked = company.get("stripe_transactions", purchase_id=purchase["id"])["data"]
    assert [row["amount"] for row in booked] == [purchase["amount"]]
