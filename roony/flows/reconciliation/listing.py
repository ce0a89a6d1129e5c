"""The pages of Stripe's lists, through the same functions as webhooks, and what they show that the books do not.

1 read a page · 2 feed it: events into the inbox, objects into the commands of settlement · 3 compare: what is at Stripe
and still not here, what is here and not at Stripe.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import structlog

from roony.core.authorization import Authorization
from roony.core.card import Card
from roony.core.card_data import without_card_data, without_keys
from roony.core.duration import SECOND
from roony.core.preflight import REALTIME
from roony.core.reconciliation import EVENTS_KEPT, LIST_MARGIN, named
from roony.core.settlement import (
    Discrepancy,
    StripeTransaction,
    TransactionStatement,
    read_authorization,
    read_transaction,
)
from roony.flows.discrepancy import discrepancy_id
from roony.flows.inbox import ACQUIRING_TYPES, HANDLED_TYPES
from roony.flows.reconciliation.cards import see_to_strangers
from roony.flows.reconciliation.missing import FlagMissing, close_found, flag_missing, told_findings
from roony.flows.reconciliation.work import Work
from roony.flows.settlement import BookAuthorization, BookTransaction
from roony.gateway import events, issuing
from roony.gateway.errors import FailureKind, StripeRefused
from roony.store.inbox import keep_all, new_event
from roony.store.queries.reconciliations import cards_at_stripe, find_rows, transactions_between
from roony.store.rows import InboxEvent

log = structlog.get_logger("roony.reconciliation")

# What the books are made of. Money the account takes in is no agent's spending and may be very many events: it is
# left to the webhooks. A real-time request comes too late to be answered, and is kept as that.
TYPES = sorted((HANDLED_TYPES - ACQUIRING_TYPES) | {REALTIME})
# Ours that a page did not show are asked for one by one, so many for each page.
MAX_CANDIDATES = 20


async def events_page(work: Work) -> None:
    """One page of events into the inbox, each kept once by its id; the worker handles them like those delivered."""
    listing = events.list_events if work.run.kind == "full" else events.list_undelivered_events
    since = max(work.run.since, work.run.until - EVENTS_KEPT) // SECOND
    items = await work.page(listing, since=since, types=TYPES)
    new = await work.context.till.write(keep_all([_event(work, item) for item in items]))
    work.count(events=len(items), booked=len(new))


def _event(work: Work, item: dict[str, Any]) -> InboxEvent:
    """As the webhook would have kept it: seen from the platform the body names the account."""
    account = work.account
    body = {name: value for name, value in item.items() if name != "account"}
    if account is not None:
        body["account"] = account
    thing = (item.get("data") or {}).get("object") or {}
    payload = without_keys(without_card_data(json.dumps(body, ensure_ascii=False).encode()))
    return new_event(
        item["id"], account, bool(item["livemode"]), item["type"], thing.get("id"), item["created"], payload,
        work.context.clock(),
    )  # fmt: skip


async def authorizations_page(work: Work) -> None:
    """One page of authorizations: each is merged, with the transactions it carries."""
    items = await work.page(issuing.list_authorizations, created_gte=work.since)
    work.count(authorizations=len(items))
    await book_authorizations(work, items)


async def book_authorizations(work: Work, items: Sequence[dict[str, Any]]) -> None:
    """Feeds authorizations as Stripe shows them now, and flags those of our cards that are not here even so."""
    ids, at = [item["id"] for item in items], work.context.clock() // SECOND
    cards = {item["card"]["id"]: item["card"] for item in items}
    ours = await work.look(cards_at_stripe, work.connection, list(cards))
    await see_to_strangers(work, [card for id, card in cards.items() if id not in ours])
    skipped = await _settled_strangers(work, [id for id in cards if id not in ours])
    before = await work.look(find_rows, Authorization, work.organization_id, ids)
    commands = [
        BookAuthorization(work.organization_id, work.connection.id, read_authorization(item, at), None)
        for item in items
        if item["card"]["id"] not in skipped
    ]
    _note_failed(work, [command.statement.id for command in commands], await work.apply(commands))
    after = await work.look(find_rows, Authorization, work.organization_id, ids)
    work.count(booked=len(after.keys() - before.keys()))
    missing = [item for item in items if item["id"] not in after and item["card"]["id"] in ours]
    await flag_missing(work, [_missing_authorization(work, item) for item in missing])
    await close_found(work, here=after, at_stripe=ids)


def _missing_authorization(work: Work, item: dict[str, Any]) -> FlagMissing:
    expected = f"authorization of {item['amount']} {item['currency']}, {item['status']}"
    return FlagMissing(work.organization_id, "missing_here", item["id"], expected, "nothing here")


async def transactions_page(work: Work) -> None:
    """One page of captures and refunds: booked once each, then both sides compared as far as the page reaches."""
    above, edge = work.place.low, work.place.edge
    items = await work.page(issuing.list_transactions, created_gte=work.since)
    work.count(transactions=len(items))
    said = [read_transaction(item) for item in items]
    ours = await work.look(cards_at_stripe, work.connection, list({t.stripe_card_id for t in said}))
    await _book_transactions(work, said, ours)
    lowest = said[-1].created if work.place.after is not None else work.since
    await _compare_page(work, {t.id for t in said} | set(edge), lowest, above)
    last = {t.id for t in said if t.created == lowest}
    _add_up(work, [t for t in said if t.stripe_card_id in ours and t.created <= work.until])
    work.place = work.place._replace(low=lowest, edge=tuple(sorted(last | (set(edge) if lowest == above else set()))))


async def _book_transactions(work: Work, said: list[TransactionStatement], ours: dict[str, Card]) -> None:
    """Those not here yet are booked; a card of nobody is only looked at until it is flagged."""
    ids = [t.id for t in said]
    before = await work.look(find_rows, StripeTransaction, work.organization_id, ids)
    strangers = [t.stripe_card_id for t in said if t.stripe_card_id not in ours]
    skipped = await _settled_strangers(work, strangers)
    new = [t for t in said if t.id not in before and t.stripe_card_id not in skipped]
    commands = [BookTransaction(work.organization_id, work.connection.id, t, None) for t in new]
    _note_failed(work, [t.id for t in new], await work.apply(commands))
    after = await work.look(find_rows, StripeTransaction, work.organization_id, ids)
    work.count(booked=len(after.keys() - before.keys()))
    missing = [t for t in said if t.stripe_card_id in ours and not _is_here(t, after.get(t.id))]
    await flag_missing(work, [_missing_transaction(work, t, after.get(t.id)) for t in missing])
    await close_found(work, here=after.keys() - {t.id for t in missing}, at_stripe=ids)


def _is_here(said: TransactionStatement, row: StripeTransaction | None) -> bool:
    return row is not None and (row.type, row.amount, row.currency) == (said.type, said.amount, said.currency)


def _missing_transaction(work: Work, said: TransactionStatement, row: StripeTransaction | None) -> FlagMissing:
    expected = f"{said.type} of {said.amount} {said.currency}"
    found = f"{row.type} of {row.amount} {row.currency}" if row is not None else "nothing here"
    return FlagMissing(work.organization_id, "missing_here", said.id, expected, found, row)


async def _settled_strangers(work: Work, stripe_card_ids: list[str]) -> frozenset[str]:
    """Cards not recorded here of which a person has been told already: nothing new is booked for them."""
    kinds = ("unknown_card", "missing_here")
    ids = {discrepancy_id(kind, card): card for card in stripe_card_ids for kind in kinds}
    told = await work.look(find_rows, Discrepancy, work.organization_id, list(ids))
    return frozenset(ids[id] for id in told)


async def _compare_page(work: Work, at_stripe: set[str], lowest: int, above: int | None) -> None:
    """What is here between this page's end and the last one's, but not on either, is looked for by its id.

    Captures of the second at the page's end may be on the next one, and those just made may not be listed yet.
    """
    highest = (work.run.until - LIST_MARGIN) // SECOND
    highest = highest if above is None else min(highest, above)
    first = lowest if work.place.after is None else lowest + 1
    if first > highest:
        return
    until = highest * SECOND + SECOND - 1
    rows = await work.look(transactions_between, work.connection, first * SECOND, until, MAX_CANDIDATES * 10)
    await look_for(work, [row for row in rows if row.id not in at_stripe][:MAX_CANDIDATES])


async def look_for(work: Work, rows: Sequence[StripeTransaction]) -> None:
    """Asks Stripe for transactions that a list did not show. One that is not there either is missing at Stripe.

    What a person was told of is not asked for again by timed runs: it would be asked for at every run.
    """
    told = await told_findings(work, "missing_at_stripe", [row.id for row in rows])
    for row in rows:
        if row.id not in told or work.run.cause != "timed":
            try:
                await work.ask(issuing.retrieve_transaction, row.id)
            except StripeRefused as refused:
                if refused.failure.kind is not FailureKind.NOT_FOUND:
                    raise
            else:
                await close_found(work, at_stripe=[row.id])
                continue
        expected = f"{row.type} of {row.amount} {row.currency}"
        finding = FlagMissing(work.organization_id, "missing_at_stripe", row.id, expected, "nothing at Stripe", row)
        await flag_missing(work, [finding])


def _add_up(work: Work, said: list[TransactionStatement]) -> None:
    """Stripe's totals of the window, on cards of ours."""
    sums = dict(work.place.stripe)
    for transaction in said:
        name = f"{transaction.currency} {transaction.type}"
        sums[name] = sums.get(name, 0) + transaction.amount
    work.place = work.place._replace(stripe=sums)


def _note_failed(work: Work, ids: Sequence[str], answers: Sequence[Any]) -> None:
    """An object whose command failed is a difference, visible by its id; the other objects of the page are booked."""
    failed = {id: error for id, error in zip(ids, answers, strict=True) if isinstance(error, BaseException)}
    for id, error in failed.items():
        log.error("reconciliation.not_booked", object=id, error=type(error).__name__, detail=str(error)[:300])
    work.count(differences=named(work.detail, "not_booked", failed))
