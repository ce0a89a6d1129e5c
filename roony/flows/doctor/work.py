"""Whether work gets done: a worker, Stripe's events coming in and being handled, promises being kept, traces sent."""

from __future__ import annotations

import asyncio

from sqlalchemy import bindparam, func, select

from roony.core.duration import SECOND
from roony.core.preflight import MISSING, OK, UNKNOWN, WARNING, Check
from roony.flows.context import FlowContext
from roony.flows.duty_lease import DUTIES
from roony.store.queries.gauges import Waiting, gauges
from roony.store.queries.own_work import own_work, serves_several
from roony.store.tables import cards, inbox, leases

# How old what waits may get before it deserves a look, and before nobody can be working at it, in seconds.
OLD, TOO_OLD = 300, 3_600
# A card whose making Stripe has not told of for so long, in seconds.
UNTOLD = 600

_DUTIES_UNTIL = select(leases.c.until).where(leases.c.name == DUTIES)
_LAST_EVENT = select(func.max(inbox.c.received_at)).where(inbox.c.organization_id == bindparam("org"))
_LAST_CARD = select(func.max(cards.c.created_at)).where(
    cards.c.organization_id == bindparam("org"), cards.c.created_at < bindparam("before")
)


async def work(context: FlowContext, organization_id: str) -> list[Check]:
    """All of them. What cannot be read is told by the check of the database."""
    return await asyncio.to_thread(_work, context, organization_id)


def _work(context: FlowContext, organization_id: str) -> list[Check]:
    now, read = context.clock(), context.database.read
    held = read(_DUTIES_UNTIL)
    several = serves_several(context.database)
    # Where there are several, nobody is told how much another one lets wait.
    found = own_work(context.database, organization_id) if several else gauges(context.database)
    own = " of this organization" if several else ""
    [(heard,)] = read(_LAST_EVENT, {"org": organization_id})
    [(made,)] = read(_LAST_CARD, {"org": organization_id, "before": now - UNTOLD * SECOND})
    return [
        worker(held[0][0] if held else None, now),
        events_heard(heard, made, now),
        waiting("inbox", f"Stripe events{own}", found.events, now, "roony events list --status failed"),
        *dead_events(found.dead_events, own),
        waiting("outbox", f"promises to Stripe{own}", found.promises, now, "Look for promise.put_off in Roony's log."),
        *traces(context),
    ]


def worker(until: int | None, now: int) -> Check:
    """Whether some process does what is timed; the lease says until when. Microseconds."""
    if until is None or until <= now:
        words = "No process works: events are not handled, promises not kept, nothing expires."
        return Check("worker", MISSING, words, "Look at the log of `roony serve` and `roony worker`, and restart them.")
    return Check("worker", OK, "A worker does what is timed.")


def events_heard(heard: int | None, made: int | None, now: int) -> Check:
    """Whether Stripe's events arrive: at least the making of each card is told. Microseconds; None: there is none."""
    after = "Look at the webhook endpoint in Stripe's Dashboard, then: roony doctor --probe"
    if heard is None:
        status = UNKNOWN if made is None else WARNING
        return Check("webhooks", status, "No event of Stripe's has arrived yet.", after)
    words = f"Stripe's last event came {_age(heard, now)} ago"
    if made is not None and made > heard:
        return Check("webhooks", WARNING, f"{words}; a card was made since and Stripe told nothing of it.", after)
    return Check("webhooks", OK, f"{words}.")


def waiting(id: str, what: str, found: Waiting, now: int, after: str) -> Check:
    """How many of these wait, and since when."""
    if found.oldest is None:
        return Check(id, OK, f"No {what} wait.")
    age = (now - found.oldest) // SECOND
    status = MISSING if age > TOO_OLD else WARNING if age > OLD else OK
    return Check(id, status, f"{found.number} {what} wait, the oldest for {_age(found.oldest, now)}.", after)


def dead_events(number: int, own: str = "") -> list[Check]:
    """What was given up; `own` says whose, where that is not all."""
    if not number:
        return []
    after = "See why: roony events list --status dead. Then: roony events replay"
    return [Check("dead_events", WARNING, f"{number} Stripe events{own} were given up.", after)]


def traces(context: FlowContext) -> list[Check]:
    """Whether the collector takes spans, where there is one."""
    sent = context.traces
    if sent is None:
        return []
    if sent.dropped and not sent.sent:
        words = f"The collector of traces took none of {sent.dropped} spans."
        return [Check("traces", WARNING, words, "Look at OTEL_EXPORTER_OTLP_ENDPOINT and at the collector.")]
    return [Check("traces", OK, f"Spans sent: {sent.sent}, lost: {sent.dropped}.")]


def _age(at: int, now: int) -> str:
    seconds = max(0, now - at) // SECOND
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {word}"
    return f"{seconds} s"
