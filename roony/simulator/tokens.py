"""Wallet tokens: a card's stand-in in Apple Pay, Google Pay or Samsung Pay, born with its first payment (facts 1.3)."""

from __future__ import annotations

from typing import Any

from roony.simulator.events import emit
from roony.simulator.identifiers import new_id, random_digits
from roony.simulator.records import Record
from roony.simulator.refusals import not_now
from roony.simulator.views import frozen, previous_attributes
from roony.simulator.world import World


def in_use(world: World, card: str, wallet: str | None) -> str | None:
    """Return the id of the token a card has in a wallet, or None; a deleted one is no longer there."""
    if wallet is None:
        return None
    found = world.tokens.newest_first("card", card)
    here = (token for token in found if token["body"]["wallet_provider"] == wallet)
    return next((token["id"] for token in here if token["body"]["status"] != "deleted"), None)


def suspended(world: World, token: str) -> bool:
    """Whether a token may not pay at present."""
    return bool(world.tokens[token]["body"]["status"] == "suspended")


def issue_if_new(world: World, authorization: Record) -> None:
    """Give an approved authorization by wallet its token, made and told now if the card has none there."""
    body = authorization["body"]
    if body["wallet"] is None or body["token"] is not None:
        return
    # Another payment may have brought it while this one was decided.
    body["token"] = in_use(world, authorization["card"], body["wallet"]) or _issue(world, authorization)


def _issue(world: World, authorization: Record) -> str:
    body = _body(world, authorization)
    world.tokens.add(
        {"id": body["id"], "account": authorization["account"], "card": authorization["card"], "body": body}
    )
    emit(world, authorization["account"], "issuing_token.created", body)
    return str(body["id"])


def change_status(world: World, token: Record, status: str) -> None:
    """Suspend, take up again or delete a token; deleted is for ever. Told by `issuing_token.updated`."""
    body = token["body"]
    if body["status"] == "deleted":
        raise not_now("This token is deleted: its status can no longer be changed.", "status")
    if body["status"] == status:
        return
    before = frozen(body)
    body.update(status=status, network_updated_at=world.clock.now())
    world.tokens.touch(token)
    emit(world, token["account"], "issuing_token.updated", body, previous_attributes(before, body))


def _body(world: World, authorization: Record) -> dict[str, Any]:
    now = world.clock.now()
    device = random_digits(24)
    return {
        "id": new_id("intok"),
        "object": "issuing.token",
        "card": authorization["card"],
        "created": now,
        "device_fingerprint": device,
        "last4": random_digits(4),
        "livemode": False,
        "network": "visa",
        "network_data": _network_data(world, authorization, device),
        "network_updated_at": now,
        "status": "active",
        "wallet_provider": authorization["body"]["wallet"],
    }


def _network_data(world: World, authorization: Record, device: str) -> dict[str, Any]:
    """Return what the network tells of a token: its numbers, a telephone as device, the wallet's advice."""
    holder = world.cardholders[authorization["cardholder"]]["body"]
    address = holder["billing"]["address"]
    return {
        "device": {
            "device_fingerprint": device,
            "ip_address": "192.0.2.1",
            "location": "+37.77/-122.41",
            "name": "Simulated phone",
            "phone_number": holder["phone_number"] or "+15550100000",
            "type": "phone",
        },
        "type": "visa",
        "visa": {
            "card_reference_id": random_digits(32),
            "token_reference_id": random_digits(32),
            "token_requestor_id": random_digits(11),
            "token_risk_score": "01",
        },
        "wallet_provider": {
            "account_id": new_id("wallet"),
            "account_trust_score": 5,
            "card_number_source": "app",
            "cardholder_address": {"line1": address["line1"], "postal_code": address["postal_code"]},
            "cardholder_name": holder["name"],
            "device_trust_score": 5,
            "hashed_account_email_address": random_digits(64),
            "reason_codes": ["good_activity_history"],
            "suggested_decision": "approve",
            "suggested_decision_version": "1",
        },
    }
