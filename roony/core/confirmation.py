"""What no API of Stripe's shows: the owner confirms it, and what Stripe reports afterwards may contradict that.

Facts 2.1 and 2.4: `card_active` in a request history says that Stripe approved with no real-time URL in play, an
approved `webhook_timeout` or `webhook_error` that the timeout action approves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from roony.core.duration import SECOND

REALTIME_URL = "realtime_url"
TIMEOUT_DECLINES = "timeout_declines"
OTHER_CARDS = "other_cards"
# What an owner confirms of an account, and the restriction when what Stripe reports says otherwise.
CONTRADICTED = {REALTIME_URL: "realtime_url_contradicted", TIMEOUT_DECLINES: "timeout_action_contradicted"}
# Reasons of an approved entry of a request history, and what each contradicts.
_EVIDENCE = {"card_active": REALTIME_URL, "webhook_timeout": TIMEOUT_DECLINES, "webhook_error": TIMEOUT_DECLINES}


class Confirmation(NamedTuple):
    """What a person confirmed of `subject`, a connection or (`other_cards`) the organization, or what contradicted it.

    `confirmed_at` is None while it is not confirmed, or not any more. `contradicted_at` is the time of the latest
    evidence since, `evidence` the Stripe id that showed it. Times in microseconds UTC.
    """

    organization_id: str
    subject: str
    name: str
    value: str | None
    confirmed_by: str | None
    confirmed_at: int | None
    contradicted_at: int | None
    evidence: str | None
    updated_at: int


class Evidence(NamedTuple):
    """One approval that contradicts what is to be confirmed: which, Stripe's reason for it, and when (microseconds)."""

    name: str
    reason: str
    at: int


def evidence_in(history: Iterable[dict[str, Any]]) -> tuple[Evidence, ...]:
    """What the entries of a request history contradict; the latest of each kind."""
    found: dict[str, Evidence] = {}
    for entry in history:
        name = _EVIDENCE.get(entry["reason"]) if entry["approved"] else None
        at = entry.get("created")
        if name is None or not isinstance(at, int):
            continue
        if name not in found or at * SECOND > found[name].at:
            found[name] = Evidence(name, entry["reason"], at * SECOND)
    return tuple(found[name] for name in sorted(found))


def unconfirmed(organization_id: str, subject: str, name: str, now: int) -> Confirmation:
    """The row of something nobody has confirmed yet."""
    return Confirmation(organization_id, subject, name, None, None, None, None, None, now)


def contradicted(row: Confirmation, evidence: Evidence, shown_by: str, since: int, now: int) -> Confirmation:
    """The confirmation after this evidence, which counts only if it is later than the confirmation.

    `since` (microseconds) counts where it was never confirmed: when the connection became active. Evidence that came
    twice, or before what is known already, changes nothing: any order ends alike.
    """
    if evidence.at <= max(since, row.confirmed_at or 0, row.contradicted_at or 0):
        return row
    return row._replace(value=None, confirmed_by=None, contradicted_at=evidence.at, evidence=shown_by, updated_at=now)


def is_contradicted(row: Confirmation | None) -> bool:
    """True from the evidence until it is confirmed again."""
    return row is not None and row.contradicted_at is not None


def confirmed(row: Confirmation, value: str, by: str, now: int) -> Confirmation:
    """Confirmed now. Evidence known by now is older than that, also where Stripe's clock is ahead of ours."""
    at = max(now, row.contradicted_at or 0)
    return row._replace(
        value=value, confirmed_by=by, confirmed_at=at, contradicted_at=None, evidence=None, updated_at=now
    )


def withdrawn(row: Confirmation, now: int) -> Confirmation:
    """Not confirmed any more, by the owner's word; what it was confirmed at still bounds which evidence is old."""
    return row._replace(value=None, confirmed_by=None, updated_at=now)
