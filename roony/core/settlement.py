"""What Stripe says afterwards: statements merged by rank, captures and refunds booked once, differences named."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from roony.core.authorization import CARD_CHECK_LIMIT, FINAL_STATUSES, Authorization
from roony.core.confirmation import Evidence, evidence_in
from roony.core.duration import SECOND
from roony.core.merchant import LONGEST_FACT, Merchant, category_code
from roony.core.purchase import Purchase

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
    transaction id, or who assigned it. `category` is that of `merchant`; what follows it is of the purchase, and never
    changes there: reports are summed by these.
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
    category: str | None = None
    agent_id: str | None = None
    project_id: str | None = None
    merchant_key: str | None = None


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
    """A capture or refund as Stripe tells it. `amount` and `merchant_amount` without sign, minor units.

    `type` is `capture` for what spends and `refund` for what gives back, `stated_type` Stripe's own word.
    """

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
    stated_type: str = ""


class AuthorizationStatement(NamedTuple):
    """An authorization as Stripe tells it at one moment: `created` is the event's time, `began` when it was made there.

    Both in seconds UTC. `evidence` is what its history says of the account's set-up; `probe` the promise its card says
    it was made for.
    """

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
    evidence: tuple[Evidence, ...] = ()
    probe: str | None = None
    began: int = 0
    three_d_secure: str = ""

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

    Our own unconfirmed answer gives way to any statement whose history is as long. Of two that say as much in the same
    second, what they say decides, the larger amount first: any order ends alike and holds enough (see `is_tied`).
    """
    if known is None:
        return True
    length = len(statement.history)
    if length != known.history_length:
        return length > known.history_length
    if known.provisional:
        return True
    said = (statement.transactions_seen, final_rank(statement.status), statement.created)
    before = (known.transactions_seen, known.final, known.statement_at)
    return (said, _content(statement)) > (before, _content(known))


def is_tied(statement: AuthorizationStatement, known: Authorization) -> bool:
    """True if both say as much, in the same second, and yet not the same: only asking Stripe tells which is true."""
    said = (len(statement.history), statement.transactions_seen, final_rank(statement.status), statement.created)
    before = (known.history_length, known.transactions_seen, known.final, known.statement_at)
    return not known.provisional and said == before and _content(statement) != _content(known)


def _content(item: AuthorizationStatement | Authorization) -> tuple[Any, ...]:
    merchant = item.merchant if isinstance(item.merchant, str) else item.merchant.to_json()
    return item.amount, item.status, item.merchant_amount, item.merchant_currency, merchant


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
        history=_history(statement),
        began_at=statement.began * SECOND or known.began_at,
        three_d_secure=statement.three_d_secure or known.three_d_secure,
    )


def _history(statement: AuthorizationStatement) -> str:
    return json.dumps([list(entry) for entry in statement.history])


def with_history(known: Authorization, older: AuthorizationStatement) -> Authorization:
    """What an older statement adds: one that once was for more than a card check never was one."""
    known = known._replace(
        network_transaction_id=known.network_transaction_id or older.network_transaction_id,
        began_at=known.began_at or older.began * SECOND,
        three_d_secure=known.three_d_secure or older.three_d_secure,
    )
    if len(older.history) > len(json.loads(known.history)):
        known = known._replace(history=_history(older))
    return known._replace(card_check=0) if older.approved and not older.small else known


def with_final(known: Authorization, statement: AuthorizationStatement) -> Authorization:
    """Remembers which captures a statement of an end lists: one that it does not list came after it.

    Of several such statements those count that all of them list, so that their order does not matter. A closed one
    says so only once it lists a capture: the one that closed it may not be told yet.
    """
    if statement.status not in FINAL_STATUSES:
        return known
    listed = {transaction.id for transaction in statement.transactions if transaction.type != "refund"}
    if statement.status == "closed" and not listed:
        return known
    finals: dict[str, list[str]] = json.loads(known.finals)
    before = finals.get(statement.status)
    finals[statement.status] = sorted(listed if before is None else listed.intersection(before))
    return known._replace(finals=json.dumps(finals, sort_keys=True))


def awaits_capture(known: Authorization) -> bool:
    """Closed and approved, and the capture that closed it is not known yet."""
    return known.status == "closed" and bool(known.approved) and known.captured == 0 and known.amount > 0


def unbooked(
    said: TransactionStatement, organization_id: str, connection_id: str, home: Purchase | None, now: int
) -> StripeTransaction:
    """The row of a capture or refund that was not known; a refund finds its purchase afterwards."""
    row = StripeTransaction(
        organization_id=organization_id,
        id=said.id,
        connection_id=connection_id,
        purchase_id=None,
        authorization_id=said.authorization_id,
        stripe_card_id=said.stripe_card_id,
        type=said.type,
        amount=said.amount,
        currency=said.currency,
        merchant_amount=said.merchant_amount,
        merchant_currency=said.merchant_currency,
        merchant=said.merchant.to_json(),
        network_transaction_id=said.network_transaction_id,
        created_at=said.created * SECOND,
        booked_at=now,
        category=said.merchant.category,
    )
    return belonging(row, home, "card")


def belonging(row: StripeTransaction, purchase: Purchase | None, by: str | None) -> StripeTransaction:
    """The row as one of this purchase, which `by` has given it; of None, as one that waits for its purchase."""
    if purchase is None:
        return row._replace(purchase_id=None, matched_by=None, agent_id=None, project_id=None, merchant_key=None)
    return row._replace(
        purchase_id=purchase.id,
        matched_by=by,
        agent_id=purchase.agent_id,
        project_id=purchase.project_id,
        merchant_key=purchase.merchant_key,
    )


def honoured(approved: bool, entry: HistoryEntry) -> bool:
    """True if Stripe recorded what we answered."""
    return approved == entry.approved


def read_merchant(data: dict[str, Any]) -> Merchant:
    """Stripe's merchant_data; the category by its code, an unknown one by its name (facts section 9)."""
    code = data.get("category_code") or category_code(data.get("category") or "")
    name, url, country, network_id = (_cut(data.get(field)) for field in ("name", "url", "country", "network_id"))
    return Merchant(name or "", url, code, country, network_id)


def _cut(text: str | None) -> str | None:
    """What is kept of a text about a merchant. Raises TypeError for what is none."""
    return text[:LONGEST_FACT] if text is not None else None


def read_transaction(item: dict[str, Any]) -> TransactionStatement:
    """Reads an `issuing.transaction`. Raises KeyError or TypeError where a needed field is missing.

    The sign of the amount says which way the money went, whatever the type is called: negative spends, positive gives
    back (facts 3.1). Only where there is no amount the type decides.
    """
    gives_back = item["amount"] > 0 or (item["amount"] == 0 and item["type"] == "refund")
    return TransactionStatement(
        id=item["id"],
        type="refund" if gives_back else "capture",
        amount=abs(item["amount"]),
        currency=item["currency"],
        merchant_amount=abs(item["merchant_amount"]),
        merchant_currency=item["merchant_currency"],
        merchant=read_merchant(item["merchant_data"]),
        authorization_id=_id(item["authorization"]),
        stripe_card_id=_id(item["card"]) or "",
        network_transaction_id=_network_transaction_id(item),
        created=item["created"],
        stated_type=item["type"],
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
        city=_cut(data.get("city")),
        state=_cut(data.get("state")),
        network_transaction_id=_network_transaction_id(item),
        history=tuple(HistoryEntry(e["approved"], e["reason"], e["amount"]) for e in item["request_history"]),
        transactions_seen=len(item["balance_transactions"]) + len(transactions),
        transactions=tuple(read_transaction(t) for t in transactions),
        created=created,
        evidence=evidence_in(item["request_history"]),
        probe=metadata.get("roony_probe"),
        began=item.get("created") or 0,
        three_d_secure=((item.get("verification_data") or {}).get("three_d_secure") or {}).get("result") or "",
    )


def _network_transaction_id(item: dict[str, Any]) -> str | None:
    """The network's own number of a payment; one of zeros only is none."""
    found: str | None = (item.get("network_data") or {}).get("transaction_id")
    return found if found and found.strip("0 ") else None


def _id(value: Any) -> str | None:
    """The id of a reference that may have been expanded to the whole object."""
    found: str | None = value["id"] if isinstance(value, dict) else value
    return found
