"""Amounts: whole minor units with a lower-case ISO currency, exponents per currency, exact text in both directions."""

from __future__ import annotations

import re

# Card currencies that Stripe Issuing offers (facts section 1.2).
CARD_CURRENCIES = frozenset({"usd", "gbp", "eur"})

# Stripe's own ceiling for one authorization, 10,000.00 in any card currency (facts section 1.4).
STRIPE_AUTHORIZATION_LIMIT = 1_000_000

# The largest amount the schema admits; far above every limit and far below 2^53, so that any client can hold it.
MAX_AMOUNT = 999_999_999_999

# Facts section 2.5: whole units on the wire. ISK and UGX are sent with two decimals and so are not here.
ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())

# ISO 4217 active codes of money in circulation.
CURRENCIES = frozenset(
    (
        "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd btn bwp byn bzd cad cdf"
        " chf clp cny cop crc cup cve czk djf dkk dop dzd egp ern etb eur fjd fkp gbp gel ghs gip gmd gnf gtq gyd hkd"
        " hnl htg huf idr ils inr iqd irr isk jmd jod jpy kes kgs khr kmf kpw krw kwd kyd kzt lak lbp lkr lrd lsl lyd"
        " mad mdl mga mkd mmk mnt mop mru mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln"
        " pyg qar ron rsd rub rwf sar sbd scr sdg sek sgd shp sle sos srd ssp stn svc syp szl thb tjs tmt tnd top try"
        " ttd twd tzs uah ugx usd uyu uzs ves vnd vuv wst xaf xcd xcg xof xpf yer zar zmw zwg"
    ).split()
)


def exponent(currency: str) -> int:
    """Decimal places between the minor unit on Stripe's wire and the major unit; 2 unless listed otherwise."""
    if currency in ZERO_DECIMAL:
        return 0
    if currency in THREE_DECIMAL:
        return 3
    return 2


def format_amount(amount: int, currency: str) -> str:
    """`12999, "usd"` → `"129.99 USD"`; `5000, "jpy"` → `"5,000 JPY"`. Exact; works on negative amounts."""
    places = exponent(currency)
    sign = "-" if amount < 0 else ""
    whole, part = divmod(abs(amount), 10**places)
    digits = f"{whole:,}" + (f".{part:0{places}d}" if places else "")
    return f"{sign}{digits} {currency.upper()}"


_WRITTEN = re.compile(r"([0-9]{1,12})(?:\.([0-9]+))?")


def decimal_text(amount: int, currency: str) -> str:
    """`4999, "usd"` → `"49.99"`; `5000, "jpy"` → `"5000"`: what `minor_units` reads. Works on negative amounts."""
    places = exponent(currency)
    whole, part = divmod(abs(amount), 10**places)
    return ("-" if amount < 0 else "") + str(whole) + (f".{part:0{places}d}" if places else "")


def minor_units(text: str, currency: str) -> int:
    """`"49.99", "usd"` → 4999, exactly and never through a float; `currency` in lower case.

    Raises ValueError with a sentence for what is no plain decimal number (a sign, an exponent, a separator, words, more
    than 12 digits before the point), or has more decimal places than the currency.
    """
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise ValueError(f"It must be a plain decimal number such as {decimal_text(4999, currency)}.")
    whole, fraction = match.group(1), match.group(2) or ""
    places = exponent(currency)
    if len(fraction) > places:
        raise ValueError(f"It has more decimal places than {currency.upper()} has, which is {places}.")
    return int(whole + fraction.ljust(places, "0"))


def portion(amount: int, percent: int) -> int:
    """`percent` hundredths of `amount`, rounded down so that a tolerance is never wider than asked."""
    return amount * percent // 100
