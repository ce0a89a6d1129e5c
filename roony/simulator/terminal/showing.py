"""What the terminal shows: accounts, cards, recent purchases and what was sent to webhook endpoints."""

from __future__ import annotations

from itertools import islice
from typing import Any

from roony.simulator.asking import Asking
from roony.simulator.categories import CODES
from roony.simulator.events import REQUEST, event_view
from roony.simulator.exchange import currencies, digits_of
from roony.simulator.records import Record
from roony.simulator.refusals import no_such
from roony.simulator.terminal.sentences import reason_in_words
from roony.simulator.terminal.shops import SHOPS
from roony.simulator.views import authorization_view
from roony.simulator.world import World

MOST_ACCOUNTS = 50
MOST_CARDS = 200
MOST_PURCHASES = 30
MOST_SENDINGS = 60


def setup() -> dict[str, Any]:
    """Return what never changes: categories, currencies with their digits, ready-made merchants."""
    return {
        "categories": [{"name": name, "code": code} for name, code in CODES.items()],
        "currencies": {code: digits_of(code) for code in currencies()},
        "merchants": list(SHOPS),
    }


def overview(world: World, asking: Asking, account: str | None) -> dict[str, Any]:
    """Return what changes, newest first; purchases of one account if one is named."""
    if account is not None and world.accounts.get(account) is None:
        raise no_such("account", account, "account")
    accounts = [world.accounts[world.platform]]
    accounts += [
        one for one in world.accounts.newest_first("every", None) if one["id"] != world.platform and not one["deleted"]
    ]
    return {
        "now": world.clock.now(),
        "offset": world.clock.offset // 1_000_000,
        "accounts": [_account(world, asking, one) for one in accounts[:MOST_ACCOUNTS]],
        "cards": _cards(world, [one["id"] for one in accounts]),
        "purchases": _purchases(world, [account] if account else [one["id"] for one in accounts]),
        "sendings": _sendings(world, account),
        "endpoints": len(world.endpoints),
    }


def _account(world: World, asking: Asking, record: Record) -> dict[str, Any]:
    return {
        "id": record["id"],
        "name": _name(record),
        "platform": record["id"] == world.platform,
        "connected": record["connected"],
        "installed": bool(record.get("installed")),
        "asked": asking.wanted(record["id"]),
        "timeout_action": record["timeout_action"],
        "balance": [{"amount": amount, "currency": code} for code, amount in sorted(record["issuing"].items())],
    }


def _name(account: Record) -> str:
    return str((account["body"]["business_profile"] or {}).get("name") or account["id"])


def _cards(world: World, accounts: list[str]) -> list[dict[str, Any]]:
    newest = (card for account in accounts for card in islice(world.cards.newest_first("account", account), MOST_CARDS))
    chosen = sorted(newest, key=lambda card: int(card["order"]), reverse=True)[:MOST_CARDS]
    return [card_line(world, card) for card in chosen]


def card_line(world: World, card: Record) -> dict[str, Any]:
    """Return what a person needs to recognize a card; never its number."""
    body = card["body"]
    return {
        "id": card["id"],
        "account": card["account"],
        "account_name": _name(world.accounts[card["account"]]),
        "last4": body["last4"],
        "cardholder": world.cardholders[card["cardholder"]]["body"]["name"],
        "status": body["status"],
        "type": body["type"],
        "currency": body["currency"],
    }


def _purchases(world: World, accounts: list[str]) -> list[dict[str, Any]]:
    """Return authorizations, and the transactions that belong to none, by the time they were made."""
    found = []
    for account in accounts:
        asked = islice(world.authorizations.newest_first("account", account), MOST_PURCHASES)
        found += [purchase(world, record) for record in asked]
        unasked = (one for one in world.transactions.newest_first("account", account) if not one["authorization"])
        found += [_unasked(world, record) for record in islice(unasked, MOST_PURCHASES)]
    found.sort(key=lambda one: (one["created"], one["order"]), reverse=True)
    return found[:MOST_PURCHASES]


def purchase(world: World, record: Record) -> dict[str, Any]:
    """Return one authorization as a line of the list, with the steps the merchant can take next."""
    body = authorization_view(world, record)
    history = [
        {key: entry[key] for key in ("approved", "amount", "reason")} | {"sentence": reason_in_words(entry)}
        for entry in body["request_history"]
    ]
    settled = [_settled(world.transactions[one["id"]]) for one in body["transactions"]]
    return {
        **_common(world, record, body),
        "kind": "authorization",
        "status": body["status"],
        "approved": body["approved"],
        "history": history,
        "transactions": settled,
        "actions": _actions(body),
    }


def _actions(body: dict[str, Any]) -> list[str]:
    """Return what can follow; a late or further capture of what has expired or is closed is possible (facts 3.1)."""
    if not body["approved"] or body["status"] == "reversed" or body["pending_request"] is not None:
        return []
    return ["capture", "increment", "reverse", "expire"] if body["status"] == "pending" else ["capture"]


def _unasked(world: World, record: Record) -> dict[str, Any]:
    body = record["body"]
    return {
        **_common(world, record, body),
        "kind": "transaction",
        "status": "force capture" if body["type"] == "capture" else "unlinked refund",
        "approved": True,
        "history": [],
        "transactions": [_settled(record)],
        "actions": [],
    }


def _common(world: World, record: Record, body: dict[str, Any]) -> dict[str, Any]:
    merchant = body["merchant_data"]
    return {
        "id": record["id"],
        "order": record["order"],
        "created": body["created"],
        "amount": body["amount"],
        "currency": body["currency"],
        "merchant_amount": body["merchant_amount"],
        "merchant_currency": body["merchant_currency"],
        "merchant": {key: merchant[key] for key in ("name", "category", "country")},
        "card": card_line(world, world.cards[record["card"]]),
    }


def _settled(record: Record) -> dict[str, Any]:
    body = record["body"]
    left = -body["amount"] - record["refunded"] if body["type"] == "capture" else 0
    return {"id": record["id"], "type": body["type"], "amount": body["amount"], "refundable": max(left, 0)}


def _sendings(world: World, account: str | None) -> list[dict[str, Any]]:
    """Return the last tries, each with a number of its own."""
    log = world.delivery_log
    numbered = ({"number": log.seen - place, **entry} for place, entry in enumerate(log.newest_first()))
    shown = (entry | {"asked": entry["type"] == REQUEST} for entry in numbered if _about(world, entry, account))
    return list(islice(shown, MOST_SENDINGS))


def _about(world: World, entry: dict[str, Any], account: str | None) -> bool:
    event = world.events.get(entry["event"])
    return account is None or (event is not None and event["account"] == account)


def event(world: World, identifier: str) -> dict[str, Any]:
    """Return an event as the platform sees it, or refuse with 404."""
    record = world.events.get(identifier)
    if record is None:
        raise no_such("event", identifier, "id")
    return event_view(record, connected=record["account"] != world.platform)
