"""Agents: who they are, what they used and may, their keys, and the switch that stops one."""

from __future__ import annotations

import json

from starlette.responses import Response
from starlette.routing import Route

from roony.core.agent import Agent, Project, frozen_scope
from roony.store.authority import is_over
from roony.store.queries.keys import keys_of_agent
from roony.store.queries.paging import Slice, equal
from roony.store.tables import AccessKey, projects
from roony.web.dashboard.scopes import (
    MOST_OFFERED,
    budgets_of,
    each_task,
    find_row,
    months_of,
    rows_of,
    rules_in_force,
    scopes_above,
)
from roony.web.dashboard.view import View, page
from roony.web.errors import found
from roony.web.session import page_url

# What the form of a new agent begins with, in whole units: small enough for a first try, and software alone.
FIRST_PURCHASE_LIMIT, FIRST_MONTH, FIRST_CATEGORY = 100, 500, "software"


def routes() -> list[Route]:
    """The list, the form of a new agent, and one agent."""
    return [page("/agents", _agents), page("/agents/new", _new_agent, "change"), page("/agents/{id}", _agent)]


async def _agents(view: View) -> Response:
    wanted = view.filter("project")
    rows = await view.read(rows_of, Agent, view.slice(), *equal(Agent, {"project_id": wanted}))
    homes = {row.id: row for row in await _projects(view, {row.project_id for row in rows.rows})}
    return view.page(
        "agents.html", "Agents", live=("purchase", "budget"),
        agents=[(row, homes[row.project_id], frozen_scope(view.organization, homes[row.project_id], row))
                for row in rows.rows],
        months=await months_of(view, [row.id for row in rows.rows]), wanted=wanted,
        offered=await offered_projects(view), next=view.next_page(rows.next_cursor),
    )  # fmt: skip


async def _new_agent(view: View) -> Response:
    return view.page(
        "agent_new.html", "New agent", offered=await offered_projects(view), wanted=view.filter("project") or "",
        first=(FIRST_PURCHASE_LIMIT, FIRST_MONTH, FIRST_CATEGORY), address=page_url(view.context, ""),
    )  # fmt: skip


async def _agent(view: View) -> Response:
    id = view.request.path_params["id"]
    row: Agent = found(await view.read(find_row, Agent, id), "agent", id)
    home: Project = found(await view.read(find_row, Project, row.project_id), "project", row.project_id)
    keys = await view.read(keys_of_agent, row.id, view.slice())
    above = scopes_above(view.organization.id, row.project_id, row.id)
    more_projects = json.loads(row.project_ids)
    # What the form does not offer would be taken away when it is saved.
    offered = {**{id: id for id in more_projects}, home.id: home.name, **dict(await offered_projects(view))}
    return view.page(
        "agent.html", row.name, agent=row, project=home,
        frozen=frozen_scope(view.organization, home, row), uses=await budgets_of(view, row.id),
        rules=await rules_in_force(view, above), each_task=each_task(row.id), more_projects=more_projects,
        offered=list(offered.items()), keys=[(key, _standing(view, key)) for key in keys.rows],
        next=view.next_page(keys.next_cursor), address=page_url(view.context, ""),
    )  # fmt: skip


def _standing(view: View, key: AccessKey) -> str:
    if not is_over(key, view.context.clock()):
        return "active"
    return "revoked" if key.revoked_at is not None else "expired"


async def offered_projects(view: View) -> list[tuple[str, str]]:
    """The newest projects, as a form or filter offers them: id and name."""
    rows = await view.read(rows_of, Project, Slice(MOST_OFFERED))
    return [(row.id, row.name) for row in rows.rows]


async def _projects(view: View, ids: set[str]) -> list[Project]:
    rows = await view.read(rows_of, Project, Slice(max(len(ids), 1)), projects.c.id.in_(ids))
    return list(rows.rows)
