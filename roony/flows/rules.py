"""The rules above a purchase, from the book: controls and budgets of its chain, and how a decision keeps them."""

from __future__ import annotations

from functools import lru_cache

from roony.core.agent import Chain
from roony.core.budget import Budget, period_start
from roony.core.control import EMPTY, Control, Controls, controls_of
from roony.core.decision import Ask, Decision, Facts
from roony.core.inputs import inputs_of, with_earlier
from roony.core.json_text import to_text
from roony.core.purchase import Purchase
from roony.store.book import Book
from roony.store.facts import budgets_above


def controls_above(book: Book, above: Chain) -> tuple[tuple[str, Controls], ...]:
    """Pairs of scope and controls, narrowest first; a scope without controls has the empty ones, a task none at all."""
    found = []
    for scope, scope_id in above.scopes:
        row = book.get(Control, above.organization_id, scope_id)
        if row is not None or scope != "task":
            found.append((scope, _parsed(row) if row is not None else EMPTY))
    return tuple(found)


@lru_cache(maxsize=4_096)
def _parsed(row: Control) -> Controls:
    return controls_of(row)


def budgets_of(book: Book, above: Chain, now: int) -> tuple[tuple[Budget, int, int], ...]:
    """Every budget of a chain with what is held and spent of its period of now; the chain was named beforehand."""
    found = []
    for budget in budgets_above(book, above):
        period = book.period(above.organization_id, budget.id, period_start(budget.period, budget.time_zone, now))
        found.append((budget, period.held, period.spent))
    return tuple(found)


def keep_task_budgets(book: Book, above: Chain, budgets: list[Budget], now: int) -> None:
    """Writes the rows of a task's budgets that a hold is the first to draw on; their limits are the envelope's."""
    if above.task_scope is None:
        return
    own = {budget.id for budget in book.group(Budget, above.organization_id, above.task_scope)}
    for budget in budgets:
        if budget.scope == "task" and budget.id not in own:
            book.put(budget._replace(limit_amount=None, created_at=now))


def decision_json(
    book: Book, above: Chain, ask: Ask, decision: Decision, facts: Facts, now: int, replaced: Purchase | None = None
) -> str:
    """The decision with its inputs and control versions, so that it can be explained and replayed (section 6).

    `replaced` is the purchase whose decision it takes the place of: the one made at its ask is kept within it.
    """
    rows = [book.get(Control, above.organization_id, scope_id) for _, scope_id in above.scopes]
    versions = {row.scope_id: row.version for row in rows if row is not None}
    kept = {
        "verdict": decision.verdict,
        "reasons": [
            {"code": r.code, "message": r.message, **({"scope": r.scope} if r.scope else {})} for r in decision.reasons
        ],
        "inputs": inputs_of(ask, facts, versions, now),
    }
    return to_text(with_earlier(kept, replaced.decision, replaced.created_at, now) if replaced else kept)
