"""A one-time link to card details: looked at as often as one likes, opened once, by a person with the right to.

1 the link is looked up · 2 who opens it is told by the caller; a key that opens nothing is counted · 3 the link is
spent in its own commit · 4 the details are fetched from Stripe. A crash after 3 shows nothing: the agent asks for a new
link.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import bindparam, select

from roony.core.audit import ROONY
from roony.core.card import Card
from roony.core.delivery import RevealLink, delivers_as
from roony.core.errors import Refusal
from roony.core.hashing import text_hash
from roony.core.purchase import Purchase
from roony.flows.context import FlowContext
from roony.flows.delivery import allowed_for, fetch_details, live_card
from roony.flows.movement import audit
from roony.gateway.issuing import CardDetails
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.tables import reveal_links

LINK_OVER = Refusal(
    "link_over",
    "This link is not known, was used before, is older than 10 minutes, or was tried with too many wrong keys.",
    410,
)
# How long Stripe is waited for, in seconds.
FETCH_SECONDS = 10.0

_LINK = select(reveal_links).where(reveal_links.c.hash == bindparam("hashed"))


class Spent(NamedTuple):
    """A link that was used up just now."""

    link: RevealLink
    purchase: Purchase
    card: Card


class Revealed(NamedTuple):
    """What the person sees."""

    link: RevealLink
    purchase: Purchase
    details: CardDetails


def _needs(organization_id: str, link_hash: str, purchase_id: str) -> Needs:
    """The link, and the purchase with its card and the chain above it."""
    return Needs(rows=((RevealLink, link_hash), (Purchase, organization_id, purchase_id)), holds=False)


@dataclass(frozen=True, slots=True)
class SpendLink(Command[Spent | Refusal]):
    """Uses a link up for `person`, before the details are fetched. Of several at once one gets them."""

    organization_id: str
    link_hash: str
    purchase_id: str
    person: str

    def needs(self, now: int) -> Needs:
        """The link, and the purchase with its card and the chain above it."""
        return _needs(self.organization_id, self.link_hash, self.purchase_id)

    def apply(self, book: Book, now: int) -> Spent | Refusal:
        """Refuses, and leaves the link, when it is over, the card cannot pay now, or links are no longer allowed."""
        link = book.need(RevealLink, self.link_hash)
        if not link.is_open(now):
            return LINK_OVER
        purchase = book.need(Purchase, self.organization_id, self.purchase_id)
        card = live_card(book, purchase, now)
        if isinstance(card, Refusal):
            return card
        allowed = allowed_for(book, purchase)
        if delivers_as("reveal", allowed) is None:
            return Refusal("delivery_not_allowed", f"Card details are delivered as {allowed} here by now.", 403)
        # From here it must succeed: only writes below.
        link = link._replace(used_at=now, used_by=self.person)
        book.put(link)
        audit(
            book, purchase, self.person, "card.revealed", now, card=card.id, count=link.delivery, purpose=link.purpose,
            requested_by=link.requested_by,
        )  # fmt: skip
        return Spent(link, purchase, card)


@dataclass(frozen=True, slots=True)
class CountWrongKey(Command[RevealLink | Refusal]):
    """Somebody with the link tried a key that does not open it. After a few of them the link is dead."""

    organization_id: str
    link_hash: str
    purchase_id: str

    def needs(self, now: int) -> Needs:
        """The link, and the purchase it is about."""
        return _needs(self.organization_id, self.link_hash, self.purchase_id)

    def apply(self, book: Book, now: int) -> RevealLink | Refusal:
        """Counts and audits it; the link is not spent."""
        link = book.need(RevealLink, self.link_hash)
        if not link.is_open(now):
            return LINK_OVER
        link = link._replace(wrong_keys=link.wrong_keys + 1)
        book.put(link)
        purchase = book.need(Purchase, self.organization_id, self.purchase_id)
        audit(
            book, purchase, ROONY, "card.reveal_refused", now, count=link.delivery, wrong_keys=link.wrong_keys,
            tries_left=link.tries_left,
        )  # fmt: skip
        return link


async def find_link(context: FlowContext, ticket: str) -> RevealLink | Refusal:
    """The link with this ticket while it is good. Changes nothing: previews of links look as well."""
    rows = await asyncio.to_thread(context.database.read, _LINK, {"hashed": text_hash(ticket)})
    link = RevealLink(*rows[0]) if rows else None
    return link if link is not None and link.is_open(context.clock()) else LINK_OVER


async def count_wrong_key(context: FlowContext, link: RevealLink) -> RevealLink | Refusal:
    """Says that a key did not open the link; returns the link with the tries that are left."""
    return await context.till.submit(CountWrongKey(link.organization_id, link.hash, link.purchase_id))


async def reveal(
    context: FlowContext, link: RevealLink, person: str, by: Authority | None = None
) -> Revealed | Refusal:
    """The details, for a person whose right was checked by the caller. Spends the link first, then asks Stripe.

    `by` is the key or session they showed: where it opens nothing any more the link is not spent.
    """
    spent = await context.till.submit(SpendLink(link.organization_id, link.hash, link.purchase_id, person), by=by)
    if isinstance(spent, Refusal):
        return spent
    details = await fetch_details(context, spent.card, FETCH_SECONDS)
    if isinstance(details, Refusal):
        # The link is spent all the same.
        return details._replace(code="not_fetched")
    return Revealed(spent.link, spent.purchase, details)
