"""What an organization learns of its merchants: names a person has confirmed, network ids seen at approved payments."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from roony.core.audit import STRIPE
from roony.core.authorization import AuthorizationDecision
from roony.core.errors import Refusal, not_found
from roony.core.merchant import Merchant, alias_of, normalise, stands_alone
from roony.core.merchant_check import is_approved_merchant, names_merchant
from roony.core.purchase import Purchase
from roony.core.settlement import AuthorizationStatement, honoured
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.rows import KnownMerchant

# Of one merchant of one organization. A company that needs more names has another question than a spelling.
MAX_ALIASES = 50
MAX_NETWORK_IDS = 32
# Stripe's descriptors are far shorter; what is longer is no name.
MAX_ALIAS_LENGTH = 200


class Learned(NamedTuple):
    """What is known of a merchant beside the name an agent gave."""

    aliases: tuple[str, ...] = ()
    network_ids: frozenset[str] = frozenset()


_NOTHING = Learned()


def learned_of(book: Book, purchase: Purchase) -> Learned:
    """What was learned of the merchant this purchase was approved for; naming a purchase brings it."""
    known = book.get(KnownMerchant, purchase.organization_id, purchase.merchant_key)
    return _read(known.aliases, known.network_ids) if known is not None else _NOTHING


@lru_cache(maxsize=8_192)
def approved_merchant(text: str) -> Merchant:
    """The merchant of a purchase, from its column; the same text is read once."""
    return Merchant.from_json(text)


def is_merchant_of(book: Book, purchase: Purchase, found: Merchant, places: tuple[str, ...]) -> bool:
    """True if what Stripe names is the merchant the purchase was approved for, by all that is known of it.

    `places` are city, state and country as Stripe says them.
    """
    learned = learned_of(book, purchase)
    return is_approved_merchant(
        approved_merchant(purchase.merchant), learned.aliases, learned.network_ids, found, places
    )


def pin_network_id(
    book: Book,
    purchase: Purchase,
    said: AuthorizationStatement,
    decisions: Iterable[AuthorizationDecision],
    now: int,
) -> None:
    """Adds the network id of a payment to those of its merchant, which then is known by it under any descriptor.

    Only where nothing is in doubt: we approved a request and Stripe's own statement says that it did so too (our
    answer alone is provisional and pins nothing); the descriptor has the approved name itself, not an alias, so that
    an alias can be taken back; an id that the ask named is this one; and there is no star, since what stands before a
    star takes money for many merchants under one id. Ids are a set, because a merchant shows another one on another
    network. It is sorted, so that the order of statements does not matter, and takes no more when it is full.
    """
    id = said.merchant.network_id
    known = book.get(KnownMerchant, purchase.organization_id, purchase.merchant_key)
    if id is None or known is None or not stands_alone(said.merchant.name):
        return
    approved, before = approved_merchant(purchase.merchant), _read(known.aliases, known.network_ids)
    if id in before.network_ids or len(before.network_ids) >= MAX_NETWORK_IDS:
        return
    if approved.network_id not in (None, id) or not _stripe_honoured(said, decisions):
        return
    places = tuple(word for word in (said.city, said.state, said.merchant.country) if word)
    if not names_merchant((approved.name,), said.merchant.name, places):
        return
    after = sorted({*before.network_ids, id})
    book.put(known._replace(network_ids=json.dumps(after)))
    book.record(
        purchase.organization_id,
        STRIPE,
        "merchant.network_id_pinned",
        known.merchant_key,
        {"before": sorted(before.network_ids), "after": after, "descriptor": said.merchant.name,
         "authorization": said.id, "purchase": purchase.id},
        now,
    )  # fmt: skip


def learn_alias(
    book: Book, organization_id: str, merchant_key: str, found: Merchant, actor: str, about: str, now: int
) -> Refusal | None:
    """Takes a descriptor that a person confirmed as another name of a merchant; None when it is known from now on.

    `about` is the id of what the person looked at. The name is kept without what changes from payment to payment
    (numbers, months, places), and compared like the approved name. Refuses a descriptor without a name, and more than
    MAX_ALIASES names for one merchant.
    """
    known = book.get(KnownMerchant, organization_id, merchant_key)
    alias = alias_of(found.name, noise=(found.country,) if found.country else ())
    if known is None or not alias or len(alias) > MAX_ALIAS_LENGTH:
        return Refusal("no_name", "There is no name here that could be learned.", 422, "learn_alias")
    return _add_alias(book, known, alias, actor, {"descriptor": found.name, "discrepancy": about}, now)


@dataclass(frozen=True, slots=True)
class TeachAlias(Command[KnownMerchant | Refusal]):
    """A person gives a merchant one more name, without waiting for a payment that does not fit."""

    organization_id: str
    merchant: str
    alias: str
    actor: str

    def needs(self, now: int) -> Needs:
        """The merchant."""
        return Needs(rows=((KnownMerchant, self.organization_id, normalise(self.merchant)),))

    def apply(self, book: Book, now: int) -> KnownMerchant | Refusal:
        """Refuses a merchant nothing was bought from yet, and a name without a word."""
        known = book.get(KnownMerchant, self.organization_id, normalise(self.merchant))
        if known is None:
            return not_found("known merchant", self.merchant)
        alias = alias_of(self.alias)
        if not alias:
            return Refusal("no_name", "There is no name here that could be learned.", 422, "alias")
        refusal = _add_alias(book, known, alias, self.actor, {"descriptor": self.alias}, now)
        return refusal or book.need(KnownMerchant, self.organization_id, known.merchant_key)


@dataclass(frozen=True, slots=True)
class ForgetLearned(Command[KnownMerchant | Refusal]):
    """A person takes back what was learned of a merchant: an alias, a network id, or one of each."""

    organization_id: str
    merchant: str
    actor: str
    alias: str | None = None
    network_id: str | None = None

    def needs(self, now: int) -> Needs:
        """The merchant."""
        return Needs(rows=((KnownMerchant, self.organization_id, normalise(self.merchant)),))

    def apply(self, book: Book, now: int) -> KnownMerchant | Refusal:
        """Counts from the next answer on. What is not known cannot be forgotten."""
        known = book.get(KnownMerchant, self.organization_id, normalise(self.merchant))
        if known is None:
            return not_found("known merchant", self.merchant)
        before = _read(known.aliases, known.network_ids)
        # What the list shows is taken as it stands: of "and store gmbh de" a second look would leave less.
        alias = self.alias or None
        if alias is not None and alias not in before.aliases:
            alias = alias_of(alias)
        if alias is not None and alias not in before.aliases:
            return not_found("alias", alias)
        if self.network_id is not None and self.network_id not in before.network_ids:
            return not_found("network id", self.network_id)
        aliases = [name for name in before.aliases if name != alias]
        ids = sorted(before.network_ids - {self.network_id})
        known = known._replace(aliases=json.dumps(aliases), network_ids=json.dumps(ids))
        book.put(known)
        was = {"aliases": list(before.aliases), "network_ids": sorted(before.network_ids)}
        body = {"before": was, "after": {"aliases": aliases, "network_ids": ids}}
        book.record(self.organization_id, self.actor, "merchant.forgotten", known.merchant_key, body, now)
        return known


def _add_alias(
    book: Book, known: KnownMerchant, alias: str, actor: str, body: dict[str, Any], now: int
) -> Refusal | None:
    aliases = list(_read(known.aliases, known.network_ids).aliases)
    if alias in aliases or alias == known.merchant_key:
        return None
    if len(aliases) >= MAX_ALIASES:
        return Refusal("too_many_aliases", f"{known.name} has {MAX_ALIASES} names already; no more are learned.", 409)
    book.put(known._replace(aliases=json.dumps([*aliases, alias])))
    body = {"before": aliases, "after": [*aliases, alias], **body}
    book.record(known.organization_id, actor, "merchant.alias_learned", known.merchant_key, body, now)
    return None


def _stripe_honoured(said: AuthorizationStatement, decisions: Iterable[AuthorizationDecision]) -> bool:
    """True if Stripe approved at least one request that we approved, and for which our answer was in time."""
    return any(
        decision.approved
        and decision.answered == "approved"
        and decision.ordinal < len(said.history)
        and honoured(True, said.history[decision.ordinal])
        for decision in decisions
    )


@lru_cache(maxsize=8_192)
def _read(aliases: str, network_ids: str) -> Learned:
    return Learned(tuple(json.loads(aliases)), frozenset(json.loads(network_ids)))
