"""A connection: a Stripe account that Roony may act for, its life cycle, and why new money may not be spent on it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from roony.core.errors import Refusal


class Connection(NamedTuple):
    """Stripe account and how we may use it. Its cardholders are rows of their own, see `core.cardholder`.

    While `catching_up_since` is set, what happened from then on is being fetched and nothing new is approved.
    `restrictions` is JSON, code → words and time, see `Restriction`. `card_issuing` is the capability as Stripe last
    told it, in the account that was asked for at `account_seen_at`. `webhooks` is JSON, the endpoints made for it.
    `platform_account` is the account of the key that a `connect` account was connected to, None when it is not known.
    """

    organization_id: str
    id: str
    kind: str
    status: str
    stripe_account: str | None
    livemode: int
    scope: str | None
    currency: str
    status_reason: str | None
    created_at: int
    updated_at: int
    catching_up_since: int | None = None
    restrictions: str = "{}"
    card_issuing: str | None = None
    account_seen_at: int = 0
    activated_at: int | None = None
    webhooks: str = "{}"
    platform_account: str | None = None

    @property
    def approves(self) -> bool:
        """True while new money may be spent through it."""
        return self.status == "active" and self.catching_up_since is None


KINDS = ("connect", "stripe_app", "direct")
# pending → active ⇄ restricted → expired | revoked (design section 5)
STATUSES = ("pending", "active", "restricted", "expired", "revoked")
# A connection in one of these states is there: it may become restricted or active again.
STANDING = ("active", "restricted")


class Restriction(NamedTuple):
    """One reason why a connection is restricted: a code, what is missing in words, since when (microseconds UTC)."""

    code: str
    message: str
    since: int


# What the owner does about each, the first one that holds being the official reason. Nothing is canceled by any.
NEXT = {
    "key_refused": "Give Roony a Stripe key that works (STRIPE_SECRET_KEY) and start it again.",
    "reconnect_needed": "Connect the account again: roony connection start.",
    "key_missing": "Put that key back into ROONY_SECRET_KEYS and start Roony again; or connect the account again.",
    "token_unreadable": "Look who writes to Roony's database, then connect the account again.",
    "permission_missing": "Give the key, or the app, this permission at Stripe. Roony looks again by itself within"
    " minutes; at once: roony connection preflight.",
    "capability_inactive": "See in the Stripe Dashboard what the account still has to provide for Issuing. Roony looks"
    " again when Stripe says that something changed.",
    "cardholder_refused": "Correct the organization's cardholder: roony cardholder set. It is then made anew.",
    "realtime_url_contradicted": "Set Roony's address as the real-time authorization URL in the account's Issuing"
    " settings, then: roony connection confirm --realtime-url.",
    "timeout_action_contradicted": "Set the timeout action in the account's Issuing settings to decline, then: roony"
    " connection confirm --timeout-declines.",
    "other_cards_undecided": "Say what becomes of payments with cards Roony did not make: roony connection confirm"
    " --other-cards decline (or approve, approve_while_unfrozen).",
}
# These end only by what a person does: no look at the account can tell that they are over.
PERSONAL = frozenset(
    (
        "reconnect_needed", "token_unreadable", "realtime_url_contradicted", "timeout_action_contradicted",
        "other_cards_undecided",
    )
)  # fmt: skip


LIVE = Refusal("live_mode", "The Stripe account is live: what is bought there costs money. Nothing is tried out.", 409)
NOT_CONNECTED = Refusal("not_connected", "No Stripe account is connected that could make a card.", 409)


def untriable(connection: Connection | None) -> Refusal | None:
    """Why nothing can be tried out on this connection; None if it can."""
    if connection is None:
        return NOT_CONNECTED
    return LIVE if connection.livemode else None


def restrictions_of(connection: Connection) -> tuple[Restriction, ...]:
    """Why the connection is restricted, the official reason first."""
    kept: dict[str, list[Any]] = json.loads(connection.restrictions)
    order = [*(code for code in NEXT if code in kept), *sorted(code for code in kept if code not in NEXT)]
    return tuple(Restriction(code, *kept[code]) for code in order)


def restrict(connection: Connection, code: str, message: str, now: int) -> Connection:
    """The connection with one reason more; a reason it has already keeps its time and gets the newer words."""
    kept = {item.code: item for item in restrictions_of(connection)}
    since = kept[code].since if code in kept else now
    return _with(
        connection, [*(item for item in kept.values() if item.code != code), Restriction(code, message, since)]
    )


def lift(connection: Connection, codes: Iterable[str], before: int | None = None) -> Connection:
    """The connection without these reasons; with `before` only without those that are no younger (microseconds)."""
    over = {
        item.code
        for item in restrictions_of(connection)
        if item.code in set(codes) and (before is None or item.since <= before)
    }
    return _with(connection, [item for item in restrictions_of(connection) if item.code not in over])


def _with(connection: Connection, items: Iterable[Restriction]) -> Connection:
    """Status and its reason follow from the restrictions, while the connection stands."""
    kept = {item.code: [item.message, item.since] for item in items}
    connection = connection._replace(restrictions=json.dumps(kept, sort_keys=True))
    if connection.status not in STANDING:
        return connection
    first = next(iter(restrictions_of(connection)), None)
    return connection._replace(
        status="restricted" if first else "active", status_reason=f"{first.code}: {first.message}" if first else None
    )


class Seen(NamedTuple):
    """What a Stripe account looked like when it was asked for at `asked_at` (microseconds UTC).

    `card_issuing` is that capability, None when the account does not name it (facts section 6.1). `other_cards` counts
    the active cards that Roony did not make, None when they were not counted; `more`: there are more than that.
    """

    card_issuing: str | None
    other_cards: int | None
    more: bool
    asked_at: int


def as_seen(connection: Connection, seen: Seen, chosen: bool, now: int) -> Connection:
    """The connection after a look at its account: restricted for what is missing there, and not for what is not.

    `chosen`: the owner has said what becomes of payments with cards that Roony did not make.
    """
    lost = lost_capability(connection, seen.card_issuing)
    known = seen.card_issuing or ("unrequested" if connection.card_issuing is not None else None)
    connection = connection._replace(card_issuing=known, account_seen_at=seen.asked_at)
    if lost:
        words = f"Stripe's Issuing capability (card_issuing) of the account is {known}."
        connection = restrict(connection, "capability_inactive", words, now)
    else:
        connection = lift(connection, ("capability_inactive",))
    if seen.other_cards is None:
        return connection
    if chosen or not seen.other_cards:
        return lift(connection, ("other_cards_undecided",))
    number = f"more than {seen.other_cards}" if seen.more else str(seen.other_cards)
    words = f"Active cards of the account that Roony did not make: {number}."
    return restrict(connection, "other_cards_undecided", words, now)


def lost_capability(connection: Connection, told: str | None) -> bool:
    """True when the account may not issue cards: Stripe says so, or says nothing any more of what it named before."""
    return told != "active" if told is not None else connection.card_issuing is not None
