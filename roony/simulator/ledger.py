"""The Issuing balance: holds, releases, purchases, disputes and top-ups as balance transactions (facts 3)."""

from __future__ import annotations

from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.world import World

_CATEGORIES = {
    "issuing_authorization_hold": "issuing_authorization_hold",
    "issuing_authorization_release": "issuing_authorization_release",
    "issuing_dispute": "issuing_dispute",
    "issuing_dispute_provisional_credit": "issuing_dispute",
    "issuing_dispute_provisional_credit_reversal": "issuing_dispute",
    "issuing_transaction": "issuing_transaction",
    "topup": "topup",
}


def available(world: World, account: str, currency: str) -> int:
    """Return what cards may still spend, in minor units, less what is being asked for at this moment."""
    record = world.accounts[account]
    amount: int = record["issuing"].get(currency, 0) - record["reserved"].get(currency, 0)
    return amount


def reserve(world: World, account: str, currency: str, amount: int) -> None:
    """Set an amount aside while an authorization is decided (negative gives it back); no entry is made."""
    reserved = world.accounts[account]["reserved"]
    reserved[currency] = reserved.get(currency, 0) + amount


def move(world: World, account: str, currency: str, amount: int, kind: str, source: str) -> Record:
    """Book one balance transaction: negative takes from the Issuing balance, positive adds to it."""
    owner = world.accounts[account]
    owner["issuing"][currency] = owner["issuing"].get(currency, 0) + amount
    world.accounts.touch(owner)
    identifier, now = new_id("txn"), world.clock.now()
    return world.balance_transactions.add(
        {
            "id": identifier,
            "account": account,
            "body": {
                "id": identifier,
                "object": "balance_transaction",
                "amount": amount,
                "available_on": now,
                "balance_type": "issuing",
                "created": now,
                "currency": currency,
                "description": None,
                "exchange_rate": None,
                "fee": 0,
                "fee_details": [],
                "net": amount,
                "reporting_category": _CATEGORIES[kind],
                "source": source,
                "status": "available",
                "type": kind,
            },
        }
    )


def hold(world: World, authorization: Record, target: int) -> None:
    """Bring the hold of an authorization to `target` minor units by one hold or release, if it differs."""
    change = target - authorization["held"]
    if change == 0:
        return
    kind = "issuing_authorization_hold" if change > 0 else "issuing_authorization_release"
    body = authorization["body"]
    moved = move(world, authorization["account"], body["currency"], -change, kind, authorization["id"])
    authorization["moves"].append(moved["id"])
    authorization["held"] = target
