"""One purchase as a timeline: what was asked, decided, paid and found, in the order in which it happened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from roony.core.approval import Approval, current_status
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.card import Card
from roony.core.categories import category_words
from roony.core.dispute import Dispute
from roony.core.finding import in_words
from roony.core.merchant import Merchant
from roony.core.money import format_amount
from roony.core.purchase import Purchase
from roony.core.retention import removed_words
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.store.queries.authorizations import AuthorizationView
from roony.store.queries.timeline import Everything
from roony.web.dashboard.words import label

_FUNDS = {"none": "", "reinstated": "The money is back.", "rescinded": "The money was taken again."}


class Step(NamedTuple):
    """One thing that happened at `at`, in microseconds UTC. `kind` is its colour.

    `quote` are words of the agent, `note` those of a person who decided, `said` facts with words that the agent or the
    merchant chose: what it is about, and the words. `cause` is the id of what it follows from: Stripe tells whole
    seconds, so that an effect can seem older than its cause.
    """

    at: int
    kind: str
    title: str
    lines: tuple[str, ...] = ()
    quote: str = ""
    note: str = ""
    said: tuple[tuple[str, str], ...] = ()
    id: str = ""
    path: str = ""
    cause: str | None = None


def steps(all_of: Everything, now: int) -> list[Step]:
    """Every step of a purchase, the first one first; `now` in microseconds UTC."""
    found = list(_asked(all_of))
    for approval in reversed(all_of.parts.approvals):
        found += _approval(approval, all_of, now)
    for card in reversed(all_of.parts.cards):
        found += _card(card)
    for authorization in reversed(all_of.parts.authorizations):
        found += _authorization(authorization)
    found += map(_transaction, sorted(all_of.parts.transactions, key=lambda row: (row.created_at, row.type)))
    found += map(_dispute, reversed(all_of.parts.disputes))
    for discrepancy in reversed(all_of.parts.discrepancies):
        found += _discrepancy(discrepancy, all_of.names)
    for receipt in reversed(all_of.parts.receipts):
        path = f"/api/v1/admin/receipts/{receipt.id}/content"
        lines = [f"{receipt.media_type}, {receipt.size:,} bytes"]
        if receipt.content_removed_at is not None:
            lines.append(f"The file was {removed_words(receipt.content_removed_at)}.")
            path = ""
        found.append(Step(receipt.created_at, "calm", "Receipt handed in", tuple(lines), id=receipt.id, path=path))
    found += _ended(all_of.parts.view.purchase)
    return _in_order(found)


def _in_order(found: list[Step]) -> list[Step]:
    """By time, but nothing before its cause; each cause stands before its effects in `found`.

    Things of one moment keep the order in which they stand there.
    """
    first: dict[str | None, int] = {}
    placed = []
    for step in found:
        place = max(step.at, found[0].at, first.get(step.cause, 0))
        first.setdefault(step.id, place)
        placed.append((place, step))
    return [step for _, step in sorted(placed, key=lambda one: one[0])]


def who(actor: str | None, names: dict[str, str]) -> str:
    """Somebody in words; programs and ids without a name stay as they are."""
    return names.get(actor or "", actor or "nobody")


def _asked(all_of: Everything) -> Iterator[Step]:
    purchase = all_of.parts.view.purchase
    agent = who(purchase.agent_id, all_of.names)
    first = json.loads(purchase.decision)
    first = first.get("asked") or first
    asked = (first.get("inputs") or {}).get("ask") or {}
    amount = format_amount(asked.get("amount", purchase.amount), purchase.currency)
    said = [("At", Merchant.from_json(purchase.merchant).name)]
    if purchase.task_id is not None:
        said.append(("For the task", purchase.task_id))
    title = f"{agent} asked for {amount}"
    yield Step(purchase.created_at, "calm", title, quote=purchase.description, said=tuple(said))
    kind = {"approved": "good", "declined": "bad"}.get(first["verdict"], "waiting")
    title = {"approved": "The rules approved it", "declined": "The rules declined it"}.get(
        first["verdict"], "The rules ask for a person"
    )
    held = f"{format_amount(purchase.hold_amount, purchase.currency)} is the most it may take, its tolerance included."
    reasons = tuple(reason["message"] for reason in first["reasons"]) or (held,)
    yield Step(purchase.created_at, kind, title, reasons)


def _ended(purchase: Purchase) -> Iterator[Step]:
    if purchase.ended_at is not None:
        why = (label(purchase.ended_reason),) if purchase.ended_reason else ()
        yield Step(purchase.ended_at, "calm", "No new authorization is accepted any more", why)


def _approval(row: Approval, all_of: Everything, now: int) -> Iterator[Step]:
    currency, names = all_of.parts.view.purchase.currency, all_of.names
    what = {"raise": "A higher price waits for a person", "renewal": "A new price of a payment waits for a person"}
    amount = (format_amount(row.amount, currency),) if row.amount is not None else ()
    yield Step(row.created_at, "waiting", what.get(row.kind, "It waits for a person"), amount, id=row.id)
    if row.first_approved_at is not None:
        title = f"{who(row.first_approved_by, names)} said yes; a second person must agree"
        yield Step(row.first_approved_at, "waiting", title, id=row.id)
    status = current_status(row, now)
    if row.decided_at is not None and status in ("approved", "denied"):
        said = (format_amount(row.approved_amount, currency),) if row.approved_amount is not None else ()
        title = f"{'Approved' if status == 'approved' else 'Denied'} by {who(row.decided_by, names)}"
        yield Step(row.decided_at, "good" if status == "approved" else "bad", title, said, note=row.note, id=row.id)
    elif status == "expired":
        yield Step(row.expires_at, "calm", "Nobody decided in time", id=row.id)


def _card(row: Card) -> Iterator[Step]:
    limit = f"Up to {format_amount(row.usable_limit, row.currency)}"
    number = f"Card •••• {row.last4} made" if row.last4 else "A card is being made"
    handed_out = f"Handed out {row.deliveries} time{'' if row.deliveries == 1 else 's'}."
    lines = (limit, f"It is {label(row.status).lower()} now.", handed_out)
    yield Step(row.created_at, "good", number, lines, id=row.id)
    if row.frozen_at is not None:
        yield Step(row.frozen_at, "cold", f"Card •••• {row.last4} frozen", id=row.id)


def _authorization(view: AuthorizationView) -> Iterator[Step]:
    row = view.authorization
    for decision in view.decisions:
        yield _answer(row, decision)
    if not view.decisions:
        word = "approved" if row.approved else "declined"
        lines = (f"It is {row.status} now.",)
        title = f"Stripe {word} {format_amount(row.amount, row.currency)} without asking Roony"
        kind = "waiting" if row.approved else "bad"
        yield Step(row.created_at, kind, title, lines, said=_where(row), id=row.id, cause=row.card_id)


def _answer(row: Authorization, decision: AuthorizationDecision) -> Step:
    amount = format_amount(decision.amount, row.currency)
    approved = decision.answered == "approved"
    lines = [f"Our code: {label(decision.code) or 'approved'}."]
    if bool(decision.approved) != approved:
        lines.append("Decided in time, but the answer came too late to count.")
    if decision.approved and decision.approved_amount != decision.amount:
        lines.append(f"Approved of it: {format_amount(decision.approved_amount, row.currency)}.")
    if row.merchant_currency != row.currency:
        lines.append(f"The merchant asked for {format_amount(row.merchant_amount, row.merchant_currency)}.")
    if decision.decided_in is not None:
        lines.append(f"Decided in {decision.decided_in / 1000:.1f} ms.")
    lines.append(f"At Stripe it is {row.status} now.")
    title = f"The card was asked for {amount}: {'approved' if approved else 'declined'}"
    kind = "good" if approved else "bad"
    return Step(decision.at, kind, title, tuple(lines), said=_where(row), id=row.id, cause=row.card_id)


def _where(row: Authorization | StripeTransaction) -> tuple[tuple[str, str], ...]:
    # Nothing is known of a merchant before Stripe has told of it.
    said = json.loads(row.merchant)
    category = said.get("category")
    named = category_words(category) if category else ""
    place = ", ".join(text for text in (named, said.get("country")) if text)
    return (("At", f"{said.get('name') or 'a merchant without a name'}" + (f" ({place})" if place else "")),)


def _transaction(row: StripeTransaction) -> Step:
    word = "captured" if row.type == "capture" else "refunded"
    lines = []
    if row.merchant_currency != row.currency:
        lines.append(f"In the merchant's currency: {format_amount(row.merchant_amount, row.merchant_currency)}.")
    title = f"{format_amount(row.amount, row.currency)} {word}"
    kind = "good" if row.type == "capture" else "cold"
    return Step(row.created_at, kind, title, tuple(lines), said=_where(row), id=row.id, cause=row.authorization_id)


def _dispute(row: Dispute) -> Step:
    title = f"Dispute about {format_amount(row.amount, row.currency)}: {label(row.status).lower()}"
    lines = tuple(text for text in (label(row.reason), _FUNDS.get(row.funds, "")) if text)
    return Step(row.created_at, "waiting", title, lines, id=row.id, cause=row.stripe_transaction_id)


def _discrepancy(row: Discrepancy, names: dict[str, str]) -> Iterator[Step]:
    said = (("Expected", in_words(row.expected)), ("Found", in_words(row.found)))
    kind = "bad" if row.status == "open" else "calm"
    title = f"Does not fit: {label(row.kind).lower()}"
    path = f"/discrepancies/{row.id}"
    yield Step(row.created_at, kind, title, said=said, id=row.id, path=path, cause=row.subject)
    if row.resolved_at is not None:
        title = f"Resolved by {who(row.resolved_by, names)}"
        yield Step(row.resolved_at, "good", title, note=row.note or "", id=row.id)
