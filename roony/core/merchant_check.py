"""Whether the merchant of an authorization is the approved one: by its name, a learned name or a pinned network id."""

from __future__ import annotations

from functools import lru_cache

from roony.core.merchant import Merchant, match, stands_alone


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
