"""Authorizations with every answer that Roony gave to them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, select

from roony.core.authorization import Authorization, AuthorizationDecision
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, newest_first
from roony.store.tables import authorization_decisions


class AuthorizationView(NamedTuple):
    """An authorization and our decisions on it, in the order in which they were made."""

    authorization: Authorization
    decisions: list[AuthorizationDecision]


def authorization_page(
    database: Database, organization_id: str, wanted: Slice, *where: ColumnElement[bool]
) -> Page[AuthorizationView]:
    """Authorizations of an organization, newest first."""
    page = newest_first(database, Authorization, organization_id, wanted, *where)
    decided = authorization_decisions.c
    statement = (
        select(authorization_decisions)
        .where(decided.organization_id == organization_id, decided.authorization_id.in_([row.id for row in page.rows]))
        .order_by(decided.at, decided.ordinal)
    )
    views = {row.id: AuthorizationView(row, []) for row in page.rows}
    for values in database.read(statement) if views else ():
        decision = AuthorizationDecision(*values)
        views[decision.authorization_id].decisions.append(decision)
    return Page(list(views.values()), page.next_cursor)


def is_answered(database: Database, organization_id: str, authorization_id: str) -> bool:
    """True if Roony decided about this authorization."""
    decided = authorization_decisions.c
    where = (decided.organization_id == organization_id, decided.authorization_id == authorization_id)
    return bool(database.read(select(decided.id).where(*where).limit(1)))
