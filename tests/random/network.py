"""Stripe and the card network as they really are: what happened, and the JSON of every statement made about it.

Nothing is random here and nothing is imported from Roony. Each happening appends its events to `events`; whether they
arrive, when, in which order and how often is for others to say. `statements` tells everything as it is now, as
a list or a retrieval by id would.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "acct_1"
# What one payment uses up a single-use card: approved above this, or anything captured (minor units).
SMALL_PAYMENT = 100
# Merchants as the network names them, with the id it gives each.
MERCHANTS = {"FIGMA": "net_figma", "NOTION LABS": "net_notion", "SHADY GOODS": "net_shady"}

Json = dict[str, Any]


@dataclass
class NetworkCard:
    """A card at Stripe. `metadata` is what Roony wrote on it; `limits` its spending limits, by their interval."""

    id: str
    metadata: dict[str, str]
    limits: dict[str, int]
    single_use: bool
    status: str = "active"
    captured: int = 0
    refunded: int = 0


@dataclass
class NetworkAuthorization:
    """One authorization. `granted` is the part of it that Roony approved and Stripe recorded as approved."""

    id: str
    card: NetworkCard
    merchant: str
    created: int
    status: str = "pending"
    amount: int = 0
    captured: int = 0
    granted: int = 0
    counted: bool = False
    asked_as_check: bool = False
    history: list[Json] = field(default_factory=list)
    transactions: list[Json] = field(default_factory=list)
    movements: int = 0

    @property
    def approved(self) -> bool:
        """Approved if any request on it was."""
        return any(entry["approved"] for entry in self.history)


@dataclass(frozen=True)
class Event:
    """One event as Stripe sends it; `body` is the raw JSON."""

    id: str
    kind: str
    object_id: str
    created: int
    body: bytes


class Network:
    """Every card, authorization, transaction and dispute of one account."""

    def __init__(self) -> None:
        self.now = 1_795_392_000
        self.cards: dict[str, NetworkCard] = {}
        self.by_key: dict[str, NetworkCard] = {}
        self.authorizations: dict[str, NetworkAuthorization] = {}
        self.transactions: list[Json] = []
        self.disputes: dict[str, Json] = {}
        self.events: list[Event] = []
        self._count = 0

    # Cards

    def make_card(self, key: str, params: Json) -> NetworkCard:
        """A card for an idempotency key; the same key brings back the same card."""
        if key not in self.by_key:
            card = NetworkCard(
                f"ic_{self._next()}", params["metadata"], limits_of(params), "lifecycle_controls" in params
            )
            self.cards[card.id] = self.by_key[key] = card
            self._tell("issuing_card.created", card.id, self._card(card))
        return self.by_key[key]

    def set_status(self, card: NetworkCard, status: str) -> str:
        """What Roony asks for; `canceled` is final. Returns the status afterwards."""
        if card.status not in (status, "canceled"):
            card.status = status
            self._tell("issuing_card.updated", card.id, self._card(card))
        return card.status

    def is_over(self, card: NetworkCard, amount: int, known: NetworkAuthorization | None = None) -> bool:
        """True for what Stripe declines by the card's own limits, without asking anybody."""
        on_it = [other for other in self.authorizations.values() if other.card is card and other.approved]
        open_money = sum(max(0, other.amount - other.captured) for other in on_it if other.status == "pending")
        totals = {"per_authorization": known.amount if known else 0, "all_time": card.captured + open_money}
        return any(totals[interval] + amount > limit for interval, limit in card.limits.items())

    # Authorizations

    def authorize(
        self, id: str, card: NetworkCard, merchant: str, amount: int, reason: str, granted: int | None, *, ours: bool
    ) -> NetworkAuthorization:
        """A request was decided: approved for `granted` of `amount`, or declined (None). `ours`: as Roony answered."""
        known = self.authorizations.get(id)
        first = known is None
        if known is None:
            known = self.authorizations[id] = NetworkAuthorization(id, card, merchant, self.now)
        approved = granted is not None
        entry = {"approved": approved, "reason": reason, "amount": granted if approved else amount}
        known.history.append({**entry, "created": self.now})
        if granted is not None:
            known.amount += granted
            known.granted += granted if ours else 0
            known.movements += int(granted > 0)
        elif first:
            known.amount, known.status = amount, "closed"
        self._told(known, "issuing_authorization.created" if first else "issuing_authorization.updated")
        self._use(known)
        return known

    def reverse(self, known: NetworkAuthorization, amount: int | None) -> None:
        """All that is left, or a part of it."""
        left = max(0, known.amount - known.captured)
        back = left if amount is None else min(amount, left)
        known.amount -= back
        known.movements += 1
        if back == left:
            known.status = "closed" if known.captured else "reversed"
        self._told(known)

    def expire(self, known: NetworkAuthorization) -> None:
        """The merchant never came; the amount stays, a late capture is possible."""
        known.status = "expired"
        known.movements += 1
        self._told(known)

    def capture(self, card: NetworkCard, amount: int, known: NetworkAuthorization | None, close: bool = True) -> None:
        """A capture on an authorization, or by force without one."""
        merchant = known.merchant if known else "FIGMA"
        made = self._transaction("capture", card, amount, merchant, known)
        card.captured += amount
        if known is not None:
            known.transactions.append(made)
            known.captured += amount
            known.movements += 1
            if close or known.status == "expired":
                known.status = "closed"
            self._told(known)
            self._tell("issuing_transaction.created", made["id"], made)
            self._use(known)
            return
        self._tell("issuing_transaction.created", made["id"], made)
        self._end_by_payment(card)

    def refund(
        self, card: NetworkCard, amount: int, known: NetworkAuthorization | None, *, stray: bool = False
    ) -> None:
        """Money back, told with its authorization or without. `stray`: more than was ever paid, so not of this card."""
        made = self._transaction("refund", card, amount, known.merchant if known else "FIGMA", known)
        card.refunded += 0 if stray else amount
        if known is not None:
            known.transactions.append(made)
            self._told(known)
        self._tell("issuing_transaction.created", made["id"], made)

    def dispute(self, transaction: Json, word: str) -> None:
        """The next word about a dispute of a transaction; disputes never move budgets."""
        id = f"idp_{transaction['id']}"
        known = self.disputes.setdefault(id, {
            "id": id, "object": "issuing.dispute", "amount": abs(transaction["amount"]), "currency": "usd",
            "created": self.now, "status": "unsubmitted", "transaction": transaction["id"], "livemode": False,
            "balance_transactions": [], "evidence": {"reason": "fraudulent"}, "metadata": {}, "loss_reason": None,
        })  # fmt: skip
        known["status"] = {"submitted": "submitted", "closed": "won"}.get(word, known["status"])
        self._tell(f"issuing_dispute.{word}", id, known)

    # What is said

    def statements(self) -> list[Event]:
        """Everything as it is now: what lists and retrievals would show, as one event each."""
        said = [
            self._event("issuing_authorization.updated", known.id, self._authorization(known))
            for known in self.authorizations.values()
        ]
        said += [self._event("issuing_transaction.created", made["id"], made) for made in self.transactions]
        return said + [self._event("issuing_card.updated", card.id, self._card(card)) for card in self.cards.values()]

    def statement(self, known: NetworkAuthorization) -> Json:
        """An authorization as a retrieval shows it now."""
        shown: Json = json.loads(json.dumps(self._authorization(known)))
        return shown

    def _told(self, known: NetworkAuthorization, kind: str = "issuing_authorization.updated") -> None:
        self._tell(kind, known.id, self._authorization(known))

    def _tell(self, kind: str, object_id: str, thing: Json) -> None:
        self.events.append(self._event(kind, object_id, thing))

    def _event(self, kind: str, object_id: str, thing: Json) -> Event:
        id = f"evt_{self._next()}"
        body = {
            "id": id, "object": "event", "account": ACCOUNT, "api_version": "2026-10-28.endive", "created": self.now,
            "livemode": False, "type": kind, "data": {"object": thing},
        }  # fmt: skip
        return Event(id, kind, object_id, self.now, json.dumps(body).encode())

    def _use(self, known: NetworkAuthorization) -> None:
        """A payment that counts is counted once."""
        if not known.counted and known.approved and (known.captured or known.amount > SMALL_PAYMENT):
            known.counted = True
            self._end_by_payment(known.card)

    def _end_by_payment(self, card: NetworkCard) -> None:
        """A single-use card is canceled right after its first payment that counts."""
        if card.single_use:
            self.set_status(card, "canceled")

    def _transaction(
        self, kind: str, card: NetworkCard, amount: int, merchant: str, known: NetworkAuthorization | None
    ) -> Json:
        signed = -amount if kind == "capture" else amount
        made = {
            "id": f"ipi_{self._next()}", "object": "issuing.transaction", "type": kind, "amount": signed,
            "authorization": known.id if known else None, "card": card.id, "cardholder": "ich_1", "created": self.now,
            "currency": "usd", "dispute": None, "livemode": False, "merchant_amount": signed,
            "merchant_currency": "usd", "merchant_data": merchant_data(merchant), "metadata": {},
            "network_data": {"transaction_id": f"nt_{known.id}" if known else None}, "wallet": None,
        }  # fmt: skip
        self.transactions.append(made)
        return made

    def _card(self, card: NetworkCard) -> Json:
        return {
            "id": card.id, "object": "issuing.card", "status": card.status, "last4": "4242", "exp_month": 12,
            "exp_year": 2130, "currency": "usd", "metadata": card.metadata, "livemode": False, "type": "virtual",
        }  # fmt: skip

    def _authorization(self, known: NetworkAuthorization) -> Json:
        return {
            "id": known.id, "object": "issuing.authorization", "amount": known.amount, "approved": known.approved,
            "balance_transactions": [{"id": f"txn_{known.id}_{n}"} for n in range(known.movements)],
            "card": self._card(known.card), "created": known.created, "currency": "usd", "livemode": False,
            "merchant_amount": known.amount, "merchant_currency": "usd", "merchant_data": merchant_data(known.merchant),
            "metadata": {}, "network_data": {"transaction_id": f"nt_{known.id}"}, "pending_request": None,
            "request_history": known.history, "status": known.status, "transactions": known.transactions,
        }  # fmt: skip

    def _next(self) -> int:
        self._count += 1
        return self._count


def limits_of(params: Json) -> dict[str, int]:
    """The spending limits of a card's parameters, by their interval."""
    return {limit["interval"]: limit["amount"] for limit in params["spending_controls"]["spending_limits"]}


def merchant_data(name: str) -> Json:
    """The merchant as Stripe describes it."""
    return {
        "name": name, "category": "computer_software_stores", "category_code": "5734", "country": "US", "url": None,
        "network_id": MERCHANTS[name], "city": "San Francisco", "state": "CA", "postal_code": "94107",
    }  # fmt: skip
