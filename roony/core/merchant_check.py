"""Whether the merchant of an authorization is the approved one, and whether the rules of now still take it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from roony.core.control import Controls, blocked_merchant, category_passes, strictest
from roony.core.merchant import Merchant, match, stands_alone, trade


def is_approved_merchant(
    approved: Merchant, aliases: tuple[str, ...], pinned: frozenset[str], found: Merchant, places: tuple[str, ...]
) -> bool:
    """True if the descriptor names the approved merchant, or comes by a network id that is pinned to it.

    A pinned id stands for the name only where the descriptor has no star: a processor shows one id for many merchants.
    An id that the ask named must be there as well. It never stands for the name, since what an agent sends can only
    make rules stricter. (Facts section 2.4: one merchant shows different ids on different networks.)
    """
    if approved.network_id is not None and found.network_id != approved.network_id:
        return False
    if found.network_id is not None and found.network_id in pinned and stands_alone(found.name):
        return True
    return names_merchant((approved.name,), found.name, places) or is_alias(aliases, found.name, places)


@lru_cache(maxsize=16_384)
def names_merchant(names: tuple[str, ...], descriptor: str, places: tuple[str, ...]) -> bool:
    """True if a descriptor names one of these merchants; kept in memory, since the same few come again and again."""
    return match(names, descriptor, noise=places).matched


@lru_cache(maxsize=16_384)
def is_alias(aliases: tuple[str, ...], descriptor: str, places: tuple[str, ...]) -> bool:
    """True if a descriptor is one of these learned names; what stands before a star is none by itself."""
    return match(aliases, descriptor, noise=places, before_star=False).matched


def is_blocked(controls: Iterable[Controls], approved: Merchant | None, found: Merchant) -> bool:
    """True if an owner's list blocks the merchant of a payment, as the network names it or as it was approved: then it
    stays blocked whatever was approved or learned, under another name too, and whatever the lock is.
    """
    texts = (found.name, found.url, *((approved.name, approved.url) if approved is not None else ()))
    return any(blocked_merchant(scoped, *texts) for scoped in controls if scoped.blocked_merchants)


def would_be_learned(
    approved: Merchant, aliases: tuple[str, ...], pinned: frozenset[str], found: Merchant, alias: str,
    controls: Iterable[Controls],
) -> bool:  # fmt: skip
    """True if a person's word that `alias` is one more name of the approved merchant lets such payments through.

    It changes nothing for what fits without it, what an owner's list blocks, or where the ask named another network id.
    """
    if not alias or is_blocked(controls, approved, found):
        return False
    places = (found.country,) if found.country else ()
    before, after = (
        is_approved_merchant(approved, names, pinned, found, places) for names in (aliases, (*aliases, alias))
    )
    return after and not before


def is_monitored(lock: str, controls: Iterable[Controls]) -> bool:
    """True if another merchant is only flagged: the purchase was granted so, and the rules of now still say so.

    A lock that the owner makes stricter counts for purchases under way as well, as every other rule of a payment does.
    """
    return lock == "monitor" == strictest(tuple(controls)).merchant_lock


def category_fits(controls: Iterable[Controls], approved: Merchant | None, code: str | None) -> bool:
    """True if every scope's lists let this 4-digit code of a payment through, and no person was passed by for it.

    Where a person decides about a category, an ask that named another one passed no person by it: what an agent sends
    can only make rules stricter. One that named none was for a person to decide.
    """
    said = trade(approved.category) if approved is not None and approved.category else None
    for scoped in controls:
        if not category_passes(scoped, code):
            return False
        listed = scoped.approve_categories or ()
        if code is not None and trade(code) in listed and said is not None and said not in listed:
            return False
    return True


def still_allowed(controls: Iterable[Controls], amount: int, approved: Merchant | None) -> bool:
    """True if the rules of now would take another payment of `amount` (minor units) to the approved merchant.

    A renewal is a new hold, and limits bind new holds (design section 4): every scope's purchase limit and its list of
    allowed merchants count as at the ask. What blocks was looked at before.
    """
    for scoped in controls:
        if scoped.purchase_limit is not None and amount > scoped.purchase_limit:
            return False
        allowed = scoped.allowed_merchants
        if allowed is not None and (approved is None or not match(allowed, approved.name).matched):
            return False
    return True
