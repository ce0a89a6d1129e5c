"""Rules changed by a document: the controls and limits a recorded decision would have had under it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from roony.core.agent import Chain
from roony.core.budget import Budget, budget_id, period_start
from roony.core.control import EMPTY, Controls, parse_controls
from roony.core.replay.past import PastPurchase
from roony.core.rulebook import Target


class NewRules(NamedTuple):
    """What a document says of one scope: its controls if it lists any, limits by (currency, period); None lifts one."""

    controls: Controls | None
    limits: dict[tuple[str, str], int | None]


class ChangedBudget(NamedTuple):
    """A limit under the document. `counted`: what was used of it is not recorded with the decision, or otherwise."""

    budget: Budget
    held: int
    spent: int
    counted: bool


_NOTHING = NewRules(None, {})


def new_rules(listed: Iterable[Target]) -> dict[str, NewRules]:
    """The rules that a document lists, by scope id; what is not there yet has bought nothing."""
    return {
        target.rules.scope_id: NewRules(
            parse_controls(target.controls) if target.controls is not None else None,
            {
                (currency, period): limit
                for currency, limits in target.given.get("budgets", {}).items()
                for period, limit in limits.items()
            },
        )
        for target in listed
        if not target.is_new
    }


@dataclass(frozen=True)
class ChangedRules:
    """The rules of a document as if they had been set at `since` (microseconds UTC). What it does not list stays.

    `budgets` are the rows there are now by (scope id, currency, period): of every level but single tasks, and of single
    tasks with a limit of their own. Where a document lists one of a task's two limits, its own and that for each task,
    the other one is taken as it is now.
    """

    organization_id: str
    time_zone: str
    since: int
    scopes: Mapping[str, NewRules]
    budgets: Mapping[tuple[str, str, str], Budget] = field(default_factory=dict)

    def controls(
        self, chain: Chain, recorded: tuple[tuple[str, Controls], ...], versions: Mapping[str, int]
    ) -> tuple[tuple[str, Controls], ...] | None:
        """The controls of each level, narrowest first; None where the record does not say which task's it has."""
        named = self._controls(chain.task_scope) if chain.task_scope is not None else None
        each = self._controls(chain.envelope)
        tasks = [controls for scope, controls in recorded if scope == "task"]
        if named is not None or each is not None:
            told = _told_apart(chain, tasks, versions)
            if told is None and (named is None or each is None):
                return None
            before = told or (EMPTY, EMPTY)
            tasks = [before[0] if named is None else named, before[1] if each is None else each]
        found = [("task", controls) for controls in tasks if controls != EMPTY]
        of = {scope: controls for scope, controls in recorded if scope != "task"}
        for scope, scope_id in chain.scopes:
            if scope != "task":
                changed = self._controls(scope_id)
                found.append((scope, of.get(scope, EMPTY) if changed is None else changed))
        return tuple(found)

    def limited(self, chain: Chain, recorded: Iterable[tuple[Budget, int, int]]) -> Iterator[ChangedBudget]:
        """Every limit of a chain: the recorded ones, changed, and those that only the document has."""
        seen = set()
        for budget, held, spent in recorded:
            place = (budget.currency, budget.period)
            seen.add((budget.scope_id, *place))
            levels = self._levels_of(chain, budget.scope, budget.scope_id)
            if not any(place in self._limits(level) for level in levels):
                yield ChangedBudget(budget, held, spent, False)
                continue
            limit = self._limit(levels, place)
            rows = [row for level in levels if (row := self.budgets.get((level, *place))) is not None]
            if limit is not None:
                young = bool(rows) and all(row.created_at >= self.since for row in rows)
                yield ChangedBudget(budget._replace(limit_amount=limit), held, spent, young)
        for budget in self.listed(chain):
            if (budget.scope_id, budget.currency, budget.period) not in seen:
                yield ChangedBudget(budget, 0, 0, True)

    def listed(self, chain: Chain) -> Iterator[Budget]:
        """The budgets of a chain that the document limits, with the rows' ids where there are rows."""
        for scope, scope_id in _drawn_on(chain):
            levels = self._levels_of(chain, scope, scope_id)
            for place in dict.fromkeys(place for level in levels for place in self._limits(level)):
                limit = self._limit(levels, place)
                if limit is not None:
                    yield self._budget(scope, scope_id, place)._replace(limit_amount=limit)

    def unrecorded(self, past: PastPurchase) -> Iterator[tuple[str, int]]:
        """(Budget id, start) of what was used before `since` and is not recorded with a decision that asks for it."""
        for decision in (past.asked, past.later):
            if decision is None or decision.inputs is None:
                continue
            for budget, _, _, counted in self.limited(past.chain, decision.inputs.facts.budgets):
                row = self.budgets.get((budget.scope_id, budget.currency, budget.period))
                if counted and row is not None and row.created_at < self.since:
                    start = period_start(row.period, self.time_zone, self.since)
                    if start == period_start(row.period, self.time_zone, decision.inputs.now):
                        yield row.id, start

    def drawn_on(self, chain: Chain, currency: str, periods: Iterable[str], at: int) -> Iterator[Budget]:
        """Every budget that a hold of this chain would have been placed in at `at`, limited or not."""
        for scope, scope_id in _drawn_on(chain):
            for period in periods:
                budget = self._budget(scope, scope_id, (currency, period))
                if budget.created_at <= at:
                    yield budget

    def _budget(self, scope: str, scope_id: str, place: tuple[str, str]) -> Budget:
        row = self.budgets.get((scope_id, *place))
        if row is not None:
            return row
        id = budget_id(self.organization_id, scope_id, *place)
        return Budget(self.organization_id, id, scope, scope_id, *place, self.time_zone, None, 0)

    def _controls(self, scope_id: str) -> Controls | None:
        return self.scopes.get(scope_id, _NOTHING).controls

    def _limits(self, scope_id: str) -> dict[tuple[str, str], int | None]:
        return self.scopes.get(scope_id, _NOTHING).limits

    def _levels_of(self, chain: Chain, scope: str, scope_id: str) -> tuple[str, ...]:
        """Where the limit of a budget is set: for a task in two places, of which the smaller limit counts."""
        return tuple(dict.fromkeys((scope_id, chain.envelope))) if scope == "task" else (scope_id,)

    def _limit(self, levels: tuple[str, ...], place: tuple[str, str]) -> int | None:
        found = []
        for level in levels:
            row = self.budgets.get((level, *place))
            found.append(self._limits(level).get(place, row.limit_amount if row is not None else None))
        return min((limit for limit in found if limit is not None), default=None)


def _drawn_on(chain: Chain) -> list[tuple[str, str]]:
    """(scope, scope id) of the budgets of a chain; of tasks the named one, without one what stands for all of them."""
    return [pair for pair in chain.scopes if pair[1] != chain.envelope or chain.task_scope is None]


def _told_apart(
    chain: Chain, recorded: list[Controls], versions: Mapping[str, int]
) -> tuple[Controls, Controls] | None:
    """What was set for the named task and for each task; None where the record cannot tell them apart.

    A level where nothing was set is not in the record, but its version is.
    """
    if len(recorded) == 2:
        return recorded[0], recorded[1]
    if not recorded:
        return EMPTY, EMPTY
    if chain.task_scope is None or chain.task_scope not in versions:
        return EMPTY, recorded[0]
    return (recorded[0], EMPTY) if chain.envelope not in versions else None
