"""Connected Stripe accounts: begin to connect one, see them, confirm what no API shows, disconnect one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from roony.core.connection import STANDING, Connection
from roony.core.errors import Refusal
from roony.flows.connection import ConfirmConnection, disconnect, start_connection
from roony.flows.context import FlowContext
from roony.flows.organization import choose_unknown_cards
from roony.flows.preflight import run_preflight
from roony.flows.probe import probe
from roony.flows.webhook_endpoint import setup_webhooks
from roony.store.queries.connections import about_connections
from roony.store.queries.paging import newest_first
from roony.web import answers, connection_answers, stripe_shapes
from roony.web.admin_api.lists import get_row, wanted
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.connection_schemas import ConfirmBody, ConnectionBody, WebhooksBody
from roony.web.errors import Refused, accepted
from roony.web.schemas import ListQuery
from roony.web.session import kept_url
from roony.web.shape import gives

router = new_part("Connections")


@router.get("/connections", **gives(stripe_shapes.ConnectionList))
async def list_connections(
    caller: CallerOf, context: ContextOf, query: Annotated[ListQuery, Query()]
) -> dict[str, Any]:
    """Connections, newest first, ended ones too."""
    org = caller.organization_id
    page = await run_in_threadpool(newest_first, context.database, Connection, org, wanted(query))
    about = await run_in_threadpool(about_connections, context.database, org, [row.id for row in page.rows])
    return answers.listed(page, lambda row: connection_answers.connection(row, about[row.id]))


@router.post("/connections", **gives(stripe_shapes.ConnectionStarted, 409, 502, status=201))
async def create_connection(
    body: ConnectionBody, request: Request, caller: CallerOf, context: ContextOf
) -> dict[str, Any]:
    """Begin to connect an account; `url` is a start link, good once, and null when there is nothing to open."""
    org, by = caller.organization_id, caller.authority
    reached_at = kept_url(context, request, request.app.state.options.simulate)
    started = accepted(await start_connection(context, org, body.kind, caller.actor, by, reached_at))
    return {**await _shown(context, started.connection), "url": started.url}


@router.get("/connections/{id}", **gives(stripe_shapes.ConnectionAnswer))
async def get_connection(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One connection, with why it is restricted, what was confirmed, and its last preflight."""
    return await _shown(context, await get_row(context, Connection, caller.organization_id, id, "connection"))


@router.post("/connections/{id}/confirm", **gives(stripe_shapes.ConnectionAnswer, 409))
async def confirm_connection(id: str, body: ConfirmBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Confirm what no API of Stripe's shows, after looking at the account's Issuing settings; false takes it back.

    `realtime_url`: Roony's address is the real-time authorization URL. `timeout_declines`: the timeout action is
    decline. `other_cards` says, for the whole organization, what becomes of payments with cards Roony did not make.
    Then the account is looked at once more.
    """
    org = caller.organization_id
    connection = await get_row(context, Connection, org, id, "connection")
    given = {"realtime_url": body.realtime_url, "timeout_declines": body.timeout_declines}
    wishes = tuple((name, wish) for name, wish in given.items() if wish is not None)
    if wishes:
        command = ConfirmConnection(org, id, wishes, caller.actor)
        connection = accepted(await context.till.submit(command, by=caller.authority))
    if body.other_cards is not None:
        accepted(await choose_unknown_cards(context, org, body.other_cards, caller.actor, caller.authority))
        connection = await get_row(context, Connection, org, id, "connection")
    if connection.status in STANDING:
        # What nobody had confirmed before is not to be shown any longer.
        await run_preflight(context, connection, caller.actor, by=caller.authority)
        connection = await get_row(context, Connection, org, id, "connection")
    return await _shown(context, connection)


@router.get("/connections/{id}/preflight", **gives(stripe_shapes.PreflightAnswer, 409))
async def preflight_connection(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Look now at everything the account needs: each check with what is missing and what to do. Some six calls."""
    connection = await get_row(context, Connection, caller.organization_id, id, "connection")
    if connection.status not in STANDING:
        raise Refused(Refusal("connection_inactive", f"The connection is {connection.status}.", 409, id=id))
    looked = await run_preflight(context, connection, caller.actor, by=caller.authority)
    return connection_answers.preflight(accepted(looked))


@router.post("/connections/{id}/probe", **gives(stripe_shapes.PreflightAnswer, 409))
async def probe_connection(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Make one test authorization and look what Stripe says of it: does it ask Roony, and how fast. Test mode only."""
    probed = await probe(context, caller.organization_id, id, caller.actor, caller.authority)
    return connection_answers.preflight(accepted(probed))


@router.post("/connections/{id}/setup_webhooks", **gives(stripe_shapes.ConnectionAnswer, 409))
async def set_up_webhooks(id: str, body: WebhooksBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Make the webhook endpoint at Stripe on this account, or bring it in line; `roll` gives it a new secret.

    Its events are named one by one, the real-time request with them. The secret is kept with the connection; one that
    was rolled away counts for another hour. Then the account is looked at once more.
    """
    org, by = caller.organization_id, caller.authority
    row = accepted(await setup_webhooks(context, org, id, body.roll, caller.actor, by))
    # What was missing before is not to be shown any longer.
    await run_preflight(context, row, caller.actor, by=by)
    return await _shown(context, await get_row(context, Connection, org, id, "connection"))


@router.post("/connections/{id}/disconnect", **gives(stripe_shapes.ConnectionAnswer, 409))
async def end_connection(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Disconnect: asks are refused at once, cards are canceled, then the access is given back."""
    ended = await disconnect(context, caller.organization_id, id, caller.actor, caller.authority)
    return await _shown(context, accepted(ended))


async def _shown(context: FlowContext, row: Connection) -> dict[str, Any]:
    about = await run_in_threadpool(about_connections, context.database, row.organization_id, [row.id])
    return connection_answers.connection(row, about[row.id])
