"""An event about a card that is not recorded here: waited for, looked at once at Stripe, then flagged.

Our own commit of the card may be under way, or the card may be one whose making was given up. So nothing is called
unknown before Stripe was asked whose it is. When such a card is recorded after all, what was left out is booked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roony.core.agent import Organization
from roony.core.audit import ROONY
from roony.core.card import Card
from roony.core.duration import MINUTE, SECOND
from roony.core.finding import discrepancy_id
from roony.core.hashing import derived_id
from roony.core.settlement import Discrepancy
from roony.flows.discrepancy import explain, flag
from roony.flows.event_outcome import finished, later
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import new_promise
from roony.store.rows import EventOutcome, InboxEvent, OutboxPromise

# An event about a card we do not know waits this long for our own commit of that card, in microseconds (section 8).
UNKNOWN_CARD_PATIENCE = MINUTE
LOOK_AGAIN = 3 * SECOND
LOOK_AT_CARD = "look_at_card"
REPLAY_CARD_EVENTS = "replay_card_events"
WAITING = "waiting for its card"
UNKNOWN_CARD = "unknown card"


def look_id(connection_id: str, stripe_card_id: str) -> str:
    """The id of the promise to look at a card, so that each one is looked at once."""
    return derived_id("out", LOOK_AT_CARD, connection_id, stripe_card_id)


def unknown_card_rows(org: str, connection_id: str, stripe_card_id: str) -> list[tuple[Any, ...]]:
    """The rows a command names that may meet a card nobody here knows."""
    return [
        (Discrepancy, org, discrepancy_id("unknown_card", stripe_card_id)),
        (OutboxPromise, org, look_id(connection_id, stripe_card_id)),
    ]


def without_card(
    book: Book,
    org: str,
    connection_id: str,
    stripe_card_id: str,
    event: InboxEvent | None,
    spent: str,
    now: int,
    named: Card | None = None,
    *,
    flagged: bool = True,
    spent_at: int | None = None,
) -> str:
    """1 wait for our own commit · 2 have the card looked at · 3 flag it, once. What it spent moves no budget.

    `named` is the card of ours that its metadata names; while that one is being made there is nothing to flag. Answers
    `received` while it waits, else `applied`. `flagged`: this says that the card was used; `spent_at` when it took
    money, in microseconds, None where it took none.
    """
    promise = book.get(OutboxPromise, org, look_id(connection_id, stripe_card_id))
    in_the_making = named is not None and named.status == "creating"
    early = event is not None and now < event.received_at + UNKNOWN_CARD_PATIENCE
    if early or in_the_making or promise is None or promise.status == "promised":
        if promise is None and not early and not in_the_making:
            params = {"connection_id": connection_id, "stripe_card_id": stripe_card_id}
            id = look_id(connection_id, stripe_card_id)
            book.promise(new_promise(org, id, LOOK_AT_CARD, stripe_card_id, params, now))
        later(book, event, org, WAITING, LOOK_AGAIN, now)
        return "received"
    if flagged:
        again = spent_at is not None and book.need(Organization, org).unknown_cards == "decline"
        after = spent_at if again else None
        flag(book, org, "unknown_card", stripe_card_id, None, "a card made by Roony", spent, now, after=after)
    finished(book, event, org, "applied", UNKNOWN_CARD, now)
    return "applied"


def card_became_known(book: Book, card: Card, stripe_card_id: str, now: int) -> None:
    """The card was taken for somebody else's: the finding is explained, and what was left out is promised to be booked.

    The caller names the finding, see `unknown_card_rows`.
    """
    org = card.organization_id
    finding = book.get(Discrepancy, org, discrepancy_id("unknown_card", stripe_card_id))
    if finding is None:
        return
    explain(book, org, "unknown_card", stripe_card_id, f"It is the card {card.id} of this organization.", now)
    id = derived_id("out", REPLAY_CARD_EVENTS, card.id)
    # Events were received up to a minute before the finding; those of a card nobody flagged are none of ours.
    since = finding.created_at - 2 * UNKNOWN_CARD_PATIENCE
    params = {"stripe_card_id": stripe_card_id, "since": since}
    book.promise(new_promise(org, id, REPLAY_CARD_EVENTS, card.id, params, now))


@dataclass(frozen=True, slots=True)
class ReplayCardEvents(Command[int]):
    """Events that ended as `unknown card` are handled again, now that the card is known. Answers how many."""

    organization_id: str
    event_ids: tuple[str, ...]

    def needs(self, now: int) -> Needs:
        """The events."""
        return Needs(rows=tuple((InboxEvent, id) for id in self.event_ids))

    def apply(self, book: Book, now: int) -> int:
        """Only what is still left out."""
        events = [event for id in self.event_ids if (event := book.get(InboxEvent, id)) is not None]
        left_out = [
            event
            for event in events
            if (event.status, event.reason, event.organization_id) == ("applied", UNKNOWN_CARD, self.organization_id)
        ]
        reason = "its card is known now"
        for event in left_out:
            book.finish_event(
                EventOutcome(
                    "received", reason, self.organization_id, -event.failures, now, None, event.id, event.generation
                )
            )
            book.record(self.organization_id, ROONY, "event.replayed", event.id, {"reason": reason}, now)
        return len(left_out)
