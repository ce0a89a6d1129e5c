"""What agents call: ask for a purchase, follow it, get its card, see budgets, rules and what was spent.

A key sees and acts on its own agent's things only; every other id is 404, the same as a missing one (P7).
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from roony.core.agent import Agent, Chain, Organization
from roony.core.audit import canonical
from roony.core.decision import Ask
from roony.core.delivery import delivers_as
from roony.core.errors import Refusal
from roony.core.hashing import text_hash
from roony.core.merchant import Merchant, category_code
from roony.core.purchase import Purchase, Recurring
from roony.core.settlement import StripeTransaction
from roony.flows.asking import ask
from roony.flows.card_making import make_card, make_card_now
from roony.flows.context import FlowContext
from roony.flows.delivery import deliver
from roony.flows.ending import CancelPurchase
from roony.flows.places import TooMany
from roony.flows.preview import PreviewPurchase
from roony.flows.purchase import Asked, AskIds, AskPurchase
from roony.flows.raise_at_stripe import raise_card
from roony.flows.raising import RaiseIds, RaisePurchase
from roony.store.authority import AGENT_CHANGED
from roony.store.queries import limits, purchases
from roony.store.queries.organizations import find_organization
from roony.store.queries.paging import Page, Slice, equal, newest_first
from roony.store.queries.purchases import PurchaseView
from roony.web import answers, shapes
from roony.web.auth import AGENT_KEY, AgentOf, Caller, CallerOf, ContextOf, FeedOf, agent_in
from roony.web.errors import Refused, accepted, found, refuse
from roony.web.hang_up import noticing_hang_up
from roony.web.json_answer import JsonAnswer
from roony.web.requests import AgentRoute, AskRoute
from roony.web.schemas import AskBody, CardBody, ListQuery, RaiseBody, TaskQuery, WaitQuery
from roony.web.shape import ALWAYS, gives
from roony.web.shapes import PurchaseStatus

router = APIRouter(
    prefix="/api/v1", route_class=AgentRoute, dependencies=[AGENT_KEY], tags=["Agents"], responses=ALWAYS
)

# How long an ask waits for its place at the till, and then for its card, in seconds.
ASK_SECONDS = 5.0
CARD_SECONDS = 10.0
MAX_KEY = 255
_WAITING = frozenset({"awaiting_approval", "issuing"})


def idempotency_key(request: Request) -> str | None:
    """The `Idempotency-Key` header. Raises Refused (422) unless it is 1 to 255 printable ASCII characters."""
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    key = given[0]
    if len(given) > 1 or not 1 <= len(key) <= MAX_KEY or not (key.isascii() and key.isprintable()):
        raise refuse(422, f"It must be 1 to {MAX_KEY} printable characters.", field="Idempotency-Key")
    return key


class PurchaseQuery(ListQuery):
    """Which purchases."""

    status: PurchaseStatus | None = None


async def ask_for_purchase(request: Request, body: AskBody) -> JsonAnswer:
    """Ask for a purchase.

    1 what only this door can check · 2 decide and hold · 3 where a card was promised, wait for it up to 10 s. Its
    numbers are for a key that may have them.
    """
    context: FlowContext = request.app.state.context
    caller: Caller = request.state.caller
    key = idempotency_key(request)
    asked = await _ask(context, caller, body, key)
    if asked is AGENT_CHANGED:
        # What was remembered of the agent is older than the agent.
        asked = await _ask(context, await request.state.check(), body, key)
    asked = accepted(asked)
    made = None
    if asked.promise is not None and caller.has("card"):
        made = await make_card_now(context, asked.promise, CARD_SECONDS)
    elif asked.promise is not None:
        await make_card(context, asked.promise, CARD_SECONDS)
    # As it was committed, where nothing can have been paid of it: nobody has had the numbers of its card.
    if made is not None:
        return JsonAnswer(answers.purchase(PurchaseView(made.purchase, made.card, None), made.details), 201)
    if not asked.replayed and asked.promise is None:
        return JsonAnswer(answers.purchase(PurchaseView(asked.purchase, None, asked.approval)), 201)
    view = await _own(context, agent_in(caller), asked.purchase.id)
    if asked.replayed:
        return JsonAnswer(answers.purchase(view), 200, {"Idempotent-Replayed": "true"})
    return JsonAnswer(answers.purchase(view), 201)


async def _ask(context: FlowContext, caller: Caller, body: AskBody, key: str | None) -> Asked | Refusal:
    command = command_of(context, agent_in(caller), body, key)
    return await ask(context, command, time.monotonic() + ASK_SECONDS, caller.agent_authority)


router.add_api_route(
    "/purchase_intents", ask_for_purchase, methods=["POST"], route_class_override=AskRoute,
    openapi_extra={"parameters": [shapes.IDEMPOTENCY_KEY]},
    **gives(shapes.PurchaseAnswer, 404, 409, status=201, replayed=True),
)  # fmt: skip


@router.post("/purchase_intents/preview", **gives(shapes.PreviewAnswer, 404))
async def preview_purchase(body: AskBody, agent: AgentOf, context: ContextOf) -> dict[str, Any]:
    """What would be decided now; nothing is held, counted or written."""
    command = command_of(context, agent, body, None)
    preview = PreviewPurchase(agent.organization_id, command)
    decided = await context.till.submit(preview, time.monotonic() + ASK_SECONDS)
    decision = accepted(decided)
    reasons = [
        {"code": r.code, "message": r.message, **({"scope": r.scope} if r.scope else {})} for r in decision.reasons
    ]
    return {
        "amount": body.amount, "currency": body.currency, "hold_amount": decision.hold_amount,
        "decision": {"verdict": decision.verdict, "reasons": reasons}, "duplicate_of": decision.duplicate_of,
    }  # fmt: skip


@router.get("/purchase_intents", **gives(shapes.PurchaseList))
async def list_purchases(
    agent: AgentOf, context: ContextOf, query: Annotated[PurchaseQuery, Query()]
) -> dict[str, Any]:
    """The agent's purchases, newest first."""
    where = equal(Purchase, {"agent_id": agent.id, "status": query.status})
    page = await run_in_threadpool(
        purchases.purchase_page, context.database, agent.organization_id, Slice(query.limit, query.cursor), *where
    )
    return answers.listed(page, answers.purchase)


@router.get("/purchase_intents/{id}", **gives(shapes.PurchaseAnswer))
async def get_purchase(
    id: str, request: Request, caller: CallerOf, agent: AgentOf, context: ContextOf, feed: FeedOf,
    query: Annotated[WaitQuery, Query()],
) -> dict[str, Any]:  # fmt: skip
    """One purchase; with `wait`, once it waits neither for a person nor for its card, or when the time is over."""
    until = time.monotonic() + query.wait
    view = await _own(context, agent, id)
    if query.wait == 0 or view.purchase.status not in _WAITING:
        return answers.purchase(view)
    try:
        async with (
            feed.watch(agent.organization_id, id, caller.key_id) as watch,
            noticing_hang_up(request.receive, partial(watch.wake, over=True)),
        ):
            view = await _own(context, agent, id)
            while view.purchase.status in _WAITING and await watch.changed(until - time.monotonic()):
                view = await _own(context, agent, id)
    except TooMany:
        message = "Too many requests wait now. Ask again in a moment."
        raise refuse(429, message, "too_many_waiting", retry_after="1") from None
    # It may have been taken back meanwhile: then the answer is nobody's.
    await request.state.check()
    return answers.purchase(view)


@router.post("/purchase_intents/{id}/cancel", **gives(shapes.PurchaseAnswer, 409))
async def cancel_purchase(id: str, agent: AgentOf, context: ContextOf) -> dict[str, Any]:
    """Give a purchase up before its card was used."""
    command = CancelPurchase(agent.organization_id, id, agent.id, context.new_id("out"), agent.id)
    accepted(await context.till.submit(command))
    return answers.purchase(await _own(context, agent, id))


@router.post("/purchase_intents/{id}/raise", **gives(shapes.PurchaseAnswer, 409))
async def raise_purchase(id: str, body: RaiseBody, agent: AgentOf, context: ContextOf) -> dict[str, Any]:
    """Ask for a higher price before the card is used: decided like an ask of now.

    Allowed: the new amount is held and Stripe is told, which is waited for up to 10 s; `card.hard_limit` says what the
    card can pay. Where a person decides, `approval` is pending and nothing has changed. Refused: 409 with the reasons,
    and the purchase stays as it was.
    """
    view = await _own(context, agent, id)
    ids = RaiseIds(context.new_id("hold"), context.new_id("apr"), context.new_id("out"))
    command = RaisePurchase(agent.organization_id, view.purchase, agent.id, body.amount, ids)
    raised = accepted(await context.till.submit(command, time.monotonic() + ASK_SECONDS))
    if raised.promise is not None:
        refused = await raise_card(context, raised.promise, CARD_SECONDS)
        if refused is not None:
            accepted(refused)
    return answers.purchase(await _own(context, agent, id))


@router.post("/purchase_intents/{id}/card", **gives(shapes.CardAnswer, 409))
async def get_card(id: str, agent: AgentOf, context: ContextOf, body: CardBody | None = None) -> dict[str, Any]:
    """The card's credentials once more: audited with the purpose, at most 5 times a purchase.

    As `delivery` says, which may be stricter than what the organization allows, never weaker: `sealed` to the agent's
    public key, `reveal` as a one-time link for a person, `raw` in clear. Left out, it is as strict as is allowed.
    """
    view = await _own(context, agent, id)
    wanted = body or CardBody()
    purpose = wanted.purpose or "not given"
    delivered = await deliver(context, view.purchase, wanted.delivery, purpose, agent.id)
    if not isinstance(delivered, Refusal):
        return answers.delivered(delivered)
    if delivered.code == "delivery_not_allowed":
        organization = await run_in_threadpool(find_organization, context.database, agent.organization_id)
        delivered = _delivery_refusal(delivered, organization, wanted.delivery or organization.delivery)
    raise Refused(delivered)


@router.get("/budgets", **gives(shapes.BudgetList))
async def list_budgets(agent: AgentOf, context: ContextOf, query: Annotated[TaskQuery, Query()]) -> dict[str, Any]:
    """Every budget this agent's purchases draw on, for a task or for what names none, and what is left of each."""
    above = Chain(agent.organization_id, agent.project_id, agent.id, query.task_id)
    rows = await run_in_threadpool(limits.standings_above, context.database, above, projects_of(agent), context.clock())
    return answers.listed(Page(rows, None), answers.budget)


@router.get("/transactions", **gives(shapes.TransactionList))
async def list_transactions(agent: AgentOf, context: ContextOf, query: Annotated[ListQuery, Query()]) -> dict[str, Any]:
    """Captures and refunds on the agent's purchases, newest first."""
    page = await run_in_threadpool(
        newest_first, context.database, StripeTransaction, agent.organization_id, Slice(query.limit, query.cursor),
        *equal(StripeTransaction, {"agent_id": agent.id}),
    )  # fmt: skip
    return answers.listed(page, answers.stripe_transaction)


def _delivery_refusal(refusal: Refusal, organization: Organization, wanted: str) -> Refusal:
    """The refusal with what an owner can do; an agent cannot change it, but it can pass the message on."""
    way = f'PATCH /api/v1/admin/organization {{"delivery":"{wanted}"}}'
    if delivers_as(wanted, organization.delivery) is not None:
        way = "a control of the agent, its project or the organization sets `delivery`; PUT /api/v1/admin/controls"
    return refusal._replace(message=f"{refusal.message} An owner can allow it: {way}")


def projects_of(agent: Agent) -> list[str]:
    """The projects an agent may name in an ask, its own first."""
    return list(dict.fromkeys([agent.project_id, *json.loads(agent.project_ids)]))


async def _own(context: FlowContext, agent: Agent, id: str) -> PurchaseView:
    view = await run_in_threadpool(purchases.find_purchase, context.database, agent.organization_id, id, agent.id)
    return found(view, "purchase", id)


def command_of(context: FlowContext, agent: Agent, body: AskBody, key: str | None) -> AskPurchase:
    """An agent's ask as a command."""
    project_id = body.project_id or agent.project_id
    merchant = Merchant(
        name=body.merchant.name, url=body.merchant.url, country=body.merchant.country,
        category=category_code(body.merchant.category) if body.merchant.category else None,
        network_id=body.merchant.network_id,
    )  # fmt: skip
    return AskPurchase(
        organization_id=agent.organization_id, agent_id=agent.id, project_id=project_id,
        ask=Ask(
            body.amount, body.currency, merchant, body.task_id, body.allow_duplicate, body.merchant_lock,
            Recurring(body.recurring.interval, body.recurring.payments) if body.recurring else None,
        ),
        description=body.description, metadata=json.dumps(body.metadata), key=key,
        # Left out where it is not given, so that keys used before there were mandates stay good.
        body_hash=text_hash(canonical(body.model_dump(exclude=None if body.recurring else {"recurring"}))),
        ids=AskIds(*(context.new_id(prefix) for prefix in ("pur", "hold", "apr", "crd", "out"))),
    )  # fmt: skip
