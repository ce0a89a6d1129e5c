"""Controls and budgets of the whole organization as one document: read, and applied in one commit."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.concurrency import run_in_threadpool

from roony.flows.rulebook import Plan, apply_rules, changed_meanwhile, plan_rules, whole_document
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted, refuse
from roony.web.rule_schemas import ApplyQuery, RulesAnswer, RulesBody
from roony.web.shape import gives

router = new_part("Budgets and controls")


@router.get("/rules", **gives(RulesBody, 409))
async def get_rules(caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """The controls and limits of every scope, each with its `version`; `PUT` takes the same document.

    Scopes of tasks are there where an owner set something for them.
    """
    return accepted(await run_in_threadpool(whole_document, context, caller.organization_id))


@router.put("/rules", **gives(RulesAnswer, 404, 409))
async def put_rules(
    body: RulesBody, caller: CallerOf, context: ContextOf, query: Annotated[ApplyQuery, Query()]
) -> dict[str, Any]:
    """Bring all scopes that a document lists to what it says, in one commit; what it does not list stays.

    A project or agent of an unknown name is made. A scope whose rules were changed since the `version` the document
    gives is refused (409), and then nothing is changed; a dry run lists it under `stale`.
    """
    document = body.model_dump(exclude_unset=True)
    plan = accepted(await run_in_threadpool(plan_rules, context, caller.organization_id, document, caller.actor))
    if query.dry_run:
        return _answer(plan, applied=False)
    if query.plan not in (None, plan.token):
        raise refuse(409, "Something else would be changed now: look again.", "rules_changed", "plan")
    if plan.stale and not query.force:
        accepted(changed_meanwhile(list(plan.stale)))
    accepted(await apply_rules(context, plan, caller.authority))
    return _answer(plan, applied=True)


def _answer(plan: Plan, *, applied: bool) -> dict[str, Any]:
    return {
        "applied": applied,
        "plan": plan.token,
        "stale": [row._asdict() for row in plan.stale],
        "changes": [
            # Ids of what is not made yet would be others the next time.
            {**row._asdict(), "scope_id": row.scope_id if applied or row.scope_id not in plan.new else None}
            for row in plan.changes
        ],
    }
