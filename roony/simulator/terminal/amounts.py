"""Amounts as a person types them, "49.00", into minor units; no number with a binary fraction takes part."""

from __future__ import annotations

import re

from roony.simulator.exchange import check_currency, digits_of
from roony.simulator.refusals import invalid

_TYPED = re.compile(r"([0-9]{1,12})(?:[.,]([0-9]{1,3}))?")


def minor_units(typed: object, currency: str, param: str) -> int:
    """Return an amount of a currency in its minor units; refuse what has more digits than the currency knows."""
    digits = digits_of(check_currency(currency, "currency"))
    found = _TYPED.fullmatch(typed.strip()) if isinstance(typed, str) else None
    if found is None or len(found[2] or "") > digits:
        example = f"49.{'0' * digits}" if digits else "49"
        raise invalid(f"Write the amount in {currency.upper()} like {example}.", param)
    return int(found[1] + (found[2] or "").ljust(digits, "0"))
