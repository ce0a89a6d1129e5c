"""The rules of one level: controls and budgets in a form, tried on the last month before they are kept; versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from starlette.responses import Response
from starlette.routing import Route

from roony.core.agent import ENVELOPE, Agent, Chain, Project, task_of
from roony.core.budget import PERIODS, Budget
from roony.core.categories import CODES, GROUPS
from roony.core.control import DAY_NAMES, ControlVersion, parse_controls
from roony.core.money import THREE_DECIMAL, ZERO_DECIMAL, decimal_text
from roony.core.rulebook import ScopeRules, rules_of
from roony.store.database import Database
from roony.store.queries import limits
from roony.store.queries.names import names_of
from roony.store.queries.paging import Slice, equal, newest_first
from roony.web.dashboard import rule_fields
from roony.web.dashboard.scopes import MOST_BUDGETS, rules_in_force, scopes_above
from roony.web.dashboard.view import View, page
from roony.web.sentences import sentences

PERIOD_NAMES = dict(zip(PERIODS, ("a day", "a week", "a month", "in all"), strict=True))
# Over which past purchases a change is tried.
TRIED_DAYS = 30
# The page of the rules for everyone.
ORGANIZATION = "/rules/organization"


class Place(NamedTuple):
    """One level: what it is called, where it stands in the document of all rules, and the levels above and with it."""

    scope: str
    scope_id: str
    name: str
    path: tuple[str, ...]
    above: tuple[tuple[str, str], ...]
    back: str


def routes() -> list[Route]:
    """The page."""
    return [page("/rules/{scope_id:path}", _rules)]


async def _rules(view: View) -> Response:
    place = await _place(view, view.request.path_params["scope_id"])
    rules = await view.read(_rules_now, place)
    versions = await view.read(limits.version_page, place.scope_id, view.slice())
    older: list[ControlVersion] = []
    if versions.next_cursor is not None:
        older = list((await view.read(limits.version_page, place.scope_id, Slice(1, versions.next_cursor))).rows)
    currency = view.organization.currency
    return view.page(
        "rules.html", f"Rules of {place.name}", here=place.back, place=place, rules=rules, groups=rule_fields.GROUPS,
        written=rule_fields.written, periods=PERIOD_NAMES, decimal=decimal_text, days=DAY_NAMES,
        currencies=list(dict.fromkeys([currency, *rules.limits])), in_force=await rules_in_force(view, place.above),
        categories=[*((name, f"group of {len(codes)}") for name, codes in GROUPS.items()), *CODES.items()],
        versions=_with_changes(versions.rows, older, currency), pages=view.pages(versions),
        names=await view.read(names_of, [row.actor for row in versions.rows]),
        tried_days=TRIED_DAYS, places={**dict.fromkeys(ZERO_DECIMAL, 0), **dict.fromkeys(THREE_DECIMAL, 3)},
    )  # fmt: skip


async def _place(view: View, scope_id: str) -> Place:
    """The level of an address. Raises Refused (404) where the organization has none of this id.

    A task need not have been named in an ask yet.
    """
    org = view.organization
    if scope_id in ("organization", org.id):
        return Place("organization", org.id, org.name, ("organization",), scopes_above(org.id), ORGANIZATION)
    if scope_id.startswith("prj_"):
        project = await view.row(Project, "project", scope_id)
        above = scopes_above(org.id, project.id)
        return Place("project", project.id, project.name, ("projects", project.id), above, f"/projects/{project.id}")
    agent_id, task = task_of(scope_id)
    agent = await view.row(Agent, "agent", agent_id)
    above, path = scopes_above(org.id, agent.project_id, agent.id), ("agents", agent.id)
    if task == ENVELOPE:
        name = f"each task of {agent.name}"
        return Place("task", scope_id, name, (*path, "each_task"), above, f"/agents/{agent.id}")
    if task:
        name = f"the task {task} of {agent.name}"
        above = Chain(org.id, agent.project_id, agent.id, task).scopes
        return Place("task", scope_id, name, (*path, "tasks", task), above, f"/agents/{agent.id}")
    return Place("agent", agent.id, agent.name, path, above, f"/agents/{agent.id}")


def _rules_now(database: Database, organization_id: str, place: Place) -> ScopeRules:
    controls = limits.controls_of(database, organization_id, [place.scope_id])
    where = equal(Budget, {"scope_id": place.scope_id})
    rows = newest_first(database, Budget, organization_id, Slice(MOST_BUDGETS), *where).rows
    return rules_of(place.scope, place.scope_id, place.name, controls[0] if controls else None, rows)


def _with_changes(
    rows: Sequence[ControlVersion], older: Sequence[ControlVersion], currency: str
) -> list[tuple[ControlVersion, list[str], list[str]]]:
    """Each version, newest first, with what it added and what it took away; `older` has the one before them."""
    said = [sentences(parse_controls(json.loads(row.fields)), currency) for row in (*rows, *older)]
    before = [*said[1:], []]
    return [
        (row, [one for one in now if one not in then], [one for one in then if one not in now])
        for row, now, then in zip(rows, said, before, strict=False)
    ]
