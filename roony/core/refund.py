"""Which purchase a refund belongs to, as a function of all captures and refunds that hang together (section 4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from roony.core.merchant import Merchant, stands_alone
from roony.core.merchant_check import names_merchant
from roony.core.settlement import StripeTransaction

# What gave a refund its purchase; anything else is the person who assigned it.
BY_CARD = "card"
BY_NETWORK_ID = "network_id"


class Match(NamedTuple):
    """The purchase a refund belongs to and what says so; both None while it waits in the queue."""

    purchase_id: str | None
    by: str | None


_QUEUED = Match(None, None)


def match_refunds(
    transactions: Iterable[StripeTransaction],
    home: Mapping[str, str | None],
    is_approved: Callable[[str, StripeTransaction], bool],
) -> dict[str, Match]:
    """Where each refund belongs: what a person said, else its card, else its network transaction id, else nowhere.

    Stripe links refunds as well as it can, which may be wrongly (facts 3.1), so a purchase takes one only if it has
    so much captured and not yet refunded, and if its merchant is the refund's. `home` is the purchase of the card each
    refund was made on, `is_approved` whether a purchase was approved for the refund's merchant. Of refunds on one
    purchase's card those go first that name one of its payments, then those that Stripe made first, then the lower id:
    Stripe tells whole seconds. So the order in which we hear of them does not matter.
    """
    known = sorted(transactions, key=lambda row: (row.created_at, row.id))
    captures: dict[str, list[StripeTransaction]] = defaultdict(list)
    for row in known:
        if row.type != "refund" and row.purchase_id is not None:
            captures[row.purchase_id].append(row)
    room = defaultdict(int, {id: sum(row.amount for row in rows) for id, rows in captures.items()})
    found: dict[str, Match] = {}

    def take(refund: StripeTransaction, purchase_id: str | None, by: str | None) -> None:
        if purchase_id is not None:
            room[purchase_id] -= refund.amount
            found[refund.id] = Match(purchase_id, by)

    refunds = [row for row in known if row.type == "refund"]
    for refund in refunds:
        if refund.matched_by not in (None, BY_CARD, BY_NETWORK_ID):
            take(refund, refund.purchase_id, refund.matched_by)
    # False goes before True, and what is equal keeps its order.
    for refund in sorted(refunds, key=lambda row: not _names_payment(row, captures[home.get(row.id) or ""])):
        purchase_id = home.get(refund.id)
        if refund.id not in found and purchase_id is not None and refund.amount <= room[purchase_id]:
            rows = captures[purchase_id]
            if is_approved(purchase_id, refund) or _is_of(refund, rows) or _same_network_id(refund, rows):
                take(refund, purchase_id, BY_CARD)
    for refund in refunds:
        if refund.id not in found:
            candidates = [id for id, rows in captures.items() if _same_network_id(refund, rows)]
            # The network numbers one payment once: an id that leads to two purchases says nothing.
            if len(candidates) == 1 and refund.amount <= room[candidates[0]]:
                rows = captures[candidates[0]]
                if is_approved(candidates[0], refund) or _is_of(refund, rows):
                    take(refund, candidates[0], BY_NETWORK_ID)
    return {refund.id: found.get(refund.id, _QUEUED) for refund in refunds}


def _names_payment(refund: StripeTransaction, captures: list[StripeTransaction]) -> bool:
    """Stripe or the network says which of these payments it gives back: by its authorization or the network's id."""
    named = {row.authorization_id for row in captures} - {None}
    return refund.authorization_id in named or _same_network_id(refund, captures)


def _same_network_id(refund: StripeTransaction, captures: list[StripeTransaction]) -> bool:
    id = refund.network_transaction_id
    return id is not None and any(
        capture.network_transaction_id == id and capture.currency == refund.currency for capture in captures
    )


def _is_of(refund: StripeTransaction, captures: list[StripeTransaction]) -> bool:
    """The merchant that gives back is one that has captured on this purchase."""
    giving = Merchant.from_json(refund.merchant)
    return any(is_same_merchant(giving, Merchant.from_json(capture.merchant)) for capture in captures)


def is_same_merchant(one: Merchant, other: Merchant) -> bool:
    """The two name each other, or share a network id that is not one of a processor for many merchants."""
    if one.network_id is not None and one.network_id == other.network_id and stands_alone(one.name):
        return True
    return names_merchant((one.name,), other.name, ()) or names_merchant((other.name,), one.name, ())
