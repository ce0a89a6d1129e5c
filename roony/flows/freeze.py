"""The kill switch: freeze or unfreeze an organization, project or agent, and bring its cards at Stripe in line.

1. `Freeze` marks the scope; from the next batch on every ask and authorization below it is declined.
2. The promise made in the same commit is kept by `keep_freeze_cards`: card by card, in pages, each card by a command
   that looks again at what is frozen now, so that a freeze and an unfreeze crossing each other end right.
3. Each of these commands promises the card's status at Stripe, also of a card that is used: when its authorization
   falls away it is free again, and nothing more needs to be promised then.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

from roony.core.audit import ROONY
from roony.core.card import OPEN_STATUSES, Card
from roony.core.duration import SECOND
from roony.core.errors import Refusal
from roony.core.hashing import derived_id
from roony.core.purchase import Purchase
from roony.flows.card import FinishPromise, PutOff
from roony.flows.context import FlowContext
from roony.flows.ending import promise_card_status
from roony.flows.movement import audit, follow
from roony.flows.scope import frozen_above, scope_needs, scope_row
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import new_promise
from roony.store.queries.cards import cards_of_scope
from roony.store.rows import OutboxPromise

# Cards looked at with one read.
PAGE = 200
# When the till was too busy for a card: tried again after this long, in microseconds.
RETRY_DELAY = 2 * SECOND


class Frozen(NamedTuple):
    """A scope after a freeze or unfreeze. `changed` is False when it already was so; `frozen_at` microseconds UTC."""

    scope: str
    scope_id: str
    frozen_at: int | None
    changed: bool


@dataclass(frozen=True, slots=True)
class Freeze(Command[Frozen | Refusal]):
    """Stops every purchase and authorization below a scope."""

    organization_id: str
    scope: str
    scope_id: str
    actor: str
    promise_id: str

    def needs(self, now: int) -> Needs:
        """The scope."""
        return scope_needs(self.organization_id, self.scope, self.scope_id)

    def apply(self, book: Book, now: int) -> Frozen | Refusal:
        """Freezing what is frozen changes nothing and says so."""
        return _set_frozen(book, self, now)


@dataclass(frozen=True, slots=True)
class Unfreeze(Command[Frozen | Refusal]):
    """Lets a scope buy again. Cards that are still alive come back, unless another scope above them is frozen."""

    can_wait = True

    organization_id: str
    scope: str
    scope_id: str
    actor: str
    promise_id: str

    def needs(self, now: int) -> Needs:
        """The scope."""
        return scope_needs(self.organization_id, self.scope, self.scope_id)

    def apply(self, book: Book, now: int) -> Frozen | Refusal:
        """Unfreezing what is not frozen changes nothing and says so."""
        return _set_frozen(book, self, now)


def _set_frozen(book: Book, command: Freeze | Unfreeze, now: int) -> Frozen | Refusal:
    organization_id, scope, scope_id = command.organization_id, command.scope, command.scope_id
    row = scope_row(book, organization_id, scope, scope_id)
    if isinstance(row, Refusal):
        return row
    freeze = isinstance(command, Freeze)
    if (row.frozen_at is not None) == freeze:
        return Frozen(scope, scope_id, row.frozen_at, False)
    frozen_at = now if freeze else None
    book.put(row._replace(frozen_at=frozen_at))
    book.reconfigure(organization_id)
    kind = "freeze_cards" if freeze else "unfreeze_cards"
    subject = f"{scope}:{scope_id}"
    book.promise(new_promise(organization_id, command.promise_id, kind, subject, {}, now))
    book.record(
        organization_id,
        command.actor,
        f"{scope}.{'frozen' if freeze else 'unfrozen'}",
        scope_id,
        {"before": row.frozen_at, "after": frozen_at},
        now,
    )
    return Frozen(scope, scope_id, frozen_at, True)


@dataclass(frozen=True, slots=True)
class SetCardFrozen(Command[bool]):
    """Freezes one card, or brings it back, as its purchase's chain of scopes says now.

    A used card keeps its status here. `promise_id` is promised once.
    """

    organization_id: str
    card_id: str
    frozen: bool
    promise_id: str

    def needs(self, now: int) -> Needs:
        """The card with its purchase and the chain above it, and whether it was promised before."""
        org = self.organization_id
        return Needs(rows=((Card, org, self.card_id), (OutboxPromise, org, self.promise_id)))

    def apply(self, book: Book, now: int) -> bool:
        """True when Stripe is to be told. A card of an ended purchase is left to its cancel, one past its time to its
        expiry, one that its owner froze to its owner.
        """
        card = book.get(Card, self.organization_id, self.card_id)
        if card is None or card.status not in OPEN_STATUSES or card.stripe_status == "canceled":
            return False
        purchase = book.need(Purchase, self.organization_id, card.purchase_id)
        scope = frozen_above(book, purchase)
        if (scope is not None) != self.frozen or purchase.ended_at is not None:
            return False
        if not self.frozen and (card.frozen_at is not None or now >= card.expires_at):
            return False
        if book.get(OutboxPromise, self.organization_id, self.promise_id) is not None:
            return False
        promise_card_status(book, card, "inactive" if self.frozen else "active", self.promise_id, now)
        status = "frozen" if self.frozen else "active"
        if card.status not in ("used", status):
            book.put(card._replace(status=status, updated_at=now))
            kind = "frozen" if self.frozen else "unfrozen"
            purchase = follow(book, purchase, kind, now)
            audit(book, purchase, ROONY, f"card.{kind}", now, card=card.id, scope=scope)
        return True


async def keep_freeze_cards(context: FlowContext, promise: OutboxPromise) -> int:
    """Keeps a promise to freeze or unfreeze the cards of a scope; returns for how many Stripe is to be told.

    Cards made meanwhile look for themselves at what is frozen. A crash in between is resumed from the row: what was
    promised for a card already is not promised again.
    """
    frozen = promise.kind == "freeze_cards"
    scope, _, scope_id = promise.subject.partition(":")
    told, after = 0, ""
    while True:
        ids = await asyncio.to_thread(
            cards_of_scope, context.database, promise.organization_id, scope, scope_id, after, PAGE
        )
        answers = await asyncio.gather(*(_set_card(context, promise, id, frozen) for id in ids))
        told += sum(1 for answer in answers if answer is True)
        refused = next((answer for answer in answers if isinstance(answer, Refusal)), None)
        if refused is not None:
            await context.till.submit(
                PutOff(promise.organization_id, promise, promise.key, promise.attempt, RETRY_DELAY, refused.code)
            )
            return told
        if len(ids) < PAGE:
            break
        after = ids[-1]
    await context.till.submit(FinishPromise(promise.organization_id, promise))
    return told


async def _set_card(context: FlowContext, promise: OutboxPromise, card_id: str, frozen: bool) -> bool | Refusal:
    told = derived_id("out", promise.id, card_id)
    return await context.till.submit(SetCardFrozen(promise.organization_id, card_id, frozen, told))
