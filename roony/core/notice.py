"""Notices: what people and programs outside are told, read off the audit chain and nothing else.

Streams, webhooks and messages to people all read the chain behind a cursor; this is the one place that says which
record is told as what, and which of its fields are shown.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from roony.core.audit import AuditRecord
from roony.core.purchase import STATUSES

# The field of a record's body with the purchases whose status its command changed; the books add it (store/marks.py).
STATUS_CHANGES = "statuses"


class Notice(NamedTuple):
    """Something that happened, by its `type` of TYPES; `data` is plain JSON and never holds card details.

    `sequence` is that of the record in its organization's chain: one record may give more than one notice.
    `subject` is the id of what it is about; `agent_id` is None where it is no single agent's affair. `at` is
    microseconds UTC, amounts in `data` are minor units.
    """

    organization_id: str
    sequence: int
    at: int
    type: str
    subject: str
    purchase_id: str | None
    agent_id: str | None
    data: dict[str, Any]


class _Kind(NamedTuple):
    """How the records of one action are told: as `type`, about the id in the field `subject`, or the record's own."""

    type: str
    fields: tuple[str, ...] = ()
    subject: str | None = None


_APPROVAL = ("amount", "currency", "merchant", "reasons", "note")
_ANSWER = ("amount", "approved_amount", "currency", "code", "merchant", "category", "country")
# Without the note, in which people write to people: it may name what another agent bought.
_DISCREPANCY = ("kind", "subject", "expected", "found")
_BUDGET = ("scope", "scope_id", "currency", "period", "period_start", "limit", "used")
_CHANGE = ("command", "proposed_by", "loosens", "expires_at")
_CONNECTION = ("reason", "reasons", "was", "stripe_account")
# Without the purchase it was taken from, which may be another agent's.
_REFUND = ("amount", "currency")

# Every audit action that is told, apart from what it does to the status of a purchase.
_KINDS = {
    "purchase.raise_asked": _Kind("approval.requested", _APPROVAL, "approval"),
    "approval.asked": _Kind("approval.requested", _APPROVAL, "approval"),
    "approval.partly_approved": _Kind("approval.partly_approved", _APPROVAL, "approval"),
    "approval.approved": _Kind("approval.approved", _APPROVAL, "approval"),
    "approval.denied": _Kind("approval.denied", _APPROVAL, "approval"),
    "approval.refused_by_rules": _Kind("approval.denied", _APPROVAL, "approval"),
    "approval.expired": _Kind("approval.expired", _APPROVAL, "approval"),
    "authorization.withdrawn": _Kind("authorization.declined", _ANSWER),
    "card.failed": _Kind("card.failed", ("code",), "card"),
    "card.delivered": _Kind("card.delivered", ("delivery", "purpose", "count"), "card"),
    "discrepancy.opened": _Kind("discrepancy.opened", _DISCREPANCY),
    "discrepancy.explained": _Kind("discrepancy.resolved", _DISCREPANCY),
    "discrepancy.resolved": _Kind("discrepancy.resolved", _DISCREPANCY),
    "budget.warning": _Kind("budget.warning", _BUDGET),
    "budget.exhausted": _Kind("budget.exhausted", _BUDGET),
    "connection.restricted": _Kind("connection.broken", _CONNECTION),
    "connection.revoked": _Kind("connection.broken", _CONNECTION),
    "connection.expired": _Kind("connection.broken", _CONNECTION),
    "connection.restored": _Kind("connection.restored", _CONNECTION),
    "alert.opened": _Kind("alert.opened", ("kind", "subject", "message")),
    "alert.closed": _Kind("alert.closed", ("kind", "subject")),
    "change.proposed": _Kind("change.proposed", _CHANGE),
    "change.confirmed": _Kind("change.confirmed", _CHANGE),
    "change.withdrawn": _Kind("change.withdrawn", _CHANGE),
    "refund.matched": _Kind("refund.booked", _REFUND),
    "refund.assigned": _Kind("refund.booked", _REFUND),
    "receipt.kept": _Kind("receipt.filed", ("media_type", "size")),
}
_ASKED = _Kind("approval.requested", _APPROVAL, "approval")
_APPROVED = _Kind("authorization.approved", _ANSWER)
_DECLINED = _Kind("authorization.declined", _ANSWER)
_RESUMED = _Kind("connection.restored", _CONNECTION)

# What an endpoint, a recipient or a reader of a stream may choose from.
TYPES = tuple(
    dict.fromkeys(
        [
            *(f"purchase.{status}" for status in STATUSES),
            *(kind.type for kind in (*_KINDS.values(), _ASKED, _APPROVED, _DECLINED, _RESUMED)),
        ]
    )
)


def notices_of(record: AuditRecord) -> tuple[Notice, ...]:
    """What one audit record tells, in order: what was done, then each purchase whose status that changed.

    Empty for a record that is nobody's news.
    """
    body: dict[str, Any] = json.loads(record.body)
    kind = _kind_of(record.action, body)
    told = [] if kind is None else [_told(record, kind, body)]
    return (*told, *(_status_notice(record, change, body) for change in body.get(STATUS_CHANGES, ())))


def _kind_of(action: str, body: dict[str, Any]) -> _Kind | None:
    """How a record is told; some actions are news only by what their body says."""
    if action == "purchase.asked":
        return _ASKED if body.get("approval") else None
    if action == "connection.activated":
        return _RESUMED if body.get("resumed") else None
    if action == "authorization.answered":
        return _APPROVED if body.get("approved") else _DECLINED
    if action == "authorization.stated":
        # What Roony answered was told with the answer; this is one it was not asked about.
        return None if not body.get("first") else (_APPROVED if body.get("approved") else _DECLINED)
    return _KINDS.get(action)


def _told(record: AuditRecord, kind: _Kind, body: dict[str, Any]) -> Notice:
    field = "authorization" if record.action == "authorization.stated" else kind.subject
    subject = str(body.get(field or "") or record.subject)
    purchase = body.get("purchase") or (record.subject if record.subject.startswith("pur_") else None)
    data = {name: body[name] for name in kind.fields if body.get(name) is not None}
    return Notice(
        record.organization_id, record.sequence, record.at, kind.type, subject, purchase, body.get("agent"), data
    )


def _status_notice(record: AuditRecord, change: dict[str, Any], body: dict[str, Any]) -> Notice:
    """A purchase came into another status; why, where the record's own words say it."""
    data = {name: value for name, value in change.items() if name not in ("purchase", "agent") and value is not None}
    if change["purchase"] in (record.subject, body.get("purchase")):
        # Only an approver's note is meant for the agent.
        names = ("merchant", "code", "reasons", *(["note"] if record.action.startswith("approval.") else []))
        data |= {name: body[name] for name in names if body.get(name)}
    id = str(change["purchase"])
    return Notice(
        record.organization_id, record.sequence, record.at, f"purchase.{change['status']}", id, id, change["agent"],
        data,
    )  # fmt: skip
