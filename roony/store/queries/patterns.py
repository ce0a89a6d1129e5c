"""What the rules about unusual patterns need: who did something lately, and what one agent did."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Integer, and_, bindparam, case, func, select

from roony.core.anomaly.facts import STOPPED, Ask, Facts, Payment, in_order, is_telling, wording
from roony.core.anomaly.telling import KIND
from roony.core.anomaly.usual import Limit
from roony.store.database import Database
from roony.store.tables import agents, alerts, authorization_decisions, authorizations, organizations, purchases

# Controls that an amount may be kept just under.
LIMITS = ("approval_threshold", "second_approval_threshold", "purchase_limit")
# Of a decision, so many characters are enough to find its first reason.
_BEGINNING = 200
_FIRST_CODE = re.compile(r'"code": ?"(\w+)"')
# Open alerts read at once; what is more is read when these are closed.
MOST_ALERTS = 200


class Watched(NamedTuple):
    """An organization: its zone and settings, and a number that grows with everything that happens in it."""

    id: str
    time_zone: str
    settings: str
    audit_sequence: int


class Active(NamedTuple):
    """An agent that asked, or whose card was used, at `at` (microseconds UTC)."""

    agent_id: str
    at: int


_WATCHED = select(
    organizations.c.id, organizations.c.time_zone, organizations.c.settings, organizations.c.audit_sequence
).order_by(organizations.c.id)
_ASKED = (
    select(purchases.c.agent_id, purchases.c.created_at)
    .where(purchases.c.organization_id == bindparam("org"), purchases.c.created_at >= bindparam("since"))
    .order_by(purchases.c.created_at)
    .limit(bindparam("most", type_=Integer))
)
_OF_PURCHASE = and_(
    purchases.c.organization_id == authorizations.c.organization_id, purchases.c.id == authorizations.c.purchase_id
)
_PAID = (
    select(purchases.c.agent_id, authorizations.c.created_at)
    .select_from(authorizations.join(purchases, _OF_PURCHASE))
    .where(authorizations.c.organization_id == bindparam("org"), authorizations.c.created_at >= bindparam("since"))
    .order_by(authorizations.c.created_at)
    .limit(bindparam("most", type_=Integer))
)
_OF_AGENT = (
    purchases.c.organization_id == bindparam("org"),
    purchases.c.agent_id == bindparam("agent"),
    purchases.c.created_at >= bindparam("since"),
)
_ASKS = (
    select(
        purchases.c.created_at, purchases.c.amount, purchases.c.currency, purchases.c.merchant_key,
        purchases.c.merchant, purchases.c.description, purchases.c.status,
        case((purchases.c.status == "declined", func.substr(purchases.c.decision, 1, _BEGINNING)), else_=""),
    )
    .where(*_OF_AGENT)
    .order_by(purchases.c.created_at.desc())
    .limit(bindparam("most", type_=Integer))
)  # fmt: skip


def _our_last(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Of our newest answer to a declined payment; NULL where we gave none, and for all others."""
    ours = authorization_decisions.c
    newest = select(column).where(
        ours.organization_id == authorizations.c.organization_id, ours.authorization_id == authorizations.c.id
    )
    newest = newest.order_by(ours.ordinal.desc(), ours.amount.desc()).limit(1).correlate(authorizations)
    return case((authorizations.c.approved == 0, newest.scalar_subquery()), else_=None)


_PAYMENTS = (
    select(
        authorizations.c.created_at, authorizations.c.amount, authorizations.c.currency, authorizations.c.merchant,
        authorizations.c.approved, authorizations.c.history, _our_last(authorization_decisions.c.amount),
        _our_last(case((authorization_decisions.c.approved == 0, authorization_decisions.c.code), else_="LATE")),
    )
    .select_from(purchases.join(authorizations, _OF_PURCHASE))
    .where(*_OF_AGENT)
    .order_by(purchases.c.created_at.desc())
    .limit(bindparam("most", type_=Integer))
)  # fmt: skip
_NEWEST = select(purchases.c.decision).where(*_OF_AGENT).order_by(purchases.c.created_at.desc()).limit(1)
# By the organizations, of which there are few, so that no alert that is closed is read.
_OPEN = (
    select(alerts.c.organization_id, alerts.c.id)
    .where(
        alerts.c.organization_id.in_(select(organizations.c.id)), alerts.c.status == "open",
        alerts.c.kind.startswith(KIND, autoescape=True), alerts.c.updated_at <= bindparam("until"),
    )
    .limit(MOST_ALERTS)
)  # fmt: skip


def watched_organizations(database: Database) -> list[Watched]:
    """Every organization."""
    return [Watched(*row) for row in database.read(_WATCHED)]


def asked_from(database: Database, organization_id: str, since: int, most: int) -> list[Active]:
    """Who asked from `since` on, the oldest first, at most so many."""
    values = {"org": organization_id, "since": since, "most": most}
    return [Active(*row) for row in database.read(_ASKED, values)]


def paid_from(database: Database, organization_id: str, since: int, most: int) -> list[Active]:
    """Whose cards were used from `since` on, the oldest first, at most so many."""
    values = {"org": organization_id, "since": since, "most": most}
    return [Active(*row) for row in database.read(_PAID, values)]


def past_of(database: Database, organization_id: str, agent_id: str, since: int, most: int) -> tuple[Facts, bool]:
    """What an agent asked for since then, with the payments of it; of more than `most` asks the newest.

    The second value is False when there were more.
    """
    values = {"org": organization_id, "agent": agent_id, "since": since, "most": most}
    rows = database.read(_ASKS, values)
    asks = [
        Ask(at, amount, currency, key, _country(merchant), wording(text), status == "declined")
        for at, amount, currency, key, merchant, text, status, decision in rows
        if not (decision and _first_code(decision) in STOPPED)
    ]
    payments = [_payment(*row) for row in database.read(_PAYMENTS, values)]
    return in_order(asks, payments), len(rows) < most


def _payment(
    at: int, amount: int, currency: str, merchant: str, approved: int, history: str, asked: int | None, code: str | None
) -> Payment:  # fmt: skip
    """A row of `_PAYMENTS`; one that was declined has no amount of its own but the one asked for."""
    told: Sequence[Any] = [] if approved else json.loads(history)
    reason = told[-1][1] if told else None
    wanted = amount or (told[-1][2] if told else asked or 0)
    return Payment(at, wanted, currency, _country(merchant), not approved and is_telling(code, reason))


def limits_of(database: Database, organization_id: str, agent_id: str) -> frozenset[Limit]:
    """The limits that the agent's newest purchase was decided with, of all levels the lowest of each kind."""
    rows = database.read(_NEWEST, {"org": organization_id, "agent": agent_id, "since": 0})
    if not rows:
        return frozenset()
    inputs = json.loads(rows[0][0]).get("inputs") or {}
    levels = inputs.get("controls") or []
    currency = (inputs.get("organization") or {}).get("currency")
    # Of before 0005 they are kept in another shape, and such a purchase says nothing of today.
    if not isinstance(levels, list) or currency is None:
        return frozenset()
    said = [level["controls"] for level in levels]
    found = [[one[name] for one in said if one.get(name)] for name in LIMITS]
    return frozenset((currency, min(amounts)) for amounts in found if amounts)


def agents_after(database: Database, organization_id: str, after: str, most: int) -> list[tuple[str, str]]:
    """Ids and names of agents, by id, those behind `after`."""
    statement = select(agents.c.id, agents.c.name).where(
        agents.c.organization_id == organization_id, agents.c.id > after
    )
    return [(id, name) for id, name in database.read(statement.order_by(agents.c.id).limit(most))]


def count_agents(database: Database, organization_id: str) -> int:
    """How many agents an organization has."""
    statement = select(func.count()).select_from(agents).where(agents.c.organization_id == organization_id)
    return int(database.read(statement)[0][0])


def alerts_over(database: Database, until: int) -> list[tuple[str, str]]:
    """Organization and id of open alerts of unusual patterns that were last seen at `until` or before."""
    return [(organization_id, id) for organization_id, id in database.read(_OPEN, {"until": until})]


@lru_cache(maxsize=8192)
def _country(merchant: str) -> str:
    """The country in a merchant's JSON, if it says one."""
    country: str | None = json.loads(merchant).get("country")
    return country.upper() if country else ""


def _first_code(decision: str) -> str:
    """The code of the first reason, from the beginning of a decision's JSON."""
    found = _FIRST_CODE.search(decision)
    return found[1] if found else ""
