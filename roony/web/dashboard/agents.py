"""Agents: who they are, what they used and may, their keys, and the switch that stops one."""

from __future__ import annotations

import json

from starlette.responses import Response
from starlette.routing import Route

from roony.core.agent import Agent, Project, frozen_scope, task_of
from roony.store.authority import is_over
from roony.store.queries.keys import keys_of_agent
from roony.store.queries.limits import tasks_with_rules
from roony.store.queries.paging import equal
from roony.store.rows import AccessKey
from roony.store.tables import projects
from roony.web.dashboard.scopes import budgets_of, each_task, months_of, rules_in_force, scopes_above
from roony.web.dashboard.view import ROWS, View, page
from roony.web.session import page_url

# What the form of a new agent begins with, in whole units: small enough for a first try, and software alone.
FIRST_PURCHASE_LIMIT, FIRST_MONTH, FIRST_CATEGORY = 100, 500, "software"
# Projects that a form or filter offers, the newest first, and tasks that are listed; the API takes any.
MOST_OFFERED = 200
# How long a key that is rotated may go on working, in seconds.
OVERLAPS = ((86_400, "for a day"), (3_600, "for an hour"), (604_800, "for a week"), (0, "not at all"))


def routes() -> list[Route]:
    """The list, the form of a new agent, and one agent."""
    return [page("/agents", _agents), page("/agents/new", _new_agent, "change"), page("/agents/{id}", _agent)]


async def _agents(view: View) -> Response:
    wanted = view.filter("project")
    agents, pages = await view.rows(Agent, *equal(Agent, {"project_id": wanted}))
    home_ids = {row.project_id for row in agents}
    homes = {row.id: row for row in (await view.rows(Project, projects.c.id.in_(home_ids), most=ROWS))[0]}
    return view.page(
        "agents.html", "Agents", live=("purchase", "budget"),
        agents=[(row, homes[row.project_id], frozen_scope(view.organization, homes[row.project_id], row))
                for row in agents],
        months=await months_of(view, [row.id for row in agents]), wanted=wanted,
        offered=await _offered_projects(view), pages=pages,
    )  # fmt: skip


async def _new_agent(view: View) -> Response:
    return view.page(
        "agent_new.html", "New agent", offered=await _offered_projects(view), wanted=view.filter("project") or "",
        first=(FIRST_PURCHASE_LIMIT, FIRST_MONTH, FIRST_CATEGORY), address=page_url(view.context, ""),
    )  # fmt: skip


async def _agent(view: View) -> Response:
    row = await view.row(Agent, "agent")
    home = await view.row(Project, "project", row.project_id)
    keys = await view.read(keys_of_agent, row.id, view.slice())
    above = scopes_above(view.organization.id, row.project_id, row.id)
    more_projects = json.loads(row.project_ids)
    # What the form does not offer would be taken away when it is saved.
    offered = {**{id: id for id in more_projects}, home.id: home.name, **dict(await _offered_projects(view))}
    return view.page(
        "agent.html", row.name, agent=row, project=home,
        frozen=frozen_scope(view.organization, home, row), uses=await budgets_of(view, row.id),
        rules=await rules_in_force(view, above), each_task=each_task(row.id), more_projects=more_projects,
        tasks=[(id, task_of(id)[1]) for id in await view.read(tasks_with_rules, row.id, MOST_OFFERED)],
        offered=list(offered.items()), keys=[(key, _standing(view, key)) for key in keys.rows],
        overlaps=OVERLAPS, pages=view.pages(keys), address=page_url(view.context, ""),
    )  # fmt: skip


def _standing(view: View, key: AccessKey) -> str:
    if not is_over(key, view.context.clock()):
        return "active"
    return "revoked" if key.revoked_at is not None else "expired"


async def _offered_projects(view: View) -> list[tuple[str, str]]:
    rows, _ = await view.rows(Project, most=MOST_OFFERED)
    return [(row.id, row.name) for row in rows]
