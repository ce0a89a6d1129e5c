"""Bank accounts and debit cards as objects, made from numbers or from Stripe's test tokens; no number is kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from roony.simulator.accounts import default_currency
from roony.simulator.exchange import check_currency
from roony.simulator.identifiers import luhn_digit
from roony.simulator.refusals import Refusal, invalid, no_such
from roony.simulator.stripe_api.external_account_parameters import CARD_ADDRESS
from roony.simulator.views import View

_PARAM = "external_account"
_ACCOUNT_NUMBER = re.compile(r"[A-Za-z0-9]{4,34}")
_ROUTING_NUMBER = re.compile(r"[0-9]{9}")
_COUNTRY = re.compile(r"[A-Z]{2}")
# The test tokens of bank accounts are named after their country, then after what becomes of a payment.
_BANK_TOKEN = re.compile(r"btok_([a-z]{2})(_verified)?(_[A-Za-z]+)?")
_TEST_NUMBERS = {"us": ("110000000", "000123456789"), "gb": ("108800", "00012345")}
_TEST_IBAN = "89370400440532013000"  # without its country
_CARD_TOKENS = {
    "tok_visa_debit": "4000056655665556",
    "tok_visa_debit_us_transferSuccess": "4000056655665556",
    "tok_visa_debit_us_transferFail": "4000056655665556",
    "tok_mastercard_debit": "5200828282828210",
    "tok_mastercard_debit_us_transferSuccess": "5200828282828210",
}
_CREDIT_TOKENS = ("tok_visa", "tok_mastercard", "tok_amex", "tok_discover", "tok_us")
_BRANDS = {"4": "Visa", "5": "MasterCard", "2": "MasterCard", "3": "American Express", "6": "Discover"}
_LIFETIME = 5  # years a card made from a test token is good for
_LATEST = 50  # years ahead that a card's date may lie
_REQUIREMENTS = ("currently_due", "errors", "past_due", "pending_verification")


def from_token(token: str, now: int) -> View:
    """Return what a test token of Stripe's stands for; tokens of one's own do not exist here."""
    if token in _CARD_TOKENS:
        year = datetime.fromtimestamp(now, UTC).year + _LIFETIME
        return debit_card({"number": _CARD_TOKENS[token], "exp_month": 12, "exp_year": year, "cvc": "123"}, now)
    if token in _CREDIT_TOKENS:
        message = "This card doesn't appear to be a debit card."
        raise Refusal(402, message, kind="card_error", code="invalid_card_type", param=_PARAM)
    match = _BANK_TOKEN.fullmatch(token)
    if match is None:
        raise no_such("token", token[:100], _PARAM)
    country = match[1].upper()
    routing, number = _TEST_NUMBERS.get(match[1], (None, f"{country}{_TEST_IBAN}"))
    given = {"country": country, "currency": default_currency(country), "account_number": number}
    thing = bank_account({**given, "routing_number": routing} if routing else given, country)
    return {**thing, "status": "verified"} if match[2] else thing


def bank_account(given: Mapping[str, Any], home: str) -> View:
    """Return a bank account from its numbers; without a currency it has that of its country."""
    country = given.get("country", home)
    if not _COUNTRY.fullmatch(country):
        message = f"Country '{country[:10]}' is unknown. Use a two-letter code."
        raise invalid(message, f"{_PARAM}[country]", "country_unsupported")
    number = given["account_number"].replace(" ", "")
    if not _ACCOUNT_NUMBER.fullmatch(number):
        message = "The account number must be 4 to 34 letters and digits."
        raise invalid(message, f"{_PARAM}[account_number]", "account_number_invalid")
    routing = given.get("routing_number")
    if country == "US" and not _ROUTING_NUMBER.fullmatch(routing or ""):
        message = "A routing number in the United States has nine digits."
        raise invalid(message, f"{_PARAM}[routing_number]", "routing_number_invalid")
    currency = given.get("currency") or default_currency(country)
    return {
        "object": "bank_account",
        "account_holder_name": given.get("account_holder_name"),
        "account_holder_type": given.get("account_holder_type"),
        "account_type": None,
        "available_payout_methods": ["standard"],
        "bank_name": "STRIPE TEST BANK",
        "country": country,
        "currency": check_currency(currency, f"{_PARAM}[currency]"),
        "fingerprint": _fingerprint(country, routing, number),
        "future_requirements": {name: [] for name in _REQUIREMENTS},
        "last4": number[-4:],
        "metadata": {},
        "requirements": {name: [] for name in _REQUIREMENTS},
        "routing_number": routing,
        "status": "new",
    }


def debit_card(given: Mapping[str, Any], now: int) -> View:
    """Return a card from its number, which must pass the Luhn check; every such number is taken for a debit card's."""
    number = given["number"].replace(" ", "").replace("-", "")
    if not re.fullmatch(r"[0-9]{12,19}", number) or luhn_digit(number[:-1]) != number[-1]:
        raise _card_refused("Your card number is incorrect.", "incorrect_number", "number")
    checks = {f"{name}_check": "pass" if given.get(name) else None for name in ("address_line1", "address_zip", "cvc")}
    currency = check_currency(given.get("currency") or "usd", f"{_PARAM}[currency]")
    card = {
        "object": "card",
        **{name: given.get(name) for name in CARD_ADDRESS},
        **checks,
        "allow_redisplay": "unspecified",
        "available_payout_methods": ["standard", "instant"],
        "brand": _BRANDS.get(number[0], "Unknown"),
        "country": "US",
        "currency": currency,
        "dynamic_last4": None,
        "fingerprint": _fingerprint(number),
        "funding": "debit",
        "last4": number[-4:],
        "metadata": dict(given.get("metadata") or {}),
        "name": given.get("name"),
        "networks": {"preferred": None},
        "regulated_status": "unregulated",
        "status": "new",
        "tokenization_method": None,
        **card_dates(given, now),
    }
    return {**card, "wants_default": True} if given.get("default_for_currency") else card


def card_dates(given: Mapping[str, Any], now: int) -> dict[str, int]:
    """Return month and year of a card, which must lie ahead; updates send them as text."""
    today = datetime.fromtimestamp(now, UTC)
    month, year = (_small_number(given[name]) for name in ("exp_month", "exp_year"))
    if not 1 <= month <= 12:
        raise _card_refused("Your card's expiration month is invalid.", "invalid_expiry_month", "exp_month")
    if not (today.year, today.month) <= (year, month) or year > today.year + _LATEST:
        raise _card_refused("Your card's expiration year is invalid.", "invalid_expiry_year", "exp_year")
    return {"exp_month": month, "exp_year": year}


def _small_number(value: Any) -> int:
    text = str(value)
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else 0


def _card_refused(message: str, code: str, param: str) -> Refusal:
    return Refusal(402, message, kind="card_error", code=code, param=param)


def _fingerprint(*parts: str | None) -> str:
    """Return a short text that is the same for the same account."""
    return hashlib.sha256("/".join(str(part) for part in parts).encode()).hexdigest()[:16]
