"""What follows an authorization: capture, reversal, refund, force capture, expiry (facts 2.7, 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from roony.simulator import fraud_challenges, ledger, spending
from roony.simulator.events import emit
from roony.simulator.exchange import convert, share
from roony.simulator.identifiers import new_id
from roony.simulator.lifecycle import count_authorization, count_payment
from roony.simulator.records import Record
from roony.simulator.refusals import invalid, locked, not_now
from roony.simulator.views import authorization_view, frozen, previous_attributes
from roony.simulator.world import World

EXPIRES_SECONDS = 7 * 24 * 3600
LODGING_EXPIRES_SECONDS = 31 * 24 * 3600
_LODGING = ("hotels_motels_and_resorts", "car_rental_agencies", "cruise_lines", "timeshares")


@dataclass(frozen=True)
class Money:
    """What a transaction moves, in minor units of the card's and of the merchant's currency, with the same sign."""

    amount: int
    merchant_amount: int


def capture(world: World, record: Record, amount: int | None, *, close: bool, details: Any = None) -> Record:
    """Settle an approved authorization: all of it, a part, more than it, again, or late after it expired."""
    body = record["body"]
    if not body["approved"]:
        raise invalid("This authorization was declined and cannot be captured.")
    if body["status"] == "reversed":
        raise invalid("This authorization was reversed and cannot be captured.")
    _check_undisturbed(body)
    before = frozen(authorization_view(world, record))
    captured = amount if amount is not None else max(body["amount"] - record["captured"], 0)
    if captured <= 0:
        raise not_now("There is nothing left to capture.", "capture_amount")
    ledger.hold(world, record, 0 if close else max(record["held"] - captured, 0))
    money = Money(-captured, -merchant_share(body, captured))
    transaction = _transaction(world, record["card"], "capture", money, body, details, record)
    record["captured"] += captured
    record["transactions"].append(transaction["id"])
    if close or body["status"] == "expired":
        _end(world, record, "closed")
    open_part = body["amount"] if body["status"] == "pending" else 0
    spending.count(world, record, max(record["captured"], open_part))
    world.authorizations.touch(record)
    _updated(world, record, before)
    emit(world, record["account"], "issuing_transaction.created", transaction["body"])
    count_authorization(world, record, captured=True)
    return record


def reverse(world: World, record: Record, amount: int | None) -> Record:
    """Give back all (status reversed, amount 0) or a part (still pending) of what is not captured."""
    body = _open(record)
    before = frozen(authorization_view(world, record))
    left = max(body["amount"] - record["captured"], 0)
    given_back = left if amount is None else amount
    if given_back > left:
        raise not_now(f"The reversed amount can be at most {left}.", "reverse_amount")
    _resize(record, body["amount"] - given_back)
    ledger.hold(world, record, 0 if given_back == left else max(record["held"] - given_back, 0))
    spending.count(world, record, max(body["amount"], record["captured"]))
    if given_back == left:
        _end(world, record, "closed" if record["captured"] else "reversed")
    world.authorizations.touch(record)
    _updated(world, record, before)
    return record


def expire(world: World, record: Record) -> Record:
    """Release the hold because the merchant never came; the amount stays, a late capture is possible."""
    _open(record)
    before = frozen(authorization_view(world, record))
    ledger.hold(world, record, 0)
    spending.count(world, record, record["captured"])
    _end(world, record, "expired")
    world.authorizations.touch(record)
    _updated(world, record, before)
    return record


def finalize_amount(world: World, record: Record, amount: int, changes: dict[str, Any]) -> Record:
    """Set the real amount of a purchase known only afterwards, as at a fuel pump (facts 2.6)."""
    body = _open(record)
    before = frozen(authorization_view(world, record))
    _resize(record, amount)
    body.update(changes)
    ledger.hold(world, record, max(amount - record["captured"], 0))
    spending.count(world, record, max(amount, record["captured"]))
    world.authorizations.touch(record)
    _updated(world, record, before)
    count_authorization(world, record, captured=False)
    return record


def force_capture(world: World, card: Record, amount: int, origin: dict[str, Any], details: Any) -> Record:
    """Book a purchase nobody was asked for: no authorization, no rule applies (facts 3.1)."""
    money = Money(-amount, -origin["merchant_amount"])
    transaction = _transaction(world, card["id"], "capture", money, origin, details)
    spending.add(world, card, origin["merchant_data"]["category"], amount, world.clock.now())
    emit(world, card["account"], "issuing_transaction.created", transaction["body"])
    count_payment(world, card)
    return transaction


def unlinked_refund(world: World, card: Record, amount: int, origin: dict[str, Any], details: Any) -> Record:
    """Book money that came back without a purchase it belongs to."""
    money = Money(amount, origin["merchant_amount"])
    transaction = _transaction(world, card["id"], "refund", money, origin, details)
    emit(world, card["account"], "issuing_transaction.created", transaction["body"])
    return transaction


def refund(world: World, purchase: Record, amount: int | None) -> Record:
    """Give back all or a part of one captured transaction."""
    body = purchase["body"]
    left = -body["amount"] - purchase["refunded"]
    wanted = left if amount is None else amount
    if body["type"] != "capture":
        raise invalid("Only a transaction of type `capture` can be refunded.")
    if wanted <= 0 or wanted > left:
        raise not_now(f"The refund can be at most {left}.", "refund_amount")
    authorization = world.authorizations.get(body["authorization"]) if body["authorization"] else None
    money = Money(wanted, share(wanted, -body["amount"], -body["merchant_amount"]))
    transaction = _transaction(world, purchase["card"], "refund", money, body, None, authorization)
    purchase["refunded"] += wanted
    world.transactions.touch(purchase)
    if authorization is not None:
        before = frozen(authorization_view(world, authorization))
        authorization["transactions"].append(transaction["id"])
        world.authorizations.touch(authorization)
        _updated(world, authorization, before)
    emit(world, purchase["account"], "issuing_transaction.created", transaction["body"])
    return transaction


def expire_due(world: World) -> None:
    """Expire what is older than 7 days, 31 for lodging, and unanswered challenges, by the clock (facts 2.6)."""
    fraud_challenges.expire_due(world)
    now = world.clock.now()
    for identifier in list(world.pending):
        record = world.authorizations[identifier]
        body = record["body"]
        lodging = body["merchant_data"]["category"] in _LODGING
        lasts = LODGING_EXPIRES_SECONDS if lodging else EXPIRES_SECONDS
        if body["approved"] and body["pending_request"] is None and body["created"] + lasts <= now:
            expire(world, record)


def _open(record: Record) -> dict[str, Any]:
    body: dict[str, Any] = record["body"]
    if body["status"] != "pending" or not body["approved"]:
        raise invalid(f"This authorization is {body['status']} and can no longer be changed.")
    _check_undisturbed(body)
    return body


def _check_undisturbed(body: dict[str, Any]) -> None:
    if body["pending_request"] is not None:
        raise locked("authorization")


def merchant_share(authorization: dict[str, Any], amount: int) -> int:
    """Return an amount in the merchant's currency, at the rate of the authorization's first request."""
    first = authorization["request_history"][0]
    if first["amount"] == 0:
        return convert(amount, authorization["currency"], authorization["merchant_currency"])
    return share(amount, first["amount"], first["merchant_amount"])


def _resize(record: Record, amount: int) -> None:
    """Set the authorized amount, and the merchant's amount with it in its own currency."""
    body = record["body"]
    body["merchant_amount"] = merchant_share(body, amount)
    body["amount"] = amount


def _end(world: World, record: Record, status: str) -> None:
    record["body"]["status"] = status
    world.pending.discard(record["id"])


def _updated(world: World, record: Record, before: dict[str, Any]) -> None:
    after = authorization_view(world, record)
    changed = previous_attributes(before, after)
    emit(world, record["account"], "issuing_authorization.updated", after, changed)


def _transaction(
    world: World,
    card: str,
    kind: str,
    money: Money,
    origin: dict[str, Any],
    details: Any,
    authorization: Record | None = None,
) -> Record:
    """Book one issuing transaction: negative for spend, positive for money back (facts 3.1)."""
    holder = world.cards[card]
    currency = holder["body"]["currency"]
    identifier = new_id("ipi")
    moved = ledger.move(world, holder["account"], currency, money.amount, "issuing_transaction", identifier)
    asked = authorization["body"] if authorization else {}
    body = {
        "id": identifier,
        "object": "issuing.transaction",
        "amount": money.amount,
        "amount_details": asked.get("amount_details") if kind == "capture" else None,
        "authorization": authorization["id"] if authorization else None,
        "balance_transaction": moved["id"],
        "card": card,
        "cardholder": holder["cardholder"],
        "created": world.clock.now(),
        "currency": currency,
        "dispute": None,
        "livemode": False,
        "merchant_amount": money.merchant_amount,
        "merchant_currency": origin["merchant_currency"],
        "merchant_data": dict(origin["merchant_data"]),
        "metadata": {},
        "network_data": _network_data(world, origin, asked),
        "purchase_details": details,
        "token": asked.get("token"),
        "treasury": None,
        "type": kind,
        "wallet": asked.get("wallet"),
    }
    links = {"card": card, "cardholder": holder["cardholder"], "authorization": body["authorization"]}
    return world.transactions.add(
        {"id": identifier, "account": holder["account"], **links, "body": body, "refunded": 0}
    )


def _network_data(world: World, origin: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """Return how the network knows a transaction: the last approval's code, today, the authorization's number."""
    codes = [entry["authorization_code"] for entry in asked.get("request_history", ()) if entry["authorization_code"]]
    network = (asked or origin).get("network_data")
    return {
        "authorization_code": codes[-1] if codes else None,
        "processing_date": datetime.fromtimestamp(world.clock.now(), UTC).date().isoformat(),
        "transaction_id": network["transaction_id"] if network else None,
    }
