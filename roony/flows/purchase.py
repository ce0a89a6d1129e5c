"""An agent asks: decide, set the hold aside, promise the card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from roony.core.agent import Agent, Chain, Organization, Project
from roony.core.approval import Approval, approval_lifetime
from roony.core.authorization import Authorization
from roony.core.card import DEFAULT_LIFETIME_SECONDS, Card, compile_card, spending_limits
from roony.core.connection import Connection, untriable
from roony.core.control import Controls, strictest
from roony.core.decision import DEFAULT_DUPLICATE_WINDOW_SECONDS, Ask, Decision, Facts, Reason, decide
from roony.core.duration import HOUR, SECOND
from roony.core.errors import Refusal
from roony.core.hashing import text_hash
from roony.core.json_text import to_text
from roony.core.merchant import normalise
from roony.core.purchase import RECURRING, KeptKey, Purchase, RecentPurchase, Velocity, fingerprint
from roony.core.strictness import loosens
from roony.flows.movement import audit, count_at_merchant, place_hold
from roony.flows.rules import budgets_of, controls_above, decision_json
from roony.flows.scope import cardholder_scope
from roony.flows.snapshot import snapshot
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import LEASE, new_promise
from roony.store.rows import KnownMerchant, OutboxPromise

# Purchases with one fingerprint that are known at the same time beside the newest; a person is asked about nearly all.
MOST_REPEATED = 20


class Asked(NamedTuple):
    """The answer to an ask: the purchase as it is now, of one just made with the approval it waits for.

    `promise` is the card to make, when this ask promised one. `verdict` and `codes` of its reasons are what was decided
    now; empty where it is replayed.
    """

    purchase: Purchase
    replayed: bool
    promise: OutboxPromise | None
    verdict: str = ""
    codes: tuple[str, ...] = ()
    approval: Approval | None = None


class AskIds(NamedTuple):
    """The ids an ask may need, made by the caller so that applying it twice gives the same rows."""

    purchase: str
    hold: str
    approval: str
    card: str
    promise: str


@dataclass(frozen=True, slots=True)
class AskPurchase(Command[Asked | Refusal]):
    """One wish to buy. `body_hash` is the fingerprint of the request body, compared when `key` was used before.

    One that is `only_tried` is refused where money is real.
    """

    organization_id: str
    agent_id: str
    project_id: str
    ask: Ask
    description: str
    metadata: str
    key: str | None
    body_hash: str
    ids: AskIds
    only_tried: bool = False

    def needs(self, now: int) -> Needs:
        """The chain with its budgets, and the counters this ask is compared with."""
        org, agent = self.organization_id, self.agent_id
        rows: list[tuple[Any, ...]] = [
            (RecentPurchase, org, agent, self.fingerprint),
            (Velocity, org, agent, now // HOUR),
            (KnownMerchant, org, self.merchant_key),
        ]
        if self.key is not None:
            rows.append((KeptKey, org, agent, self.key))
        return Needs(rows=tuple(rows), chains=(self.chain,))

    @property
    def chain(self) -> Chain:
        """What the purchase will belong to."""
        return Chain(self.organization_id, self.project_id, self.agent_id, self.ask.task_id)

    @property
    def merchant_key(self) -> str:
        """The merchant's name, normalised."""
        return normalise(self.ask.merchant.name)

    @property
    def fingerprint(self) -> str:
        """What makes two wishes the same wish."""
        return fingerprint(self.ask.task_id, self.merchant_key, self.ask.amount, self.ask.currency, self.ask.kind)

    def apply(self, book: Book, now: int) -> Asked | Refusal:
        """1 a key used before · 2 nothing loosened or real · 3 decide · 4 no duplicate · 5 hold and card."""
        kept = book.get(KeptKey, self.organization_id, self.agent_id, self.key) if self.key is not None else None
        if kept is not None:
            return self._replay(book, kept)
        facts = facts_of(book, self.chain, self.ask, now)
        wrong = untriable(facts.connection) if self.only_tried else None
        if wrong is not None:
            return wrong
        loose = loosens(self.ask, self.project_id, facts)
        if loose is not None:
            return loose
        decision = decide(self.ask, facts, now)
        if decision.verdict == "declined" and decision.reasons[0].code == "POSSIBLE_DUPLICATE":
            book.record(
                self.organization_id,
                self.agent_id,
                "purchase.duplicate_refused",
                decision.duplicate_of or "",
                {"amount": self.ask.amount, "currency": self.ask.currency, "merchant": self.ask.merchant.name},
                now,
            )
            return Refusal("possible_duplicate", decision.reasons[0].message, 409, id=decision.duplicate_of)
        # From here the ask must succeed: only writes below.
        purchase = self._purchase(book, facts, decision, now)
        if self.key is not None:
            book.put(KeptKey(self.organization_id, self.agent_id, self.key, purchase.id, self.body_hash, now))
        promise = None
        if decision.verdict == "declined":
            book.put(purchase)
        else:
            purchase, promise = self._hold(book, purchase, facts, decision.reasons, now)
        codes = [reason.code for reason in decision.reasons]
        audit(
            book,
            purchase,
            self.agent_id,
            "purchase.asked",
            now,
            verdict=decision.verdict,
            amount=purchase.amount,
            currency=purchase.currency,
            merchant=self.ask.merchant.name,
            hold=purchase.hold_amount,
            approval=purchase.approval_id,
            reasons=codes,
            decision_hash=text_hash(purchase.decision),
        )
        approval = book.need(Approval, purchase.organization_id, purchase.approval_id) if purchase.approval_id else None
        return Asked(purchase, False, promise, decision.verdict, tuple(codes), approval)

    def _replay(self, book: Book, kept: KeptKey) -> Asked | Refusal:
        purchase = book.need(Purchase, self.organization_id, kept.purchase_id)
        if kept.body_hash != self.body_hash:
            return Refusal(
                "idempotency_conflict", "This Idempotency-Key was used with another body.", 409, id=purchase.id
            )
        return Asked(purchase, True, None)

    def _purchase(self, book: Book, facts: Facts, decision: Decision, now: int) -> Purchase:
        controls = strictest([scoped for _, scoped in facts.controls])
        status = {"declined": "declined", "needs_approval": "awaiting_approval", "approved": "issuing"}
        return Purchase(
            organization_id=self.organization_id,
            id=self.ids.purchase,
            agent_id=self.agent_id,
            project_id=self.project_id,
            task_id=self.ask.task_id,
            connection_id=facts.connection.id if facts.connection else "",
            status=status[decision.verdict],
            amount=self.ask.amount,
            currency=self.ask.currency,
            hold_id=None,
            hold_amount=decision.hold_amount,
            held=0,
            spent=0,
            captured=0,
            loose_captured=0,
            refunded=0,
            entry_count=0,
            card_id=None,
            approval_id=None,
            merchant_key=self.merchant_key,
            merchant_lock=self.ask.merchant_lock or controls.merchant_lock or "strict",
            merchant=self.ask.merchant.to_json(),
            description=self.description,
            metadata=self.metadata,
            decision=decision_json(book, self.chain, self.ask, decision, facts, now),
            failure=None,
            fingerprint=self.fingerprint,
            ended_at=None,
            ended_reason=None,
            created_at=now,
            updated_at=now,
            kind=self.ask.kind,
            interval=self.ask.recurring.interval if self.ask.recurring else None,
            payments=self.ask.recurring.payments if self.ask.recurring else 1,
        )

    def _hold(
        self, book: Book, purchase: Purchase, facts: Facts, reasons: tuple[Reason, ...], now: int
    ) -> tuple[Purchase, OutboxPromise | None]:
        purchase = place_hold(book, purchase, self.ids.hold, now)
        book.take_group(Authorization, (purchase.organization_id, purchase.id), ())
        remember_wish(book, purchase, facts, now)
        count_velocity(book, purchase, now)
        if purchase.status == "awaiting_approval":
            rules = strictest([scoped for _, scoped in facts.controls])
            shown = snapshot(book, purchase, reasons, facts.budgets, rules.second_approval_threshold)
            approval = Approval(
                purchase.organization_id, self.ids.approval, purchase.id, "pending", shown,
                now + approval_lifetime("purchase", rules.approval_expiry_seconds), None, None, "", now,
            )  # fmt: skip
            book.put(approval)
            purchase = purchase._replace(approval_id=approval.id)
            book.put(purchase)
            return purchase, None
        return promise_card(book, purchase, facts, self.ids.card, self.ids.promise, now)


def facts_of(book: Book, above: Chain, ask: Ask, now: int, without: Purchase | None = None) -> Facts:
    """What `decide` looks at, from the book. `without` leaves one purchase's own count and entry out (section 5)."""
    organization_id, project_id, agent_id, _ = above
    organization = book.need(Organization, organization_id)
    key = normalise(ask.merchant.name)
    print_of = fingerprint(ask.task_id, key, ask.amount, ask.currency, ask.kind)
    recent = book.get(RecentPurchase, organization_id, agent_id, print_of)
    connection_id = organization.connection_id
    velocity = book.get(Velocity, organization_id, agent_id, now // HOUR)
    count, amount = (velocity.purchases, velocity.amount) if velocity else (0, 0)
    if without is not None and without.created_at // HOUR == now // HOUR:
        count, amount = count - 1, amount - without.amount
    controls, known = controls_above(book, above), book.get(KnownMerchant, organization_id, key)
    return Facts(
        organization=organization,
        project=book.get(Project, organization_id, project_id),
        agent=book.get(Agent, organization_id, agent_id),
        connection=book.get(Connection, organization_id, connection_id) if connection_id else None,
        controls=controls,
        budgets=budgets_of(book, above, now),
        duplicate_of=_duplicate(book, recent, [scoped for _, scoped in controls], without, now),
        velocity=(count, amount),
        merchant_known=known is not None and known.purchases > 0,
    )


def _duplicate(
    book: Book, recent: RecentPurchase | None, controls: list[Controls], without: Purchase | None, now: int
) -> str | None:
    """The purchase this ask repeats: same wish, inside the window, and one that holds or has spent (section 6)."""
    repeated = _repeated(book, recent, controls, now) if recent is not None else []
    return next((id for id, _ in repeated if without is None or id != without.id), None)


def _repeated(book: Book, recent: RecentPurchase, controls: list[Controls], now: int) -> list[tuple[str, int]]:
    """Those that count now, newest first: what came after one may have come to nothing since."""
    window = strictest(controls).duplicate_window_seconds
    seconds = DEFAULT_DUPLICATE_WINDOW_SECONDS if window is None else window
    young = [(id, at) for id, at in recent.all if now - at < seconds * SECOND]
    rows = {id: book.need(Purchase, recent.organization_id, id) for id, _ in young}
    return [(id, at) for id, at in young if rows[id].held > 0 or rows[id].spent > 0]


def remember_wish(book: Book, purchase: Purchase, facts: Facts, now: int) -> None:
    """What a later ask may repeat: this purchase, and with it what it repeats itself, for as long as that counts.

    Of more than `MOST_REPEATED` the oldest stay, which an agent's own later asks cannot push out.
    """
    key = (purchase.organization_id, purchase.agent_id, purchase.fingerprint)
    recent = book.get(RecentPurchase, *key)
    repeated = _repeated(book, recent, [scoped for _, scoped in facts.controls], now) if recent is not None else []
    others = [(id, at) for id, at in repeated if id != purchase.id][-MOST_REPEATED:]
    book.put(RecentPurchase(*key, purchase.id, now, to_text(others) if others else None))


def promise_card(
    book: Book, purchase: Purchase, facts: Facts, card_id: str, promise_id: str, now: int
) -> tuple[Purchase, OutboxPromise]:
    """Writes the card that is to be made and the promise to make it, with the exact parameters Stripe will get."""
    controls = strictest([scoped for _, scoped in facts.controls])
    lifetime = controls.card_ttl_seconds or DEFAULT_LIFETIME_SECONDS
    card = Card(
        purchase.organization_id,
        card_id,
        purchase.id,
        purchase.connection_id,
        None,
        "creating",
        None,
        purchase.currency,
        spending_limits(purchase)[-1]["amount"],
        None,
        None,
        None,
        now + lifetime * SECOND,
        0,
        now,
        now,
    )
    purchase = purchase._replace(card_id=card_id, status="issuing")
    # Whose name it is in is decided now, so that every try of the promise sends the same.
    params = {
        **compile_card(purchase, card_id, controls, single_use=purchase.kind != RECURRING),
        "cardholder": cardholder_scope(book, purchase),
    }
    promise = new_promise(
        purchase.organization_id, promise_id, "make_card", card_id, params, now, key=f"{purchase.id}:1",
        lease=LEASE,
    )  # fmt: skip
    book.put(card)
    book.put(purchase)
    book.promise(promise)
    count_at_merchant(book, purchase, 1, now)
    return purchase, promise


def count_velocity(book: Book, purchase: Purchase, now: int) -> None:
    """Counts one more purchase of the agent in this hour."""
    _count(book, purchase, 1, purchase.amount, now)


def count_change(book: Book, purchase: Purchase, amount: int, now: int) -> None:
    """Counts another `amount` of a purchase in this hour; it stays one purchase.

    Less than before is given back only in the hour in which it was asked for: another one never counted it.
    """
    more = amount - purchase.amount
    if more > 0 or purchase.created_at // HOUR == now // HOUR:
        _count(book, purchase, 0, more, now)


def _count(book: Book, purchase: Purchase, purchases: int, amount: int, now: int) -> None:
    hour = now // HOUR
    before = book.get(Velocity, purchase.organization_id, purchase.agent_id, hour)
    counted, sum_of = (before.purchases, before.amount) if before else (0, 0)
    book.put(Velocity(purchase.organization_id, purchase.agent_id, hour, counted + purchases, sum_of + amount))
