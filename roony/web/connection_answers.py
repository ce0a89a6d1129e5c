"""How a connected Stripe account is shown: why it is restricted, what its owner confirmed, and its last checks."""

from __future__ import annotations

import json

from roony.core.cardholder import Cardholder, troubles
from roony.core.confirmation import OTHER_CARDS, REALTIME_URL, TIMEOUT_DECLINES, Confirmation
from roony.core.connection import NEXT, Connection, restrictions_of
from roony.core.permission import permissions_of
from roony.core.preflight import Preflight, checks_of, summary
from roony.flows.webhook_endpoint import endpoints_of
from roony.store.queries.connections import About
from roony.web.answers import Json, time

NAMES = (REALTIME_URL, TIMEOUT_DECLINES, OTHER_CARDS)


def connection(row: Connection, about: About) -> Json:
    """A connected Stripe account; `restricted_reason` is the official one of `restrictions`."""
    reasons = [
        {"code": item.code, "message": item.message, "since": time(item.since), "next": NEXT.get(item.code)}
        for item in restrictions_of(row)
        if row.status == "restricted"
    ]
    last = {kind: preflight(row) for kind, row in about.checks.items()}
    return {
        "id": row.id, "kind": row.kind, "status": row.status, "stripe_account": row.stripe_account,
        "livemode": bool(row.livemode), "scope": row.scope, "currency": row.currency,
        "stripe_cardholder_id": about.cardholder.stripe_cardholder_id if about.cardholder else None,
        "cardholder": cardholder(about.cardholder) if about.cardholder else None, "status_reason": row.status_reason,
        "restricted_reason": reasons[0] if reasons else None, "restrictions": reasons,
        "card_issuing": row.card_issuing, "catching_up_since": time(row.catching_up_since),
        "confirmations": {
            name: confirmation(about.confirmations[name]) if name in about.confirmations else None for name in NAMES
        },
        "webhook_endpoints": [{"id": one.id, "secret_until": time(one.until)} for one in endpoints_of(row)],
        "preflight": last.get("preflight"), "probe": last.get("probe"),
        "permissions": permissions_of(row.kind), "activated_at": time(row.activated_at),
        "created_at": time(row.created_at), "updated_at": time(row.updated_at),
    }  # fmt: skip


def cardholder(row: Cardholder) -> Json:
    """A cardholder on one connection: what Stripe still wants of it, and what to do about each."""
    told = json.loads(row.requirements)
    return {
        "connection_id": row.connection_id, "stripe_cardholder_id": row.stripe_cardholder_id, "status": row.status,
        "refused": row.reason, "past_due": told["past_due"], "disabled_reason": told["disabled_reason"],
        "next": troubles(row), "created_at": time(row.created_at), "updated_at": time(row.updated_at),
    }  # fmt: skip


def confirmation(row: Confirmation) -> Json:
    """What was confirmed, by whom and when; or what contradicted it."""
    return {
        "value": row.value, "confirmed_by": row.confirmed_by,
        "confirmed_at": time(row.confirmed_at) if row.confirmed_by is not None else None,
        "contradicted_at": time(row.contradicted_at), "evidence": row.evidence,
    }  # fmt: skip


def preflight(row: Preflight) -> Json:
    """The checks of an account, each with what to do next."""
    checks = checks_of(row)
    return {
        "checks": [check._asdict() for check in checks], "summary": summary(checks), "checked_by": row.checked_by,
        "checked_at": time(row.checked_at),
    }  # fmt: skip
