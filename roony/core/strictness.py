"""What an agent sends can only make rules stricter: what would loosen them, or is not its own, is refused."""

from __future__ import annotations

import json

from roony.core.agent import ENVELOPE, Agent
from roony.core.control import strictest
from roony.core.decision import Ask, Facts
from roony.core.errors import Refusal, not_found


def may_buy_for(agent: Agent, project_id: str) -> bool:
    """True for a project that the owner gave this agent."""
    return project_id == agent.project_id or project_id in json.loads(agent.project_ids)


def loosens(ask: Ask, project_id: str, facts: Facts) -> Refusal | None:
    """The refusal of an ask for a project the owner did not give, a task that is none, or a looser merchant lock."""
    if facts.agent is not None and not may_buy_for(facts.agent, project_id):
        return not_found("project", project_id, "project_id")
    if ask.task_id == ENVELOPE:
        return Refusal("invalid", f"{ENVELOPE!r} stands for every task; name one, or none.", 422, "task_id")
    rules = strictest([scoped for _, scoped in facts.controls])
    # Where no control says anything, the lock is strict.
    if ask.merchant_lock == "monitor" and rules.merchant_lock != "monitor":
        message = "The rules ask for a strict merchant lock; an ask cannot loosen it."
        return Refusal("invalid", message, 422, "merchant_lock")
    return None
