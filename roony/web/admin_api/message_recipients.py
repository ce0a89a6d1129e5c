"""Messages to people: who is told what, and how it went."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from roony.core.message import MESSAGE_TYPES
from roony.core.notification import MessageRecipient, NoticeDelivery
from roony.flows.context import FlowContext
from roony.flows.notification import recipient as recipients
from roony.flows.notification.receiver import SendTest
from roony.outbound.guard import MAX_URL
from roony.store import tables
from roony.store.queries.paging import equal
from roony.web import notification_answers as answers
from roony.web import notification_shapes
from roony.web.admin_api.lists import get_row, list_rows
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted, refuse
from roony.web.schemas import Body, ListQuery, ShortText
from roony.web.shape import example, gives

router = new_part("Messages to people")


def _known(kind: str) -> str:
    if kind not in MESSAGE_TYPES:
        raise PydanticCustomError("message_type", "People are told of {types}", {"types": ", ".join(MESSAGE_TYPES)})
    return kind


Types = Annotated[list[Annotated[str, AfterValidator(_known)]], Field(max_length=len(MESSAGE_TYPES))]
Address = Annotated[str, Field(min_length=1, max_length=MAX_URL, description="An apprise address, slack://…")]


class RecipientBody(Body):
    """Who, and where they read. Without types they hear of everything people are told."""

    model_config = example(name="Night shift", url="ntfys://a-topic-of-ours", types=["approval.requested"])

    name: ShortText
    url: Address
    types: Annotated[Types, Field(default_factory=list)]


class RecipientChange(Body):
    """What is given is changed."""

    model_config = example(status="disabled")

    name: ShortText | None = None
    url: Address | None = None
    types: Types | None = None
    status: Literal["active", "disabled"] | None = None


class RecipientDeliveryQuery(ListQuery):
    """Which messages."""

    status: Literal["pending", "delivered", "dead", "canceled"] | None = None


@router.get("/message_recipients", **gives(notification_shapes.RecipientList))
async def list_recipients(caller: CallerOf, context: ContextOf, query: Annotated[ListQuery, Query()]) -> dict[str, Any]:
    """Recipients, newest first."""
    there = tables.message_recipients.c.status != "removed"
    return await list_rows(context, MessageRecipient, caller.organization_id, query, answers.recipient, there)


@router.post("/message_recipients", **gives(notification_shapes.RecipientAnswer, 409, status=201))
async def post_recipient(body: RecipientBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Name a recipient. The address is kept sealed and not shown again; they hear of what happens from now on."""
    made = await recipients.create_recipient(
        context, caller.organization_id, body.name, body.url, tuple(body.types), caller.actor, caller.authority
    )
    return answers.recipient(accepted(made))


@router.get("/message_recipients/{id}", **gives(notification_shapes.RecipientAnswer))
async def get_recipient(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One recipient."""
    return answers.recipient(await _there(context, caller.organization_id, id))


@router.patch("/message_recipients/{id}", **gives(notification_shapes.RecipientAnswer))
async def change_recipient(id: str, body: RecipientChange, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Change a name, an address or types; disable it, or enable it again from now on."""
    changed = await recipients.change_recipient(
        context, caller.organization_id, id, caller.actor, name=body.name, url=body.url, status=body.status,
        types=tuple(body.types) if body.types is not None else None, by=caller.authority,
    )  # fmt: skip
    return answers.recipient(accepted(changed))


@router.delete("/message_recipients/{id}", **gives(notification_shapes.RecipientAnswer))
async def remove_recipient(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Remove one for good, with the address; what waits for it is not sent."""
    removed = await recipients.change_recipient(
        context, caller.organization_id, id, caller.actor, status="removed", by=caller.authority
    )
    return answers.recipient(accepted(removed))


@router.post("/message_recipients/{id}/test", **gives(notification_shapes.DeliveryAnswer, 409, status=202))
async def test_recipient(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Send a test; look at the deliveries to see how it went."""
    await _there(context, caller.organization_id, id)
    command = SendTest(caller.organization_id, id, context.new_id("whd"), caller.actor)
    return answers.delivery(accepted(await context.till.submit(command, by=caller.authority)))


@router.get("/message_recipients/{id}/deliveries", **gives(notification_shapes.DeliveryList))
async def list_messages(
    id: str, caller: CallerOf, context: ContextOf, query: Annotated[RecipientDeliveryQuery, Query()]
) -> dict[str, Any]:
    """What was sent to one, or waits to be, newest first."""
    await _there(context, caller.organization_id, id)
    where = equal(NoticeDelivery, {"target_id": id, "status": query.status})
    return await list_rows(context, NoticeDelivery, caller.organization_id, query, answers.delivery, *where)


async def _there(context: FlowContext, organization_id: str, id: str) -> MessageRecipient:
    row = await get_row(context, MessageRecipient, organization_id, id, "message recipient")
    if row.status == "removed":
        raise refuse(404, f"No message recipient with the id {id}.")
    return row
