"""Webhooks to the owner's systems: endpoints, their secrets, and what was delivered to them."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from roony.core.notice import TYPES
from roony.core.notification import NoticeDelivery, WebhookEndpoint
from roony.core.role import may
from roony.flows.notification.endpoint import (
    DEFAULT_OVERLAP,
    MAX_OVERLAP,
    ChangeEndpoint,
)
from roony.flows.notification.keeping import create_endpoint, replay_since, rotate_secret, wrong_url
from roony.flows.notification.receiver import ReplayDelivery, SendTest
from roony.outbound.guard import MAX_URL
from roony.store import tables
from roony.store.queries.paging import equal
from roony.web import notification_answers as answers
from roony.web import notification_shapes
from roony.web.admin_api.lists import get_row, list_rows
from roony.web.admin_api.part import new_part
from roony.web.answers import time
from roony.web.auth import Caller, CallerOf, ContextOf
from roony.web.errors import Refused, accepted, past_time, refuse
from roony.web.schemas import Body, Id, ListQuery, LongText
from roony.web.shape import example, gives

router = new_part("Webhooks to the owner's systems")


def _known(kind: str) -> str:
    if kind not in TYPES:
        raise PydanticCustomError("notice_type", "There is no notice of this type; docs/notifications.md lists them")
    return kind


Types = Annotated[list[Annotated[str, AfterValidator(_known)]], Field(max_length=len(TYPES))]
Address = Annotated[str, Field(min_length=1, max_length=MAX_URL)]


class EndpointBody(Body):
    """A receiver. Without types it hears of everything."""

    model_config = example(url="https://example.com/roony", description="Bookkeeping", types=["purchase.settled"])

    url: Address
    description: Annotated[LongText, Field(max_length=200)] = ""
    types: Annotated[Types, Field(default_factory=list)]


class EndpointChange(Body):
    """What is given is changed."""

    model_config = example(status="disabled")

    url: Address | None = None
    description: Annotated[LongText, Field(max_length=200)] | None = None
    types: Types | None = None
    status: Literal["active", "disabled"] | None = None


class RotateBody(Body):
    """How long the old secret signs beside the new one."""

    model_config = example(overlap_seconds=86_400)

    overlap_seconds: Annotated[int, Field(ge=0, le=MAX_OVERLAP)] = DEFAULT_OVERLAP


class ReplayBody(Body):
    """From when on."""

    model_config = example(since="2h")

    since: Annotated[str, Field(max_length=40, description="RFC 3339, or 90m, 2h, 7d")]


class DeliveryQuery(ListQuery):
    """Which deliveries."""

    target_id: Id | None = None
    status: Literal["pending", "delivered", "dead", "canceled"] | None = None


@router.get("/webhook_endpoints", **gives(notification_shapes.EndpointList))
async def list_endpoints(caller: CallerOf, context: ContextOf, query: Annotated[ListQuery, Query()]) -> dict[str, Any]:
    """Endpoints, newest first. Of a url, whose path may be a secret, roles below admin see the host."""
    there = tables.webhook_endpoints.c.status != "removed"
    show = partial(answers.endpoint, whole=_sees_secrets(caller))
    return await list_rows(context, WebhookEndpoint, caller.organization_id, query, show, there)


@router.post("/webhook_endpoints", **gives(notification_shapes.EndpointWithSecret, 409, status=201))
async def post_endpoint(body: EndpointBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Name a receiver. Its secret is shown this once; it hears of what happens from now on."""
    made = await create_endpoint(
        context,
        caller.organization_id,
        body.url,
        body.description,
        tuple(body.types),
        caller.actor,
        caller.authority,
    )
    return answers.endpoint(*accepted(made))


@router.get("/webhook_endpoints/{id}", **gives(notification_shapes.EndpointAnswer))
async def get_endpoint(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One endpoint; its url as in the list."""
    return answers.endpoint(await _there(context, caller.organization_id, id), whole=_sees_secrets(caller))


@router.patch("/webhook_endpoints/{id}", **gives(notification_shapes.EndpointAnswer))
async def change_endpoint(id: str, body: EndpointChange, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Change its address, types or description; disable it, or enable it again from now on."""
    wrong = wrong_url(context, body.url) if body.url is not None else None
    if wrong is not None:
        raise Refused(wrong)
    types = tuple(body.types) if body.types is not None else None
    command = ChangeEndpoint(caller.organization_id, id, caller.actor, body.url, body.description, types, body.status)
    return answers.endpoint(accepted(await context.till.submit(command, by=caller.authority)))


@router.delete("/webhook_endpoints/{id}", **gives(notification_shapes.EndpointAnswer))
async def remove_endpoint(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Remove it for good, with its secret; what waits for it is not sent."""
    command = ChangeEndpoint(caller.organization_id, id, caller.actor, status="removed")
    return answers.endpoint(accepted(await context.till.submit(command, by=caller.authority)))


@router.post("/webhook_endpoints/{id}/rotate_secret", **gives(notification_shapes.EndpointWithSecret, 409))
async def rotate(id: str, body: RotateBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Sign with a fresh secret, shown this once. Both sign until the overlap is over."""
    org, by = caller.organization_id, caller.authority
    made = await rotate_secret(context, org, id, body.overlap_seconds, caller.actor, by)
    return answers.endpoint(*accepted(made))


@router.post("/webhook_endpoints/{id}/test", **gives(notification_shapes.DeliveryAnswer, 409, status=202))
async def send_test(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Send a test; look at the delivery to see how it went."""
    command = SendTest(caller.organization_id, id, context.new_id("whd"), caller.actor)
    return answers.delivery(accepted(await context.till.submit(command, by=caller.authority)))


@router.post("/webhook_endpoints/{id}/replay", **gives(notification_shapes.ReplayedDeliveries, 409, status=202))
async def replay(id: str, body: ReplayBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Send everything again that the endpoint was told since then, under the same ids, the oldest first.

    At most 10,000 at a time; `next_since` says where to go on.
    """
    since = past_time(body.since, context.clock())
    org, by = caller.organization_id, caller.authority
    begun, next_since = accepted(await replay_since(context, org, id, since, caller.actor, by))
    return {"id": id, "replayed": begun, "next_since": time(next_since)}


@router.get("/webhook_deliveries", **gives(notification_shapes.DeliveryList))
async def list_deliveries(
    caller: CallerOf, context: ContextOf, query: Annotated[DeliveryQuery, Query()]
) -> dict[str, Any]:
    """What was sent, or waits to be, newest first."""
    where = equal(NoticeDelivery, {"target_id": query.target_id, "status": query.status})
    return await list_rows(context, NoticeDelivery, caller.organization_id, query, answers.delivery, *where)


@router.get("/webhook_deliveries/{id}", **gives(notification_shapes.DeliveryAnswer))
async def get_delivery(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One delivery: how often it was tried, and what was answered last."""
    return answers.delivery(await get_row(context, NoticeDelivery, caller.organization_id, id, "delivery"))


@router.post("/webhook_deliveries/{id}/replay", **gives(notification_shapes.DeliveryAnswer, status=202))
async def replay_one(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Send one again, under the same id."""
    command = ReplayDelivery(caller.organization_id, id, caller.actor)
    return answers.delivery(accepted(await context.till.submit(command, by=caller.authority)))


def _sees_secrets(caller: Caller) -> bool:
    return caller.role is not None and may(caller.role, "change")


async def _there(context: ContextOf, organization_id: str, id: str) -> WebhookEndpoint:
    row = await get_row(context, WebhookEndpoint, organization_id, id, "webhook endpoint")
    if row.status == "removed":
        raise refuse(404, f"No webhook endpoint with the id {id}.")
    return row
