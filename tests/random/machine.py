"""A company whose every step is drawn by hypothesis: what people, agents, merchants, Stripe and bad luck may do.

After each step the promises are checked (watch.py). At the end everything that was lost is told again and the books
must be what the reference model says (model.py). Where no more is needed a step draws a number and takes it modulo what
is there, so that a failing run shrinks to few small numbers.
"""

from __future__ import annotations

import sys
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from roony.core.approval import Approval
from roony.core.authorization import Authorization
from roony.core.budget import Budget, BudgetPeriod
from roony.core.card import Card
from roony.core.confirmation import REALTIME_URL, TIMEOUT_DECLINES
from roony.core.decision import Ask
from roony.core.errors import Refusal
from roony.core.mandate import Payment as PaymentRow
from roony.core.merchant import Merchant
from roony.core.purchase import Purchase, Recurring
from roony.flows.approval import Approve, ApproveIds, Deny, ExpireApproval
from roony.flows.card import ExpireCard
from roony.flows.connection import ConfirmConnection
from roony.flows.ending import CancelPurchase
from roony.flows.freeze import Freeze, Unfreeze
from roony.flows.purchase import AskIds, AskPurchase
from roony.flows.raising import ApproveRaise, RaiseIds
from roony.flows.renewal import ApproveRenewal
from roony.store.rows import OutboxPromise
from tests.random import paid_again
from tests.random.ground import AGENTS, BLOWS, LIMITS, NO_ANSWER, TOLERANCE, Ground
from tests.random.keeping import keep
from tests.random.model import CHECK, SECOND, Line, Model, Moved, Payment, Wish, begin
from tests.random.network import MERCHANTS, Event, Network, NetworkAuthorization, NetworkCard
from tests.random.proving import check_evidence_of_all
from tests.random.replaying import check_replay
from tests.random.reporting import check_report
from tests.random.watch import Counts, Watch, plain
from tests.support.books import CONNECTION, ORG
from tests.support.promises import MONEY
from tests.support.story import PERSON

NUMBER = st.integers(0, 2**16)
AMOUNTS = (900, 3_000, 7_000, 9_500, 20_000, 70_000, 50)
# What a merchant asks for, compared with what was approved.
ASKED = ("all", "all", "half", "check", "nothing", "over", "penny over a check")
BLOW = st.sampled_from([None] * 12 + list(BLOWS))
STRAY = 9_000_000  # more than any card here ever pays
# What becomes of the events of one happening.
FATES = st.sampled_from(["way", "way", "way", "now", "now", "twice", "lost"])
# Promises kept at the end, each round: one may be put off until another is kept.
MAX_PROMISES = 200
SECONDS = (10, 100, 4_000, 30 * 3_600, 8 * 86_400)
SCOPES = [("agent", agent) for agent in AGENTS] + [("project", "prj_1"), ("project", "prj_2"), ("organization", ORG)]


class CompanyMachine(RuleBasedStateMachine):
    """One random company. `ground` and `counts` are set by `machine_on`."""

    ground: Ground
    counts: Counts

    def __init__(self) -> None:
        super().__init__()
        self.ground.begin()
        self.books = self.ground.books
        self.network = Network()
        self.model = Model(LIMITS)
        self.watch = Watch(self.ground, self.network, self.counts)
        self.way: list[Event] = []
        self.lost: list[Event] = []
        self.requests: list[tuple[str, Merchant, dict[str, Any], bool]] = []
        self.keys: dict[str, str] = {}
        self.made_alone: set[str] = set()
        self._spread_to = 0
        self.counts.examples += 1
        self.watch.look()

    # Agents and people

    @initialize(count=st.sampled_from([3, 1, 2, 4, 6, 0]))
    def begin(self, count: int) -> None:
        """Some purchases are there already, their cards with them."""
        for number in range(count):
            self._ask(list(AGENTS)[number % 3], 7_000 + number, "Figma", None, False, None)
            self._work(0, "made", None)
        self._spread("way")

    @rule(agent=NUMBER, amount=st.sampled_from(AMOUNTS), merchant=st.sampled_from(["Figma", "Notion"]),
          task=st.sampled_from([None, "task"]), again=st.booleans(), blow=BLOW)  # fmt: skip
    def ask(self, agent: int, amount: int, merchant: str, task: str | None, again: bool, blow: str | None) -> None:
        """An agent asks; after a blow it asks again with the same key."""
        self._ask(list(AGENTS)[agent % len(AGENTS)], amount, merchant, task, again, blow)

    def _ask(
        self, agent: str, amount: int, merchant: str, task: str | None, again: bool, blow: str | None,
        recurring: Recurring | None = None,
    ) -> None:  # fmt: skip
        key = self.books.new_id("key")
        answer = self.ground.submit(self._wish(agent, amount, merchant, task, again, key, recurring), blow)
        if answer is NO_ANSWER:
            self._struck(blow)
            answer = self.ground.submit(self._wish(agent, amount, merchant, task, again, key, recurring))
        self._asked(agent, merchant, answer, key)

    @rule(pick=NUMBER)
    def buy(self, pick: int) -> None:
        """What mostly happens: asked, a card made, an authorization for all of it.

        One argument only: what hypothesis begins with, and ends with where it can, is the step with the fewest.
        """
        agent, amount, fate = list(AGENTS)[pick % 3], AMOUNTS[pick // 3 % 4], ("way", "now", "lost")[pick // 12 % 3]
        # An amount nobody asked for yet: a repeat would be left to a person.
        self._ask(agent, amount + len(self.model.wishes), "Figma", None, True, None)
        wish = next(reversed(self.model.wishes.values()), None)
        promised = [promise.key.partition(":")[0] for promise in self._promises()]
        if wish is not None and wish.id in promised:
            self._work(promised.index(wish.id), "made", None)
            card, id = next(reversed(self.network.cards.values())), f"iauth_{self.network._next()}"
            self._request(card, id, "FIGMA", wish.amount, False, "answer", "honours", None, None)
        self._spread(fate)

    @rule(agent=NUMBER, amounts=st.lists(st.sampled_from(AMOUNTS), min_size=2, max_size=5))
    def rush(self, agent: int, amounts: list[int]) -> None:
        """Several asks at the same time, for what may be the last of a budget."""
        name, keys = list(AGENTS)[agent % len(AGENTS)], [self.books.new_id("key") for _ in amounts]
        commands = [self._wish(name, amounts[at], "Figma", None, True, key) for at, key in enumerate(keys)]
        for answer, key in zip(self.ground.together(commands), keys, strict=True):
            self._asked(name, "Figma", answer, key, look=False)
        self._look()

    @precondition(lambda self: self.keys)
    @rule(pick=NUMBER, blow=BLOW)
    def ask_again(self, pick: int, blow: str | None) -> None:
        """The same key brings the same purchase and changes nothing, also where the first answer never came."""
        key = list(self.keys)[pick % len(self.keys)]
        wish = self.model.wishes[self.keys[key]]
        row = self.watch.get(Purchase, id=wish.id)
        merchant, amount = ("Figma" if "figma" in row.merchant.lower() else "Notion"), int(row.metadata.strip('"'))
        again = self._wish(wish.chain[0], amount, merchant, row.task_id, False, key, row.recurring)
        answer = self.ground.submit(again, blow)
        if answer is NO_ANSWER:
            self._struck(blow)
        self._unchanged(f"the key {key} again")
        if answer is NO_ANSWER:
            return
        assert isinstance(answer, Refusal) or (answer.replayed and answer.purchase.id == wish.id), answer

    def _wish(
        self, agent: str, amount: int, name: str, task: str | None, again: bool, key: str,
        recurring: Recurring | None = None,
    ) -> AskPurchase:  # fmt: skip
        merchant = Merchant(name, None, "5734", "US", None)
        ask = Ask(amount, "usd", merchant, task, allow_duplicate=again, recurring=recurring)
        ids = AskIds(*(self.books.new_id(prefix) for prefix in ("pur", "hold", "apr", "crd", "out")))
        body = f"{amount}|{name}|{task}|{recurring}"
        return AskPurchase(ORG, agent, AGENTS[agent], ask, "a thing", f'"{amount}"', key, body, ids)

    def _asked(self, agent: str, merchant: str, answer: Any, key: str, look: bool = True) -> None:
        if isinstance(answer, Refusal):
            self._unchanged(answer.code)
            return
        purchase = answer.purchase
        wish = Wish(
            purchase.id, (agent, AGENTS[agent], ORG), merchant, purchase.amount, purchase.hold_amount,
            purchase.created_at, purchase.status == "awaiting_approval", purchase.status == "declined",
            interval=purchase.interval, payments=purchase.payments,
        )  # fmt: skip
        self.model.wishes[wish.id], self.keys[key] = wish, wish.id
        self.counts.words[f"{'asked' if wish.interval is None else 'mandate'} {purchase.status}"] += 1
        self.counts.purchases += 1
        if purchase.status == "issuing":
            wish.promise_card(purchase.created_at)
        if look:
            self._look()
        if not wish.declined:
            assert wish.hold == self._hold_for(wish, wish.amount)
            self._may_hold(wish, wish.held_at)

    @staticmethod
    def _hold_for(wish: Wish, amount: int) -> int:
        return amount + (TOLERANCE if wish.chain[1] == "prj_2" else 0)

    def _may_hold(self, wish: Wish, at: int) -> None:
        """P1 a second time, by the model's own limits and periods."""
        scopes = {row.id: (row.scope_id, row.period) for row in self.watch.rows[Budget]}
        rows = self.watch.rows[BudgetPeriod]
        now = {(*scopes[row.budget_id], row.period_start): (row.held, row.spent) for row in rows}
        why = self.model.why_no_hold(wish, at, now)
        assert why is None, (wish, why)

    @precondition(lambda self: self._approvals())
    @rule(pick=NUMBER, change=st.sampled_from([0, 0, 500, -10]), blow=BLOW)
    def approve(self, pick: int, change: int, blow: str | None) -> None:
        """A person says yes, perhaps to another amount."""
        approval = self._of(self._approvals(), pick)
        purchase, wish = self.watch.get(Purchase, id=approval.purchase_id), self.model.wishes[approval.purchase_id]
        amount = (approval.amount or purchase.amount) + change if change else None
        answer = self.ground.submit(self._yes(approval, purchase, amount), blow)
        self.counts.words[f"approve {approval.kind} {word_of(answer)}"] += 1
        if answer is NO_ANSWER:
            self._struck(blow)
        if isinstance(answer, Refusal):
            self._unchanged(answer.code)
            return
        self._look()
        after = self.watch.get(Purchase, id=wish.id)
        wish.declined = after.status == "declined"
        if approval.kind != "purchase":
            self._repriced(wish)
        elif after.card_id is not None and wish.waits:
            wish.amount, wish.hold, wish.held_at = after.amount, after.hold_amount, after.updated_at
            wish.promise_card(after.updated_at)
            self._may_hold(wish, wish.held_at)

    def _yes(self, approval: Approval, purchase: Purchase, amount: int | None) -> Any:
        if approval.kind == "renewal":
            return ApproveRenewal(ORG, approval, purchase, PERSON, "", self.books.new_id("out"), amount)
        if approval.kind == "raise":
            return ApproveRaise(ORG, approval, purchase, PERSON, "", self._raise_ids(), amount)
        ids = ApproveIds(*(self.books.new_id(prefix) for prefix in ("hold", "crd", "out")))
        return Approve(ORG, approval.id, purchase, PERSON, "", ids, amount)

    def _raise_ids(self) -> RaiseIds:
        return RaiseIds(*(self.books.new_id(prefix) for prefix in ("hold", "apr", "out")))

    def _repriced(self, wish: Wish) -> None:
        """A price may have changed: the hold of a raise is placed anew, that of a mandate's payments when they come."""
        after = self.watch.get(Purchase, id=wish.id)
        if after.amount == wish.amount:
            return
        self.counts.words[f"repriced {after.kind}"] += 1
        assert after.hold_amount == self._hold_for(wish, after.amount)
        if wish.interval is None:
            used = [known for known in self._on(self._card_for(wish)) if known.granted > CHECK]
            is_open = any(known.status == "pending" for known in used)
            why = self.model.why_no_raise(wish, after.updated_at, is_open)
            assert why is None, (wish, why)
            assert after.amount > wish.amount
            wish.held_at = after.updated_at
        wish.reprice(after.amount, after.hold_amount)
        if wish.interval is None:
            self._may_hold(wish, wish.held_at)

    @precondition(lambda self: self._approvals())
    @rule(pick=NUMBER)
    def deny(self, pick: int) -> None:
        """A person says no."""
        approval = self._of(self._approvals(), pick)
        answer = self.ground.submit(Deny(ORG, approval.id, "usr_1", "", self.books.new_id("out")))
        self._ended(answer, approval.purchase_id)

    @precondition(lambda self: self.model.wishes)
    @rule(pick=NUMBER, freeze=st.sampled_from([False, False, True]), blow=BLOW)
    def stop(self, pick: int, freeze: bool, blow: str | None) -> None:
        """An agent changes its mind, or somebody uses the kill switch of a scope."""
        if freeze:
            scope, id = self._of(SCOPES, pick)
            self._twice(Freeze(ORG, scope, id, "usr_1", self.books.new_id("out")), blow)
            self.model.frozen.add(id)
            self._look()
            return
        wish = self._of(list(self.model.wishes.values()), pick)
        command = CancelPurchase(ORG, wish.id, wish.chain[0], self.books.new_id("out"), wish.chain[0])
        answer = self.ground.submit(command, blow)
        if answer is NO_ANSWER:
            self._struck(blow)
            answer = self.ground.submit(command)
        self._ended(answer, wish.id)

    def _ended(self, answer: Any, purchase_id: str) -> None:
        if answer is None or isinstance(answer, Refusal):
            self._unchanged("nothing to end")
            return
        if answer.ended_at is not None:
            self.model.wishes[purchase_id].end(answer.ended_reason)
        self._look()

    @precondition(lambda self: self.model.frozen)
    @rule()
    def unfreeze(self) -> None:
        """Everything may buy again."""
        for scope, id in SCOPES:
            if id in self.model.frozen:
                self._twice(Unfreeze(ORG, scope, id, "usr_1", self.books.new_id("out")), None)
        self.model.frozen.clear()
        self._look()

    def _twice(self, command: Any, blow: str | None) -> None:
        if self.ground.submit(command, blow) is NO_ANSWER:
            self._struck(blow)
            self.ground.submit(command)

    # Promises, time, and the end of processes

    @precondition(lambda self: self._promises())
    @rule(pick=NUMBER, how=st.sampled_from(["made", "made", "made", "refused", "no answer"]), blow=BLOW, fate=FATES)
    def work(self, pick: int, how: str, blow: str | None, fate: str) -> None:
        """The worker keeps a promise, and Stripe does as it is asked, or refuses, or its answer is lost."""
        self._work(pick, how, blow)
        self._spread(fate)

    def _work(self, pick: int, how: str, blow: str | None) -> None:
        promises = self._promises()
        if promises:
            struck = keep(self, self._of(promises, pick), how, blow)
            if struck:
                self._struck(blow)
            self._look()

    @rule(pick=NUMBER, what=st.sampled_from(["duties", "wait", "wait", "restart"]))
    def pass_time(self, pick: int, what: str) -> None:
        """Time goes on, the worker does what is due, or the process stops in order and begins again."""
        if what == "duties":
            self._duties()
        elif what == "wait":
            self._wait(SECONDS[pick % len(SECONDS)])
        else:
            self._restart()
        self._look()

    def _restart(self) -> None:
        self.ground.restart()
        self.counts.restarts += 1
        self._on_time()

    def _duties(self) -> None:
        for row in self.books.rows(Approval):
            self._ended(self.ground.submit(ExpireApproval(ORG, row.id, self.books.new_id("out"))), row.purchase_id)
        for row in self.books.rows(Card):
            self._ended(self.ground.submit(ExpireCard(ORG, row.id, self.books.new_id("out"))), row.purchase_id)

    def _wait(self, seconds: int) -> None:
        self.ground.advance(seconds)
        self._on_time()

    def _on_time(self) -> None:
        self.network.now = self.books.clock() // SECOND

    # What merchants and the network do

    @precondition(lambda self: self.network.cards)
    @rule(pick=NUMBER, asked=st.sampled_from(ASKED), merchant=st.sampled_from(["right", "right", "right", "wrong"]),
          part=st.booleans(), crossing=st.booleans(), how=st.sampled_from(["answer"] * 8 + ["give up", "late"]),
          stripe=st.sampled_from(["honours"] * 6 + ["times out", "approves"]), blow=BLOW, fate=FATES)  # fmt: skip
    def request(
        self, pick: int, asked: str, merchant: str, part: bool, crossing: bool, how: str, stripe: str,
        blow: str | None, fate: str,
    ) -> None:  # fmt: skip
        """A merchant asks for money on a card; Stripe asks us unless it knows that the card is over."""
        card = self._card(pick)
        wish = self._wish_of(card)
        amount = {"all": wish.amount, "half": wish.amount // 2, "check": CHECK, "nothing": 0, "over": wish.hold + 1}
        id, name = f"iauth_{self.network._next()}", self._name_of(wish) if merchant == "right" else "SHADY GOODS"
        wanted = amount.get(asked, CHECK + 1)
        if not crossing and not self._stripe_asks(card, wanted):
            reason = "spending_controls" if card.status == "active" else f"card_{card.status}"
            self.network.authorize(id, card, name, wanted, reason, None, ours=False)
        else:
            self._request(card, id, name, wanted, part, how, stripe, blow, None)
        self._spread(fate)

    def _stripe_asks(self, card: NetworkCard, amount: int) -> bool:
        return card.status == "active" and not self.network.is_over(card, amount)

    @staticmethod
    def _name_of(wish: Wish) -> str:
        return "FIGMA" if wish.merchant == "Figma" else "NOTION LABS"

    @precondition(lambda self: self.network.cards)
    @rule(pick=NUMBER, blow=BLOW, fate=FATES)
    def pay(self, pick: int, blow: str | None, fate: str) -> None:
        """The right merchant asks for what was approved; most of what the others do follows from this."""
        cards = [card for card in self.network.cards.values() if card.status == "active"]
        card = self._of(cards, pick) if cards else self._card(pick)
        wish, id = self._wish_of(card), f"iauth_{self.network._next()}"
        self._request(card, id, self._name_of(wish), wish.amount, False, "answer", "honours", blow, None)
        self._spread(fate)

    @precondition(lambda self: self._some("pending"))
    @rule(pick=NUMBER, blow=BLOW, fate=FATES)
    def pay_twice(self, pick: int, blow: str | None, fate: str) -> None:
        """The right merchant asks for a little more on a used card, before Stripe has canceled it."""
        known = self._of(self._some("pending"), pick)
        wish, id = self._wish_of(known.card), f"iauth_{self.network._next()}"
        self._request(known.card, id, self._name_of(wish), CHECK + 1, False, "answer", "honours", blow, None)
        self._spread(fate)

    @precondition(lambda self: self._some("pending"))
    @rule(pick=NUMBER, amount=st.sampled_from([100, 2_000, 1]), how=st.sampled_from(["answer"] * 8 + ["give up"]),
          stripe=st.sampled_from(["honours"] * 6 + ["times out", "approves"]), blow=BLOW, fate=FATES)  # fmt: skip
    def increase(self, pick: int, amount: int, how: str, stripe: str, blow: str | None, fate: str) -> None:
        """A merchant asks for more on the same authorization."""
        known = self._of(self._some("pending"), pick)
        self._request(known.card, known.id, known.merchant, amount, False, how, stripe, blow, known)
        self._spread(fate)

    def _request(
        self, card: NetworkCard, id: str, name: str, amount: int, part: bool, how: str, stripe: str, blow: str | None,
        known: NetworkAuthorization | None,
    ) -> None:  # fmt: skip
        wish = self._wish_of(card)
        merchant = Merchant(name, None, "5734", "US", MERCHANTS[name])
        fields = {
            "authorization_id": id, "ordinal": len(known.history) if known else 0, "controllable": part,
            "granted": known.amount if known else 0, "network_transaction_id": f"nt_{id}",
            "created": known.created if known else self.network.now,
        }  # fmt: skip
        command = self.books.authorization_command(card.id, amount, merchant=merchant, **fields)
        # What the books first hear of as a small request of ours is a card check; what they know better is not.
        new_here = self.watch.get(Authorization, id=id) is None
        answer = self._answer(command, how, blow)
        approved = answer is not NO_ANSWER and answer.approved
        self.counts.answers += 1
        self.counts.approvals += int(approved)
        kind = "answer" if wish.interval is None else "mandate answer"
        self.counts.words[f"{kind} {answer.code if answer is not NO_ANSWER else blow or how}"] += 1
        key = (id, fields["ordinal"], amount)
        if answer is not NO_ANSWER or not (blow or "").startswith("die"):
            self.watch.sent[key] = approved
        if how == "answer" and blow is None:
            self.requests.append((card.id, merchant, {**fields, "amount": amount}, approved))
        is_check = wish.card in ("live", "over") and fields["granted"] + amount <= min(CHECK, wish.amount - 1)
        if approved:
            self._may_approve(wish, card, known, id, name, answer, is_check)
        granted = answer.amount if approved else None
        reason = "webhook_approved" if approved else "webhook_declined"
        if stripe == "times out" or (blow or "").startswith("die"):
            reason, granted = "webhook_timeout", None
        if stripe == "approves" and not approved:
            reason, granted = "network_fallback", amount
        made = self.network.authorize(id, card, name, amount, reason, granted, ours=approved)
        if new_here and how != "late" and blow not in ("die_before", "break_before"):
            made.asked_as_check = is_check
        self._look()
        if wish.interval is not None and answer is NO_ANSWER and self.watch.get(Authorization, id=id) is not None:
            self._put_on_a_payment(wish, id)
        # A yes that died on its way to Stripe holds until Stripe says what it recorded.
        if not approved and (wish.interval is None or blow != "die_after"):
            self._nothing_taken(wish)

    def _answer(self, command: Any, how: str, blow: str | None) -> Any:
        if how == "late":
            assert isinstance(self.ground.late(command), Refusal)
            return NO_ANSWER
        if how == "give up":
            self.ground.give_up(command)
            return NO_ANSWER
        answer = self.ground.submit(command, blow)
        if answer is NO_ANSWER:
            self._struck(blow)
        return answer

    def _may_approve(
        self, wish: Wish, card: NetworkCard, known: NetworkAuthorization | None, id: str, name: str, answer: Any,
        is_check: bool,
    ) -> None:  # fmt: skip
        amount: int = answer.amount
        others = [other for other in self._on(card) if other.id != id and other.granted]
        elsewhere = sum(min(other.amount, other.granted) for other in others if other.status == "pending")
        before = min(known.amount, known.granted) if known else 0
        used = not is_check and any(other.granted > CHECK for other in others)
        grows = known is not None and self._line(known).check and known.amount + amount > CHECK
        hold = None
        if wish.interval is not None:
            hold, elsewhere, used = self._renewed(wish, card, id, before + amount, others)
        why = self.model.why_no_yes(
            wish, self.books.clock(), name, before + amount, elsewhere, used, known is not None and not grows, hold
        )
        assert why is None, (wish, why)

    def _renewed(
        self, wish: Wish, card: NetworkCard, id: str, granted: int, others: list[NetworkAuthorization]
    ) -> tuple[int, int, bool]:
        """Of a yes on a mandate: the hold of its payment, what else is on that, and whether its interval was paid."""
        self._look()
        self._put_on_a_payment(wish, id)
        rows = {row.id: row for row in self.watch.rows[Authorization] if row.purchase_id == wish.id}
        payment = wish.due[rows[id].payment - 1]
        open_money = {known.id: min(known.amount, known.granted) for known in others if known.status == "pending"}
        [limit] = [row.hard_limit for row in self.watch.rows[Card] if row.purchase_id == wish.id]
        assert granted + sum(open_money.values()) <= limit, (wish, granted, open_money, limit)
        elsewhere = sum(amount for id, amount in open_money.items() if rows[id].payment == payment.sequence)
        own = begin(wish.interval or "", self.books.clock())
        # Whoever made it, it counts: what is captured, and what is open and more than a card check.
        counted = [row for row in rows.values() if row.id != id and row.approved and row.payment]
        paid = any(
            wish.due[abs(row.payment) - 1].interval_start == own
            for row in counted
            if row.captured or (row.status == "pending" and not row.is_check)
        )
        loose = any(
            row.loose_captured and row.interval_start == own
            for row in self.watch.rows[PaymentRow]
            if row.purchase_id == wish.id
        )
        return payment.hold, elsewhere, (paid or loose) and granted > 0

    def _nothing_taken(self, wish: Wish) -> None:
        """P10: a no, or a yes that was not sent, leaves held and spent as they were."""
        row, was = self.watch.get(Purchase, id=wish.id), self.held_before.get(wish.id)
        assert was is None or (row.held, row.spent) == was, (row, was)

    @precondition(lambda self: self.requests)
    @rule(pick=NUMBER)
    def request_again(self, pick: int) -> None:
        """The same request has the same answer and changes nothing."""
        card, merchant, fields, approved = self._of(self.requests, pick)
        answer = self.ground.submit(self.books.authorization_command(card, merchant=merchant, **fields))
        assert answer.approved == approved, (fields, answer)
        self._unchanged("a request again")

    @precondition(lambda self: self.network.cards)
    @rule(pick=NUMBER, amount=st.sampled_from([500, 12_000, 60]), fate=FATES,
          what=st.sampled_from(["card_active", "network_fallback", "controls", "force", "cancel"]))  # fmt: skip
    def alone(self, pick: int, amount: int, what: str, fate: str) -> None:
        """Stripe decides or cancels without asking, or a merchant captures by force, without authorization."""
        if what == "force":
            self.network.capture(self._card(pick), amount, None)
        elif what == "cancel":
            self.network.set_status(self._card(pick), "canceled")
        else:
            granted, id = None if what == "controls" else amount, f"iauth_{self.network._next()}"
            self.network.authorize(id, self._card(pick), "FIGMA", amount, what, granted, ours=False)
        self._happened(fate)
        self._confirmed()

    @precondition(lambda self: self._some("pending", "expired", "closed"))
    @rule(pick=NUMBER, share=st.sampled_from(["all", "all", "half", "more", "tip"]), close=st.booleans(), fate=FATES)
    def capture(self, pick: int, share: str, close: bool, fate: str) -> None:
        """The merchant takes what it was allowed, or less, or more; late, or again."""
        known = self._of(self._some("pending", "expired", "closed"), pick)
        left = max(0, known.amount - known.captured)
        amount = {"all": left, "half": left // 2, "more": known.amount * 2, "tip": left + 300}[share]
        self.network.capture(known.card, amount or 1, known, close)
        self._happened(fate)

    @precondition(lambda self: self._some("pending"))
    @rule(pick=NUMBER, fate=FATES)
    def tangle(self, pick: int, fate: str) -> None:
        """Twice of what was authorized is captured, more may come, and Stripe approves another request beside it."""
        known = self._of(self._some("pending"), pick)
        self.network.capture(known.card, known.amount * 2 or 1, known, close=False)
        id = f"iauth_{self.network._next()}"
        self.network.authorize(id, known.card, "FIGMA", 500, "card_active", 500, ours=False)
        self._happened(fate)
        self._confirmed()

    def _confirmed(self) -> None:
        """The owner has set right what let Stripe approve alone, and says so: new purchases go on."""
        wishes = ((REALTIME_URL, True), (TIMEOUT_DECLINES, True))
        self.ground.submit(ConfirmConnection(ORG, CONNECTION, wishes, "usr_1"))

    @precondition(lambda self: self._captured())
    @rule(pick=NUMBER, share=st.sampled_from(["half", "all", "stray"]), linked=st.booleans(), fate=FATES)
    def refund(self, pick: int, share: str, linked: bool, fate: str) -> None:
        """Money comes back, told with its authorization or without; more than was ever paid moves no budget."""
        card = self._of(self._captured(), pick)
        left = card.captured - card.refunded
        known = next((known for known in self._on(card) if known.captured), None) if linked else None
        amount = {"half": max(1, left // 2), "all": left, "stray": STRAY}[share]
        self.network.refund(card, amount, known, stray=share == "stray")
        self._happened(fate)

    @precondition(lambda self: self._some("pending"))
    @rule(pick=NUMBER, what=st.sampled_from(["all", "part", "expire"]), fate=FATES)
    def give_back(self, pick: int, what: str, fate: str) -> None:
        """The merchant gives back what it will not take, or a part; or it never comes."""
        known = self._of(self._some("pending"), pick)
        if what == "expire":
            self.network.expire(known)
        else:
            self.network.reverse(known, None if what == "all" else max(1, (known.amount - known.captured) // 2))
        self._happened(fate)

    @precondition(lambda self: self.network.transactions)
    @rule(pick=NUMBER, word=st.sampled_from(["created", "submitted", "funds_reinstated", "closed"]), fate=FATES)
    def dispute(self, pick: int, word: str, fate: str) -> None:
        """A dispute is opened or goes on; no budget moves."""
        self.network.dispute(self._of(self.network.transactions, pick), word)
        self._happened(fate)

    # What arrives

    @precondition(lambda self: self.way)
    @rule(pick=NUMBER, blow=BLOW)
    def arrive(self, pick: int, blow: str | None) -> None:
        """Any one event of those on their way."""
        self._deliver(self.way.pop(pick % len(self.way)), blow)

    @precondition(lambda self: self.way)
    @rule(backwards=st.booleans())
    def arrive_all(self, backwards: bool) -> None:
        """Everything that is on its way, in order or the other way round."""
        while self.way:
            self._deliver(self.way.pop(-1 if backwards else 0), None)

    @precondition(lambda self: self.watch.delivered)
    @rule(pick=NUMBER, blow=BLOW)
    def arrive_again(self, pick: int, blow: str | None) -> None:
        """An event that was here already."""
        self._deliver(self._of(list(self.watch.delivered.values()), pick), blow)

    @precondition(lambda self: self.network.cards)
    @rule(lists=st.booleans(), restart=st.booleans())
    def catch_up(self, lists: bool, restart: bool) -> None:
        """What was lost is told again: the undelivered events, or everything as it is now, as lists tell it."""
        if restart:
            self._restart()
        self._catch_up(lists)

    def _catch_up(self, lists: bool) -> None:
        again, self.lost = (self.network.statements(), self.lost) if lists else (self.lost, [])
        for event in again:
            self._deliver(event, None)

    def _deliver(self, event: Event, blow: str | None) -> None:
        self.counts.duplicated += int(event.id in self.watch.delivered)
        self.counts.delivered += 1
        self.ground.deliver(event, blow)
        self.watch.delivered[event.id] = event
        if blow is not None:
            self._struck(blow)
        self._look()

    # The end: everything is told, and compared

    def teardown(self) -> None:
        """Promises are kept, everything is told; then the books are what the model says."""
        try:
            if sys.exc_info()[0] is None:
                self._converge()
                self._compare()
                # Whoever asks Stripe how things are now learns nothing new.
                self._catch_up(lists=True)
                self._converge()
                self._compare()
                check_replay(self.ground, self.counts)
                check_report(self.ground, self.watch.rows[Purchase])
                check_evidence_of_all(self.ground, self.counts)
        finally:
            self.ground.end()

    def _converge(self) -> None:
        for _ in range(2):
            for number in range(MAX_PROMISES):
                if self._promises():
                    self._work(number, "made", None)
                    self._spread("way")
            self._catch_up(lists=False)
            self.arrive_all(False)
            # Longer than anything waits before it is looked at again.
            self._wait(400)
            self.ground.work_inbox()
            self._look()
        assert not self._promises()
        assert {event.status for event in self.watch.inbox.values()} <= {"applied", "ignored"}

    def _compare(self) -> None:
        """P3, P8: the books are what the model says of the truth."""
        cards = {card.metadata["roony_purchase"]: card for card in self.network.cards.values()}
        found: list[tuple[Wish, int, int, int]] = []
        for wish in self.model.wishes.values():
            card, row = cards.get(wish.id), self.watch.get(Purchase, id=wish.id)
            lines = [self._line(known) for known in self._on(card)] if card else []
            if wish.interval is not None and not wish.declined:
                places = paid_again.places(wish, lines, self._moved(card) if card else [])
                expected, parts = paid_again.expect(wish, places)
                found += [(wish, *part) for part in parts]
                complete = sum(paid_again.intervals(wish.interval, places).values()) >= wish.payments
                over = complete or (card is not None and card.status == "canceled")
                assert wish.ended is not None or not over, (wish, card, places)
            else:
                expected = self.model.expect(wish, lines, card.captured if card else 0, card.refunded if card else 0)
                found.append((wish, wish.held_at, expected.held, expected.spent))
            assert (row.held, row.spent, row.status) == expected, (wish, lines, card, row)
        scopes = {row.id: (row.scope_id, row.period) for row in self.watch.rows[Budget]}
        periods = {
            (*scopes[row.budget_id], row.period_start): (row.held, row.spent)
            for row in self.watch.rows[BudgetPeriod]
            if row.held or row.spent
        }
        assert periods == self.model.budgets(found)
        known = {row.id: (row.status, row.amount, row.captured) for row in self.watch.rows[Authorization]}
        truth = self.network.authorizations.values()
        assert known == {each.id: (each.status, each.amount, each.captured) for each in truth}

    def _line(self, known: NetworkAuthorization) -> Line:
        approved = sum(entry["amount"] for entry in known.history if entry["approved"])
        check = known.asked_as_check and max(known.amount, approved) <= CHECK
        began = known.created * SECOND
        return Line(known.status, known.approved, known.amount, known.captured, check, known.id, began)

    def _moved(self, card: NetworkCard) -> list[Moved]:
        """The captures and refunds of a card, but for what cannot be of it."""
        return [
            Moved(
                made["id"], made["type"], abs(made["amount"]), made["created"] * SECOND, made["authorization"],
                made["network_data"]["transaction_id"],
            )
            for made in self.network.transactions
            if made["card"] == card.id and abs(made["amount"]) != STRAY
        ]  # fmt: skip

    # Short ways

    def _happened(self, fate: str) -> None:
        self._spread(fate)
        self._look()

    def _spread(self, fate: str) -> None:
        """The events of what just happened go their ways."""
        new, self._spread_to = self.network.events[self._spread_to :], len(self.network.events)
        if fate == "lost":
            self.counts.lost += len(new)
            self.lost += new
            return
        if fate == "now":
            for event in new:
                self._deliver(event, None)
            return
        self.way += new * (2 if fate == "twice" else 1)

    def _look(self) -> dict[type, list[Any]]:
        self.counts.steps += 1
        before = self.watch.look()
        self.held_before = {row.id: (row.held, row.spent) for row in before[Purchase]}
        if self.watch.rows[PaymentRow]:
            self._told_of_mandates()
        return before

    def _told_of_mandates(self) -> None:
        """The model hears of payments that were held and of mandates that ended by themselves, if that may be."""
        due: dict[str, list[Payment]] = {}
        for row in self.watch.rows[PaymentRow]:
            payment = Payment(row.sequence, row.created_at, row.hold_amount, row.interval_start)
            due.setdefault(row.purchase_id, []).append(payment)
        self.made_alone |= {row.id for row in self.watch.rows[Authorization] if row.payment < 0}
        for id in due.keys() & self.model.wishes.keys():
            wish, payments = self.model.wishes[id], due[id]
            known, wish.due = len(wish.due), payments
            assert [payment.sequence for payment in payments] == list(range(1, len(payments) + 1))
            for payment in payments[known:] if known else []:
                self.counts.words["payment placed"] += 1
                assert payment.interval_start == begin(wish.interval or "", payment.at), (wish, payment)
            row = self.watch.get(Purchase, id=id)
            # A yes that the rules of now refuse ends a mandate that never had a card: the answer tells the model.
            if row.ended_at is not None and wish.ended is None and not wish.declined and row.status != "declined":
                self._ended_by_itself(wish, row)

    def _put_on_a_payment(self, wish: Wish, id: str) -> None:
        """After an answer that may have been a yes: its payment, with a hold of its own if that is new."""
        number, before = self.watch.get(Authorization, id=id).payment, max(wish.placed.values(), default=1)
        if number <= 0 or id in wish.placed or id in self.made_alone:
            return
        wish.placed[id] = number
        if number > before:
            self.counts.words["payment held"] += 1
            payment = wish.due[number - 1]
            assert payment.hold == wish.hold or payment.hold <= CHECK, (payment, wish)
            self._may_hold(wish, payment.at)

    def _ended_by_itself(self, wish: Wish, row: Purchase) -> None:
        card = self._card_for(wish)
        if row.ended_reason == "completed":
            captured = sum(known.captured > 0 for known in self._on(card)) + sum(
                made["authorization"] is None and made["type"] == "capture" and made["card"] == card.id
                for made in self.network.transactions
            )
            assert captured >= wish.payments, (wish, card)
        else:
            assert (row.ended_reason, card.status) == ("canceled", "canceled"), (wish, row, card)
        self.counts.words[f"mandate {row.ended_reason}"] += 1
        wish.end(row.ended_reason)

    def _unchanged(self, why: str) -> None:
        """P10: a refusal leaves no trace but its record."""
        before = self._look()
        changed = [row.__name__ for row in MONEY if plain(before[row]) != plain(self.watch.rows[row])]
        assert not changed, f"{why} changed {changed}"

    def _struck(self, blow: str | None) -> None:
        self.counts.crashes += 1
        self.counts.restarts += int((blow or "").startswith("die"))
        self._on_time()

    def _approvals(self) -> list[Approval]:
        return [row for row in self.watch.rows[Approval] if row.status in ("pending", "denied")]

    def _promises(self) -> list[OutboxPromise]:
        return [row for row in self.watch.rows[OutboxPromise] if row.status == "promised"]

    def _card(self, pick: int) -> NetworkCard:
        """Any card; every other time one with money on its way, since what is odd happens to those."""
        busy = [known.card for known in self._some("pending")]
        return self._of(busy if busy and pick % 2 else list(self.network.cards.values()), pick // 2)

    def _captured(self) -> list[NetworkCard]:
        return [card for card in self.network.cards.values() if card.captured > card.refunded]

    def _some(self, *statuses: str) -> list[NetworkAuthorization]:
        return [a for a in self.network.authorizations.values() if a.approved and a.status in statuses]

    def _on(self, card: NetworkCard) -> list[NetworkAuthorization]:
        return [known for known in self.network.authorizations.values() if known.card is card]

    def _card_for(self, wish: Wish) -> NetworkCard:
        [card] = [card for card in self.network.cards.values() if card.metadata["roony_purchase"] == wish.id]
        return card

    def _wish_of(self, card: NetworkCard) -> Wish:
        return self.model.wishes[card.metadata["roony_purchase"]]

    @staticmethod
    def _of(items: list[Any], pick: int) -> Any:
        return items[pick % len(items)]


def word_of(answer: Any) -> str:
    """An answer in one word, for the table of what happened."""
    if answer is NO_ANSWER:
        return "without an answer"
    return answer.code if isinstance(answer, Refusal) else "granted"
