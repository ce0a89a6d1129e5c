"""Purchases with what belongs to them: cards, authorizations, what Stripe booked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool

from roony.core.authorization import Authorization
from roony.core.card import Card
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.core.settlement import StripeTransaction
from roony.flows.card_freeze import CardFrozen, FreezeCard, UnfreezeCard
from roony.flows.context import FlowContext
from roony.flows.ending import CancelPurchase
from roony.store.queries import purchases
from roony.store.queries.authorizations import authorization_page
from roony.store.queries.paging import equal
from roony.web import answers, shapes, stripe_shapes
from roony.web.admin_api.lists import get_row, list_rows, wanted
from roony.web.admin_api.part import new_part
from roony.web.agent_api import PurchaseQuery
from roony.web.auth import Caller, CallerOf, ContextOf
from roony.web.errors import accepted, found
from roony.web.schemas import Id, ListQuery
from roony.web.shape import gives

router = new_part("Purchases and cards")


class OwnerPurchaseQuery(PurchaseQuery):
    """Which purchases of the organization."""

    agent_id: Id | None = None
    project_id: Id | None = None


class OfPurchaseQuery(ListQuery):
    """Of which purchase."""

    purchase_id: Id | None = None


class CardQuery(OfPurchaseQuery):
    """Which cards."""

    status: Literal["creating", "active", "used", "expired", "canceled", "frozen"] | None = None


@router.get("/purchases", **gives(shapes.PurchaseList))
async def list_purchases(
    caller: CallerOf, context: ContextOf, query: Annotated[OwnerPurchaseQuery, Query()]
) -> dict[str, Any]:
    """Purchases of all agents, newest first."""
    where = equal(Purchase, {"agent_id": query.agent_id, "project_id": query.project_id, "status": query.status})
    page = await run_in_threadpool(
        purchases.purchase_page, context.database, caller.organization_id, wanted(query), *where
    )
    return answers.listed(page, answers.purchase)


@router.get("/purchases/{id}", **gives(shapes.PurchaseAnswer))
async def get_purchase(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One purchase."""
    return await show_purchase(context, caller.organization_id, id)


@router.post("/purchases/{id}/cancel", **gives(shapes.PurchaseAnswer, 409))
async def cancel_purchase(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """End a purchase before its card was used; the card is canceled at Stripe."""
    return await _cancel(context, caller, id)


@router.get("/cards", **gives(stripe_shapes.CardList))
async def list_cards(caller: CallerOf, context: ContextOf, query: Annotated[CardQuery, Query()]) -> dict[str, Any]:
    """Cards, newest first; never their numbers."""
    where = equal(Card, {"status": query.status, "purchase_id": query.purchase_id})
    return await list_rows(context, Card, caller.organization_id, query, answers.card, *where)


@router.get("/cards/{id}", **gives(stripe_shapes.CardRowAnswer))
async def get_card(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One card."""
    return answers.card(await get_row(context, Card, caller.organization_id, id, "card"))


@router.post("/cards/{id}/cancel", **gives(stripe_shapes.CardRowAnswer, 409))
async def cancel_card(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Cancel a card for good, and its purchase with it."""
    card = await get_row(context, Card, caller.organization_id, id, "card")
    await _cancel(context, caller, card.purchase_id)
    return answers.card(await get_row(context, Card, caller.organization_id, id, "card"))


@router.post("/cards/{id}/freeze", **gives(stripe_shapes.CardFreezeAnswer, 409))
async def freeze_card(id: str, request: Request, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Stop one card at once; it is made inactive at Stripe and can come back."""
    command = FreezeCard(caller.organization_id, id, caller.actor, context.new_id("out"))
    return _frozen(request, await context.till.submit(command, by=caller.authority))


@router.post("/cards/{id}/unfreeze", **gives(stripe_shapes.CardFreezeAnswer))
async def unfreeze_card(id: str, request: Request, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Let a frozen card pay again, if it is still alive and nothing above it is frozen."""
    command = UnfreezeCard(caller.organization_id, id, caller.actor, context.new_id("out"))
    return _frozen(request, await context.till.submit(command, by=caller.authority))


def _frozen(request: Request, answer: CardFrozen | Refusal) -> dict[str, Any]:
    done = accepted(answer)
    if done.changed:
        request.app.state.wake_worker()
    return {**answers.card(done.card), "changed": done.changed}


@router.get("/authorizations", **gives(stripe_shapes.AuthorizationList))
async def list_authorizations(
    caller: CallerOf, context: ContextOf, query: Annotated[OfPurchaseQuery, Query()]
) -> dict[str, Any]:
    """Authorizations with every answer Roony gave, newest first."""
    where = equal(Authorization, {"purchase_id": query.purchase_id})
    page = await run_in_threadpool(authorization_page, context.database, caller.organization_id, wanted(query), *where)
    return answers.listed(page, lambda view: answers.authorization(view.authorization, view.decisions))


@router.get("/stripe_transactions", **gives(shapes.TransactionList))
async def list_stripe_transactions(
    caller: CallerOf, context: ContextOf, query: Annotated[OfPurchaseQuery, Query()]
) -> dict[str, Any]:
    """Captures and refunds as Stripe booked them, newest first."""
    where = equal(StripeTransaction, {"purchase_id": query.purchase_id})
    return await list_rows(
        context, StripeTransaction, caller.organization_id, query, answers.stripe_transaction, *where
    )


async def show_purchase(context: FlowContext, organization_id: str, id: str) -> dict[str, Any]:
    """A purchase as it is now. Raises Refused (404)."""
    view = await run_in_threadpool(purchases.find_purchase, context.database, organization_id, id)
    return answers.purchase(found(view, "purchase", id))


async def _cancel(context: FlowContext, caller: Caller, purchase_id: str) -> dict[str, Any]:
    command = CancelPurchase(caller.organization_id, purchase_id, caller.actor, context.new_id("out"))
    accepted(await context.till.submit(command, by=caller.authority))
    return await show_purchase(context, caller.organization_id, purchase_id)
