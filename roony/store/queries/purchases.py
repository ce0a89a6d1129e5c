"""Purchases as they are shown: with their card and their approval, read together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select

from roony.core.action_required import ActionRequired, action_required, may_need_action, without_a_yes
from roony.core.approval import Approval
from roony.core.authorization import Authorization
from roony.core.card import Card
from roony.core.purchase import Purchase
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, cut, keyset
from roony.store.tables import (
    approvals,
    authorization_decisions,
    authorizations,
    cards,
    purchases,
)


class PurchaseView(NamedTuple):
    """A purchase with the card and the approval it has, as of one moment.

    `action` is why it does not go on: what the newest payment with its card was refused for, read a moment later, or
    that people did not agree.
    """

    purchase: Purchase
    card: Card | None
    approval: Approval | None
    action: ActionRequired | None = None


# Statements are made once: making one of so many columns costs ten times as much as running it.
_VIEWS = (
    select(purchases, cards, approvals)
    .select_from(
        purchases.outerjoin(
            cards, and_(cards.c.organization_id == purchases.c.organization_id, cards.c.id == purchases.c.card_id)
        ).outerjoin(
            approvals,
            and_(approvals.c.organization_id == purchases.c.organization_id, approvals.c.id == purchases.c.approval_id),
        )
    )
    .where(purchases.c.organization_id == bindparam("organization"))
)
_ONE = _VIEWS.where(purchases.c.id == bindparam("purchase"))
_ONE_OF_AGENT = _ONE.where(purchases.c.agent_id == bindparam("agent"))


def _view(values: Any) -> PurchaseView:
    first, second = len(Purchase._fields), len(Purchase._fields) + len(Card._fields)
    card = Card(*values[first:second]) if values[first] is not None else None
    approval = Approval(*values[second:]) if values[second] is not None else None
    return PurchaseView(Purchase(*values[:first]), card, approval)


def find_purchase(
    database: Database, organization_id: str, purchase_id: str, agent_id: str | None = None
) -> PurchaseView | None:
    """One purchase; with `agent_id` only if it is that agent's (P7)."""
    named = {"organization": organization_id, "purchase": purchase_id}
    if agent_id is None:
        rows = database.read(_ONE, named)
    else:
        rows = database.read(_ONE_OF_AGENT, {**named, "agent": agent_id})
    return _with_actions(database, organization_id, [_view(rows[0])])[0] if rows else None


def purchase_page(
    database: Database, organization_id: str, wanted: Slice, *where: ColumnElement[bool]
) -> Page[PurchaseView]:
    """Purchases, newest first."""
    statement = keyset(_VIEWS.where(*where), wanted, purchases.c.created_at, purchases.c.id)
    found = [_view(values) for values in database.read(statement, {"organization": organization_id})]
    rows = _with_actions(database, organization_id, found)
    return cut(rows, wanted, lambda view: (view.purchase.created_at, view.purchase.id))


def _with_actions(database: Database, organization_id: str, views: list[PurchaseView]) -> list[PurchaseView]:
    """The same with what their newest payments call for; no further read where none of them can be paid."""
    ids = [view.purchase.id for view in views if may_need_action(view.purchase)]
    newest = _newest(database, organization_id, ids) if ids else {}
    return [view._replace(action=_action(view, newest.get(view.purchase.id))) for view in views]


def _action(view: PurchaseView, newest: tuple[Authorization, str | None] | None) -> ActionRequired | None:
    if newest is None:
        return without_a_yes(view.purchase, view.approval)
    return action_required(*newest, view.approval)


def _newest_statement() -> Select[Any]:
    """The newest authorization of each purchase, and our answers to the last request on it, the newest last."""
    place = func.row_number().over(
        partition_by=authorizations.c.purchase_id,
        order_by=(authorizations.c.created_at.desc(), authorizations.c.id.desc()),
    )
    ranked = (
        select(authorizations, place.label("place"))
        .where(
            authorizations.c.organization_id == bindparam("organization"),
            authorizations.c.purchase_id.in_(bindparam("purchases", expanding=True)),
        )
        .subquery()
    )
    newest = ranked.c
    answers = authorization_decisions
    joined = ranked.outerjoin(
        answers,
        and_(
            answers.c.organization_id == newest.organization_id,
            answers.c.authorization_id == newest.id,
            answers.c.ordinal == newest.history_length - 1,
        ),
    )
    return (
        select(*(newest[name] for name in Authorization._fields), answers.c.code, answers.c.answered)
        .select_from(joined)
        .where(newest.place == 1)
        .order_by(answers.c.at)
    )


_NEWEST = _newest_statement()


def _newest(
    database: Database, organization_id: str, ids: Sequence[str]
) -> dict[str | None, tuple[Authorization, str | None]]:
    """By purchase, its newest authorization, and the code of our newest answer to the last request on it."""
    found: dict[str | None, tuple[Authorization, str | None]] = {}
    for *values, code, answered in database.read(_NEWEST, {"organization": organization_id, "purchases": ids}):
        # Of several answers to one request the newest comes last and counts.
        known = Authorization(*values)
        late = code == "APPROVED" and answered == "declined"
        found[known.purchase_id] = (known, "LATE" if late else code)
    return found
