"""What a platform may fill in for a business that connects: `stripe_user[...]` (facts 6.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from roony.simulator.records import Record

LONGEST_NAME = 100
# Where Stripe has an Issuing program; other countries are passed over like any value that makes no sense.
_COUNTRIES = frozenset("AT BE CY DE EE ES FI FR GB GR HR IE IT LT LU LV MT NL PT SI SK US".split())
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_URL = re.compile(r"https?://[^\s]{1,2000}")


def prefilled(form: Mapping[str, str]) -> dict[str, str]:
    """Return the sensible ones of the four words this simulation uses; Stripe ignores wrong ones silently."""
    given = {
        name: form.get(f"stripe_user[{name}]", "").strip() for name in ("business_name", "country", "email", "url")
    }
    sensible = {
        "business_name": 0 < len(given["business_name"]) <= LONGEST_NAME,
        "country": given["country"] in _COUNTRIES,
        "email": bool(_EMAIL.fullmatch(given["email"])),
        "url": bool(_URL.fullmatch(given["url"])),
    }
    return {name: value for name, value in given.items() if sensible[name]}


def fill_in(account: Record, known: Mapping[str, str]) -> None:
    """Put what was filled in, beside name and country, into a new account."""
    if "email" in known:
        account["body"]["email"] = known["email"]
    if "url" in known:
        account["body"]["business_profile"]["url"] = known["url"]
