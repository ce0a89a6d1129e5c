"""In whose name cards are made: for the organization, or for one project or agent alone."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool

from roony.flows.cardholder_choice import RemoveCardholder, SetCardholder
from roony.flows.context import FlowContext
from roony.store.queries.cardholders import CardholderView, cardholder_page
from roony.store.queries.paging import Slice
from roony.web import answers, stripe_shapes
from roony.web.admin_api.lists import wanted
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.cardholder_schemas import ChooseCardholderBody
from roony.web.connection_answers import cardholder
from roony.web.errors import accepted
from roony.web.schemas import ListQuery
from roony.web.shape import gives

router = new_part("Cardholders")


@router.get("/cardholders", **gives(stripe_shapes.ScopeCardholderList))
async def list_cardholders(
    caller: CallerOf, context: ContextOf, query: Annotated[ListQuery, Query()]
) -> dict[str, Any]:
    """Cardholders of every scope that has one: what is wanted, what is at Stripe, and what Stripe still needs."""
    page = await run_in_threadpool(cardholder_page, context.database, caller.organization_id, wanted(query))
    return answers.listed(page, _show)


@router.put("/cardholders", **gives(stripe_shapes.ScopeCardholder, 404, 409))
async def set_cardholder(
    body: ChooseCardholderBody, request: Request, caller: CallerOf, context: ContextOf
) -> dict[str, Any]:
    """Say in whose name cards of a scope are made, whole. The narrowest scope wins; one that is at Stripe is changed
    there. What is left out stays there as it was, and its name never changes.
    """
    org, scope_id = caller.organization_id, body.scope_id or caller.organization_id
    given = body.cardholder.model_dump(exclude_none=True)
    command = SetCardholder(org, body.scope, scope_id, given, caller.actor, context.new_id("out"))
    accepted(await context.till.submit(command, by=caller.authority))
    request.app.state.wake_worker()
    return await _one(context, org, scope_id)


@router.delete("/cardholders/{scope_id}", **gives(stripe_shapes.ScopeCardholder, 409))
async def remove_cardholder(scope_id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """A project or an agent has no cardholder of its own any more: its next cards are made in the name above it."""
    command = RemoveCardholder(caller.organization_id, scope_id, caller.actor)
    accepted(await context.till.submit(command, by=caller.authority))
    return await _one(context, caller.organization_id, scope_id)


async def _one(context: FlowContext, organization_id: str, scope_id: str) -> dict[str, Any]:
    page = await run_in_threadpool(cardholder_page, context.database, organization_id, Slice(1), scope_id)
    return _show(page.rows[0])


def _show(view: CardholderView) -> dict[str, Any]:
    return {
        "scope": view.scope, "scope_id": view.scope_id, "cardholder": view.wanted,
        "at_stripe": [cardholder(row) for row in view.rows],
    }  # fmt: skip
