"""The way from an empty organization to the first settled purchase: Stripe, project, agent, key, a test purchase."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from starlette.responses import Response
from starlette.routing import Route

from roony.core.agent import Agent, Project
from roony.core.preflight import MISSING
from roony.flows.webhook_endpoint import webhook_url
from roony.store.database import Database
from roony.store.queries.organizations import first_project
from roony.store.queries.paging import Slice, equal, newest_first
from roony.store.queries.purchases import PurchaseView, find_purchase, purchase_page
from roony.web.dashboard.connections import Shown, connections_page, ways
from roony.web.dashboard.view import View, page

STEPS = ("Connect Stripe", "Look at the account", "First project", "First agent", "Test purchase")
# Connections looked at for one that stands; those before it were begun and not finished.
LOOKED_AT = 20


class Standing(NamedTuple):
    """How far the organization is. `purchase` is the one the page follows."""

    connection: Shown | None
    project: Project | None
    agent: Agent | None
    purchase: PurchaseView | None

    @property
    def done(self) -> tuple[bool, ...]:
        """For each of STEPS, whether it is done."""
        checks = self.connection.checks if self.connection is not None else None
        complete = checks is not None and all(check.status != MISSING for check, _ in checks)
        settled = self.purchase is not None and self.purchase.purchase.status == "settled"
        return self.connection is not None, complete, self.project is not None, self.agent is not None, settled


def routes() -> list[Route]:
    """The page."""
    return [page("/start", _start)]


async def _start(view: View) -> Response:
    standing = await view.read(_standing, view.filter("agent"), view.filter("purchase"))
    done = standing.done
    return view.page(
        "start.html", "Set up", live=("connection", "agent", "purchase"), steps=list(zip(STEPS, done, strict=True)),
        now=done.index(False) if False in done else len(done), ways=ways(view), url=view.context.public_url(),
        address=webhook_url(view.context),
        shown=standing.connection, project=standing.project, agent=standing.agent, bought=standing.purchase,
        reasons=_reasons(standing.purchase),
    )  # fmt: skip


def _standing(database: Database, organization_id: str, agent_id: str | None, purchase_id: str | None) -> Standing:
    connections = connections_page(database, organization_id, Slice(LOOKED_AT)).rows
    agents = newest_first(database, Agent, organization_id, Slice(1), *equal(Agent, {"id": agent_id})).rows
    agent = agents[0] if agents else None
    if purchase_id is not None:
        purchase = find_purchase(database, organization_id, purchase_id)
    else:
        purchase = next(iter(purchase_page(database, organization_id, Slice(1)).rows), None)
    return Standing(
        next((one for one in connections if one.standing), None), first_project(database, organization_id), agent,
        purchase,
    )  # fmt: skip


def _reasons(bought: PurchaseView | None) -> list[dict[str, Any]]:
    """Why the rules said no, or want a person."""
    reasons: list[dict[str, Any]] = json.loads(bought.purchase.decision)["reasons"] if bought is not None else []
    return reasons
