"""The network asks: every check, the answer recorded with the purchase in one commit, and an answer taken back.

Nothing here calls Stripe; an answer waits for the till and for nothing else (design section 7).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

from roony.core.agent import Agent, Organization, Project
from roony.core.audit import ROONY
from roony.core.authorization import (
    Authorization,
    AuthorizationDecision,
    AuthorizationFacts,
    AuthorizationRequest,
    Verdict,
    is_card_check,
    judge,
)
from roony.core.card import Card
from roony.core.connection import Connection
from roony.core.control import EMPTY
from roony.core.duration import SECOND
from roony.core.finding import ABOUT_ANSWERS, answer_findings, discrepancy_id, history_of
from roony.core.ledger import committed_on
from roony.core.purchase import RECURRING, Purchase
from roony.core.settlement import Discrepancy
from roony.flows.discrepancy import flag, settle_findings
from roony.flows.mandate import ask_for_price, book_payment, mandate_facts
from roony.flows.merchant import approved_merchant, learned_of
from roony.flows.movement import follow
from roony.flows.rules import controls_above
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.linked import StripeCardNeed
from roony.store.rows import InboxEvent


class Answered(NamedTuple):
    """What the door tells Stripe: approved or not, the amount (minor units) where it is partial, and our ids."""

    decision_id: str
    purchase_id: str | None
    approved: bool
    amount: int
    partial: bool
    code: str


@dataclass(frozen=True, slots=True)
class AnswerAuthorization(Command[Answered]):
    """One live `issuing_authorization.request`, routed to a connection; `event` is its inbox row, kept with it.

    `arrived` is when it came in, as `time.monotonic()` tells it; None where nobody measures how long it takes.
    """

    organization_id: str
    connection_id: str
    request: AuthorizationRequest
    decision_id: str
    event: InboxEvent
    arrived: float | None = None
    urgent: bool = True

    def needs(self, now: int) -> Needs:
        """The stored answer, the card with its purchase, and what is known of this authorization."""
        org, request = self.organization_id, self.request
        return Needs(
            rows=(
                (AuthorizationDecision, org, request.authorization_id, request.ordinal, request.amount),
                (Authorization, org, request.authorization_id),
                (Connection, org, self.connection_id),
            ),
            stripe_cards=(StripeCardNeed(org, self.connection_id, request.stripe_card_id),),
            # An answer fits into the hold and never moves it; should it ever seem to, there is no row and it declines.
            holds=False,
            # Where it is a mandate's, a renewal places a hold of its own.
            renewals=True,
        )

    def apply(self, book: Book, now: int) -> Answered:
        """1 a request answered before gets its answer · 2 judge · 3 decision, authorization and purchase, together."""
        request = self.request
        before = book.get(
            AuthorizationDecision, self.organization_id, request.authorization_id, request.ordinal, request.amount
        )
        if before is not None:
            return _answer(before, request)
        facts = self._facts(book, now)
        verdict = judge(request, facts, now)
        # From here the answer must be recorded: only writes below.
        purchase = facts.purchase
        decision = AuthorizationDecision(
            self.organization_id,
            request.authorization_id,
            request.ordinal,
            request.amount,
            self.decision_id,
            purchase.id if purchase else None,
            int(verdict.approved),
            verdict.amount,
            verdict.code or "APPROVED",
            "approved" if verdict.approved else "declined",
            now,
            book.since(self.arrived),
        )
        book.put(decision)
        book.put(self.event)
        purchase, payment = self._payment(book, facts, verdict, now)
        if verdict.code != "STALE":
            book.put(self._known(facts, verdict, payment, now))
        if purchase is not None:
            if verdict.approved:
                purchase = follow(book, purchase, "authorization", now)
            # On one that was known before, Stripe's own statement finds it; its findings are not loaded here.
            for kind in verdict.flags if facts.known is None else ():
                flag(
                    book,
                    self.organization_id,
                    kind,
                    request.authorization_id,
                    purchase,
                    purchase.merchant,
                    request.merchant.to_json(),
                    now,
                )
        book.record(
            self.organization_id,
            ROONY,
            "authorization.answered",
            request.authorization_id,
            {
                "decision": decision.id,
                "purchase": decision.purchase_id,
                "agent": purchase.agent_id if purchase else None,
                "approved": decision.approved,
                "amount": request.amount,
                "currency": request.currency,
                "approved_amount": decision.approved_amount,
                "code": decision.code,
                "ordinal": request.ordinal,
                "merchant": request.merchant.name,
                "category": request.merchant.category,
                "country": request.merchant.country,
                "network_id": request.merchant.network_id,
                "held": purchase.held if purchase else 0,
            },
            now,
        )
        return _answer(decision, request)

    def compensation(self, answer: Answered) -> Command[None] | None:
        """An approval that was not sent is taken back, by the command that gave it; a repeat takes nothing back."""
        if not answer.approved or answer.decision_id != self.decision_id:
            return None
        request = self.request
        return Withdraw(
            self.organization_id, request.authorization_id, request.ordinal, request.amount, self.decision_id
        )

    def _facts(self, book: Book, now: int) -> AuthorizationFacts:
        org, request = self.organization_id, self.request
        organization = book.need(Organization, org)
        known = book.get(Authorization, org, request.authorization_id)
        connection = book.get(Connection, org, self.connection_id)
        card_id = book.stripe_cards[(org, self.connection_id, request.stripe_card_id)]
        if card_id is None:
            return AuthorizationFacts(
                organization, None, None, connection, (), None, None, known, 0, None, (), frozenset()
            )
        card = book.need(Card, org, card_id)
        purchase = book.need(Purchase, org, card.purchase_id)
        learned = learned_of(book, purchase)
        mandate, committed = None, 0
        if purchase.kind == RECURRING:
            mandate, committed = mandate_facts(book, purchase, request, known, now)
        else:
            others = (a for a in book.group(Authorization, org, purchase.id) if a.id != request.authorization_id)
            committed = purchase.loose_captured + sum(committed_on(a) for a in others)
        return AuthorizationFacts(
            organization=organization,
            project=book.get(Project, org, purchase.project_id),
            agent=book.get(Agent, org, purchase.agent_id),
            connection=connection,
            controls=tuple(scoped for _, scoped in controls_above(book, purchase.chain) if scoped is not EMPTY),
            card=card,
            purchase=purchase,
            known=known,
            committed_elsewhere=committed,
            approved_merchant=approved_merchant(purchase.merchant),
            aliases=learned.aliases,
            pinned_network_ids=learned.network_ids,
            mandate=mandate,
        )

    def _payment(
        self, book: Book, facts: AuthorizationFacts, verdict: Verdict, now: int
    ) -> tuple[Purchase | None, int]:
        """What else an answer about a mandate does: gives the request its payment, or asks a person for the price."""
        purchase, request = facts.purchase, self.request
        if purchase is None or facts.mandate is None:
            return purchase, 0
        if verdict.approved:
            return book_payment(book, purchase, facts.mandate, request, self.decision_id, now)
        if verdict.code == "PRICE_CHANGED":
            purchase = ask_for_price(book, purchase, request.granted + request.amount, self.decision_id, now)
        return purchase, 0

    def _known(self, facts: AuthorizationFacts, verdict: Verdict, payment: int, now: int) -> Authorization:
        """What is known of the authorization after our answer; provisional until Stripe says what it recorded.

        `payment` is the one of a mandate it was put on, 0 for none.
        """
        request, before, purchase = self.request, facts.known, facts.purchase
        if before is None:
            return self._first(facts, verdict, payment, now)
        if before.purchase_id is None and purchase is not None and facts.card is not None:
            # Answered before its card was recorded here: from now on it belongs to the purchase.
            before = before._replace(purchase_id=purchase.id, card_id=facts.card.id)
        if not verdict.approved:
            return before._replace(history_length=request.ordinal + 1, provisional=1, updated_at=now)
        amount = max(request.granted, before.amount if before.approved else 0) + verdict.amount
        return before._replace(
            history_length=request.ordinal + 1,
            provisional=1,
            updated_at=now,
            approved=1,
            status="pending",
            amount=amount,
            payment=payment,
        )

    def _first(self, facts: AuthorizationFacts, verdict: Verdict, payment: int, now: int) -> Authorization:
        """The same for the first request that came of an authorization."""
        request, purchase = self.request, facts.purchase
        return Authorization(
            organization_id=self.organization_id,
            id=request.authorization_id,
            connection_id=self.connection_id,
            purchase_id=purchase.id if purchase else None,
            card_id=facts.card.id if facts.card else None,
            stripe_card_id=request.stripe_card_id,
            status="pending",
            approved=int(verdict.approved),
            provisional=1,
            card_check=int(purchase is not None and is_card_check(request, purchase)),
            amount=request.granted + verdict.amount if verdict.approved else 0,
            captured=0,
            currency=request.currency,
            merchant_amount=request.merchant_amount,
            merchant_currency=request.merchant_currency,
            merchant=request.merchant.to_json(),
            network_transaction_id=request.network_transaction_id,
            history_length=request.ordinal + 1,
            transactions_seen=0,
            final=0,
            statement_at=0,
            created_at=now,
            updated_at=now,
            seen_at=now,
            began_at=request.created * SECOND,
            payment=payment if verdict.approved else 0,
        )


@dataclass(frozen=True, slots=True)
class Withdraw(Command[None]):
    """An approval whose answer left too late or never: recorded as declined, its amount taken back (section 3)."""

    organization_id: str
    authorization_id: str
    ordinal: int
    amount: int
    decision_id: str
    urgent: bool = True

    def needs(self, now: int) -> Needs:
        """The decision and the authorization with its purchase."""
        key = (self.organization_id, self.authorization_id)
        kinds = [(Discrepancy, key[0], discrepancy_id(kind, key[1])) for kind in ABOUT_ANSWERS]
        return Needs(
            rows=((AuthorizationDecision, *key, self.ordinal, self.amount), (Authorization, *key), *kinds),
            groups=((AuthorizationDecision, *key),),
        )

    def apply(self, book: Book, now: int) -> None:
        """Nothing if the decision never committed, was taken back before, or Stripe already said what happened.

        Which payment of a mandate uses the hold of the ask is worked out again when Stripe states the decline.
        """
        key = (self.organization_id, self.authorization_id)
        decision = book.get(AuthorizationDecision, *key, self.ordinal, self.amount)
        if decision is None or decision.id != self.decision_id or decision.answered == "declined":
            return
        book.put(decision._replace(answered="declined"))
        known = book.need(Authorization, *key)
        purchase = book.need(Purchase, key[0], known.purchase_id) if known.purchase_id is not None else None
        if known.provisional and known.history_length == self.ordinal + 1:
            amount = max(0, known.amount - decision.approved_amount)
            approved = amount > 0 or self._approved_before(book, known)
            book.put(known._replace(amount=amount, approved=int(self.ordinal > 0 and approved), updated_at=now))
            if purchase is not None:
                follow(book, purchase, "withdrawn", now)
        self._compare(book, known, now)
        book.record(
            self.organization_id,
            ROONY,
            "authorization.withdrawn",
            self.authorization_id,
            {
                "decision": decision.id,
                "ordinal": self.ordinal,
                "purchase": known.purchase_id,
                "agent": purchase.agent_id if purchase else None,
                "amount": self.amount,
                "currency": known.currency,
                "code": "LATE",
            },
            now,
        )

    def _approved_before(self, book: Book, known: Authorization) -> bool:
        """An earlier request on it was approved, if only for nothing, by us or as Stripe told."""
        decisions = book.group(AuthorizationDecision, self.organization_id, self.authorization_id)
        ours = any(d.ordinal < self.ordinal and d.answered == "approved" for d in decisions)
        return ours or any(entry[0] for entry in json.loads(known.history)[: self.ordinal])

    def _compare(self, book: Book, known: Authorization, now: int) -> None:
        """Stripe may have said before that it approved: then it did otherwise than we answered."""
        if known.purchase_id is not None and history_of(known):
            decisions = book.group(AuthorizationDecision, self.organization_id, self.authorization_id)
            purchase = book.need(Purchase, self.organization_id, known.purchase_id)
            settle_findings(book, purchase, answer_findings(known, decisions, purchase.hold_amount), now)


def _answer(decision: AuthorizationDecision, request: AuthorizationRequest) -> Answered:
    approved = bool(decision.approved) and decision.answered == "approved"
    code = decision.code if approved or not decision.approved else "LATE"
    return Answered(
        decision.id,
        decision.purchase_id,
        approved,
        decision.approved_amount,
        approved and decision.approved_amount < request.amount,
        code,
    )
