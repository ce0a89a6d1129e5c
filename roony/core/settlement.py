"""What Stripe says afterwards: statements merged by rank, captures and refunds booked once, differences named."""

from __future__ import annotations

from typing import Any, NamedTuple

from roony.core.authorization import CARD_CHECK_LIMIT, Authorization
from roony.core.merchant import Merchant, category_code

# Every kind of finding, as design section 8 lists them.
DISCREPANCY_KINDS = (
    "merchant_mismatch",
    "category_mismatch",
    "country_mismatch",
    "currency_mismatch",
    "over_capture",
    "extra_capture",
    "late_capture",
    "force_capture",
    "approved_without_roony",
    "answer_not_honoured",
    "unmatched_refund",
    "unknown_card",
    "card_left_open",
    "missing_at_stripe",
    "missing_here",
)


class StripeTransaction(NamedTuple):
    """One capture or refund as Stripe booked it, kept once by its id; `amount` without sign, `type` says which way.

    A refund without a purchase waits in the queue. `matched_by` says what gave it its purchase: its card, the network
    transaction id, or who assigned it.
    """

    organization_id: str
    id: str
    connection_id: str
    purchase_id: str | None
    authorization_id: str | None
    stripe_card_id: str
    type: str
    amount: int
    currency: str
    merchant_amount: int
    merchant_currency: str
    merchant: str
    network_transaction_id: str | None
    created_at: int
    booked_at: int
    matched_by: str | None = None


class Discrepancy(NamedTuple):
    """Something that does not fit what was approved; open until a person resolves it with a note.

    `id` is derived from what it is about, so that the same finding is written once.
    """

    organization_id: str
    id: str
    kind: str
    status: str
    purchase_id: str | None
    card_id: str | None
    subject: str
    expected: str
    found: str
    note: str | None
    resolved_by: str | None
    created_at: int
    resolved_at: int | None


class HistoryEntry(NamedTuple):
    """One line of `request_history`: what was asked, whether it was approved, and Stripe's reason (facts 2.4)."""

    approved: bool
    reason: str
    amount: int


class TransactionStatement(NamedTuple):
    """A capture or refund as Stripe tells it. `amount` and `merchant_amount` without sign, minor units."""

    id: str
    type: str
    amount: int
    currency: str
    merchant_amount: int
    merchant_currency: str
    merchant: Merchant
    authorization_id: str | None
    stripe_card_id: str
    network_transaction_id: str | None
    created: int


class AuthorizationStatement(NamedTuple):
    """An authorization as Stripe tells it at one moment. `created` is the event's time in seconds UTC."""

    id: str
    stripe_card_id: str
    roony_card_id: str | None
    status: str
    amount: int
    currency: str
    merchant_amount: int
    merchant_currency: str
    merchant: Merchant
    city: str | None
    state: str | None
    network_transaction_id: str | None
    history: tuple[HistoryEntry, ...]
    transactions_seen: int
    transactions: tuple[TransactionStatement, ...]
    created: int

    @property
    def approved(self) -> bool:
        """Approved if any entry of its history is; a declined increment changes nothing (section 8)."""
        return any(entry.approved for entry in self.history)

    @property
    def small(self) -> bool:
        """True while all that was ever approved on it is no more than a card check may ask for."""
        return max(self.amount, sum(e.amount for e in self.history if e.approved)) <= CARD_CHECK_LIMIT


# Final over pending; expired below closed and reversed, since it can still be captured late (facts section 2.6).
_FINAL = {"pending": 0, "expired": 1, "closed": 2, "reversed": 2}


def final_rank(status: str) -> int:
    """How final a status is, for ranking statements; an unknown one counts as pending."""
    return _FINAL.get(status, 0)


def is_newer(statement: AuthorizationStatement, known: Authorization | None) -> bool:
    """True if the statement says more than what is known: by history, then transactions, finality and time (section 8).

    Our own unconfirmed answer gives way to any statement whose history is as long.
    """
    if known is None:
        return True
    length = len(statement.history)
    if length != known.history_length:
        return length > known.history_length
    if known.provisional:
        return True
    said = (statement.transactions_seen, final_rank(statement.status), statement.created)
    return said > (known.transactions_seen, known.final, known.statement_at)


def merge(known: Authorization, statement: AuthorizationStatement, now: int) -> Authorization:
    """What is known after a newer statement; captures are counted apart, from the transactions booked."""
    return known._replace(
        status=statement.status,
        approved=int(statement.approved),
        provisional=0,
        card_check=int(bool(known.card_check) and statement.small),
        amount=statement.amount,
        merchant_amount=statement.merchant_amount,
        merchant_currency=statement.merchant_currency,
        merchant=statement.merchant.to_json(),
        network_transaction_id=statement.network_transaction_id or known.network_transaction_id,
        history_length=len(statement.history),
        transactions_seen=statement.transactions_seen,
        final=final_rank(statement.status),
        statement_at=statement.created,
        updated_at=now,
    )


def with_history(known: Authorization, older: AuthorizationStatement) -> Authorization:
    """What an older statement adds: one that once was for more than a card check never was one."""
    return known._replace(card_check=0) if older.approved and not older.small else known


def honoured(approved: bool, entry: HistoryEntry) -> bool:
    """True if Stripe recorded what we answered."""
    return approved == entry.approved


def read_merchant(data: dict[str, Any]) -> Merchant:
    """Stripe's merchant_data; the category by its code, an unknown one by its name (facts section 9)."""
    code = data.get("category_code") or category_code(data.get("category") or "")
    return Merchant(data.get("name") or "", data.get("url"), code, data.get("country"), data.get("network_id"))


def read_transaction(item: dict[str, Any]) -> TransactionStatement:
    """Reads an `issuing.transaction`. Raises KeyError or TypeError where a needed field is missing."""
    return TransactionStatement(
        id=item["id"],
        type=item["type"],
        amount=abs(item["amount"]),
        currency=item["currency"],
        merchant_amount=abs(item["merchant_amount"]),
        merchant_currency=item["merchant_currency"],
        merchant=read_merchant(item["merchant_data"]),
        authorization_id=_id(item["authorization"]),
        stripe_card_id=_id(item["card"]) or "",
        network_transaction_id=(item.get("network_data") or {}).get("transaction_id"),
        created=item["created"],
    )


def read_authorization(item: dict[str, Any], created: int) -> AuthorizationStatement:
    """Reads an `issuing.authorization` as of `created`, the event's time in seconds. Raises KeyError or TypeError."""
    card = item["card"]
    metadata = card.get("metadata") or {}
    data = item["merchant_data"]
    transactions = item["transactions"]
    return AuthorizationStatement(
        id=item["id"],
        stripe_card_id=card["id"],
        roony_card_id=metadata.get("roony_card"),
        status=item["status"],
        amount=item["amount"],
        currency=item["currency"],
        merchant_amount=item["merchant_amount"],
        merchant_currency=item["merchant_currency"],
        merchant=read_merchant(data),
        city=data.get("city"),
        state=data.get("state"),
        network_transaction_id=(item.get("network_data") or {}).get("transaction_id"),
        history=tuple(HistoryEntry(e["approved"], e["reason"], e["amount"]) for e in item["request_history"]),
        transactions_seen=len(item["balance_transactions"]) + len(transactions),
        transactions=tuple(read_transaction(t) for t in transactions),
        created=created,
    )


def _id(value: Any) -> str | None:
    """The id of a reference that may have been expanded to the whole object."""
    found: str | None = value["id"] if isinstance(value, dict) else value
    return found
