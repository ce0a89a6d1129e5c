"""The course of things under changed rules: recorded decisions made again in their order, each in the world before it.

Everything is kept as a difference from what was recorded, so that rules that change nothing change no decision. What
is not recorded with a decision - a limit that only the document has, a wider window for repetitions - is counted from
the purchases themselves.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

from roony.core.budget import PERIODS, period_start
from roony.core.control import Controls, strictest
from roony.core.decision import DEFAULT_DUPLICATE_WINDOW_SECONDS, Ask, Decision, Facts, Reason, decide
from roony.core.duration import HOUR, SECOND
from roony.core.replay.changed import ChangedBudget, ChangedRules
from roony.core.replay.past import PastDecision, PastEntry, PastPurchase
from roony.core.replay.shadow import Shadow
from roony.core.strictness import loosens

# Why a decision cannot be made again.
INPUTS_MISSING = "inputs_missing"
TASK_CONTROLS_UNKNOWN = "task_controls_unknown"
REPETITION_UNKNOWN = "repetition_unknown"
UNTOLD = (INPUTS_MISSING, TASK_CONTROLS_UNKNOWN, REPETITION_UNKNOWN)
# A raise goes to a person where one was asked before, whatever the rules say (flows/raising.py).
_ASKED_BEFORE = Reason("APPROVAL_OVER_THRESHOLD", "A person was asked about this purchase, so a person decides again.")


class Outcome(NamedTuple):
    """One recorded decision and what it would have been; `after` is None where that cannot be told, and `untold` why.

    `amount` in minor units, `at` in microseconds UTC.
    """

    purchase: PastPurchase
    step: str
    at: int
    amount: int
    before: str
    before_reasons: tuple[Reason, ...]
    after: str | None
    after_reasons: tuple[Reason, ...] = ()
    untold: str | None = None


class CannotTell(Exception):
    """What a decision would have looked at is not recorded; the argument is one of UNTOLD."""


class Course:
    """Takes purchases in the order they were asked for, and tells the outcome of each of their decisions."""

    def __init__(self, rules: ChangedRules, covered_from: int, tell: Callable[[Outcome], None]) -> None:
        """`covered_from`: all purchases asked for since then are taken or remembered; microseconds UTC."""
        self._rules = rules
        self._covered_from = covered_from
        self._tell = tell
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._numbered = 0
        # By (budget id, period start): what held and spent differ from the record by, and all that counts.
        self._difference: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
        self._use: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
        # By (agent, hour): purchases and their sum.
        self._velocity: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
        # By (agent, fingerprint): every purchase with it and since when, oldest first.
        self._recent: dict[tuple[str, str], list[tuple[int, Shadow]]] = defaultdict(list)
        self._changed: set[str] = set()
        # By merchant: whether it was known at the first ask, and the purchases that made, unmade or newly make it so.
        self._known_first: dict[str, bool] = {}
        self._made, self._unmade, self._newly_made = Counter[str](), Counter[str](), Counter[str]()

    def count(self, budget_id: str, start: int, at: int, held: int, spent: int) -> None:
        """What was used at `at` of a budget period by purchases held before the replay begins."""
        self._later(at, lambda: _shift(self._use[(budget_id, start)], held, spent))

    def remember(self, past: PastPurchase) -> None:
        """A purchase from before the replay begins: it is as it was, and may be repeated."""
        self._follow(Shadow(past, past.kept["verdict"]))

    def take(self, past: PastPurchase) -> None:
        """Decides the next purchase, and whatever else was decided meanwhile."""
        self.go_on(past.created_at)
        shadow = Shadow(past)
        asked = past.asked
        if asked is None:
            kept = past.later or PastDecision("ask", past.kept["verdict"], (), None, {})
            untold = Outcome(
                past, "ask", past.created_at, past.amount, kept.verdict, kept.reasons, None, (), INPUTS_MISSING
            )
            self._tell(untold)
        else:
            self._ask(shadow, asked)
        later = past.later
        if later is not None and later.inputs is not None:
            step = self._raise if later.step == "raise" else self._yes
            self._later(later.inputs.now, lambda: step(shadow, later))
        self._follow(shadow)

    def go_on(self, until: int) -> None:
        """Lets everything happen up to and with `until`."""
        while self._waiting and self._waiting[0][0] <= until:
            heapq.heappop(self._waiting)[2]()

    def _later(self, at: int, do: Callable[[], None]) -> None:
        self._numbered += 1
        heapq.heappush(self._waiting, (at, self._numbered, do))

    # Decisions

    def _ask(self, shadow: Shadow, asked: PastDecision) -> None:
        past, decision = shadow.past, self._decide(shadow, asked, None)
        if decision is None:
            return
        shadow.verdict = decision.verdict
        held = asked.verdict != "declined"
        if decision.verdict == "declined":
            shadow.gone = held
        elif not held:
            shadow.added = True
        elif asked.verdict == "needs_approval" and decision.verdict == "approved" and past.card_made_at is None:
            # Nobody said yes, and nobody would have been asked.
            shadow.gone = shadow.added = True
        if shadow.gone or shadow.added:
            self._changed.add(past.id)
        if shadow.added:
            self._add(shadow, past.created_at, past.prices[0][1])

    def _raise(self, shadow: Shadow, raised: PastDecision) -> None:
        """A raise of a purchase that would have been; one that would be declined leaves it at the price before."""
        if shadow.gone or shadow.added or raised.inputs is None:
            return
        at, past = raised.inputs.now, shadow.past
        decision = self._decide(shadow, raised, shadow)
        if decision is None or decision.verdict != "declined":
            return
        shadow.capped_at, shadow.cap = at, shadow.held
        self._changed.add(past.id)
        before = [amount for since, amount in past.prices if since < at][-1:]
        if before:
            _shift(self._velocity[(past.chain.agent_id, at // HOUR)], 0, before[0] - raised.inputs.ask.amount)

    def _yes(self, shadow: Shadow, refused: PastDecision) -> None:
        """A yes that the rules of then refused, for a purchase a person would have been asked about as well."""
        if shadow.gone or shadow.added or shadow.verdict == "approved" or refused.inputs is None:
            return
        decision = self._decide(shadow, refused, shadow)
        if decision is not None and decision.verdict != "declined":
            shadow.added = True
            self._changed.add(shadow.past.id)
            self._add(shadow, refused.inputs.now, refused.inputs.ask.amount, counted=True)

    def _decide(self, shadow: Shadow, recorded: PastDecision, own: Shadow | None) -> Decision | None:
        """The decision under the changed rules; None where it cannot be told. Either is told."""
        past, inputs = shadow.past, recorded.inputs
        at = inputs.now if inputs else past.created_at
        amount = inputs.ask.amount if inputs else past.amount
        told = Outcome(past, recorded.step, at, amount, recorded.verdict, recorded.reasons, None)
        try:
            decision = self._decided(past, recorded, own)
        except CannotTell as why:
            self._tell(told._replace(untold=str(why)))
            return None
        verdict, reasons = decision.verdict, decision.reasons
        if recorded.step == "yes" and verdict == "needs_approval":
            verdict, reasons = "approved", ()
        if recorded.step == "raise" and verdict == "approved" and _asked_before(shadow, recorded):
            verdict, reasons = "needs_approval", (_ASKED_BEFORE,)
        if inputs is not None:
            rules = strictest([scoped for _, scoped in inputs.facts.controls])
            changed = strictest([scoped for _, scoped in self._controls(past, recorded, inputs.facts)])
            if own is None and rules != changed:
                shadow.tolerances = (rules, changed)
        self._tell(told._replace(after=verdict, after_reasons=reasons))
        return decision._replace(verdict=verdict, reasons=reasons)

    def _decided(self, past: PastPurchase, recorded: PastDecision, own: Shadow | None) -> Decision:
        if recorded.inputs is None:
            raise CannotTell(INPUTS_MISSING)
        ask, facts, at = recorded.inputs
        controls = self._controls(past, recorded, facts)
        count, amount = self._velocity[(past.chain.agent_id, at // HOUR)]
        changed = replace(
            facts,
            controls=controls,
            budgets=tuple(
                (row.budget, *self._used(row, at, own)) for row in self._rules.limited(past.chain, facts.budgets)
            ),
            velocity=(facts.velocity[0] + count, facts.velocity[1] + amount),
            merchant_known=self._known(past.merchant_key, facts.merchant_known),
            duplicate_of=self._duplicate(past, ask, facts, controls, at, own),
        )
        member = changed.agent._replace(project_id=past.chain.project_id) if changed.agent else None
        loose = loosens(ask, past.chain.project_id, replace(changed, agent=member))
        if loose is not None:
            return Decision("declined", (Reason(loose.code.upper(), loose.message),), 0, None)
        return decide(ask, changed, at)

    def _controls(self, past: PastPurchase, recorded: PastDecision, facts: Facts) -> tuple[tuple[str, Controls], ...]:
        controls = self._rules.controls(past.chain, facts.controls, recorded.versions)
        if controls is None:
            raise CannotTell(TASK_CONTROLS_UNKNOWN)
        return controls

    # Facts

    def _used(self, row: ChangedBudget, at: int, own: Shadow | None) -> tuple[int, int]:
        """Held and spent of a limit in its period of `at`; a raise leaves out what its own purchase holds."""
        key = (row.budget.id, period_start(row.budget.period, self._rules.time_zone, at))
        held, spent = (self._use if row.counted else self._difference)[key]
        if own is not None:
            held -= self._own(row, key, own)
        return (held, spent) if row.counted else (row.held + held, row.spent + spent)

    def _own(self, row: ChangedBudget, key: tuple[str, int], own: Shadow) -> int:
        """What of `_use` or `_difference` a purchase holds itself."""
        found = 0
        for id, (held, _) in own.counted.items():
            hold = own.past.holds[id]
            if not row.counted:
                found += held - own.actual[id][0] if key in hold.periods else 0
            elif hold.placed_at >= self._rules.since:
                start = period_start(row.budget.period, self._rules.time_zone, hold.placed_at)
                found += held if start == key[1] else 0
        return found

    def _known(self, merchant: str, recorded: bool) -> bool:
        """Whether something was bought from this merchant before."""
        first = self._known_first.setdefault(merchant, recorded)
        if not recorded:
            return self._newly_made[merchant] > 0
        made = self._made[merchant] + self._newly_made[merchant]
        return first or made > 0 or not self._unmade[merchant]

    def _duplicate(
        self, past: PastPurchase, ask: Ask, facts: Facts, controls: tuple[tuple[str, Controls], ...], at: int,
        own: Shadow | None,
    ) -> str | None:  # fmt: skip
        """The purchase this one repeats: the recorded one, unless that or the window for repetitions changed."""
        known = self._recent.get((past.chain.agent_id, past.print_of(ask.amount)), [])
        window = _window(controls)
        recent = [shadow for since, shadow in reversed(known) if at - since < window]
        changed = facts.duplicate_of in self._changed or any(shadow.added for shadow in recent)
        if not changed and window == _window(facts.controls):
            return facts.duplicate_of
        if not known and at - window < self._covered_from:
            raise CannotTell(REPETITION_UNKNOWN)
        return next((shadow.past.id for shadow in recent if shadow is not own and shadow.counts), None)

    # What happens to a purchase after its ask

    def _follow(self, shadow: Shadow) -> None:
        """Everything recorded of a purchase, each at its time."""
        past = shadow.past
        recorded = past.asked.verdict if past.asked else past.kept["verdict"]
        if recorded != "declined" or past.entries:
            before = 0
            for at, amount in past.prices:
                self._later(at, _bound(self._repeatable, shadow, at, amount))
                self._later(at, _bound(self._uncount, shadow, at, before, amount))
                before = amount
        if past.card_made_at is not None:
            self._later(past.card_made_at, lambda: self._make_known(shadow, 1))
            if past.unpaid_since is not None:
                self._later(past.unpaid_since, lambda: self._make_known(shadow, -1))
        for entry in past.entries:
            self._later(entry.at, _bound(self._enter, shadow, entry))

    def _enter(self, shadow: Shadow, entry: PastEntry) -> None:
        hold, (held, spent) = shadow.enter(entry)
        for period in hold.periods:
            _shift(self._difference[period], held - entry.held, spent - entry.spent)
        self._count(shadow.past, hold.placed_at, held, spent)

    def _count(self, past: PastPurchase, placed_at: int, held: int, spent: int) -> None:
        """Counts a change in the budgets that the document limits; a hold from before counts as it did."""
        if placed_at < self._rules.since:
            return
        for budget in self._rules.listed(past.chain):
            if budget.currency == past.currency:
                start = period_start(budget.period, self._rules.time_zone, placed_at)
                _shift(self._use[(budget.id, start)], held, spent)

    def _repeatable(self, shadow: Shadow, at: int, amount: int) -> None:
        if (shadow.gone and not shadow.added) or (shadow.capped_at is not None and at >= shadow.capped_at):
            return
        self._recent[(shadow.past.chain.agent_id, shadow.past.print_of(amount))].append((at, shadow))

    def _uncount(self, shadow: Shadow, at: int, before: int, amount: int) -> None:
        """Takes back what a purchase that is gone counted in its agent's hour (`count_change` in flows/purchase.py)."""
        past, first = shadow.past, before == 0
        if shadow.gone and (first or amount > before or past.created_at // HOUR == at // HOUR):
            _shift(self._velocity[(past.chain.agent_id, at // HOUR)], -1 if first else 0, before - amount)

    def _make_known(self, shadow: Shadow, more: int) -> None:
        (self._unmade if shadow.gone else self._made)[shadow.past.merchant_key] += more

    def _add(self, shadow: Shadow, at: int, amount: int, counted: bool = False) -> None:
        """A purchase that was not counts with its asked amount; `counted`: its agent's hour has it already."""
        past = shadow.past
        for budget in self._rules.drawn_on(past.chain, past.currency, PERIODS, at):
            _shift(self._difference[(budget.id, period_start(budget.period, self._rules.time_zone, at))], 0, amount)
        self._count(past, at, 0, amount)
        self._newly_made[past.merchant_key] += 1
        self._recent[(past.chain.agent_id, past.print_of(amount))].append((at, shadow))
        if not counted:
            _shift(self._velocity[(past.chain.agent_id, at // HOUR)], 1, amount)


def _bound(do: Callable[..., None], *given: object) -> Callable[[], None]:
    return lambda: do(*given)


def _shift(pair: list[int], first: int, second: int) -> None:
    pair[0] += first
    pair[1] += second


def _window(controls: Iterable[tuple[str, Controls]]) -> int:
    seconds = strictest([scoped for _, scoped in controls]).duplicate_window_seconds
    return (DEFAULT_DUPLICATE_WINDOW_SECONDS if seconds is None else seconds) * SECOND


def _asked_before(shadow: Shadow, raised: PastDecision) -> bool:
    """Whether a person would have been asked about this purchase before its raise."""
    if shadow.verdict == "needs_approval":
        return True
    special = raised.verdict == "needs_approval" and raised.reasons[0].scope is None
    asked = shadow.past.asked
    return special and (asked is None or shadow.verdict in (None, asked.verdict))
