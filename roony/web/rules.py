"""The rules that apply to an agent: merged, with the level each comes from, level by level, and what budgets leave."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from roony.core.agent import Agent, Chain
from roony.core.control import Control, controls_of, dump
from roony.core.errors import not_found
from roony.core.explanation import Binding, Level, explain
from roony.flows.context import FlowContext
from roony.store.queries import limits
from roony.store.queries.organizations import find_organization
from roony.web import answers, shapes
from roony.web.agent_api import projects_of
from roony.web.auth import AGENT_KEY, AgentOf, ContextOf
from roony.web.errors import Refused
from roony.web.requests import AgentRoute
from roony.web.schemas import Id, TaskQuery
from roony.web.sentences import binding_sentence, budget_sentence, sentences
from roony.web.shape import ALWAYS, gives

router = APIRouter(
    prefix="/api/v1", route_class=AgentRoute, dependencies=[AGENT_KEY], tags=["Agents"], responses=ALWAYS
)


class RuleQuery(TaskQuery):
    """For which of the agent's projects and for which task; without them its own project, and no task."""

    project_id: Id | None = None


@router.get("/controls", **gives(shapes.RuleList, 404))
async def list_controls(agent: AgentOf, context: ContextOf, query: Annotated[RuleQuery, Query()]) -> dict[str, Any]:
    """The rules that apply to this agent, or to one task of it, as fields and as sentences.

    `merged` is what applies in the end, the strictest of all levels, and which level said it; `data` what each level
    says, also those of other projects the agent may name; `budgets` what is left.
    """
    if query.project_id is not None and query.project_id not in projects_of(agent):
        raise Refused(not_found("project", query.project_id, "project_id"))
    return await run_in_threadpool(_explained, context, agent, query)


def _explained(context: FlowContext, agent: Agent, query: RuleQuery) -> dict[str, Any]:
    org = agent.organization_id
    above = Chain(org, query.project_id or agent.project_id, agent.id, query.task_id)
    organization = find_organization(context.database, org)
    ids = dict.fromkeys([*(scope_id for _, scope_id in above.scopes), *projects_of(agent)])
    rows = {row.scope_id: row for row in limits.controls_of(context.database, org, ids)}
    levels = [Level(scope, id, controls_of(rows[id])) for scope, id in above.scopes if id in rows]
    standings = limits.standings_above(context.database, above, (), context.clock())
    currency = organization.currency
    return {
        "data": [_level(row, currency) for row in rows.values()],
        "next_cursor": None,
        "merged": [_binding(binding, currency) for binding in explain(levels, organization)],
        "budgets": [
            {**answers.budget(standing), "sentence": budget_sentence(standing)}
            for standing in standings
            if standing.budget.limit_amount is not None
        ],
    }


def _level(row: Control, currency: str) -> dict[str, Any]:
    return {**answers.control(row), "sentences": sentences(controls_of(row), currency)}


def _binding(binding: Binding, currency: str) -> dict[str, Any]:
    return {
        "control": binding.name,
        "value": dump(binding.controls)[binding.name],
        "set_by": [{"scope": level.scope, "scope_id": level.scope_id} for level in binding.set_by],
        "sentence": binding_sentence(binding, currency),
    }
