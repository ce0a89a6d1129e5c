"""What an agent sends can only make rules stricter: what would loosen them, or is not its own, is refused."""

from __future__ import annotations

import json

from roony.core.agent import ENVELOPE
from roony.core.control import strictest
from roony.core.decision import Ask, Facts
from roony.core.errors import Refusal, not_found


def loosens(ask: Ask, project_id: str, facts: Facts) -> Refusal | None:
    """The refusal of an ask for a project the owner did not give, a task that is none, or a looser merchant lock."""
    agent = facts.agent
    if agent is not None and project_id != agent.project_id and project_id not in json.loads(agent.project_ids):
        return not_found("project", project_id, "project_id")
    if ask.task_id == ENVELOPE:
        return Refusal("invalid", f"{ENVELOPE!r} stands for every task; name one, or none.", 422, "task_id")
    rules = strictest([scoped for _, scoped in facts.controls])
    # Where no control says anything, the lock is strict.
    if ask.merchant_lock == "monitor" and rules.merchant_lock != "monitor":
        message = "The rules ask for a strict merchant lock; an ask cannot loosen it."
        return Refusal("invalid", message, 422, "merchant_lock")
    return None
