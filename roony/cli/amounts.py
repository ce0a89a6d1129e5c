"""Amounts as people type them: `49.99` with a currency, never through a float."""

from __future__ import annotations

import typer

from roony.core import money


def minor_units(text: str, currency: str) -> int:
    """`"49.99", "usd"` → 4999. Raises typer.BadParameter for anything that is not exact in that currency."""
    try:
        return money.minor_units(text.strip(), currency.lower())
    except ValueError as wrong:
        raise typer.BadParameter(f"{text!r} is no amount of {currency.upper()}. {wrong}") from None
