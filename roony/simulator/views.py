"""How kept records look from outside: Stripe's objects, with what belongs inside them put in."""

from __future__ import annotations

import json
from typing import Any

from roony.simulator.records import Record
from roony.simulator.world import World

View = dict[str, Any]


def card_view(world: World, record: Record) -> View:
    """Return a card with its cardholder inlined, never with number or cvc (facts 1.3, 1.6)."""
    return {**record["body"], "cardholder": world.cardholders[record["cardholder"]]["body"]}


def authorization_view(world: World, record: Record) -> View:
    """Return an authorization with its card, transactions and balance moves inlined (facts 2.4)."""
    moves = [world.balance_transactions[identifier]["body"] for identifier in record["moves"]]
    transactions = [world.transactions[identifier]["body"] for identifier in record["transactions"]]
    return {
        **record["body"],
        "balance_transactions": moves,
        "card": card_view(world, world.cards[record["card"]]),
        "transactions": transactions,
    }


def dispute_view(world: World, record: Record) -> View:
    """Return a dispute with its balance moves inlined (facts 3.4)."""
    moves = [world.balance_transactions[identifier]["body"] for identifier in record["moves"]]
    return {**record["body"], "balance_transactions": moves}


def body_view(_world: World, record: Record) -> View:
    """Return an object that is kept exactly as it is shown."""
    body: View = record["body"]
    return body


def endpoint_view(_world: World, record: Record) -> View:
    """Return a webhook endpoint without its secret, which only creation shows (facts 5)."""
    return {key: value for key, value in record["body"].items() if key != "secret"}


def balance_view(account: Record) -> View:
    """Return an account's balance; `issuing.available` is what cards may spend (facts 3.3)."""
    currency = account["body"]["default_currency"]
    issuing = account["issuing"] or {currency: 0}
    empty = [{"amount": 0, "currency": currency, "source_types": {"card": 0}}]
    return {
        "object": "balance",
        "available": empty,
        "issuing": {
            "available": [
                {"amount": amount, "currency": code, "source_types": {"card": amount}}
                for code, amount in sorted(issuing.items())
            ]
        },
        "livemode": False,
        "pending": empty,
    }


def frozen(view: View) -> View:
    """Return a copy that later changes of the record do not reach."""
    copied: View = json.loads(json.dumps(view))
    return copied


def previous_attributes(before: View, after: View) -> View:
    """Return the old values of what changed, as `data.previous_attributes` of an update event."""
    changed: View = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            changed[key] = previous_attributes(old, new)
        else:
            changed[key] = old
    return changed
