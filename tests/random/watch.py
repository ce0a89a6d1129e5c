"""What is checked after every single step of a random company: promises P1 to P5 and P8 to P12 (design section 12).

Each check sees the rows before and after the step, what was answered to whom, and the truth of the network.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from roony.core.agent import Organization
from roony.core.audit import GENESIS, AuditRecord, link
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.budget import Budget, BudgetPeriod
from roony.core.card import Card
from roony.core.ledger import Entry, Hold
from roony.core.mandate import Payment
from roony.core.purchase import RECURRING, Purchase
from roony.core.settlement import StripeTransaction, belonging
from roony.flows.renewal import CARD_LIMITS
from roony.store.rows import InboxEvent, OutboxPromise
from tests.random.ground import Ground, Snapshot
from tests.random.network import Event, Network
from tests.support.books import ORG
from tests.support.promises import MONEY

EVENT_STATES = ("received", "applied", "ignored", "failed", "dead")


@dataclass
class Counts:
    """What happened in one run, for the table at its end."""

    examples: int = 0
    steps: int = 0
    delivered: int = 0
    duplicated: int = 0
    lost: int = 0
    crashes: int = 0
    restarts: int = 0
    answers: int = 0
    approvals: int = 0
    purchases: int = 0
    # How often each thing was done, and each code was answered.
    words: Counter[str] = field(default_factory=Counter)


@dataclass
class Watch:
    """Keeps the rows of the step before, and every promise's own memory."""

    ground: Ground
    network: Network
    counts: Counts
    rows: Snapshot = field(default_factory=dict)
    inbox: dict[str, InboxEvent] = field(default_factory=dict)
    head: tuple[int, str] = (0, GENESIS)
    # What was really sent to Stripe, by (authorization, ordinal, amount).
    sent: dict[tuple[str, int, int], bool] = field(default_factory=dict)
    delivered: dict[str, Event] = field(default_factory=dict)

    def look(self) -> Snapshot:
        """The rows as they are now, compared with those before; returns the rows before."""
        before, head = self.rows, self.head
        self.rows, records, events = self.ground.snapshot(head[0])
        self.chain(records)
        self.inbox = {event.id: event for event in events}
        if before:
            self.recorded(before, len(records))
            self.limits(before)
        self.sums()
        self.open_money()
        self.hard_limits()
        self.one_card_each()
        self.answers()
        self.nothing_dropped()
        self.booked_once()
        return before

    def get(self, row: type, **where: Any) -> Any:
        """The one row that fits, as of the last look; None when there is none."""
        found = [item for item in self.rows[row] if all(getattr(item, name) == value for name, value in where.items())]
        assert len(found) <= 1, found
        return found[0] if found else None

    def chain(self, records: list[AuditRecord]) -> None:
        """P9: the chain goes on from where it was, up to the head on the organization's row."""
        sequence, previous = self.head
        mine = [record for record in records if record.organization_id == ORG]
        for record in mine:
            # Each link is checked once, when it is new.
            assert (record.sequence, record.previous_hash) == (sequence + 1, previous), record
            assert fits(record), record
            sequence, previous = record.sequence, record.hash
        organization = self.get(Organization, id=ORG)
        assert (organization.audit_sequence, organization.audit_hash) == (sequence, previous)
        self.head = (sequence, previous)

    def recorded(self, before: Snapshot, records: int) -> None:
        """P9: no change of money without a record."""
        changed = [row.__name__ for row in MONEY if plain(self.rows[row]) != plain(before[row])]
        assert records or not changed, f"changed without a record: {changed}"

    def limits(self, before: Snapshot) -> None:
        """P1: the holds placed by this step go beyond no limit."""
        known = {hold.id for hold in before[Hold]}
        answered = {decision.id for decision in before[AuthorizationDecision]}
        asked = {row.purchase_id for row in self.rows[AuthorizationDecision] if row.id not in answered}
        # What Stripe did alone is no hold that we placed; it is booked where it belongs, past a limit too.
        known |= {row.hold_id for row in self.rows[Payment] if row.sequence > 1 and row.purchase_id not in asked}
        limits = {budget.id: budget.limit_amount for budget in self.rows[Budget]}
        taken = {(row.budget_id, row.period_start): row.held + row.spent for row in self.rows[BudgetPeriod]}
        for hold in self.rows[Hold]:
            if hold.id not in known:
                for budget, start in json.loads(hold.periods):
                    assert limits[budget] is None or taken.get((budget, start), 0) <= limits[budget], (hold, budget)

    def sums(self) -> None:
        """P8: entries sum to purchases and, through their holds, to budget periods; nothing held is negative."""
        periods = {hold.id: json.loads(hold.periods) for hold in self.rows[Hold]}
        by_purchase: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        by_period: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
        for entry in self.rows[Entry]:
            both = [by_purchase[entry.purchase_id], *(by_period[(id, start)] for id, start in periods[entry.hold_id])]
            for sums in both:
                sums[0] += entry.held
                sums[1] += entry.spent
        for purchase in self.rows[Purchase]:
            assert [purchase.held, purchase.spent] == by_purchase[purchase.id], purchase
            assert min(purchase.held, purchase.spent) >= 0, purchase
        self.payments()
        kept = {(row.budget_id, row.period_start): [row.held, row.spent] for row in self.rows[BudgetPeriod]}
        # A hold of nothing, as for a card check of nothing, needs no row.
        assert {key: sums for key, sums in by_period.items() if any(sums) or key in kept} == kept
        assert all(held >= 0 for held, _ in kept.values())

    def payments(self) -> None:
        """P8: the entries of a mandate sum to its payments, and these to the mandate; each holds what is open on it."""
        by_hold: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for entry in self.rows[Entry]:
            by_hold[entry.hold_id][0] += entry.held
            by_hold[entry.hold_id][1] += entry.spent
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        held: dict[tuple[str, int], int] = {}
        for row in self.rows[Payment]:
            assert [row.held, row.spent] == by_hold[row.hold_id], row
            assert min(row.held, row.spent) >= 0, row
            sums[row.purchase_id][0] += row.held
            sums[row.purchase_id][1] += row.spent
            held[(row.purchase_id, row.sequence)] = row.held
        for purchase in self.rows[Purchase]:
            if purchase.kind == RECURRING and purchase.hold_id is not None:
                assert [purchase.held, purchase.spent] == sums[purchase.id], purchase
        for known in self.rows[Authorization]:
            if known.payment and known.approved and known.status == "pending":
                place = (known.purchase_id, abs(known.payment))
                held[place] -= max(0, known.amount - known.captured)
                assert held[place] >= 0, (known, place)

    def hard_limits(self) -> None:
        """What Stripe allows on a card is between what can be used and what was promised; once told it is just that."""
        purchases = {purchase.id: purchase for purchase in self.rows[Purchase]}
        new_price = {
            promise.subject
            for promise in self.rows[OutboxPromise]
            if promise.kind == CARD_LIMITS and promise.status != "done"
        }
        for card in self.rows[Card]:
            if card.stripe_card_id is None:
                continue
            purchase, there = purchases[card.purchase_id], self.network.cards[card.stripe_card_id].limits
            if purchase.kind != RECURRING:
                assert card.usable_limit <= there["all_time"] <= card.hard_limit == purchase.hold_amount, (card, there)
            elif card.status == "active" and card.id not in new_price:
                wanted = {"per_authorization": purchase.hold_amount, "all_time": card.hard_limit}
                assert there == wanted, (card, purchase, there)

    def open_money(self) -> None:
        """P8: held is at least what pending authorizations have not yet captured: known here, and granted there."""
        waiting: dict[str, int] = defaultdict(int)
        captured = {known.id: known.captured for known in self.rows[Authorization]}
        for known in self.rows[Authorization]:
            if known.approved and known.status == "pending" and known.purchase_id is not None:
                waiting[known.purchase_id] += max(0, known.amount - known.captured)
        granted: dict[str, int] = defaultdict(int)
        for truth in self.network.authorizations.values():
            if truth.status == "pending" and truth.granted:
                purchase_id = truth.card.metadata["roony_purchase"]
                granted[purchase_id] += max(0, min(truth.amount, truth.granted) - captured.get(truth.id, 0))
        for purchase in self.rows[Purchase]:
            assert purchase.held >= waiting[purchase.id], (purchase, waiting[purchase.id])
            assert purchase.held >= granted[purchase.id], (purchase, granted[purchase.id])

    def one_card_each(self) -> None:
        """P2: one card and one promise to make it for each purchase that has one, and one card at Stripe."""
        purchases = {purchase.id: purchase for purchase in self.rows[Purchase]}
        cards = self.rows[Card]
        assert len({card.purchase_id for card in cards}) == len(cards)
        assert all(purchases[card.purchase_id].card_id == card.id for card in cards)
        made = [promise.subject for promise in self.rows[OutboxPromise] if promise.kind == "make_card"]
        assert sorted(made) == sorted(card.id for card in cards)
        named = [card.metadata["roony_purchase"] for card in self.network.cards.values()]
        assert len(set(named)) == len(named), named

    def answers(self) -> None:
        """P4, P5: a yes that was sent has its durable row; what was not sent as a yes is not in the books as one."""
        decisions = {(d.authorization_id, d.ordinal, d.amount): d for d in self.rows[AuthorizationDecision]}
        for key, approved in self.sent.items():
            decision = decisions.get(key)
            if approved:
                assert decision is not None, key
                assert (decision.approved, decision.answered) == (1, "approved"), decision
            else:
                assert decision is None or decision.answered == "declined", decision

    def nothing_dropped(self) -> None:
        """P12: every event that arrived is there, in a state that says what became of it."""
        for id in self.delivered:
            event = self.inbox.get(id)
            assert event is not None, id
            assert event.status in EVENT_STATES, event
            assert event.status in ("applied", "received") or event.reason, event
            assert event.status == "received" or event.finished_at or event.status == "failed", event

    def booked_once(self) -> None:
        """P3: totals are the sum of transactions, and each of those is one of the network's, as it is there."""
        truth = {made["id"]: made for made in self.network.transactions}
        sums: dict[tuple[str | None, str], int] = defaultdict(int)
        purchases = {purchase.id: purchase for purchase in self.rows[Purchase]}
        for row in self.rows[StripeTransaction]:
            assert belonging(row, purchases.get(row.purchase_id or ""), row.matched_by) == row
            assert (row.type, row.amount) == (truth[row.id]["type"], abs(truth[row.id]["amount"])), row
            sums[(row.purchase_id, row.type)] += row.amount
        for purchase in self.rows[Purchase]:
            assert purchase.captured == sums[(purchase.id, "capture")], purchase
            assert purchase.refunded == sums[(purchase.id, "refund")] <= purchase.captured, purchase


def fits(record: AuditRecord) -> bool:
    """True if a record's hash and id fit its own content."""
    digest = link(
        record.previous_hash, record.organization_id, record.sequence, record.at, record.actor, record.action,
        record.subject, record.body,
    )  # fmt: skip
    return record.hash == digest and record.id == f"aud_{digest[:24]}"


def plain(rows: list[Any]) -> list[Any]:
    """Rows without the times at which they changed and were heard of."""
    times = {"updated_at", "seen_at"}
    return [row._replace(**dict.fromkeys(times.intersection(row._fields), 0)) for row in rows]
