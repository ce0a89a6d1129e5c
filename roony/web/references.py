"""Ids behind `?`: each must be one of the caller's organization, like an id in the path, or the answer is 404 (P7)."""

from __future__ import annotations

import re

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from roony.core.agent import Agent, Project, task_of
from roony.core.connection import Connection
from roony.core.purchase import Purchase
from roony.flows.context import FlowContext
from roony.flows.notification.receiver import receiver_type
from roony.store.queries.paging import find
from roony.web.errors import found

# As the schemas have it.
_ID = re.compile(r"[A-Za-z0-9_]{1,64}")
# What a parameter of this name names. `scope_id` and `target_id` name one of several, see `_named`.
_ROWS: dict[str, tuple[type[tuple[object, ...]], str]] = {
    "agent_id": (Agent, "agent"),
    "connection_id": (Connection, "connection"),
    "project_id": (Project, "project"),
    "purchase_id": (Purchase, "purchase"),
}
NAMES = frozenset({*_ROWS, "scope_id", "target_id"})


async def check_references(request: Request, context: FlowContext, organization_id: str) -> None:
    """Raises Refused (404) for a parameter that names nothing of this organization: an empty list would say less.

    What is no text for an id at all is left to the schema of the route, which says so.
    """
    for name, id in request.query_params.multi_items():
        named = _named(name, id, organization_id)
        if named is not None:
            row, what, wanted = named
            found(await run_in_threadpool(find, context.database, row, organization_id, wanted), what, wanted)


def _named(name: str, id: str, organization_id: str) -> tuple[type[tuple[object, ...]], str, str] | None:
    """The row a parameter names, as (type, noun, id); None where nothing is to be looked up."""
    known = _ROWS.get(name)
    if name == "target_id":
        known = (receiver_type(id), "receiver")
    if name == "scope_id" and id != organization_id:
        id = task_of(id)[0]
        known = (Project if id.startswith("prj_") else Agent, "scope")
    return (*known, id) if known is not None and _ID.fullmatch(id) else None
