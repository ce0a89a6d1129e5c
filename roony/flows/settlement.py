"""What Stripe says afterwards, booked: statements merged, captures and refunds counted once, differences flagged.

Each is one command: matched to connection, card and purchase; recorded; compared with what was approved; held and
spent follow from the facts; the inbox row, where it came by an event, is finished in the same commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roony.core.audit import STRIPE
from roony.core.authorization import Authorization, AuthorizationDecision, currency_passes
from roony.core.card import Card
from roony.core.control import country_passes
from roony.core.duration import SECOND
from roony.core.finding import (
    ABOUT_ANSWERS,
    ABOUT_AUTHORIZATIONS,
    MISMATCHES,
    Explained,
    answer_findings,
    discrepancy_id,
    history_of,
)
from roony.core.merchant_check import category_fits
from roony.core.purchase import Purchase
from roony.core.settlement import (
    AuthorizationStatement,
    Discrepancy,
    TransactionStatement,
    awaits_capture,
    final_rank,
    is_newer,
    is_tied,
    merge,
    with_final,
    with_history,
)
from roony.flows.alert import alert_row
from roony.flows.balance import INSUFFICIENT_BALANCE, watch_balance
from roony.flows.connection.confirmation import confirmation_rows, note_evidence
from roony.flows.discrepancy import flag, settle_findings
from roony.flows.event_outcome import finished
from roony.flows.mandate import ask_if_over_its_limit, end_if_complete
from roony.flows.merchant import approved_merchant, is_merchant_of, pin_network_id
from roony.flows.movement import audit, follow
from roony.flows.probe_mark import is_probe
from roony.flows.retrieval_promise import promise_retrieval, retrieval_id
from roony.flows.rules import controls_above
from roony.flows.stripe_alone import place_alone
from roony.flows.stripe_transaction import (
    book_transaction,
    known_authorization,
    settle,
    transaction_nodes,
    transaction_rows,
)
from roony.flows.unknown_card import unknown_card_rows, without_card
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.linked import Node, StripeCardNeed
from roony.store.rows import InboxEvent, OutboxPromise

# Why Stripe is asked again, beside the rank of what it said.
TIED = "tied"
UNCAPTURED = "uncaptured"


@dataclass(frozen=True, slots=True)
class BookAuthorization(Command[str]):
    """An authorization as Stripe tells it, with the transactions it carries, by an event or when asked for.

    Answers `applied`, or `received` while it waits for its card.
    """

    organization_id: str
    connection_id: str
    statement: AuthorizationStatement
    event: InboxEvent | None = None

    def needs(self, now: int) -> Needs:
        """The card with its purchase, what is known of the authorization, our decisions, and findings about it."""
        org, said = self.organization_id, self.statement
        kinds = (*MISMATCHES, *ABOUT_ANSWERS, *ABOUT_AUTHORIZATIONS)
        rows: list[tuple[Any, ...]] = [(Authorization, org, said.id)]
        rows.append(alert_row(org, INSUFFICIENT_BALANCE, self.connection_id))
        rows += [(Discrepancy, org, discrepancy_id(kind, said.id)) for kind in kinds]
        rows += unknown_card_rows(org, self.connection_id, said.stripe_card_id)
        rows += [(OutboxPromise, org, retrieval_id(said.id, *_rank(said), why)) for why in (TIED, UNCAPTURED)]
        if said.roony_card_id is not None:
            rows.append((Card, org, said.roony_card_id))
        for transaction in said.transactions:
            rows += transaction_rows(org, transaction)
        if said.probe is not None:
            rows.append((OutboxPromise, org, said.probe))
        if said.evidence:
            rows += confirmation_rows(org, self.connection_id)
        return Needs(
            rows=tuple(rows),
            stripe_cards=(StripeCardNeed(org, self.connection_id, said.stripe_card_id),),
            groups=((AuthorizationDecision, org, said.id),),
            linked=tuple(self._nodes()),
            renewals=True,
        )

    def _nodes(self) -> set[Node]:
        nodes = {Node(self.organization_id, "stripe_card_id", self.statement.stripe_card_id)}
        return nodes.union(*(transaction_nodes(self.organization_id, t) for t in self.statement.transactions))

    def apply(self, book: Book, now: int) -> str:
        """1 find the card · 2 keep its transactions · 3 merge · 4 settle · 5 compare · 6 ask where unsure."""
        org, said = self.organization_id, self.statement
        card_id = book.stripe_cards[(org, self.connection_id, said.stripe_card_id)]
        if card_id is None and is_probe(book, org, self.connection_id, said.probe):
            return self._probed(book, now)
        if card_id is None:
            named = book.get(Card, org, said.roony_card_id) if said.roony_card_id else None
            spent = f"{said.amount} {said.currency} with {said.stripe_card_id} by {said.merchant.name}"
            return without_card(
                book, org, self.connection_id, said.stripe_card_id, self.event, spent, now, named,
                spent_at=said.began * SECOND if said.approved else None,
            )  # fmt: skip
        purchase = book.need(Purchase, org, book.need(Card, org, card_id).purchase_id)
        known = book.get(Authorization, org, said.id)
        card, currency = said.stripe_card_id, said.currency
        book.put(known_authorization(book, self.connection_id, purchase, said.id, card, currency, now))
        for transaction in said.transactions:
            book_transaction(book, org, self.connection_id, purchase, transaction, now)
        after = self._merge(book, known, now)
        if is_newer(said, known):
            watch_balance(book, org, self.connection_id, said, now)
        place_alone(book, purchase)
        settle(book, {*self._nodes(), Node(org, "purchase_id", purchase.id)}, "statement", now)
        purchase = follow(book, book.need(Purchase, org, purchase.id), "statement", now)
        purchase = end_if_complete(book, purchase, now)
        if known is None or len(said.history) > known.history_length:
            purchase = ask_if_over_its_limit(book, purchase, said, now)
        self._compare(book, purchase, after, now)
        after = book.need(Authorization, org, said.id)
        if known is None or after._replace(seen_at=0) != known._replace(seen_at=0):
            audit(
                book, purchase, STRIPE, "authorization.stated", now, authorization=said.id, stripe_status=said.status,
                approved=said.approved, amount=said.amount, captured=after.captured, event=_id_of(self.event),
                first=known is None, currency=said.currency, merchant=said.merchant.name,
            )  # fmt: skip
        self._ask_where_unsure(book, known, after, now)
        note_evidence(book, org, self.connection_id, said.evidence, said.id, now)
        finished(book, self.event, org, "applied", None, now)
        return "applied"

    def _probed(self, book: Book, now: int) -> str:
        """An authorization of our own probe moves no budget and is no finding; a request of it was answered."""
        known = book.get(Authorization, self.organization_id, self.statement.id)
        if known is not None:
            self._merge(book, known, now)
        finished(book, self.event, self.organization_id, "ignored", "a probe of Roony's", now)
        return "applied"

    def _merge(self, book: Book, known: Authorization | None, now: int) -> Authorization:
        """What is known of the authorization with this statement, written to the book."""
        said = self.statement
        after = book.need(Authorization, self.organization_id, said.id)
        after = merge(after, said, now) if is_newer(said, known) else with_history(after, said)
        after = with_final(after, said)._replace(seen_at=max(after.seen_at, now))
        book.put(after)
        return after

    def _compare(self, book: Book, purchase: Purchase, after: Authorization, now: int) -> None:
        """Flags what differs from what was approved, and answers Stripe did not honour."""
        org, said = self.organization_id, self.statement
        decisions = book.group(AuthorizationDecision, org, said.id)
        if len(history_of(after)) + after.provisional >= after.history_length:
            settle_findings(book, purchase, answer_findings(after, decisions, purchase.hold_amount), now)
        if not said.approved:
            if not after.approved:
                nothing = Explained("Stripe approved nothing on it.")
                settle_findings(book, purchase, {(kind, said.id): nothing for kind in MISMATCHES}, now)
            return
        places = tuple(word for word in (said.city, said.state, said.merchant.country) if word)
        controls = [scoped for _, scoped in controls_above(book, purchase.chain)]
        found = {
            "merchant_mismatch": is_merchant_of(book, purchase, said.merchant, places),
            "category_mismatch": category_fits(controls, approved_merchant(purchase.merchant), said.merchant.category),
            "country_mismatch": all(country_passes(c, said.merchant.country) for c in controls),
            "currency_mismatch": said.currency == purchase.currency
            and currency_passes(controls, said.merchant_currency, purchase.currency),
        }
        for kind, fits in found.items():
            if not fits:
                flag(book, org, kind, said.id, purchase, purchase.merchant, said.merchant.to_json(), now)
        pin_network_id(book, purchase, said, decisions, now)

    def _ask_where_unsure(self, book: Book, known: Authorization | None, after: Authorization, now: int) -> None:
        """Stripe is asked once for each rank: two statements that say as much but not the same, a capture not told."""
        said = self.statement
        if known is not None and is_tied(said, known):
            promise_retrieval(book, after, (*_rank(said), TIED), now)
        current = _rank(said) == (after.history_length, after.transactions_seen, after.final)
        if current and awaits_capture(after):
            promise_retrieval(book, after, (*_rank(said), UNCAPTURED), now, unless_captured=True)


@dataclass(frozen=True, slots=True)
class BookTransaction(Command[str]):
    """A capture or refund as Stripe tells it, booked once by its id, by an event or when asked for.

    Answers `applied`, or `received` while it waits for its card. Booking it again, also one that was left out because
    its card was unknown, brings everything in line.
    """

    organization_id: str
    connection_id: str
    statement: TransactionStatement
    event: InboxEvent | None = None

    def needs(self, now: int) -> Needs:
        """The card with its purchase, the transaction, its authorization, and all that hangs together with it."""
        org, said = self.organization_id, self.statement
        card = said.stripe_card_id
        return Needs(
            rows=(*transaction_rows(org, said), *unknown_card_rows(org, self.connection_id, card)),
            stripe_cards=(StripeCardNeed(org, self.connection_id, card),),
            linked=tuple(transaction_nodes(org, said)),
            # A mandate's payment that nobody was asked for counts in the budgets, in the periods of its time.
            renewals=True,
        )

    def apply(self, book: Book, now: int) -> str:
        """1 find the card · 2 keep it once · 3 settle. A refund is kept without a card of ours, a capture is not."""
        org, said = self.organization_id, self.statement
        card_id = book.stripe_cards[(org, self.connection_id, said.stripe_card_id)]
        nodes = transaction_nodes(org, said)
        purchase = None
        if card_id is not None:
            purchase = book.need(Purchase, org, book.need(Card, org, card_id).purchase_id)
            nodes.add(Node(org, "purchase_id", purchase.id))
        else:
            spent = f"{said.amount} {said.currency} with {said.stripe_card_id} by {said.merchant.name}"
            gives_back = said.type == "refund"
            waits = without_card(
                book, org, self.connection_id, said.stripe_card_id, self.event, spent, now, flagged=not gives_back,
                spent_at=said.created * SECOND,
            )  # fmt: skip
            if waits == "received" or not gives_back:
                return waits
        book_transaction(book, org, self.connection_id, purchase, said, now)
        settle(book, nodes, said.type, now)
        if purchase is not None:
            finished(book, self.event, org, "applied", None, now)
        return "applied"


def _rank(said: AuthorizationStatement) -> tuple[int, int, int]:
    return len(said.history), said.transactions_seen, final_rank(said.status)


def _id_of(event: InboxEvent | None) -> str | None:
    return event.id if event is not None else None
