"""Currency conversion at fixed rates, in whole minor units (facts 2.5: an estimate until capture)."""

from __future__ import annotations

from roony.simulator.refusals import invalid

# Currency: (value of one major unit in millionths of a US dollar, digits after the point).
_RATES: dict[str, tuple[int, int]] = {
    "usd": (1_000_000, 2),
    "eur": (1_080_000, 2),
    "gbp": (1_270_000, 2),
    "jpy": (6_700, 0),
    "cad": (730_000, 2),
    "aud": (660_000, 2),
    "chf": (1_120_000, 2),
    "sek": (95_000, 2),
    "nok": (94_000, 2),
    "dkk": (145_000, 2),
    "pln": (250_000, 2),
    "inr": (11_900, 2),
    "brl": (180_000, 2),
    "mxn": (55_000, 2),
    "sgd": (750_000, 2),
    "hkd": (128_000, 2),
    "nzd": (600_000, 2),
    "krw": (720, 0),
    "kwd": (3_250_000, 3),
    "bhd": (2_650_000, 3),
}


def check_currency(currency: str, param: str) -> str:
    """Return a known currency in lower case, or refuse it."""
    lowered = currency.lower()
    if lowered not in _RATES:
        raise invalid(f"Invalid currency: {currency[:10]}. The simulator knows: {', '.join(sorted(_RATES))}", param)
    return lowered


def currencies() -> list[str]:
    """Return the known currencies in alphabetical order."""
    return sorted(_RATES)


def digits_of(currency: str) -> int:
    """Return how many digits a known currency has after the point."""
    return _RATES[currency][1]


def share(part: int, whole: int, other: int) -> int:
    """Return what `part` of `whole` is worth where the whole is worth `other`, rounded half up."""
    return other if part == whole else (2 * part * other + whole) // (2 * whole)


def convert(amount: int, source: str, target: str) -> int:
    """Return `amount` minor units of one currency in minor units of another, rounded half up."""
    if source == target:
        return amount
    source_rate, source_digits = _RATES[source]
    target_rate, target_digits = _RATES[target]
    top = amount * source_rate * 10**target_digits
    bottom = target_rate * 10**source_digits
    return (2 * top + bottom) // (2 * bottom)
