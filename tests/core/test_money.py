"""Amounts in words: exact in both directions, in currencies with two, three and no decimal places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roony.core.money import CURRENCIES, MAX_AMOUNT, decimal_text, minor_units


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("49.99", "usd", 4999), ("49.9", "usd", 4990), ("49", "usd", 4900), ("0.01", "eur", 1), ("0", "usd", 0),
        ("5000", "jpy", 5000), ("1.250", "kwd", 1250), ("1.25", "kwd", 1250), ("007.10", "usd", 710),
    ],
)  # fmt: skip
def test_plain_decimals_are_read_exactly(text: str, currency: str, amount: int) -> None:
    assert minor_units(text, currency) == amount


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("", "usd"), (" 5", "usd"), ("5\n", "usd"), ("-1", "usd"), ("+1", "usd"), ("1,000", "usd"), ("1_000", "usd"),
        ("1e3", "usd"), ("1E3", "usd"), ("0x10", "usd"), ("NaN", "usd"), ("Infinity", "usd"), ("$5", "usd"),
        (".5", "usd"), ("５", "usd"),
        ("5.", "usd"), ("4.999", "usd"), ("4.990", "usd"), ("1.5", "jpy"), ("1.2345", "kwd"), ("٥", "usd"),
        ("five", "usd"), ("49.99 usd", "usd"), ("1" * 13, "usd"), ("1" * 5_000, "usd"),
    ],
)  # fmt: skip
def test_everything_else_is_refused_with_a_sentence(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match=r"^It (must be a plain decimal number|has more decimal places)"):
        minor_units(text, currency)


@given(st.integers(0, MAX_AMOUNT), st.sampled_from(sorted(CURRENCIES)))
def test_what_is_written_is_read_again(amount: int, currency: str) -> None:
    assert minor_units(decimal_text(amount, currency), currency) == amount
    assert decimal_text(-amount, currency).removeprefix("-") == decimal_text(amount, currency)
