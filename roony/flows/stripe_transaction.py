"""A capture or refund, booked once by its id: the purchase's totals move, what does not fit is flagged."""

from __future__ import annotations

from typing import Any

from roony.core.authorization import Authorization
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy, StripeTransaction, TransactionStatement
from roony.flows.discrepancy import discrepancy_id, flag
from roony.flows.movement import STRIPE, audit
from roony.store.book import Book


def transaction_rows(org: str, said: TransactionStatement) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = [
        (StripeTransaction, org, said.id),
        (Discrepancy, org, discrepancy_id("force_capture", said.id)),
        (Discrepancy, org, discrepancy_id("unmatched_refund", said.id)),
    ]
    if said.authorization_id is not None:
        rows.append((Authorization, org, said.authorization_id))
        rows += [
            (Discrepancy, org, discrepancy_id(kind, said.authorization_id))
            for kind in ("over_capture", "late_capture", "extra_capture")
        ]
    return rows


def known_authorization(
    book: Book,
    connection_id: str,
    purchase: Purchase,
    authorization_id: str,
    stripe_card_id: str,
    currency: str,
    now: int,
) -> Authorization:
    """What is known of an authorization. One that was answered before its card was recorded here is adopted."""
    known = book.get(Authorization, purchase.organization_id, authorization_id)
    if known is None:
        return _placeholder(connection_id, purchase, authorization_id, stripe_card_id, currency, now)
    if known.purchase_id is None:
        return known._replace(purchase_id=purchase.id, card_id=purchase.card_id)
    return known


def _placeholder(
    connection_id: str,
    purchase: Purchase,
    authorization_id: str,
    stripe_card_id: str,
    currency: str,
    now: int,
) -> Authorization:
    """An authorization of which only the id is known yet: any statement says more."""
    return Authorization(
        organization_id=purchase.organization_id,
        id=authorization_id,
        connection_id=connection_id,
        purchase_id=purchase.id,
        card_id=purchase.card_id,
        stripe_card_id=stripe_card_id,
        status="pending",
        approved=0,
        provisional=0,
        card_check=0,
        amount=0,
        captured=0,
        currency=currency,
        merchant_amount=0,
        merchant_currency=currency,
        merchant="{}",
        network_transaction_id=None,
        history_length=0,
        transactions_seen=0,
        final=0,
        statement_at=0,
        created_at=now,
        updated_at=now,
    )


def book_transaction(
    book: Book, connection_id: str, purchase: Purchase, said: TransactionStatement, now: int
) -> Purchase:
    """Books one capture or refund, once by its id; the purchase's totals move, held and spent follow later."""
    org = purchase.organization_id
    if book.get(StripeTransaction, org, said.id) is not None:
        return purchase
    book.put(
        StripeTransaction(
            organization_id=org,
            id=said.id,
            connection_id=connection_id,
            purchase_id=purchase.id,
            authorization_id=said.authorization_id,
            stripe_card_id=said.stripe_card_id,
            type=said.type,
            amount=said.amount,
            currency=said.currency,
            merchant_amount=said.merchant_amount,
            merchant_currency=said.merchant_currency,
            merchant=said.merchant.to_json(),
            network_transaction_id=said.network_transaction_id,
            created_at=said.created * 1_000_000,
            booked_at=now,
        )
    )
    if said.type == "refund":
        purchase = _book_refund(book, purchase, said, now)
    else:
        purchase = _book_capture(book, connection_id, purchase, said, now)
    audit(
        book,
        purchase,
        STRIPE,
        f"stripe_transaction.{said.type}",
        now,
        stripe_transaction=said.id,
        amount=said.amount,
        authorization=said.authorization_id,
        merchant=said.merchant.name,
    )
    return purchase


def _book_capture(book: Book, connection_id: str, purchase: Purchase, said: TransactionStatement, now: int) -> Purchase:
    """A capture counts in full, even past a limit: a ledger that refuses facts lies (section 4)."""
    purchase = purchase._replace(captured=purchase.captured + said.amount)
    if said.authorization_id is None:
        flag(
            book,
            purchase.organization_id,
            "force_capture",
            said.id,
            purchase,
            "an authorization",
            f"{said.merchant.name} captured {said.amount} {said.currency} without one",
            now,
        )
        return purchase._replace(loose_captured=purchase.loose_captured + said.amount)
    known = known_authorization(
        book, connection_id, purchase, said.authorization_id, said.stripe_card_id, said.currency, now
    )
    over = _over_already(known)
    if over is not None:
        kind, expected = over
        found = f"{said.amount} {said.currency}"
        flag(book, purchase.organization_id, kind, known.id, purchase, expected, found, now)
    book.put(known._replace(captured=known.captured + said.amount, updated_at=now))
    return purchase


def _over_already(known: Authorization) -> tuple[str, str] | None:
    """The kind of finding a capture on an authorization that had ended is, and what was expected; None if it had not.

    A closed one whose capture is not known yet is waiting for it.
    """
    if known.status == "expired":
        return "late_capture", "nothing after expiry"
    if known.status == "reversed" or (known.status == "closed" and known.captured > 0):
        return "extra_capture", f"nothing after it was {known.status}"
    return None


def _book_refund(book: Book, purchase: Purchase, said: TransactionStatement, now: int) -> Purchase:
    """A refund gives back at most what was captured and not yet refunded; more opens a discrepancy (section 4).

    The total is kept as reported, so that it ends right also where the capture is told after its refund (section 8).
    """
    back = min(said.amount, max(0, purchase.captured - purchase.refunded))
    if back < said.amount:
        flag(
            book,
            purchase.organization_id,
            "unmatched_refund",
            said.id,
            purchase,
            f"at most {back} {said.currency}",
            f"{said.amount} {said.currency}",
            now,
        )
    return purchase._replace(refunded=purchase.refunded + said.amount)


def compare_captures(book: Book, purchase: Purchase, known: Authorization, now: int) -> None:
    """Flags captures above what was authorized and held, once the authorization itself is known."""
    if known.history_length > 0 and known.captured > known.amount and purchase.captured > purchase.hold_amount:
        flag(
            book,
            purchase.organization_id,
            "over_capture",
            known.id,
            purchase,
            f"{known.amount} {known.currency} authorized",
            f"{known.captured} {known.currency} captured",
            now,
        )
