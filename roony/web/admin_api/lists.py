"""Lists and single rows the way every noun shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import ColumnElement
from starlette.concurrency import run_in_threadpool

from roony.flows.context import FlowContext
from roony.store.queries.paging import Slice, find, newest_first
from roony.web import answers
from roony.web.errors import found
from roony.web.schemas import ListQuery

Row = TypeVar("Row", bound=tuple[Any, ...])


def wanted(query: ListQuery) -> Slice:
    """The page a caller asked for."""
    return Slice(query.limit, query.cursor)


async def list_rows(
    context: FlowContext, row: type[Row], organization_id: str, query: ListQuery, show: Callable[[Row], answers.Json],
    *where: ColumnElement[bool],
) -> answers.Json:  # fmt: skip
    """A page of an organization's rows, newest first."""
    page = await run_in_threadpool(newest_first, context.database, row, organization_id, wanted(query), *where)
    return answers.listed(page, show)


async def get_row(context: FlowContext, row: type[Row], organization_id: str, id: str, what: str) -> Row:
    """One row of the organization. Raises Refused (404) when there is none."""
    return found(await run_in_threadpool(find, context.database, row, organization_id, id), what, id)
