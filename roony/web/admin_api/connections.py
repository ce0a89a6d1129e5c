"""Connected Stripe accounts: begin to connect one, see them, disconnect one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from roony.core.connection import Connection
from roony.flows.connection import disconnect, start_connection
from roony.web import answers
from roony.web.admin_api.lists import get_row, list_rows
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted
from roony.web.requests import KeyedRoute
from roony.web.schemas import ConnectionBody, ListQuery

router = APIRouter(route_class=KeyedRoute, tags=["Connections"])


@router.get("/connections", response_model=None)
async def list_connections(
    caller: CallerOf, context: ContextOf, query: Annotated[ListQuery, Query()]
) -> dict[str, Any]:
    """Connections, newest first, ended ones too."""
    return await list_rows(context, Connection, caller.organization_id, query, answers.connection)


@router.post("/connections", status_code=201, response_model=None)
async def create_connection(body: ConnectionBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Begin to connect an account; `url` is a start link, good once, and null when there is nothing to open."""
    started = accepted(await start_connection(context, caller.organization_id, body.kind, caller.actor))
    return {**answers.connection(started.connection), "url": started.url}


@router.get("/connections/{id}", response_model=None)
async def get_connection(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One connection."""
    return answers.connection(await get_row(context, Connection, caller.organization_id, id, "connection"))


@router.post("/connections/{id}/disconnect", response_model=None)
async def end_connection(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Disconnect: asks are refused at once, cards are canceled, then the access is given back."""
    return answers.connection(accepted(await disconnect(context, caller.organization_id, id, caller.actor)))
