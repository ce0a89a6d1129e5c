"""Whether a person is asked if two names are one merchant: only where a yes lets payments through."""

from __future__ import annotations

import json

from roony.core.control import controls_of
from roony.core.merchant import Merchant
from roony.core.merchant_check import would_be_learned
from roony.core.purchase import Purchase
from roony.store.queries import limits
from roony.store.rows import KnownMerchant
from roony.web.dashboard.view import View


async def is_worth_asking(
    view: View, purchase: Purchase, known: KnownMerchant | None, found: Merchant, alias: str
) -> bool:
    """True if learning `alias` would let payments of the merchant that was found through on this purchase's card.

    By the rules of now and `known`, what was learned of the approved merchant; where that is None nothing can be.
    """
    if known is None:
        return False
    rows = await view.read(limits.controls_of, [scope_id for _, scope_id in purchase.chain.scopes])
    return would_be_learned(
        Merchant.from_json(purchase.merchant), aliases_of(known), frozenset(json.loads(known.network_ids)), found,
        alias, [controls_of(row) for row in rows],
    )  # fmt: skip


def aliases_of(known: KnownMerchant | None) -> tuple[str, ...]:
    """The names that were learned of a merchant."""
    return tuple(json.loads(known.aliases)) if known is not None else ()
