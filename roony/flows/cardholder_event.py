"""What Stripe says of a cardholder: what is past due, and whether its cards pay.

1. An event is a statement: a newer one counts, an older one changes nothing.
2. Two of the same second that differ leave a question, and so does a change that its owner wants: a promise asks.
3. The promise tells Stripe what is wanted by now where that differs from what it was told, else it only looks.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import bindparam, select

from roony.core.audit import ROONY
from roony.core.cardholder import (
    UNMADE,
    WANTED,
    Cardholder,
    Stated,
    changes,
    filled,
    is_newer,
    is_tied,
    troubles,
)
from roony.core.duration import MINUTE, SECOND
from roony.core.errors import Refusal, not_found
from roony.core.hashing import derived_id, text_hash
from roony.flows.alert import alert_row, close_alert, raise_alert
from roony.flows.card import FinishPromise, dead, done
from roony.flows.cardholder_choice import SEE_TO
from roony.flows.connection.access import ask_stripe
from roony.flows.connection.cardholder import cardholder_of, put_off_cardholder, stated
from roony.flows.connection.cardholder_rows import REQUIREMENTS, note_stated
from roony.flows.connection.routing import read_connection, read_organization
from roony.flows.context import FlowContext
from roony.flows.event_outcome import finished, later
from roony.gateway import issuing
from roony.gateway.errors import StripeCallFailed, StripeRefused
from roony.gateway.pool import GatewayBusy
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import new_promise
from roony.store.rows import InboxEvent, OutboxPromise
from roony.store.tables import cardholder_choices

log = structlog.get_logger("roony.connections")

# An event may come before our own commit of the cardholder: it is waited for this long, in microseconds.
PATIENCE = 10 * MINUTE
LOOK_AGAIN = 3 * SECOND
# Tries of one look or change; some half an hour in all.
MAX_TRIES = 12
NOT_OURS = "a cardholder Roony did not make"
NOT_CHANGED = "cardholder_not_changed"

_CHOICE = select(cardholder_choices.c.cardholder).where(
    cardholder_choices.c.organization_id == bindparam("org"), cardholder_choices.c.scope_id == bindparam("scope_id")
)


@dataclass(frozen=True, slots=True)
class BookCardholder(Command[str]):
    """A cardholder as an event tells it. Answers `applied`, `ignored`, or `received` while it waits for our commit."""

    organization_id: str
    connection_id: str
    scope_id: str
    said: Stated
    event: InboxEvent

    def needs(self, now: int) -> Needs:
        """The row its metadata names, the alert about it, and the look it may lead to."""
        org = self.organization_id
        return Needs(
            rows=(
                (Cardholder, org, self.connection_id, self.scope_id),
                alert_row(org, REQUIREMENTS, self.said.stripe_cardholder_id),
                (OutboxPromise, org, self.look_id),
            )
        )

    @property
    def look_id(self) -> str:
        """Of the look that settles two statements of one second."""
        return derived_id("out", SEE_TO, self.event.id)

    def apply(self, book: Book, now: int) -> str:
        """1 ours, and recorded? · 2 newer: taken · 3 tied: what is worse counts until Stripe was asked."""
        org, said = self.organization_id, self.said
        row = book.get(Cardholder, org, self.connection_id, self.scope_id)
        promised = row is not None and row.stripe_cardholder_id is None and row.status == WANTED
        if promised and now < self.event.received_at + PATIENCE:
            later(book, self.event, org, "waiting for its cardholder", LOOK_AGAIN, now)
            return "received"
        if row is None or row.stripe_cardholder_id != said.stripe_cardholder_id:
            finished(book, self.event, org, "ignored", NOT_OURS, now)
            return "ignored"
        if is_newer(said, row):
            note_stated(book, row, said, now)
        elif is_tied(said, row):
            if troubles(row._replace(status=said.status, requirements=said.requirements())):
                note_stated(book, row, said, now)
            if book.get(OutboxPromise, org, self.look_id) is None:
                book.promise(new_promise(org, self.look_id, SEE_TO, row.subject, {}, now))
        finished(book, self.event, org, "applied", None, now)
        return "applied"


@dataclass(frozen=True, slots=True)
class NoteCardholder(Command[Cardholder | Refusal]):
    """What Stripe answered about a cardholder, and what it has been told by now; or that it did not take a change."""

    organization_id: str
    connection_id: str
    scope_id: str
    said: Stated | None
    params: str | None
    promise: OutboxPromise
    error: str | None = None

    def needs(self, now: int) -> Needs:
        """The row and the alerts about it."""
        org = self.organization_id
        rows: list[tuple[Any, ...]] = [(Cardholder, org, self.connection_id, self.scope_id)]
        rows.append(alert_row(org, NOT_CHANGED, self.promise.subject))
        if self.said is not None:
            rows.append(alert_row(org, REQUIREMENTS, self.said.stripe_cardholder_id))
        return Needs(rows=tuple(rows))

    def apply(self, book: Book, now: int) -> Cardholder | Refusal:
        """An answer has no time of Stripe's: it counts as of the last statement, and any later one replaces it."""
        org = self.organization_id
        row = book.get(Cardholder, org, self.connection_id, self.scope_id)
        ended = dead(self.promise, self.error, now) if self.error is not None else done(self.promise, now)
        book.finish_promise(ended)
        if row is None:
            return not_found("cardholder", self.scope_id)
        if self.error is not None:
            told = (
                f"Stripe did not take the change of the cardholder of {row.scope} {row.scope_id}: {self.error}. It"
                " is as it was. Set it anew: roony cardholder set."
            )
            raise_alert(book, org, NOT_CHANGED, row.subject, told, now)
        elif self.params is not None and self.params != row.params:
            row = row._replace(params=self.params, updated_at=now)
            book.put(row)
            book.record(
                org, ROONY, "cardholder.changed_at_stripe", row.scope_id, {"connection": row.connection_id}, now
            )
            close_alert(book, org, NOT_CHANGED, row.subject, now)
        if self.said is not None and self.said.at >= row.stated_at:
            row = note_stated(book, row, self.said, now)
        return row


async def keep_see_to_cardholder(context: FlowContext, promise: OutboxPromise) -> None:
    """Tells Stripe what is wanted of a cardholder by now, or looks; see the head of this file."""
    org = promise.organization_id
    row = await cardholder_of(context, promise)
    connection = await read_connection(context, org, promise.subject.partition(":")[0])
    over = connection is None or connection.status in ("revoked", "expired")
    if row is None or over or (row.status in UNMADE and row.status != WANTED):
        await context.till.submit(FinishPromise(org, promise, "over"))
        return
    if promise.tries >= MAX_TRIES:
        await _give_up(context, row, promise)
        return
    if row.stripe_cardholder_id is None or connection is None:
        await put_off_cardholder(context, promise, LookupError("its cardholder is being made"))
        return
    wanted = await _wanted(context, row)
    told = changes(json.loads(row.params), wanted) if wanted is not None else {}
    try:
        if told:
            # The same change may be sent any number of times: each claim has its own key. A kept answer would be a
            # 500, or after a crash what was true before it.
            id, key = row.stripe_cardholder_id, f"{promise.key}:{promise.generation}:{text_hash(json.dumps(told))}"
            found = await ask_stripe(context, connection, issuing.update_cardholder, id, told, key[:255])
        else:
            found = await ask_stripe(context, connection, issuing.retrieve_cardholder, row.stripe_cardholder_id)
    except StripeRefused as refused:
        code = refused.failure.code or refused.failure.kind.value
        log.warning("cardholder.not_changed", subject=promise.subject, error=str(refused))
        await context.till.submit(NoteCardholder(org, row.connection_id, row.scope_id, None, None, promise, code))
        return
    except (StripeCallFailed, GatewayBusy) as error:
        await put_off_cardholder(context, promise, error)
        return
    params = json.dumps({**json.loads(row.params), **told})
    said = stated(found, row.stated_at)
    await context.till.submit(NoteCardholder(org, row.connection_id, row.scope_id, said, params, promise))


async def _give_up(context: FlowContext, row: Cardholder, promise: OutboxPromise) -> None:
    """Stripe could not be reached for so long: a change it did not hear of is told of, a look is not missed."""
    wanted = await _wanted(context, row)
    if wanted is None or not changes(json.loads(row.params), wanted):
        await context.till.submit(FinishPromise(row.organization_id, promise, "given_up"))
        return
    code = "stripe_unavailable"
    await context.till.submit(
        NoteCardholder(row.organization_id, row.connection_id, row.scope_id, None, None, promise, code)
    )


async def _wanted(context: FlowContext, row: Cardholder) -> dict[str, Any] | None:
    """The parameters its owner wants by now; None where nothing is set, and what Stripe has stays."""
    organization = await read_organization(context, row.organization_id)
    if organization is None:
        return None
    if row.scope == "organization":
        given = json.loads(organization.settings).get("cardholder")
    else:
        keys = {"org": row.organization_id, "scope_id": row.scope_id}
        rows = await asyncio.to_thread(context.database.read, _CHOICE, keys)
        given = json.loads(rows[0][0]) if rows and rows[0][0] is not None else None
    return filled(organization, given, {}) if given is not None else None
