"""The demo organization of `serve --simulate`: found again or made, connected, with fresh keys."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx2
from sqlalchemy import select
from sqlalchemy.sql import Select

from roony.cli.oauth_walk import connect_account
from roony.core.errors import Refusal
from roony.flows.access_key import CreateAccessKey, new_key
from roony.flows.limits import Limit
from roony.flows.one_time_link import MakeLink, make_first_run, new_link
from roony.flows.organization import CreateAgent, NewOrganization, create_organization
from roony.flows.user import CreateUser
from roony.store import tables
from roony.wiring import Roony

NAME = "Demo Company"
PROJECT_NAME = "Demo project"
AGENT_NAME = "demo agent"
OWNER_NAME, OWNER_EMAIL = "Demo Owner", "owner@example.com"
ACTOR = "demo"
# Software at any merchant in the US, up to 500.00 a purchase and 5,000.00 a month, without tolerance.
CONTROLS: dict[str, Any] = {
    "allowed_categories": ["software"],
    "allowed_countries": ["US"],
    "purchase_limit": 50_000,
    "tolerance_amount": 0,
}
BUDGETS = (Limit("month", "usd", 500_000),)


@dataclass(frozen=True, slots=True)
class DemoCompany:
    """What a visitor needs to begin."""

    organization_id: str
    agent_id: str
    stripe_account: str
    admin_key: str = field(repr=False)
    agent_key: str = field(repr=False)
    sign_in_path: str = field(repr=False)
    first_run_path: str = field(repr=False)


class DemoFailed(Exception):
    """The demo organization could not be made; the message says at which step."""


async def ensure_demo_company(roony: Roony, url: str) -> DemoCompany:
    """Safe to repeat after a crash at any step: each looks for what is there first.

    1 organization and project · 2 owner's key · 3 agent · 4 agent's key · 5 connected account, over HTTP at `url` ·
    6 its owner, with a link to sign in, and one to start another organization.
    """
    found = await _one(roony, select(tables.organizations.c.id).where(tables.organizations.c.name == NAME))
    organization_id = found or await _make_organization(roony)
    admin_key = await _make_key(roony, organization_id, "admin", None)
    agents = tables.agents
    agent_id = await _one(
        roony, select(agents.c.id).where(agents.c.organization_id == organization_id, agents.c.name == AGENT_NAME)
    )
    if agent_id is None:
        agent_id, agent_key = await _make_agent(roony, organization_id)
    else:
        agent_key = await _make_key(roony, organization_id, "agent", agent_id)
    account = await _active_account(roony, organization_id)
    if account is None:
        await _connect(url, admin_key)
        account = await _active_account(roony, organization_id)
    if account is None:
        raise DemoFailed("The demo organization's account was approved at Stripe but is not active here.")
    return DemoCompany(
        organization_id, agent_id, account, admin_key, agent_key, await _sign_in_path(roony, organization_id),
        await first_run_path(roony),
    )  # fmt: skip


async def _sign_in_path(roony: Roony, organization_id: str) -> str:
    """A page on which the demo's owner is signed in, once, without a password."""
    users = tables.users
    user_id = await _one(
        roony, select(users.c.id).where(users.c.organization_id == organization_id, users.c.email == OWNER_EMAIL)
    )
    if user_id is None:
        command = CreateUser(organization_id, roony.context.new_id("usr"), OWNER_NAME, OWNER_EMAIL, "owner", ACTOR)
        user_id = _done(await roony.context.till.submit(command), "owner").id
    link = new_link("sign_in")
    _done(await roony.context.till.submit(MakeLink(organization_id, user_id, link, ACTOR)), "sign-in link")
    return f"/welcome?ticket={link.ticket}"


async def first_run_path(roony: Roony) -> str:
    """A page on which one organization is made, by whoever is told its address."""
    link = new_link("first_run")
    await roony.context.till.write(make_first_run(link, roony.clock()))
    return f"/first-run?code={link.ticket}"


async def _one(roony: Roony, statement: Select[Any]) -> str | None:
    rows = await asyncio.to_thread(roony.database.read, statement)
    return rows[0][0] if rows else None


async def _make_organization(roony: Roony) -> str:
    new = NewOrganization(
        id=roony.context.new_id("org"), name=NAME, project_id=roony.context.new_id("prj"), actor=ACTOR,
        project_name=PROJECT_NAME, delivery="raw",
    )  # fmt: skip
    made = await roony.context.till.write(create_organization(new, roony.clock()))
    return _done(made, "organization").id


async def _make_agent(roony: Roony, organization_id: str) -> tuple[str, str]:
    projects = tables.projects
    project_id = await _one(roony, select(projects.c.id).where(projects.c.organization_id == organization_id))
    if project_id is None:
        raise DemoFailed("The demo organization has no project.")
    key = new_key("agent", roony.context.new_id("key"), "demo")
    command = CreateAgent(
        organization_id=organization_id, agent_id=roony.context.new_id("agt"), project_id=project_id, name=AGENT_NAME,
        description="Buys software in the US.", key=key, actor=ACTOR, budgets=BUDGETS, controls=CONTROLS,
    )  # fmt: skip
    made = await roony.context.till.submit(command)
    return _done(made, "agent").id, key.text


async def _make_key(roony: Roony, organization_id: str, kind: str, agent_id: str | None) -> str:
    key = new_key(kind, roony.context.new_id("key"), "demo")
    made = await roony.context.till.submit(CreateAccessKey(organization_id, key, ACTOR, agent_id))
    _done(made, f"{kind} key")
    return key.text


async def _active_account(roony: Roony, organization_id: str) -> str | None:
    connections = tables.connections
    return await _one(
        roony,
        select(connections.c.stripe_account).where(
            connections.c.organization_id == organization_id, connections.c.status == "active"
        ),
    )


async def _connect(url: str, admin_key: str) -> None:
    """The owner's way, not a short cut: so every start of the demo proves that it works."""
    async with httpx2.AsyncClient(base_url=url, timeout=15, trust_env=False) as owner:
        answer = await owner.post(
            "/api/v1/admin/connections", json={"kind": "connect"}, headers={"Authorization": f"Bearer {admin_key}"}
        )
    if answer.status_code not in (200, 201):
        raise DemoFailed(f"The start link was refused with {answer.status_code}: {answer.text[:300]}")
    await connect_account(answer.json()["url"], NAME)


def _done(made: Any, what: str) -> Any:
    if isinstance(made, Refusal):
        raise DemoFailed(f"The demo {what} was refused: {made.message}")
    return made
