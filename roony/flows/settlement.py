"""What Stripe says afterwards, booked: statements merged, captures and refunds counted once, differences flagged.

Each is one command: matched to connection, card and purchase; recorded; compared with what was approved; held and
spent follow from the facts; the inbox row is finished in the same commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roony.core.agent import chain
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.card import Card
from roony.core.control import category_passes, country_passes
from roony.core.merchant import Merchant, match
from roony.core.purchase import Purchase
from roony.core.settlement import (
    AuthorizationStatement,
    Discrepancy,
    StripeTransaction,
    TransactionStatement,
    honoured,
    is_newer,
    merge,
)
from roony.flows.discrepancy import discrepancy_id, flag
from roony.flows.movement import STRIPE, audit, follow
from roony.flows.purchase import scoped_controls
from roony.store.book import Book, EventOutcome
from roony.store.command import Command
from roony.store.facts import Needs, StripeCardNeed
from roony.store.tables import InboxEvent

# An event about a card we do not know waits this long for our own commit of that card, in microseconds (section 8).
UNKNOWN_CARD_PATIENCE = 60_000_000

_AUTHORIZATION_KINDS = [
    "merchant_mismatch",
    "category_mismatch",
    "country_mismatch",
    "currency_mismatch",
    "approved_without_roony",
    "answer_not_honoured",
    "over_capture",
    "late_capture",
    "extra_capture",
]


def finished(event: InboxEvent, organization_id: str, status: str, reason: str | None, now: int) -> EventOutcome:
    """The handling of an event ended."""
    return EventOutcome(status, reason, organization_id, 0, now, now, event.id, event.generation)


def _later(event: InboxEvent, organization_id: str, now: int) -> EventOutcome:
    """Looked at again soon, until the patience for an unknown card is over; not a failure."""
    due_at = now + UNKNOWN_CARD_PATIENCE // 20
    return EventOutcome(
        "received", "waiting for its card", organization_id, 0, due_at, None, event.id, event.generation
    )


@dataclass(frozen=True, slots=True)
class BookAuthorization(Command[str]):
    """An authorization as Stripe tells it, with the transactions it carries. Answers the inbox row's new status."""

    organization_id: str
    connection_id: str
    statement: AuthorizationStatement
    event: InboxEvent

    def needs(self, now: int) -> Needs:
        """The card with its purchase, what is known of the authorization, our decisions, and findings about it."""
        org, said = self.organization_id, self.statement
        rows: list[tuple[Any, ...]] = [(Authorization, org, said.id)]
        rows += [(Discrepancy, org, discrepancy_id(kind, said.id)) for kind in _AUTHORIZATION_KINDS]
        rows.append((Discrepancy, org, discrepancy_id("unknown_card", said.stripe_card_id)))
        if said.roony_card_id is not None:
            rows.append((Card, org, said.roony_card_id))
        for transaction in said.transactions:
            rows += _transaction_rows(org, transaction)
        return Needs(
            rows=tuple(rows),
            stripe_cards=(StripeCardNeed(org, self.connection_id, said.stripe_card_id),),
            groups=((AuthorizationDecision, org, said.id),),
        )

    def apply(self, book: Book, now: int) -> str:
        """1 find the card · 2 book its transactions · 3 merge the statement · 4 compare · 5 follow."""
        org, said = self.organization_id, self.statement
        card_id = book.stripe_cards[(org, self.connection_id, said.stripe_card_id)]
        purchase = book.need(Purchase, org, book.need(Card, org, card_id).purchase_id) if card_id else None
        if purchase is None:
            named = book.get(Card, org, said.roony_card_id) if said.roony_card_id else None
            return _without_card(book, self, said.stripe_card_id, said.merchant, said.amount, now, named)
        known = book.get(Authorization, org, said.id)
        book.put(_known(book, self, purchase, said.id, said.stripe_card_id, said.currency, now))
        for transaction in said.transactions:
            purchase = _book_transaction(book, self, purchase, transaction, now)
        if is_newer(said, known):
            after = merge(book.need(Authorization, org, said.id), said, now)
            book.put(after)
            self._compare(book, purchase, after, now)
            purchase = follow(book, purchase, "statement", now)
            audit(
                book,
                purchase,
                STRIPE,
                "authorization.stated",
                now,
                authorization=said.id,
                stripe_status=said.status,
                approved=said.approved,
                amount=said.amount,
                captured=after.captured,
                event=self.event.id,
            )
        else:
            _unmask_check(book, org, said)
            purchase = follow(book, purchase, "statement", now)
        _compare_captures(book, purchase, book.need(Authorization, org, said.id), now)
        book.finish_event(finished(self.event, org, "applied", None, now))
        return "applied"

    def _compare(self, book: Book, purchase: Purchase, after: Authorization, now: int) -> None:
        """Flags what differs from what was approved, and answers Stripe did not honour."""
        said = self.statement
        self._compare_answers(book, purchase, now)
        if not said.approved:
            return
        approved = Merchant.from_json(purchase.merchant)
        noise = [word for word in (said.city, said.state, said.merchant.country) if word]
        controls = [
            scoped_controls(book, purchase.organization_id, scope_id)
            for _, scope_id in chain(purchase.organization_id, purchase.project_id, purchase.agent_id)
        ]
        found = {
            "merchant_mismatch": match((approved.name,), said.merchant.name, noise=noise).matched,
            "category_mismatch": all(category_passes(c, said.merchant.category) for c in controls),
            "country_mismatch": all(country_passes(c, said.merchant.country) for c in controls),
            "currency_mismatch": after.currency == purchase.currency
            and (said.merchant_currency == purchase.currency or any(c.foreign_currency == "allow" for c in controls)),
        }
        for kind, fits in found.items():
            if not fits:
                flag(
                    book,
                    purchase.organization_id,
                    kind,
                    said.id,
                    purchase,
                    purchase.merchant,
                    said.merchant.to_json(),
                    now,
                )

    def _compare_answers(self, book: Book, purchase: Purchase, now: int) -> None:
        org, said = self.organization_id, self.statement
        ours = {d.ordinal: d for d in book.group(AuthorizationDecision, org, said.id)}
        for ordinal, entry in enumerate(said.history):
            decision = ours.get(ordinal)
            if decision is None:
                if entry.approved:
                    flag(
                        book, org, "approved_without_roony", said.id, purchase, "a decision of Roony", entry.reason, now
                    )
            elif not honoured(bool(decision.approved) and decision.answered == "approved", entry):
                flag(book, org, "answer_not_honoured", said.id, purchase, decision.code, entry.reason, now)


@dataclass(frozen=True, slots=True)
class BookTransaction(Command[str]):
    """A capture or refund as Stripe tells it, booked once by its id. Answers the inbox row's new status."""

    organization_id: str
    connection_id: str
    statement: TransactionStatement
    event: InboxEvent

    def needs(self, now: int) -> Needs:
        """The card with its purchase, the transaction and its authorization."""
        org, said = self.organization_id, self.statement
        rows = [*_transaction_rows(org, said), (Discrepancy, org, discrepancy_id("unknown_card", said.stripe_card_id))]
        return Needs(rows=tuple(rows), stripe_cards=(StripeCardNeed(org, self.connection_id, said.stripe_card_id),))

    def apply(self, book: Book, now: int) -> str:
        """1 find the card · 2 book it once · 3 compare · 4 follow."""
        org, said = self.organization_id, self.statement
        card_id = book.stripe_cards[(org, self.connection_id, said.stripe_card_id)]
        if card_id is None:
            return _without_card(book, self, said.stripe_card_id, said.merchant, said.amount, now)
        purchase = book.need(Purchase, org, book.need(Card, org, card_id).purchase_id)
        purchase = _book_transaction(book, self, purchase, said, now)
        purchase = follow(book, purchase, said.type, now)
        if said.authorization_id is not None and said.type == "capture":
            _compare_captures(book, purchase, book.need(Authorization, org, said.authorization_id), now)
        book.finish_event(finished(self.event, org, "applied", None, now))
        return "applied"


def _transaction_rows(org: str, said: TransactionStatement) -> list[tuple[Any, ...]]:
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


def _without_card(
    book: Book,
    command: BookAuthorization | BookTransaction,
    stripe_card_id: str,
    merchant: Merchant,
    amount: int,
    now: int,
    named: Card | None = None,
) -> str:
    """A card that is not ours: waited for, then flagged once. What it spent moves no budget.

    `named` is the card of ours that its metadata names; while that one is being made there is nothing to flag.
    """
    event, org = command.event, command.organization_id
    if now < event.received_at + UNKNOWN_CARD_PATIENCE or (named is not None and named.status == "creating"):
        book.finish_event(_later(event, org, now))
        return "received"
    flag(
        book,
        org,
        "unknown_card",
        stripe_card_id,
        None,
        "a card made by Roony",
        f"{stripe_card_id} at {merchant.name} for {amount}",
        now,
    )
    book.finish_event(finished(event, org, "applied", "unknown card", now))
    return "applied"


def _known(
    book: Book,
    command: BookAuthorization | BookTransaction,
    purchase: Purchase,
    authorization_id: str,
    stripe_card_id: str,
    currency: str,
    now: int,
) -> Authorization:
    """What is known of an authorization. One that was answered before its card was recorded here is adopted."""
    known = book.get(Authorization, purchase.organization_id, authorization_id)
    if known is None:
        return _placeholder(command, purchase, authorization_id, stripe_card_id, currency, now)
    if known.purchase_id is None:
        return known._replace(purchase_id=purchase.id, card_id=purchase.card_id)
    return known


def _unmask_check(book: Book, org: str, said: AuthorizationStatement) -> None:
    """An older statement adds history: an authorization that once was for more than a card check never was one."""
    known = book.need(Authorization, org, said.id)
    if known.card_check and said.approved and not said.small:
        book.put(known._replace(card_check=0))


def _placeholder(
    command: BookAuthorization | BookTransaction,
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
        connection_id=command.connection_id,
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


def _book_transaction(
    book: Book, command: BookAuthorization | BookTransaction, purchase: Purchase, said: TransactionStatement, now: int
) -> Purchase:
    """Books one capture or refund, once by its id; the purchase's totals move, held and spent follow later."""
    org = purchase.organization_id
    if book.get(StripeTransaction, org, said.id) is not None:
        return purchase
    book.put(
        StripeTransaction(
            organization_id=org,
            id=said.id,
            connection_id=command.connection_id,
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
        purchase = _book_capture(book, command, purchase, said, now)
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


def _book_capture(
    book: Book, command: BookAuthorization | BookTransaction, purchase: Purchase, said: TransactionStatement, now: int
) -> Purchase:
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
    known = _known(book, command, purchase, said.authorization_id, said.stripe_card_id, said.currency, now)
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


def _compare_captures(book: Book, purchase: Purchase, known: Authorization, now: int) -> None:
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
