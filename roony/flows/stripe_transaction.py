"""Captures and refunds, each booked once by its id; refunds find their purchase, totals and findings follow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from roony.core.audit import STRIPE
from roony.core.authorization import Authorization
from roony.core.finding import (
    ABOUT_AUTHORIZATIONS,
    ABOUT_TRANSACTIONS,
    NO_MERCHANT,
    Findings,
    capture_findings,
    discrepancy_id,
)
from roony.core.mandate import shares
from roony.core.merchant import Merchant
from roony.core.purchase import RECURRING, Purchase
from roony.core.refund import Match, match_refunds
from roony.core.settlement import Discrepancy, StripeTransaction, TransactionStatement, belonging, unbooked
from roony.flows.discrepancy import explain, flag, settle_findings
from roony.flows.mandate import end_if_complete
from roony.flows.merchant import is_merchant_of
from roony.flows.movement import audit, follow, payments_of
from roony.flows.stripe_alone import place_alone
from roony.store.book import Book
from roony.store.linked import Node, hang_together, purchase_of_card


def transaction_rows(org: str, said: TransactionStatement) -> list[tuple[Any, ...]]:
    """The rows a command names that books this capture or refund."""
    rows: list[tuple[Any, ...]] = [(StripeTransaction, org, said.id)]
    rows += [(Discrepancy, org, discrepancy_id(kind, said.id)) for kind in ABOUT_TRANSACTIONS]
    if said.authorization_id is not None:
        rows.append((Authorization, org, said.authorization_id))
        rows += [(Discrepancy, org, discrepancy_id(kind, said.authorization_id)) for kind in ABOUT_AUTHORIZATIONS]
    return rows


def transaction_nodes(org: str, said: TransactionStatement) -> set[Node]:
    """Where this capture or refund hangs, for `Needs.linked`."""
    nodes = {Node(org, "stripe_card_id", said.stripe_card_id)}
    if said.network_transaction_id is not None:
        nodes.add(Node(org, "network_transaction_id", said.network_transaction_id))
    return nodes


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
        merchant=NO_MERCHANT,
        network_transaction_id=None,
        history_length=0,
        transactions_seen=0,
        final=0,
        statement_at=0,
        created_at=now,
        updated_at=now,
        seen_at=now,
    )


def book_transaction(
    book: Book, org: str, connection_id: str, purchase: Purchase | None, said: TransactionStatement, now: int
) -> bool:
    """Keeps one capture or refund, once by its id; False if it was. `settle` then moves what follows from it.

    What Stripe names only later, the authorization or the network's number, is added to the row that is there.
    """
    row = book.get(StripeTransaction, org, said.id)
    capture = said.type != "refund"
    if row is None:
        book.put(unbooked(said, org, connection_id, purchase if capture else None, now))
    else:
        book.put(
            row._replace(
                authorization_id=row.authorization_id or said.authorization_id,
                network_transaction_id=row.network_transaction_id or said.network_transaction_id,
            )
        )
    if capture and purchase is not None and said.authorization_id is not None:
        id, card, currency = said.authorization_id, said.stripe_card_id, said.currency
        book.put(known_authorization(book, connection_id, purchase, id, card, currency, now))
    if row is None:
        body = {
            "stripe_transaction": said.id,
            "type": said.stated_type,
            "amount": said.amount,
            "authorization": said.authorization_id,
            "merchant": said.merchant.name,
            "purchase": purchase.id if purchase is not None else None,
        }
        book.record(org, STRIPE, f"stripe_transaction.{said.type}", said.id, body, now)
    return row is None


def settle(book: Book, nodes: Iterable[Node], kind: str, now: int) -> None:
    """Brings in line all that hangs together at these places: refunds, totals, held and spent, findings.

    Everything is worked out from the captures and refunds that are there, so that coming here twice changes nothing.
    `kind` names the cause on the entries.
    """
    rows, purchase_ids = hang_together(book, nodes)
    if not rows:
        return
    organization_id = rows[0].organization_id
    purchases = {id: book.need(Purchase, organization_id, id) for id in sorted(purchase_ids)}
    matches = _match(book, rows, purchases, now)
    for id, purchase in purchases.items():
        purchases[id] = _total(book, purchase, kind, now)
    for purchase in purchases.values():
        settle_findings(book, purchase, _look(book, purchase), now)
    for row in rows:
        if row.id in matches:
            _look_at_refund(book, row, matches[row.id], purchases, now)


def _match(book: Book, rows: list[StripeTransaction], purchases: dict[str, Purchase], now: int) -> dict[str, Match]:
    """Gives every refund the purchase it belongs to by all that is known now."""
    homes = {row.id: purchase_of_card(book, row) for row in rows}
    matches = match_refunds(
        rows,
        {id: home if home in purchases else None for id, home in homes.items()},
        lambda purchase_id, row: _is_approved(book, purchases[purchase_id], row),
    )
    for row in rows:
        match = matches.get(row.id)
        if match is None or match == (row.purchase_id, row.matched_by):
            continue
        purchase = purchases[match.purchase_id] if match.purchase_id is not None else None
        book.put(belonging(row, purchase, match.by))
        if match.purchase_id != row.purchase_id:
            body = {
                "purchase": match.purchase_id, "agent": purchase.agent_id if purchase else None,
                "before": row.purchase_id, "by": match.by, "amount": row.amount, "currency": row.currency,
            }  # fmt: skip
            action = "refund.matched" if match.purchase_id is not None else "refund.queued"
            book.record(row.organization_id, STRIPE, action, row.id, body, now)
    return matches


def _is_approved(book: Book, purchase: Purchase, row: StripeTransaction) -> bool:
    """True if what was booked names the merchant the purchase was approved for."""
    merchant = Merchant.from_json(row.merchant)
    return is_merchant_of(book, purchase, merchant, (merchant.country,) if merchant.country else ())


def _booked(book: Book, purchase: Purchase) -> list[StripeTransaction]:
    found = book.group(StripeTransaction, purchase.organization_id, purchase.id)
    return sorted(found, key=lambda row: row.id)


def _total(book: Book, purchase: Purchase, kind: str, now: int) -> Purchase:
    """What was captured and refunded in all, and on each authorization; held and spent follow where that changed.

    A capture counts in full, even past a limit: a ledger that refuses facts lies (section 4).
    """
    rows = _booked(book, purchase)
    captures = [row for row in rows if row.type != "refund"]
    before, placed = purchase, place_alone(book, purchase)
    known = book.group(Authorization, purchase.organization_id, purchase.id)
    purchase = purchase._replace(
        captured=sum(row.amount for row in captures),
        refunded=sum(row.amount for row in rows if row.type == "refund"),
        loose_captured=sum(row.amount for row in captures if row.authorization_id not in {a.id for a in known}),
    )
    shared = _share(book, purchase, known, rows)
    changed = placed or shared or purchase != before
    for authorization in known:
        captured = sum(row.amount for row in captures if row.authorization_id == authorization.id)
        if captured != authorization.captured:
            changed = True
            book.put(authorization._replace(captured=captured, updated_at=now))
    if not changed:
        return before
    purchase = follow(book, purchase, kind, now)
    audit(book, purchase, STRIPE, "purchase.booked", now, captured=purchase.captured, refunded=purchase.refunded)
    return end_if_complete(book, purchase, now)


def _share(book: Book, purchase: Purchase, known: list[Authorization], rows: list[StripeTransaction]) -> bool:
    """Which payment of a mandate each capture and refund belongs to; True where that changed."""
    if purchase.kind != RECURRING:
        return False
    before = payments_of(book, purchase)
    after = shares(before, known, rows)
    for payment in after:
        book.put(payment)
    return after != before


def _look(book: Book, purchase: Purchase) -> Findings:
    captures = [row for row in _booked(book, purchase) if row.type != "refund"]
    known = book.group(Authorization, purchase.organization_id, purchase.id)
    payments = payments_of(book, purchase) if purchase.kind == RECURRING else []
    return capture_findings(purchase, known, captures, lambda row: _is_approved(book, purchase, row), payments)


def _look_at_refund(book: Book, row: StripeTransaction, match: Match, purchases: dict[str, Purchase], now: int) -> None:
    """A refund in the queue is a finding, until its purchase is known."""
    org = row.organization_id
    if match.purchase_id is not None:
        note = f"It belongs to {match.purchase_id}, by its {match.by}."
        explain(book, org, "unmatched_refund", row.id, note, now)
        return
    home = purchase_of_card(book, row)
    purchase = purchases.get(home) if home is not None else None
    # No amount that is left: that changes while it waits, and these words stay.
    expected = "a purchase that has captured so much and not given it back"
    found = f"{row.amount} {row.currency} by {Merchant.from_json(row.merchant).name}"
    flag(book, org, "unmatched_refund", row.id, purchase, expected, found, now)
