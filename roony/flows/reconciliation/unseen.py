"""What no list shows any more: open objects retrieved by their ids, and authorizations that Stripe may not know.

An authorization can stay open for 31 days after the list of its day was read; a card for as long as a mandate lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from roony.core.authorization import Authorization
from roony.core.card import Card
from roony.core.reconciliation import LIST_MARGIN, UNSEEN
from roony.flows.card import card_facts
from roony.flows.reconciliation.cards import SeeCard
from roony.flows.reconciliation.listing import book_authorizations
from roony.flows.reconciliation.missing import FlagMissing, close_found, flag_missing, still_missing, told_findings
from roony.flows.reconciliation.work import Work
from roony.gateway import issuing
from roony.gateway.client import PlainObject
from roony.gateway.errors import FailureKind, StripeRefused
from roony.store.queries.reconciliations import (
    left_open_cards,
    open_authorizations,
    open_cards,
    unlisted_authorizations,
    waiting_events,
)

# Objects retrieved in one step of a run, and in one phase of a run that nobody asked for; the next run goes on.
EACH_STEP = 10
EACH_PHASE = 200
# How long a run somebody waits for lets the worker handle the events it brought: looks, and microseconds between them.
MAX_WAITS = 100
WAIT = 200_000


async def open_step(work: Work) -> None:
    """Some authorizations that money may still come of, not seen for a day; asked for by a person, all not yet seen."""
    rows = await work.look(
        open_authorizations, work.connection, _unseen_before(work), work.place.after or "", EACH_STEP
    )
    await _retrieve_authorizations(work, rows)


async def unlisted_step(work: Work) -> None:
    """Some authorizations made here in the window that the lists did not show."""
    window = (work.run.since + LIST_MARGIN, work.run.until - LIST_MARGIN)
    after = work.place.after or ""
    rows = await work.look(unlisted_authorizations, work.connection, window, _unseen_before(work), after, EACH_STEP)
    await _retrieve_authorizations(work, rows)


async def open_cards_step(work: Work) -> None:
    """Some cards that can be charged, not seen for a day; first those that should have ended."""
    if work.place.after is None:
        await _cancel_left_open(work)
    rows = await work.look(open_cards, work.connection, _unseen_before(work), work.place.after or "", EACH_STEP)
    for card in await _worth_asking(work, rows, {row.id: row.stripe_card_id or "" for row in rows}):
        stripe_id = card.stripe_card_id or ""
        found = await _retrieve(work, issuing.retrieve_card, stripe_id)
        if found is None:
            expected = f"the card of purchase {card.purchase_id}"
            await _flag(work, stripe_id, expected, card)
        else:
            await work.apply([SeeCard(work.organization_id, card.id, card_facts(found))])
            await close_found(work, at_stripe=[stripe_id])
    _go_on(work, rows)


async def _cancel_left_open(work: Work) -> None:
    """Some cards that could not be canceled when they ended, as when the account was not ours to act for: now it is.

    One that Stripe does not know counts as looked at, so that the next run comes to those behind it.
    """
    for card in await work.look(left_open_cards, work.connection, _unseen_before(work), EACH_STEP):
        found = await _retrieve(work, issuing.retrieve_card, card.stripe_card_id or "")
        said = card_facts(found) if found is not None else None
        promise_id = work.context.new_id("out") if found is not None else None
        await work.apply([SeeCard(work.organization_id, card.id, said, promise_id)])


async def settle_step(work: Work) -> int:
    """Lets the worker handle what this run brought before somebody looks at the result; microseconds to wait."""
    if work.run.cause == "timed" or work.place.waits >= MAX_WAITS:
        return 0
    since = work.run.created_at
    waiting = await work.look(waiting_events, work.account, work.connection.livemode, since)
    if not waiting:
        return 0
    work.place = work.place._replace(waits=work.place.waits + 1)
    return WAIT


def _unseen_before(work: Work) -> int:
    return work.run.created_at - (UNSEEN if work.run.cause == "timed" else 0)


async def _retrieve_authorizations(work: Work, rows: Sequence[Authorization]) -> None:
    found = []
    for row in await _worth_asking(work, rows, {row.id: row.id for row in rows}):
        item = await _retrieve(work, issuing.retrieve_authorization, row.id)
        if item is None:
            await _flag(work, row.id, f"authorization of {row.amount} {row.currency}, {row.status}", row)
        else:
            found.append(item)
    await book_authorizations(work, found)
    _go_on(work, rows)


async def _worth_asking(work: Work, rows: Sequence[Any], subjects: dict[str, str]) -> list[Any]:
    """Without those a person was told of: a timed run does not ask for them again, and counts them."""
    if work.run.cause != "timed":
        return list(rows)
    told = await told_findings(work, "missing_at_stripe", subjects.values())
    await still_missing(work, "missing_at_stripe", list(told))
    return [row for row in rows if subjects[row.id] not in told]


async def _retrieve(work: Work, retrieve: Any, id: str) -> PlainObject | None:
    """One object by its id; None when Stripe has none."""
    try:
        return await work.ask(retrieve, id)
    except StripeRefused as refused:
        if refused.failure.kind is not FailureKind.NOT_FOUND:
            raise
        return None


async def _flag(work: Work, subject: str, expected: str, row: Authorization | Card) -> None:
    found = "nothing at Stripe"
    await flag_missing(work, [FlagMissing(work.organization_id, "missing_at_stripe", subject, expected, found, row)])


def _go_on(work: Work, rows: Sequence[Any]) -> None:
    """Behind the last row, unless it was the last of all or of what one phase may ask for."""
    asked = work.place.waits + len(rows)
    enough = len(rows) < EACH_STEP or (work.run.cause == "timed" and asked >= EACH_PHASE)
    work.place = work.place._replace(after=None if enough else rows[-1].id, waits=0 if enough else asked)
