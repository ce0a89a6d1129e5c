"""Cardholders as they are shown: each scope that has one, with what its owner chose and what is at Stripe."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select, union_all

from roony.core.cardholder import Cardholder, CardholderChoice
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, cut, keyset
from roony.store.tables import cardholder_choices, cardholders, organizations

_SCOPES = union_all(
    select(cardholder_choices.c.organization_id, cardholder_choices.c.scope_id, cardholder_choices.c.scope,
           cardholder_choices.c.created_at),
    select(cardholders.c.organization_id, cardholders.c.scope_id, cardholders.c.scope, cardholders.c.created_at),
    select(organizations.c.id.label("organization_id"), organizations.c.id.label("scope_id"),
           bindparam("kind", "organization").label("scope"), organizations.c.created_at),
).subquery()  # fmt: skip
_CHOICES = select(cardholder_choices).where(
    cardholder_choices.c.organization_id == bindparam("org"),
    cardholder_choices.c.scope_id.in_(bindparam("ids", expanding=True)),
)
_ROWS = (
    select(cardholders)
    .where(
        cardholders.c.organization_id == bindparam("org"), cardholders.c.scope_id.in_(bindparam("ids", expanding=True))
    )
    .order_by(cardholders.c.created_at, cardholders.c.connection_id)
)
_SETTINGS = select(organizations.c.settings).where(organizations.c.id == bindparam("org"))


class CardholderView(NamedTuple):
    """A scope, the cardholder its owner wants for it (None: none of its own), and those at Stripe, oldest first."""

    scope: str
    scope_id: str
    wanted: dict[str, Any] | None
    rows: list[Cardholder]


def cardholder_page(database: Database, organization_id: str, wanted: Slice, *scope_ids: str) -> Page[CardholderView]:
    """The scopes that have or had a cardholder, the organization last; only `scope_ids` if some are given."""
    began = func.min(_SCOPES.c.created_at).label("began")
    grouped = (
        select(_SCOPES.c.scope_id, func.min(_SCOPES.c.scope).label("scope"), began)
        .where(_SCOPES.c.organization_id == organization_id)
        .group_by(_SCOPES.c.scope_id)
        .subquery()
    )
    statement = select(grouped.c.scope, grouped.c.scope_id, grouped.c.began)
    if scope_ids:
        statement = statement.where(grouped.c.scope_id.in_(scope_ids))
    found = [tuple(row) for row in database.read(keyset(statement, wanted, grouped.c.began, grouped.c.scope_id))]
    page = cut(found, wanted, lambda row: (row[2], row[1]))
    given = {"org": organization_id, "ids": [row[1] for row in page.rows]}
    choices = {row.scope_id: row for row in (CardholderChoice(*row) for row in database.read(_CHOICES, given))}
    rows = [Cardholder(*row) for row in database.read(_ROWS, given)]
    settings = json.loads(database.read(_SETTINGS, {"org": organization_id})[0][0])
    views = [
        CardholderView(
            scope, id, settings.get("cardholder") if id == organization_id else _wanted(choices.get(id)),
            [row for row in rows if row.scope_id == id],
        )
        for scope, id, _ in page.rows
    ]  # fmt: skip
    return Page(views, page.next_cursor)


def _wanted(choice: CardholderChoice | None) -> dict[str, Any] | None:
    found: dict[str, Any] | None = json.loads(choice.cardholder) if choice is not None and choice.cardholder else None
    return found
