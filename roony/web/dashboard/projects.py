"""Projects: what each used, its agents, its rules, and the switch that stops all of them."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from roony.core.agent import Agent, Project, frozen_scope
from roony.store.queries.paging import equal
from roony.web.dashboard.scopes import budgets_of, months_of, rules_in_force, scopes_above
from roony.web.dashboard.view import View, page


def routes() -> list[Route]:
    """The list, the form of a new project, and one project."""
    return [
        page("/projects", _projects), page("/projects/new", _new_project, "change"), page("/projects/{id}", _project),
    ]  # fmt: skip


async def _projects(view: View) -> Response:
    rows, pages = await view.rows(Project)
    return view.page(
        "projects.html", "Projects", live=("purchase", "budget"), projects=rows,
        months=await months_of(view, [row.id for row in rows]), pages=pages,
    )  # fmt: skip


async def _new_project(view: View) -> Response:
    return view.page("project_new.html", "New project")


async def _project(view: View) -> Response:
    row = await view.row(Project, "project")
    above = scopes_above(view.organization.id, row.id)
    agents, pages = await view.rows(Agent, *equal(Agent, {"project_id": row.id}))
    return view.page(
        "project.html", row.name, project=row,
        uses=await budgets_of(view, row.id), rules=await rules_in_force(view, above),
        agents=[(agent, frozen_scope(view.organization, row, agent)) for agent in agents],
        months=await months_of(view, [agent.id for agent in agents]), pages=pages,
    )  # fmt: skip
