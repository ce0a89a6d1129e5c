"""Amounts as people type them: `49.99` with a currency, never through a float."""

from __future__ import annotations

import re

import typer

from roony.core.money import exponent

_AMOUNT = re.compile(r"(\d{1,12})(?:\.(\d+))?", re.ASCII)


def minor_units(text: str, currency: str) -> int:
    """`"49.99", "usd"` → 4999. Raises typer.BadParameter for anything that is not exact in that currency."""
    match = _AMOUNT.fullmatch(text.strip())
    places = exponent(currency.lower())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not an amount: write it like 49.99.")
    whole, fraction = match.group(1), match.group(2) or ""
    if len(fraction) > places:
        raise typer.BadParameter(f"{text} has more decimal places than {currency.upper()} has ({places}).")
    return int(whole) * 10**places + int(fraction.ljust(places, "0") or "0")
