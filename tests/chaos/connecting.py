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
