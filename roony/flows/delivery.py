"""Handing out card details: counted and audited first, then fetched from Stripe, never kept (design section 11).

1 what the organization and the controls of the chain allow · 2 counted, with the purpose, in its own commit · 3 fetched
· 4 sealed to the agent's key, or given in clear. A reveal link ends after 2: a person fetches behind it (reveal.py).
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from roony.core.agent import Agent, Organization
from roony.core.card import MAX_DELIVERIES, Card
from roony.core.connection import Connection
from roony.core.delivery import LINK_LIFETIME, RevealLink, allowed_delivery, delivers_as, thumbprint
from roony.core.duration import local_time
from roony.core.errors import Refusal, not_found
from roony.core.hashing import text_hash
from roony.core.purchase import Purchase
from roony.flows.connection import ask_stripe
from roony.flows.context import FlowContext
from roony.flows.movement import audit
from roony.flows.promise import connection_of
from roony.flows.rules import controls_above
from roony.flows.scope import frozen_above
from roony.flows.sealing import seal
from roony.flows.stripe_failure import told
from roony.gateway import issuing
from roony.gateway.errors import StripeCallFailed
from roony.gateway.issuing import CardDetails
from roony.gateway.pool import GatewayBusy
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs

log = structlog.get_logger("roony.delivery")

# 256 random bits: nobody guesses a link in ten minutes.
SECRET_BYTES = 32
LINK_PATH = "/reveal"
# The least time Stripe is given, in seconds, however little is left of the caller's patience.
MIN_SECONDS = 0.1


class Recorded(NamedTuple):
    """A delivery that was counted: of which card, in which way, the key to seal to, and what the card belongs to."""

    card: Card
    delivery: str
    public_key: str | None
    purchase: Purchase
    connection: Connection


class SealedDetails(NamedTuple):
    """Card details that only the agent's private key opens."""

    jwe: str


class LinkToDetails(NamedTuple):
    """Where a person sees the card details, once."""

    url: str

    def __repr__(self) -> str:
        """Without the address: it must not reach a log."""
        return "LinkToDetails()"


Delivered = CardDetails | SealedDetails | LinkToDetails


@dataclass(frozen=True, slots=True)
class RecordDelivery(Command[Recorded | Refusal]):
    """Counts and audits one handing out of card details, before they are fetched (section 11).

    `delivery` None: as strictly as the organization and the controls say. `link_hash` is kept if it is a reveal link.
    """

    organization_id: str
    purchase_id: str
    actor: str
    delivery: str | None
    purpose: str
    link_hash: str

    def needs(self, now: int) -> Needs:
        """The purchase with its card and the chain above it."""
        return Needs(rows=((Purchase, self.organization_id, self.purchase_id),))

    def apply(self, book: Book, now: int) -> Recorded | Refusal:
        """Refuses when there is no live card, this is weaker than allowed, all were used up, or no key is there."""
        purchase = book.get(Purchase, self.organization_id, self.purchase_id)
        if purchase is None:
            return not_found("purchase", self.purchase_id)
        card = live_card(book, purchase, now)
        if isinstance(card, Refusal):
            return card
        allowed = allowed_for(book, purchase)
        delivery = delivers_as(self.delivery, allowed)
        if delivery is None:
            return Refusal("delivery_not_allowed", f"Card details are delivered as {allowed} here.", 403, "delivery")
        if card.deliveries >= MAX_DELIVERIES:
            return Refusal(
                "too_many_deliveries",
                f"Card details are handed out {MAX_DELIVERIES} times at most.",
                409,
                id=purchase.id,
            )
        public_key = book.need(Agent, self.organization_id, purchase.agent_id).public_key
        if delivery == "sealed" and public_key is None:
            return _no_public_key(purchase.agent_id)
        # From here it must succeed: only writes below.
        card = card._replace(deliveries=card.deliveries + 1, updated_at=now)
        book.put(card)
        facts = {"card": card.id, "delivery": delivery, "purpose": self.purpose, "count": card.deliveries}
        if delivery == "sealed" and public_key is not None:
            facts["key"] = thumbprint(public_key)
        if delivery == "reveal":
            book.put(self._link(purchase, card.deliveries, now))
        audit(book, purchase, self.actor, "card.delivered", now, **facts)
        connection = book.need(Connection, self.organization_id, card.connection_id)
        return Recorded(card, delivery, public_key, purchase, connection)

    def _link(self, purchase: Purchase, delivery: int, now: int) -> RevealLink:
        return RevealLink(
            self.link_hash, self.organization_id, purchase.id, delivery, self.actor, self.purpose, 0,
            now + LINK_LIFETIME, None, None, now,
        )  # fmt: skip


def _no_public_key(agent_id: str) -> Refusal:
    """What is missing, and who does what next."""
    return Refusal(
        "no_public_key",
        "Card details are sealed here, and this agent has no public key yet. On its machine: roony agent-key new. Then"
        f" the owner: roony agent public-key set {agent_id} FILE, or PUT /api/v1/admin/agents/{agent_id}/public_key.",
        409,
        id=agent_id,
    )


def live_card(book: Book, purchase: Purchase, now: int) -> Card | Refusal:
    """The card while it can still pay: recorded, unused, in time, and nobody above it frozen or cut off."""
    org = purchase.organization_id
    card = book.get(Card, org, purchase.card_id) if purchase.card_id else None
    why = f"The purchase is {purchase.status}; it has no card to hand out."
    if card is not None and card.stripe_card_id is not None and now < card.expires_at:
        connection = book.need(Connection, org, card.connection_id)
        frozen = card.status == "frozen" or frozen_above(book, purchase) is not None
        if card.status == card.stripe_status == connection.status == "active" and not frozen:
            return card
        if purchase.status == "ready":
            why = _why_it_cannot_pay(frozen, connection)
    return Refusal("card_not_ready", why, 409, id=purchase.id)


def _why_it_cannot_pay(frozen: bool, connection: Connection) -> str:
    """Of a purchase that is ready: whoever goes by that alone would ask for its card again and again."""
    if frozen:
        return "The card is frozen: whatever is charged to it is declined. Only the owner can lift that."
    if connection.status != "active":
        return "The Stripe account of this card cannot be used now. The owner has to see to it."
    return "The card is not switched on at Stripe yet. Try again in a moment."


def allowed_for(book: Book, purchase: Purchase) -> str:
    """The weakest delivery allowed for a purchase; its organization, project and agent are in the book."""
    organization = book.need(Organization, purchase.organization_id)
    said = [scoped.delivery for _, scoped in controls_above(book, purchase.chain)]
    return allowed_delivery(organization.delivery, said)


async def deliver(
    context: FlowContext, purchase: Purchase, delivery: str | None, purpose: str, actor: str, timeout: float = 10.0
) -> Delivered | Refusal:
    """Hands out number, CVC, expiry and billing ZIP once more: sealed, behind a link, or in clear."""
    ticket = secrets.token_urlsafe(SECRET_BYTES)
    recorded = await record_delivery(context, purchase, delivery, purpose, actor, ticket)
    if isinstance(recorded, Refusal):
        return recorded
    if recorded.delivery == "reveal":
        return LinkToDetails(f"{context.public_url()}{LINK_PATH}?ticket={ticket}")
    details = await fetch_details(context, recorded.card, timeout, recorded.connection)
    if isinstance(details, Refusal) or recorded.delivery == "raw" or recorded.public_key is None:
        return details
    issued_at = local_time(context.clock())
    content = {
        "number": details.number, "cvc": details.cvc, "exp_month": details.exp_month, "exp_year": details.exp_year,
        "billing_zip": details.billing_zip, "purchase_id": purchase.id, "card_id": recorded.card.id,
        "issued_at": issued_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }  # fmt: skip
    return SealedDetails(seal(recorded.public_key, content))


async def record_delivery(
    context: FlowContext, purchase: Purchase, delivery: str | None, purpose: str, actor: str, ticket: str = ""
) -> Recorded | Refusal:
    """Counts and audits a delivery that is about to be made; `ticket` is that of the link if it becomes one."""
    command = RecordDelivery(purchase.organization_id, purchase.id, actor, delivery, purpose, text_hash(ticket))
    return await context.till.submit(command)


async def fetch_details(
    context: FlowContext, card: Card, timeout: float, connection: Connection | None = None
) -> CardDetails | Refusal:
    """What Stripe says of the card, in clear. The caller has counted the delivery, and may know the connection."""
    connection = connection or await connection_of(context, card.organization_id, card.connection_id)
    asked = ask_stripe(context, connection, issuing.fetch_card_details, card.stripe_card_id or "")
    try:
        return await asyncio.wait_for(asked, max(MIN_SECONDS, timeout))
    except (StripeCallFailed, GatewayBusy, TimeoutError) as error:
        log.warning("card.details_not_fetched", purchase=card.purchase_id, error=str(error)[:300])
        if isinstance(error, TimeoutError) or (why := told(error)).retry_can_help:
            return Refusal("stripe_unavailable", "Stripe did not hand out the card's details. Ask for them again.", 503)
        return Refusal(why.code, why.message, 409, id=card.purchase_id)
