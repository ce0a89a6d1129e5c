"""The cards Stripe lists: ours are noted, orphans adopted or canceled, what a restored database lost is flagged.

A card is an orphan where a 500 had its effect after all, or where the database forgot it. Its metadata tells: what
`compile_card` writes there is compared, since Stripe cannot filter by it (facts section 1.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog

from roony.core.card import OVER_STATUSES, Card
from roony.core.hashing import derived_id
from roony.core.settlement import Discrepancy
from roony.flows.card import MadeCard, RecordCard, card_facts, left_open_row, note_stripe_status
from roony.flows.discrepancy import discrepancy_id, flag
from roony.flows.ending import promise_card_status
from roony.flows.fraud_warning import note_fraud_warning, warning_row
from roony.flows.probe_mark import PROBE
from roony.flows.reconciliation.missing import still_missing
from roony.flows.reconciliation.work import Work
from roony.flows.unknown_card import unknown_card_rows
from roony.gateway import issuing
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import new_promise
from roony.store.queries.reconciliations import cardholders_at_stripe, cards_at_stripe
from roony.store.rows import OutboxPromise

log = structlog.get_logger("roony.reconciliation")


async def cards_page(work: Work) -> None:
    """One page of the cards of one of our cardholders: notes the status of ours and sees to the others.

    The place is the cardholder and the last card of its page, `ich_…:ic_…`; the cardholders come in the order of ids.
    """
    holders = await work.look(cardholders_at_stripe, work.connection)
    holder, _, after = (work.place.after or "").partition(":")
    holder = next((id for id in holders if id >= holder), "")
    if not holder:
        # Nothing was ever made on this account.
        work.place = work.place._replace(after=None)
        return
    work.place = work.place._replace(after=after or None)
    items = await work.page(issuing.list_cards, cardholder=holder, created_gte=work.since)
    following = next((id for id in holders if id > holder), None)
    if work.place.after is not None:
        work.place = work.place._replace(after=f"{holder}:{work.place.after}")
    elif following is not None:
        work.place = work.place._replace(after=f"{following}:")
    work.count(cards=len(items))
    known = await work.look(cards_at_stripe, work.connection, [item["id"] for item in items])
    seen = [
        SeeCard(work.organization_id, card.id, card_facts(item))
        for item in items
        if (card := known.get(item["id"])) is not None and _says_something(card, card_facts(item))
    ]
    await work.apply(seen)
    await see_to_strangers(work, [item for item in items if item["id"] not in known])


async def see_to_strangers(work: Work, items: list[dict[str, Any]]) -> None:
    """Cards that are not recorded here, as Stripe shows them: those whose metadata names us are ours all the same."""
    ours = [item for item in items if _names_us(work, item)]
    commands = [
        SeeToOrphan(
            work.organization_id, work.connection.id, card_facts(item), item["metadata"].get("roony_card") or "",
            item["metadata"].get("roony_purchase") or "", PROBE in item["metadata"],
        )
        for item in ours
    ]  # fmt: skip
    for item, answer in zip(ours, await work.apply(commands), strict=True):
        log.info("reconciliation.orphan_card", stripe_card=item["id"], outcome=str(answer))
        if answer == "adopted":
            work.count(booked=1)
        elif answer == "lost":
            await still_missing(work, "missing_here", [item["id"]])
        elif isinstance(answer, BaseException):
            raise answer


def _says_something(card: Card, said: MadeCard) -> bool:
    warned = said.fraud_warning is not None and card.fraud_warning is None
    return warned or card.status in ("active", "frozen") or card.stripe_status != said.status


def _names_us(work: Work, item: dict[str, Any]) -> bool:
    return bool((item.get("metadata") or {}).get("roony_organization") == work.organization_id)


@dataclass(frozen=True, slots=True)
class SeeCard(Command[None]):
    """Stripe showed a card of ours: its status there, a fraud warning, and that it was seen now.

    `said` is None where Stripe was asked and has no such card: then only that it was looked at. `cancel_promise_id`:
    nobody is canceling it any more, so that is promised again where it is still to be done.
    """

    organization_id: str
    card_id: str
    said: MadeCard | None
    cancel_promise_id: str | None = None

    def needs(self, now: int) -> Needs:
        """The card with its purchase, the alert about it, and whether it was found open before."""
        org, id = self.organization_id, self.card_id
        warned = (warning_row(org, self.said.stripe_card_id),) if self.said is not None else ()
        return Needs(rows=((Card, org, id), left_open_row(org, id), *warned))

    def apply(self, book: Book, now: int) -> None:
        """Notes all three."""
        card = book.need(Card, self.organization_id, self.card_id)
        if self.said is None:
            book.put(card._replace(seen_at=now))
            return
        card = note_stripe_status(book, card, self.said.status, now)
        card = note_fraud_warning(book, card, self.said.fraud_warning, now)
        book.put(card._replace(seen_at=now))
        if self.cancel_promise_id is not None and card.stripe_status != "canceled" and card.status in OVER_STATUSES:
            promise_card_status(book, card, "canceled", self.cancel_promise_id, now)


@dataclass(frozen=True, slots=True)
class SeeToOrphan(Command[str]):
    """A card at Stripe with our ids in its metadata that is not recorded here."""

    organization_id: str
    connection_id: str
    made: MadeCard
    roony_card_id: str
    purchase_id: str
    probe: bool = False

    @property
    def promise_id(self) -> str:
        """Of its cancel, once for each card, whichever run finds it."""
        return derived_id("out", "orphan", self.made.stripe_card_id)

    def needs(self, now: int) -> Needs:
        """The card its metadata names, its cancel, and the findings about it."""
        org, subject = self.organization_id, self.made.stripe_card_id
        return Needs(
            rows=(
                (Card, org, self.roony_card_id),
                (OutboxPromise, org, self.promise_id),
                *((Discrepancy, org, discrepancy_id(kind, subject)) for kind in ("missing_here", "card_left_open")),
                *unknown_card_rows(org, self.connection_id, subject),
                warning_row(org, subject),
            )
        )

    def apply(self, book: Book, now: int) -> str:
        """1 left to its promise · 2 adopted, to be canceled where it is not wanted · 3 twin canceled · 4 lost."""
        named = book.get(Card, self.organization_id, self.roony_card_id)
        if named is None or named.connection_id != self.connection_id:
            return self._lost(book, now)
        if named.status == "creating" and named.stripe_card_id is None:
            # Its promise records it, after comparing what Stripe made with what was asked for.
            return "being made"
        if named.stripe_card_id == self.made.stripe_card_id:
            return "recorded"
        if named.stripe_card_id is not None and (self.made.status == "canceled" or self._is_promised(book)):
            return "canceled"
        # One given up here is recorded and then ended; a second card for the same purchase is ended at once (P2).
        RecordCard(self.organization_id, named.id, self.made, self.promise_id).apply(book, now)
        return "adopted" if named.stripe_card_id is None else "canceled"

    def _lost(self, book: Book, now: int) -> str:
        """The books know nothing of it, as after a restore: it must not pay any more, and a person is told."""
        org, subject = self.organization_id, self.made.stripe_card_id
        if self.made.status != "canceled" and not self._is_promised(book):
            params = {"stripe_card_id": subject, "connection_id": self.connection_id}
            book.promise(new_promise(org, self.promise_id, "cancel_card", self.roony_card_id, params, now))
        if self.probe:
            # Left behind by a probe that was interrupted: nothing was bought with it.
            return "probe"
        expected = f"the card of purchase {self.purchase_id}"
        flag(book, org, "missing_here", subject, None, expected, "no such card or purchase", now)
        return "lost"

    def _is_promised(self, book: Book) -> bool:
        return book.get(OutboxPromise, self.organization_id, self.promise_id) is not None
